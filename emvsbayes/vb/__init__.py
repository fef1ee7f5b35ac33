"""Variational Bayes by hand: a distribution over parameters where EM has a point (`fitting.variational`)."""
