"""K-means, and K-medoids: K clusters around prototypes.

Distortion, with w_n the sample weights
    J = Σ_n w_n Σ_k r_nk |x_n - μ_k|²,    r_n one-hot                                       (Bishop 2006, eq. 9.1)

E half-step
    r_nk = 1 for k = argmin_j |x_n - μ_j|², the first of equals                            (9.2)

M half-step
    μ_k = Σ_n w_n r_nk x_n / Σ_n w_n r_nk; an empty cluster keeps its centre               (9.4)

Model, in which this is EM with a one-hot q
    z_n ~ Categorical(1/K),    x_n | z_n = k ~ N(μ_k, σ²I)
    ELBO(r, μ) = -½ N D ln(2πσ²) - N ln K - J / (2σ²),    N = Σ_n w_n
    ln p(X | μ) = ELBO + KL(r ‖ p(Z | X, μ)),    and the KL never closes
Weights and variance are held, so that the centres are the only parameters, and neither changes an assignment or a
centre of K-means. With an exact E-step (`e_step="exact"`) the same family is soft K-means, which tends to K-means as
σ² → 0 (9.3.2; the module `shrink` tabulates it).

Settings
    method         batch (Lloyd), online (MacQueen; module `online`), medoids (module `medoids`)
    variance       σ² > 0; where absent, J / (N D) of the K-means solution, then held
    dissimilarity  of medoids: euclidean, manhattan, cosine, or precomputed: data {"dissimilarity": (N, N)}

J never rises in either half-step of batch and medoids; in the first pass of online it may.

Mini-batches are the stepwise schedule: fit("kmeans", X, n_components=20, schedule="stepwise:50", record=False) renews
the centres after every fiftieth of the rows. A pass or three come near the J of a run to its end.

Prior (MAP adds it to the statistics, as precision 1/s² at m beside the data's N_k/σ²)
    μ_kd ~ N(m_d, s_d²);  by default m the column means and s three column standard deviations, which looks at the data

K-medoids has no density: no likelihood, no prior, no twin.

Sources: MacQueen (1967), Some methods for classification and analysis of multivariate observations, Proc. 5th Berkeley
Symposium 1, 281-297; Lloyd (1982), Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 129-137; Kaufman and
Rousseeuw (1990), Finding Groups in Data, chapter 2; Bishop (2006), Pattern Recognition and Machine Learning, sections
9.1 and 9.3.2; Park and Jun (2009), A simple and fast algorithm for K-medoids clustering, Expert Systems with
Applications 36, 3336-3341.
Left out: missing entries; swaps of medoids (PAM); other learning rates than 1/count.
"""

from __future__ import annotations

from emvsbayes.core.twin import Free, Twin
from emvsbayes.families.kmeans.em import KMeans
from emvsbayes.families.kmeans.medoids import KMedoids
from emvsbayes.families.kmeans.records import (
    DISSIMILARITIES,
    METHODS,
    KMeansData,
    KMeansParams,
    KMeansPrior,
    read_variance,
)


def kmeans(
    n_components: int = 2,
    method: str = "batch",
    dissimilarity: str = "euclidean",
    variance: float | None = None,
    fixed: frozenset[str] = frozenset(),
) -> KMeans | KMedoids:
    """The family of a method: medoids have other parameters, and no density."""
    kind = KMedoids if method == "medoids" else KMeans
    return kind(n_components, method, dissimilarity, variance, fixed)


TWIN = Twin(
    summary="K-means: batch, online, or around medoids; EM with a one-hot q",
    family=kmeans,
    data=KMeansData,
    params=KMeansParams,
    prior=KMeansPrior,
    builder="emvsbayes.families.kmeans.bayes:build",
    fused="emvsbayes.families.kmeans.fused:fused",
    target="emvsbayes.families.kmeans.target:target",
    variants={
        "--set method=online": "online: one row at a time, centres as running means",
        "--set method=medoids": "K-medoids: prototypes are rows, any dissimilarity; J only, no density and no twin",
        "--e-step exact": "soft K-means: EM of the same model with the posterior as q",
    },
    prior_on={"centers": "the centres themselves"},
    settings={"method": METHODS, "dissimilarity": DISSIMILARITIES, "variance": Free("a number > 0", read_variance)},
    e_step="hard",
)
