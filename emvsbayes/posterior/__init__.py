"""Questions to a posterior that has been drawn: functions of draws and data, plain records in return.

read_draws                 a DataTree and a fit of the same model -> Draws, which every other function takes
predictive_density         p(x | X) with its band, beside the plug-in densities of EM; needs no labels
responsibilities, pairs    the posterior of z, beside the responsibilities of EM: how over-confident is EM?
predictive_checks          would the model have produced data like these? (replicated_tree: for ArviZ's pictures)
sensitivity                what a slightly stronger prior, or likelihood, would move (prior_tree: for ArviZ)
ladder                     the prior from weak to strong: EM's mode beside the posterior
weakening                  a mixture as the prior on its covariances fades: modes, evidence, mass of the spikes
"""

from emvsbayes.posterior.allocations import pairs, responsibilities
from emvsbayes.posterior.checks import predictive_checks, replicated_tree
from emvsbayes.posterior.density import predictive_density
from emvsbayes.posterior.draws import Draws, read_draws
from emvsbayes.posterior.ladder import ladder
from emvsbayes.posterior.log_prior import prior_tree
from emvsbayes.posterior.sensitivity import sensitivity
from emvsbayes.posterior.weakening import weakening

__all__ = [
    "Draws",
    "ladder",
    "pairs",
    "predictive_checks",
    "predictive_density",
    "prior_tree",
    "read_draws",
    "replicated_tree",
    "responsibilities",
    "sensitivity",
    "weakening",
]
