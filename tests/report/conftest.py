"""Comparisons to render: EM is run for real on small simulated data, the posterior is made up around its MAP."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

import emvsbayes as eb
from emvsbayes.comparison import record as rec
from emvsbayes.comparison.points import fit_starts
from emvsbayes.problem import record_fields
from emvsbayes.report.page import render

PASSES = (0, 1, 2, 5, 20)


def geysers():
    """Two columns in two clusters, 272 rows."""
    rng = np.random.default_rng(1)
    z = rng.random(272) < 0.36
    means = np.where(z[:, None], [2.04, 54.5], [4.29, 80.0])
    noise = rng.standard_normal((272, 2)) @ [[0.4, 1.2], [0, 5.8]]
    return np.round(means + noise * np.where(z[:, None], [0.7, 1], 1), 3)


def velocities():
    """One column in three clusters, 82 rows."""
    rng = np.random.default_rng(2)
    return np.concatenate([rng.normal(9.7, 0.4, 7), rng.normal(21.4, 2.2, 72), rng.normal(33.0, 0.9, 3)])[:, None]


def build(
    family,
    X,
    k,
    columns,
    *,
    settings=None,
    picture=None,
    start=None,
    sampled=True,
    resolved=True,
    switching=True,
    n_starts=12,
    title="A study",
):
    """A Comparison of `family` on X; `picture` is what to draw of the data where that is not X."""
    options = {"n_components": k, "settings": settings, "n_starts": n_starts}
    ml, mode = eb.fit(family, X, start=start, **options), eb.fit(family, X, prior="default", start=start, **options)

    def again(start, stop, prior=None):
        options_now = options | {"n_starts": 1}
        return eb.fit(family, X, start=start, stop=stop, prior=prior, **options_now)

    def again_map(start, stop):
        return again(start, stop, "default")

    drawn = np.asarray(X if picture is None else picture, dtype=float)
    rng = np.random.default_rng(3)
    parameters, marginals = estimates(ml, mode, columns, rng, sampled and resolved)
    collapsed = [r for r in ml.restarts if not r.run.status.usable]
    longest = max((r for r in ml.restarts if r.optimum == 0), key=lambda r: r.run.passes).run.start
    climbs = [climb("ml", again(longest, None)), climb("map", again_map(longest, None))]
    worst = max(c.largest_residual for c in climbs)
    return rec.Comparison(
        subject=rec.Subject(
            name="a-study",
            title=title,
            family=family,
            summary=f"{len(drawn)} rows in {k} groups that nobody labelled: which rows belong together?",
            n_components=k,
            settings={name: str(value) for name, value in (settings or {}).items()},
            fixed=[],
            n_rows=len(drawn),
            total_weight=float(len(drawn)),
            columns=list(columns),
            source="Simulated with a fixed seed, after Azzalini and Bowman (1990), Applied Statistics 39, 357-365.",
            prior=["weights ~ Dirichlet(1, …, 1): flat.", "means | covariances ~ N(column means, covariance / 0.01)."],
            prior_note="The prior looks at the data: its location and scale are those of the columns.",
            notes=["Rows are eruptions in the order in which they were observed."],
        ),
        verdict=[
            f"The {k} groups are well separated: ML, MAP and posterior mean agree to within 0.4 posterior sds.",
            f"The sampler visited 2 of {math.factorial(k)} labellings; after relabelling every R-hat is below 1.01.",
            f"{len(collapsed)} of {n_starts} ML starts collapsed on single rows, none under MAP: trust the MAP fit.",
        ],
        points=rec.Points(
            parameters=parameters,
            scores=[score("ML", ml), score("MAP", mode)],
            starts=[fit_starts("ml", ml), fit_starts("map", mode)],
            marginals=marginals,
            interval="94 % interval",
            labels_resolved=sampled and resolved,
            unresolved_because=""
            if sampled and resolved
            else "Nothing was sampled."
            if not sampled
            else "After relabelling the chains still disagree (largest R-hat 1.43).",
        ),
        switching=switched(mode, k, rng, switching) if sampled else None,
        singularity=rec.Singularity(
            "k-means++ and random rows", False, n_starts, followed("ml", ml, again), followed("map", mode, again_map)
        ),
        decomposition=rec.Decomposition(climbs),
        picture=rec.Picture(
            columns=list(columns[:2]),
            points=drawn[:, :2].tolist(),
            labels=ml.responsibilities.argmax(axis=1).tolist(),
            n_rows=len(drawn),
            snapshots=snapshots(again(longest, None), again),
        ),
        checks=[
            rec.Check("decomposition", worst, 1e-10, worst < 1e-10, "ELBO + KL = log-likelihood at every half-step."),
            rec.Check("certificate", 3.1e-13, 1e-8, True, "PyMC's log-density equals ours at random parameters."),
            rec.Check("R-hat", 1.013, 1.01, False, "The largest R-hat after relabelling."),
            rec.Check("MAP beaten", None, 1e-3, False, "The prior is 0 at the MAP fit."),
        ],
        published=[rec.Published("EM after one pass", "means", [0.71, 0.58], [0.7129, 0.5813], 2, True)],
        listings=rec.Listings(
            "import emvsbayes as eb\n\nfit = eb.fit('gaussian_mixture', 'data.csv', n_components=2)\n",
            "def e_step(self, params, data):\n    ...\n",
            "import pymc as pm\n\nwith pm.Model() as model:\n    pm.Dirichlet('weights', [1.0, 1.0])  # a < b\n",
        ),
        provenance=rec.Provenance(
            command="emvsbayes compare data.csv -f gaussian_mixture -k 2 --seed 0",
            seed=0,
            data_sha256="5f" * 32,
            versions={"emvsbayes": "0.1.0", "pymc": "6.4.0", "numpy": np.__version__},
            sampler="nutpie 0.16, NUTS, 4 chains, 1000 draws after 1000 of warm-up" if sampled else "",
            seconds={"EM": 0.41, "sampling": 12.9},
        ),
    )


def scalars(params, columns):
    """(name, field, component, value) of every scalar."""
    for name, value in record_fields(params).items():
        for index in np.ndindex(value.shape):
            parts = [str(index[0])] + [columns[j] if len(columns) > j else str(j) for j in index[1:]]
            yield f"{name}[{', '.join(parts)}]", name, index[0], float(value[index])


def estimates(ml, mode, columns, rng, sampled):
    parameters, marginals = [], []
    right = {name: value for name, _, _, value in scalars(mode.params, columns)}
    for name, field, k, value in scalars(ml.params, columns):
        posterior = {}
        if sampled:
            sd = 0.06 * abs(right[name]) + 0.002
            draws = rng.normal(right[name] + 0.3 * sd, sd, 2000)
            density, edges = np.histogram(draws, bins=40, density=True)
            mean = float(draws.mean())
            marginals.append(rec.Marginal(name, edges.tolist(), density.tolist(), value, right[name]))
            posterior = {
                "pymc_map": right[name] + 1e-7,
                "mean": mean,
                "median": float(np.median(draws)),
                "sd": sd,
                "lower": mean - 1.88 * sd,
                "upper": mean + 1.88 * sd,
                "mcse": sd / 40,
                "z_ml": (value - mean) / sd,
                "z_map": (right[name] - mean) / sd,
            }
        parameters.append(rec.Parameter(name, field, k, value, right[name], **posterior))
    return parameters, marginals


def score(name, fit):
    return rec.Score(
        name,
        fit.log_likelihood,
        fit.log_prior,
        fit.log_posterior,
        fit.status.name,
        fit.passes,
        fit.bic,
        fit.bic + 3.4 if fit.status.usable else None,
    )


def climb(objective, fit):
    steps = [rec.Step(s.passes, s.half, s.elbo, s.kl, s.log_likelihood, s.log_prior, s.residual) for s in fit.trace]
    return rec.Climb(objective, steps[:400], len(steps), fit.trace.largest_residual, 0.61, fit.e_step)


def followed(objective, fit, again):
    starts, optima, paths = [], {}, []
    for r in fit.restarts:
        run, finite = r.run, bool(np.isfinite(r.run.log_likelihood))
        event = next((e for e in run.events if e.kind == "singular"), None)
        rows = [] if event is None else list(event.rows)
        starts.append(
            rec.Start(
                r.index,
                run.status.name,
                run.log_likelihood if finite else None,
                run.objective if finite else None,
                run.passes,
                r.optimum,
                None if event is None else event.component,
                rows[:20],
                len(rows),
            )
        )
        if r.optimum >= 0:
            params = {name: value.tolist() for name, value in record_fields(run.params).items()}
            old = optima.get(r.optimum)
            optima[r.optimum] = rec.Optimum(r.optimum, run.objective, 1 + (old.count if old else 0), params)
        way = [(int(s.passes), s.log_likelihood) for s in again(run.start, None).trace if s.half == "E"]
        way = [(passes, height) for passes, height in way if np.isfinite(height)]
        paths.append(rec.Path(r.index, run.status.name, [passes for passes, _ in way], [height for _, height in way]))
    n_singular = sum(s.status == "SINGULAR" for s in starts)
    return rec.Restarts(objective, starts, [optima[i] for i in sorted(optima)], n_singular, paths)


def snapshots(ml, again):
    """Components at PASSES and at the last pass; probabilities count as normals of the same mean and variance."""
    found = []
    for passes in sorted({p for p in PASSES if p < ml.passes} | {ml.passes}):
        params = again(ml.start, {"tol": 0, "max_passes": passes}).params
        if hasattr(params, "probs"):
            centers = params.probs[:, None]
            covariances = (params.probs * (1 - params.probs) / 10)[:, None, None]
        else:
            centers, covariances = params.means, params.covariances
        found.append(rec.Snapshot(passes, params.weights.tolist(), centers.tolist(), covariances.tolist()))
    return found


def switched(mode, k, rng, happened):
    """Four chains about the MAP; where `happened`, chain 1 changes its labelling half-way and chain 2 begins in it."""
    params = mode.params
    levels = params.probs if hasattr(params, "probs") else params.means[:, -1]
    after = levels[:, None] + rng.normal(0, 0.02 * np.ptp(levels) + 1e-3, (4, k, 250))
    before, turned = after.copy(), np.roll(np.arange(k), 1)
    if happened:
        before[1, :, 125:] = after[1][turned, 125:]
        before[2] = after[2][turned]
    identity, other = " ".join(map(str, range(k))), " ".join(map(str, turned))
    return rec.Switching(
        method="ecr",
        pivot="the MAP fit",
        chains=4,
        draws=1000,
        switches=[0, int(happened), 0, 0],
        labellings_visited=1 + happened,
        labellings_possible=math.factorial(k),
        labelling_shares={identity: 0.625, other: 0.375} if happened else {identity: 1.0},
        convergence=[
            rec.Convergence(f"means[{j}]", 1.73 if happened else 1.002, 1.002, 6.2 if happened else 3000.0, 3841.0)
            for j in range(k)
        ],
        trace=rec.TraceSeries("means[waiting]", list(range(0, 1000, 4)), before.tolist(), after.tolist()),
        divergences=0,
        diagnosis=["No divergences.", "Tree depth never reached its limit."],
        agreement=[0.997, 0.99, 1.0, 0.98],
        log_likelihood=[-1135.2, -1135.1, -1135.3, -1135.0],
        mode_log_posterior=[-1141.7, -1141.7, None, -1144.2],
    )


def collapsing(X):
    """A start with one component on the first row."""
    spread = np.cov(X.T).reshape(1, X.shape[1], X.shape[1])
    return {
        "weights": [0.02, 0.98],
        "means": [X[0].tolist(), X.mean(axis=0).tolist()],
        "covariances": np.concatenate([spread * 1e-7, spread]).tolist(),
    }


def png(pixels):
    """An 8-bit picture, grey (h, w) or RGB (h, w, 3), in base64."""
    pixels = np.asarray(pixels, dtype=np.uint8)
    height, width = pixels.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


def supplements():
    """Words, a table with text, numbers and nothing, six plots with every kind of layer, and two rows of pictures."""
    rng = np.random.default_rng(5)
    digits = [rng.integers(0, 256, (8, 8)) for _ in range(10)]
    photo = np.clip(np.linspace(0, 255, 90)[:, None, None] + rng.normal(0, 20, (90, 120, 3)), 0, 255)
    x = np.linspace(0, 6, 40)

    def series(name, kind, y, component=-1, upper=()):
        return rec.Series(name, kind, x[: len(y)].tolist(), list(map(float, y)), list(map(float, upper)), component)

    assigned = [
        rec.Plot(
            f"after E half-step {i}",
            "eruptions",
            "waiting",
            [series("", "points", rng.normal(2 * k, 1, 30), k) for k in range(2)]
            + [series(f"center {k}", "centers", [2.0 * k + 0.3 * i], k) for k in range(2)],
        )
        for i in range(5)
    ]
    noise = rng.normal(0, 0.2, 40)
    curves = rec.Plot(
        "evidence",
        "ln λ",
        "nats",
        [
            series("95 % band", "band", np.sin(x) - 0.4, upper=np.sin(x) + 0.4),
            series("bound", "line", np.sin(x) - 0.1),
            series("evidence", "line", np.sin(x)),
            series("test error", "points", np.sin(x) + noise),
        ],
    )
    sheet = rec.Sheet(
        "Cost by number of components",
        ["K", "initial", "cost", "share"],
        [["2", "as printed", 13.625, 0.25], ["3 & more", "<i>random</i>", -1234567.25, None]],
        "J of K-means, in squared units.",
    )
    return [
        rec.Supplement(
            "K-means, step by step", ["Figure 9.1 again.", "It <ends> after 4."], [sheet], [*assigned, curves]
        ),
        rec.Supplement(
            "Pictures",
            ["Means as pictures."],
            rasters=[
                [rec.Raster(f"component {k}", png(d), 8, 8, 9) for k, d in enumerate(digits)],
                [
                    rec.Raster(f'K = {k}, "{k / 24:.1f}" <b>', png(photo // (9 * k) * (9 * k)), 120, 90, 2)
                    for k in (2, 3, 10)
                ],
            ],
        ),
    ]


def hard_and_soft(comparison, X):
    """The same with hard climbs of EM, and the exact ML climb beside them."""
    given = {"n_components": 2, "e_step": "hard", "n_starts": 1}
    start = {"means": [[3.0, 75.0], [3.5, 72.0]], "covariances": [np.cov(X.T)] * 2, "weights": [0.5, 0.5]}
    ml = eb.fit("gaussian_mixture", X, start=start, **given)
    mode = eb.fit("gaussian_mixture", X, start=start, prior="default", **given)
    climbs = [climb("ml", ml), climb("map", mode), comparison.decomposition.climbs[0]]
    return replace(
        comparison,
        subject=replace(comparison.subject, title="K-means", e_step="hard"),
        decomposition=rec.Decomposition(climbs),
        supplements=supplements(),
    )


def regression(comparison):
    """A model without components: a curve in its band, one series a chain, one labelling."""
    x = np.linspace(0, 1, 25)
    rng = np.random.default_rng(6)
    y = np.sin(2 * np.pi * x) + rng.normal(0, 0.25, 25)
    at = np.linspace(-0.05, 1.05, 80)

    def shown(passes, share):
        mean, half = share * np.sin(2 * np.pi * at), 0.5 + 3 * (1 - share)
        band = rec.Band(at.tolist(), mean.tolist(), (mean - half).tolist(), (mean + half).tolist())
        return rec.Snapshot(passes, [], [], [], band)

    w = comparison.switching
    trace = rec.TraceSeries("sigma2", w.trace.draw, *[[chain[:1] for chain in w.trace.after]] * 2)
    names = {"alpha": 4.2, "sigma2": 0.06}
    return replace(
        comparison,
        subject=replace(comparison.subject, title="A curve", family="linear_evidence", n_components=1, e_step="exact"),
        points=replace(
            comparison.points,
            parameters=[rec.Parameter(n, n, -1, v, 1.01 * v) for n, v in names.items()],
            marginals=[],
            scores=[replace(s, bic=None, icl=None) for s in comparison.points.scores],
        ),
        switching=replace(
            w,
            switches=[0] * 4,
            labellings_visited=1,
            labellings_possible=1,
            labelling_shares={"0": 1.0},
            convergence=[rec.Convergence("sigma2", 1.002, 1.002, 3000.0, 3000.0)],
            trace=trace,
            agreement=[1.0] * 4,
        ),
        singularity=replace(comparison.singularity, how="random precisions"),
        picture=rec.Picture(
            ["x", "y"],
            np.stack([x, y], axis=1).tolist(),
            [0] * 25,
            25,
            [shown(0, 0.1), shown(1, 0.8), shown(6, 1.0)],
        ),
    )


def hostile(comparison):
    """The same with markup wherever a user may write."""
    evil = '<b>&"x"</b><script>alert(1)</script>'
    subject = replace(comparison.subject, title=evil, columns=[evil, "$x$"], summary=evil, notes=[evil], source=evil)
    parameter = replace(comparison.points.parameters[0], name=evil)
    points = replace(
        comparison.points,
        parameters=[parameter, *comparison.points.parameters[1:]],
        marginals=[replace(comparison.points.marginals[0], name=evil), *comparison.points.marginals[1:]],
    )
    return replace(
        comparison,
        subject=subject,
        verdict=[evil, "two", "three"],
        points=points,
        picture=replace(comparison.picture, columns=[evil, "$x$"]),
    )


def cases():
    """Every kind of page, by name."""
    plane, line = geysers(), velocities()
    heads, tosses = np.array([5, 9, 8, 4, 7]), np.full(5, 10)
    two = build("gaussian_mixture", plane, 2, ["eruptions", "waiting"], title="Old geysers")
    return {
        "plane": two,
        "line": build("gaussian_mixture", line, 3, ["velocity"], switching=False, title="Velocities"),
        "coins": build(
            "coins",
            {"heads": heads, "tosses": tosses},
            2,
            ["heads/tosses"],
            settings={"weights": "fixed"},
            picture=(heads / tosses)[:, None],
            start={"probs": [0.6, 0.5], "weights": [0.5, 0.5]},
            n_starts=1,
            title="Two coins",
        ),
        "unsampled": build("gaussian_mixture", plane, 2, ["eruptions", "waiting"], sampled=False, n_starts=3),
        "unresolved": build("gaussian_mixture", plane, 2, ["eruptions", "waiting"], resolved=False, n_starts=3),
        "collapsed": build(
            "gaussian_mixture",
            plane,
            2,
            ["eruptions", "waiting"],
            start=collapsing(plane),
            n_starts=6,
            title="Collapse",
        ),
        "hostile": hostile(two),
        "hard": hard_and_soft(two, plane),
        "regression": regression(two),
    }


@pytest.fixture(scope="session")
def comparisons():
    return cases()


@pytest.fixture(scope="session")
def pages(comparisons):
    return {name: render(comparison) for name, comparison in comparisons.items()}
