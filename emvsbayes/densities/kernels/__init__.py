"""The compiled kernels: loops over blocks of rows that stay in the first cache.

    compiling    how kernels are compiled and kept          elementary   the compiler's liberties, exp, log
    vectors      eight numbers at a time
    sharing      from log joints to masses                  factors      small covariance matrices
    gaussian     matrices and variances, by loops           products     the same, and grey levels, by BLAS
    bernoulli    bits, by tables                            tallies      bits, counted by component
    binomial     counts                                     nearest      K-means
    rows, costs  parts for threads, and which route is cheaper

`densities.passes` calls them. Importing them imports numba, half a second; compiling one takes seconds, once a machine.
"""
