"""Label switching: a mixture posterior has K! copies of everything, and a sampler may visit several.

Algorithms take arrays and return permutations; `relabel` applies them to any ArviZ DataTree, every variable at once.

    ecr    equivalence classes representatives, towards a pivot (Papastamoulis and Iliopoulos 2010)
"""

from emvsbayes.relabelling.draws import Relabelling, relabel_draws
from emvsbayes.relabelling.trees import allocation_probabilities, permute_tree, relabel

__all__ = ["Relabelling", "allocation_probabilities", "permute_tree", "relabel", "relabel_draws"]
