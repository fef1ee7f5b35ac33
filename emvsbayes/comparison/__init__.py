"""The comparison: one file per question, arrays in, a sub-record of `Comparison` out; nothing is drawn here.

points          where do the point estimates agree?
switching       did the sampler see one labelling or several?
singularity     how often does maximum likelihood collapse, and what does the prior do about it?
decomposition   does ln p(X|θ) = ELBO + KL hold at every half-step?
"""
