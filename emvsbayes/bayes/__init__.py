"""The Bayesian side: from a family's twin to a posterior, as an ArviZ DataTree."""
