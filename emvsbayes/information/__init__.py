"""How well an EM estimate is known: standard errors, and tests; knows families by their protocol only, and no PyMC.

optimum       an estimate carried on to its optimum, and the statistics there
observed      observed information three ways that must agree: Louis, SEM, the Hessian
natural       from free coordinates to weights, means, covariances: the delta method, intervals, their scales
bootstrap     refits to data drawn again, each aligned with the estimate
errors        `standard_errors`: all of them, or the sentence that says why there is none
record        what it returns, and its way to JSON and back
ratio_test    the bootstrap likelihood-ratio test for the number of components
held_out      log scores of rows that a fit has not seen

With the observed information I = -∂² ln p(X | θ) ∂θ² at the optimum (plus the prior's under MAP), the estimate is
asymptotically normal with covariance I⁻¹. EM never computes I, but what it does compute has it in pieces:

    I = I_com - I_mis                    complete information minus the information missing with Z (Louis 1982)
    J = I_com⁻¹ I_mis                    the rate matrix of EM, its derivative at the fixed point (DLR 1977)
    I = I_com (1 - J)                    so that the map itself has the standard errors (Meng and Rubin 1991)
"""
