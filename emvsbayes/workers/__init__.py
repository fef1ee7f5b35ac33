"""Past one machine: the work of a fit, or of many, on the workers of a Dask cluster.

    clients       a `distributed.Client` that can be used, or a sentence that says why not
    tasks         one function of shared data and many jobs: restarts                    fit(..., client=client)
    studies       one task a study                                                      run_studies(..., client=client)

Dask is an optional extra, `pip install "emvsbayes[dask]"`; nothing here is imported before somebody asks for it.
"""
