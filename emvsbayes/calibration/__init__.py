"""Are the posteriors and the intervals right? Simulated data, whose truth is known, can tell.

sbc         simulation-based calibration: the truth drawn from the prior ranks uniformly among posterior draws
coverage    at fixed true parameters: how often intervals by EM and by the posterior hold the truth

models, truths, ordering, ranks, uniformity    the parts of sbc, one idea each
simulation, replicate                          one data set of each study
store                                          finished ones on disk: an interrupted study goes on
record, coverage_record                        results as plain data, JSON in and out
"""
