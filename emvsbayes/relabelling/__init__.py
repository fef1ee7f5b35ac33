"""Label switching: a mixture posterior has K! copies of everything, and a sampler may visit several.

Algorithms take arrays and return permutations; `relabel` applies them to any ArviZ DataTree, every variable at once.

    constraint         sort the components by one coordinate of one field
    pra                the order nearest to a pivot in parameter space (Marin, Mengersen and Robert 2005)
    ecr                equivalence classes representatives, towards a pivot (Papastamoulis and Iliopoulos 2010)
    ecr-iterative-1    the same, towards the most frequent labels of the relabelled draws
    ecr-iterative-2    the same, towards the largest mean probabilities of the relabelled draws
    stephens           allocation probabilities nearest to their mean in KL (Stephens 2000)
    data-based         groups of rows to the slots whose rows look alike (Rodriguez and Walker 2014)
    sjw                EM with the permutation as missing datum (Sperrin, Jaki and Wit 2010)

`ecr` towards an EM fit is the default: EM's components and the draws' then share their names, one assignment problem a
draw is all there is, and no start can mislead it. Without a fit, stephens where allocation probabilities are at hand
and ecr-iterative-1 where only allocations are. All eight stand side by side in Papastamoulis (2016), J. Stat. Software
69, Code Snippet 1.

Some summaries need no labels: `coclustering`, `occupied` and `point_partition`.
"""

from emvsbayes.relabelling.coclustering import coclustering
from emvsbayes.relabelling.convergence import RelabellingReport, relabelling_report
from emvsbayes.relabelling.diagnosed_trees import diagnose_labels
from emvsbayes.relabelling.diagnosing import diagnose_draws
from emvsbayes.relabelling.diagnosis import LabelDiagnosis
from emvsbayes.relabelling.draws import METHODS, Relabelling, relabel_draws
from emvsbayes.relabelling.occupied import occupied
from emvsbayes.relabelling.partitions import Partition, point_partition
from emvsbayes.relabelling.permuting import permute_tree
from emvsbayes.relabelling.random_labels import permute_at_random
from emvsbayes.relabelling.towards_fit import allocation_probabilities
from emvsbayes.relabelling.trees import relabel

__all__ = [
    "METHODS",
    "LabelDiagnosis",
    "Partition",
    "Relabelling",
    "RelabellingReport",
    "allocation_probabilities",
    "coclustering",
    "diagnose_draws",
    "diagnose_labels",
    "occupied",
    "permute_at_random",
    "permute_tree",
    "point_partition",
    "relabel",
    "relabel_draws",
    "relabelling_report",
]
