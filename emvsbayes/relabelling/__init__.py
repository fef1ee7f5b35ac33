"""Label switching: a mixture posterior has K! copies of everything, and a sampler may visit several.

Algorithms take arrays and return permutations; `relabel` applies them to any tree of draws, every variable at once.

    constraint         sort the components by one coordinate of one field
    pra                the order nearest to a pivot in parameter space (Marin, Mengersen and Robert 2005)
    ecr                equivalence classes representatives, towards a pivot (Papastamoulis and Iliopoulos 2010)
    ecr-iterative-1    the same, towards the most frequent labels of the relabelled draws
    ecr-iterative-2    the same, towards the largest mean probabilities of the relabelled draws
    stephens           allocation probabilities nearest to their mean in KL (Stephens 2000)
    data-based         groups of rows to the slots whose rows look alike (Rodriguez and Walker 2014)
    sjw                EM with the permutation as missing datum (Sperrin, Jaki and Wit 2010)

The default is `ecr` towards an EM fit where there is one: EM's components and the draws' then share their names, one
assignment problem a draw is all there is, and no start can mislead it. Without a fit it is stephens where allocation
probabilities are at hand, ecr-iterative-1 where only allocations are, and pra where only parameters are. The evidence
is reports/benchmarks/relabelling.md, 150 posteriors of known labels: at 3 standard deviations between components every
algorithm but the constraint brings 99.8 % of the draws back or more; at 2 ecr, stephens, sjw and pra 88 to 91 %, the
iterative versions of ecr 86, the constraint 62; at 1 none brings back half. data-based did best where components are
clouds (92 % at 2), but needs the rows, and it alone erred on two components about one centre.

All eight stand side by side in Papastamoulis (2016), J. Stat. Software 69, Code Snippet 1.

    diagnose_labels      before the cure: switches, modes that are no relabellings, overlap; is there anything to cure?
    relabel              a tree of draws under one labelling; relabelling_report says what that did
    permute_at_random    the opposite: every draw under a random labelling, so that all copies are alike
    coclustering, occupied, point_partition    summaries that need no labels
"""

from emvsbayes.relabelling.coclustering import coclustering
from emvsbayes.relabelling.convergence import RelabellingReport, relabelling_report
from emvsbayes.relabelling.diagnosis import LabelDiagnosis
from emvsbayes.relabelling.diagnosis_arrays import diagnose_draws
from emvsbayes.relabelling.diagnosis_trees import diagnose_labels
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
