"""Past one machine: a fit, or many, on the workers of a Dask cluster.

    reader        rows of a dask array or DataFrame: statistics where the rows are      fit(family, collection)
      collections   partitions of a collection, known without importing Dask
      blocks        what is done where a partition lies
      passes        passes over records that stay on the workers
    tasks         one function of shared data and many jobs: restarts                   fit(..., client=client)
    studies       a task a study                                                        run_studies(..., client=client)
    clients       a client that can be used, or a sentence that says why not; threads of a task;
                  a client from words of the command line                               emvsbayes run --workers N
    wire          what travels arrives as it left, to the bit

Dask is an optional extra, `pip install "emvsbayes[dask]"`; nothing of it is imported before somebody asks for it.
Workers need the same version of this package, and write no files but caches on their own machines.
"""
