"""The data, and the model of EM after 0, 1, 2, 5, 20 … passes.

Two columns: ellipses that hold 50 % and 95 % of each Gaussian, radius r = √(-2 ln(1 - p)) about the centre. One column:
a histogram with the curves π_k N(x | μ_k, σ²_k) and their sum; under 30 rows, dots in place of the histogram.
A regression has no components: its predictive mean and 95 % band lie over the points.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from emvsbayes.comparison.record import Band, Picture, Snapshot
from emvsbayes.report.figures.canvas import RASTER, WIDTH, grid, quiet, svg
from emvsbayes.report.palette import FAINT, INK, MUTED, component

_RADII = {"95 %": 2.4477, "50 %": 1.1774}
_FEW = 30  # rows below which a histogram says less than dots
NARROW = 3  # ratio of ranges beyond which a panel in one unit would be a strip
BARS = "#e1e5ea"


def draw(picture: Picture) -> str:
    """Small multiples, one panel a snapshot; rows are coloured by component in the last.

    Empty without rows or snapshots, or where these hold neither components nor a band.
    """
    panels = picture.snapshots
    if not panels or not picture.points or not any(s.weights or s.band for s in panels):
        return ""
    columns = {1: 1, 2: 2, 4: 4, 7: 4, 8: 4}.get(len(panels), 3)
    rows = -(-len(panels) // columns) or 1

    def paint(figure: Figure) -> None:
        axes = [a for row in grid(figure, rows, columns, sharex=True, sharey=True) for a in row]
        for axis, shown in zip(axes, panels, strict=False):
            last = shown is panels[-1]
            _panel(axis, picture, shown, colour=last)
            axis.set_title("start" if shown.passes == 0 else f"pass {shown.passes}" + (", the last" if last else ""))
        if len(picture.columns) > 1 and panels[0].weights:
            _trails(axes[: len(panels)], panels)
        for axis in axes[len(panels) :]:
            quiet(axis)
        for i, axis in enumerate(axes[: len(panels)]):
            axis.label_outer()
            if i + columns >= len(panels):  # nothing below it
                axis.tick_params(labelbottom=True)
                axis.set_xlabel(picture.columns[0])
        figure.legend(handles=_legend(picture), loc="outside lower center", ncols=6)

    what = "components" if panels[-1].weights else "curve with its band"
    label = f"{_columns(picture)}: the data and the fitted {what} at {len(panels)} stages of EM"
    tall = 0.95 if len(picture.columns) > 1 and _round(picture) else 0.78
    height = (WIDTH / columns * tall if len(picture.columns) > 1 else 2.3) * rows + 0.45
    return svg("figure-data", label, (WIDTH, height), paint)


def thumbnail(picture: Picture, name: str) -> str:
    """The last snapshot alone, small, without numbers."""

    def paint(figure: Figure) -> None:
        axis = figure.subplots()
        if picture.snapshots:
            _panel(axis, picture, picture.snapshots[-1], colour=True)
        axis.set(xticks=[], yticks=[], xlabel="", ylabel="")

    what = "components" if has_components(picture) else "curve"
    return svg(f"thumbnail-{name}", f"The data and the fitted {what}: {_columns(picture)}", (3.6, 2.3), paint)


def has_components(picture: Picture) -> bool:
    """Whether there are components to draw and to speak of; a regression has none."""
    return not picture.snapshots or any(snapshot.weights for snapshot in picture.snapshots)


def caption(picture: Picture, columns: list[str], family: str) -> str:
    """What to see; `columns` are those of the data, of which the picture may show the first two."""
    text = "Watch the components find the data. "
    if not has_components(picture):
        text = (
            "Watch the curve find the data. In every panel the line is the predictive mean after so many passes, and "
            "the band holds 95 % of what the model predicts there; a band may leave its panel."
        )
    elif len(picture.columns) > 1:
        text += (
            "Ellipses hold 50 % and 95 % of each component, thin lines show the way its centre came, and the last "
            "panel colours every row by its most probable component."
        )
    else:
        text += "Curves are the components times their weights, the broad grey line their sum"
        text += (
            "."
            if family == "gaussian_mixture"
            else "; each curve is the normal density with that component's mean and variance."
        )
        text += " In the last panel, the marks below the axis show every row's most probable component."
    if len(columns) > len(picture.columns) and picture.columns[0] in columns:
        text += f" The first {len(picture.columns)} of {len(columns)} columns are drawn."
    if picture.n_rows > len(picture.points):
        text += f" {len(picture.points)} of {picture.n_rows} rows are drawn."
    return text


def _columns(picture: Picture) -> str:
    return " and ".join(picture.columns)


def _panel(axis: Axes, picture: Picture, shown: Snapshot, *, colour: bool) -> None:
    points = np.asarray(picture.points, dtype=float).reshape(len(picture.points), -1)
    labels = np.asarray(picture.labels, dtype=int)
    if not shown.weights:
        _curve(axis, points, shown.band, picture.snapshots[-1].band)
        axis.set_ylabel(picture.columns[-1])
    elif len(picture.columns) > 1:
        _plane(axis, points, labels, shown, colour)
        _limits(axis, points, picture.snapshots[-1])
        if _round(picture):
            axis.set_aspect("equal", adjustable="box")
        axis.set_ylabel(picture.columns[1])
    else:
        _line(axis, points[:, 0], labels, shown, picture.snapshots, colour)
        axis.set_ylabel("density")
    axis.set_xlabel(picture.columns[0])


def _plane(axis: Axes, points: np.ndarray, labels: np.ndarray, shown: Snapshot, colour: bool) -> None:
    raster = len(points) > RASTER
    circle = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([np.cos(circle), np.sin(circle)])
    for k in range(len(shown.weights)):
        style = component(k)
        own = points[labels == k]
        axis.scatter(
            *own.T[:2],
            s=13,
            marker=style.marker,
            color=style.color if colour else FAINT,
            alpha=0.6 if colour else 0.8,
            linewidths=0,
            rasterized=raster,
        )
        eigenvalues, vectors = np.linalg.eigh(np.asarray(shown.covariances[k], dtype=float)[:2, :2])
        spread = vectors * np.sqrt(np.maximum(eigenvalues, 0))
        for radius in _RADII.values():
            x, y = np.asarray(shown.centers[k][:2])[:, None] + radius * spread @ circle
            axis.plot(x, y, color=style.color, linestyle=style.line, linewidth=1.5, scalex=False, scaley=False)
        axis.plot(
            *shown.centers[k][:2],
            marker=style.marker,
            markersize=7,
            color=style.color,
            markeredgecolor="white",
            scalex=False,
            scaley=False,
        )


def _curve(axis: Axes, points: np.ndarray, band: Band | None, last: Band | None) -> None:
    """The rows, and the predictive mean in its band; the window holds the rows and the last mean with its band."""
    if points.shape[1] > 1:
        raster = len(points) > RASTER
        axis.scatter(*points.T[:2], s=15, color=MUTED, alpha=0.75, linewidths=0, rasterized=raster, zorder=2.2)
    if band is not None:
        style = component(0)
        axis.fill_between(band.x, band.lower, band.upper, color=style.color, alpha=0.18, linewidth=0, zorder=1.5)
        axis.plot(band.x, band.y, color=style.color, zorder=2.5)
    if last is not None and points.shape[1] > 1:
        low, high = points[:, 1].min(), points[:, 1].max()
        width = (high - low) or 1.0
        low = max(min(low, min(last.lower)), low - 0.6 * width)
        high = min(max(high, max(last.upper)), high + 0.6 * width)
        axis.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def _limits(axis: Axes, points: np.ndarray, last: Snapshot) -> None:
    """The same window in every panel: the data, and the ellipses of the last pass where they are not far larger."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    width = np.where(high > low, high - low, 1)
    low, high = low - 0.08 * width, high + 0.08 * width
    for center, covariance in zip(last.centers, last.covariances, strict=True):
        reach = 1.04 * max(_RADII.values()) * np.sqrt(np.diagonal(np.asarray(covariance, dtype=float))[:2])
        low, high = np.minimum(low, center[:2] - reach), np.maximum(high, center[:2] + reach)
    middle, most = points[:, :2].mean(axis=0), 1.2 * width  # a component far wider than the data may leave the panel
    axis.set_xlim(max(low[0], middle[0] - most[0]), min(high[0], middle[0] + most[0]))
    axis.set_ylim(max(low[1], middle[1] - most[1]), min(high[1], middle[1] + most[1]))


def _round(picture: Picture) -> bool:
    """Whether every component is round, as in K-means: the model then measures both columns in one unit.

    Columns of very different ranges are drawn to fill their panel all the same.
    """
    widths = np.ptp(np.asarray(picture.points, dtype=float)[:, :2], axis=0)
    if not widths.all() or widths.max() > NARROW * widths.min():
        return False
    every = [np.asarray(c, dtype=float)[:2, :2] for shown in picture.snapshots for c in shown.covariances]
    return all(np.allclose(c, c[0, 0] * np.eye(2), rtol=1e-9, atol=0) for c in every)


def _trails(axes: list[Axes], panels: list[Snapshot]) -> None:
    """The way of each centre up to the panel."""
    for i, axis in enumerate(axes):
        for k in range(len(panels[0].weights)):
            way = np.asarray([s.centers[k][:2] for s in panels[: i + 1]], dtype=float)
            axis.plot(*way.T, color=INK, linewidth=0.9, alpha=0.7, scalex=False, scaley=False, zorder=2.5)


def _line(axis: Axes, x: np.ndarray, labels: np.ndarray, shown: Snapshot, every: list[Snapshot], colour: bool) -> None:
    low, high = x.min(), x.max()
    margin = 0.15 * (high - low or 1)
    at = np.linspace(low - margin, high + margin, 401)
    heights = [float(_densities(snapshot, at).sum(axis=0).max()) for snapshot in every]
    top = min(max(heights), 2 * heights[-1]) or 1.0
    if len(x) >= _FEW:
        bins = int(np.clip(2 * np.sqrt(len(x)), 10, 40))
        bars, *_ = axis.hist(x, bins=bins, density=True, color=BARS, edgecolor="white", linewidth=0.5)
        top = min(max(top, np.max(bars)), 1.6 * np.max(bars))
    curves = _densities(shown, at)
    for k, curve in enumerate(curves):
        style = component(k)
        axis.plot(at, curve, color=style.color, linestyle=style.line)
    if len(curves) > 1:
        axis.plot(at, curves.sum(axis=0), color=FAINT, linewidth=3.2, zorder=1.8)
    for k in range(len(shown.weights)):
        style, own = component(k), x[labels == k]
        axis.plot(
            own,
            np.full(len(own), -0.07 * top),
            linestyle="none",
            marker=style.marker,
            markersize=4.5 if len(x) >= _FEW else 7,
            color=style.color if colour else FAINT,
            markeredgewidth=0,
            alpha=0.7,
            rasterized=len(x) > RASTER,
        )
    axis.set_xlim(at[0], at[-1])
    axis.set_ylim(-0.14 * top, 1.1 * top)
    axis.locator_params(axis="both", nbins=5)


def _densities(shown: Snapshot, at: np.ndarray) -> np.ndarray:
    """π_k N(x | μ_k, σ²_k), (K, len(at)); a component without width is left out."""
    curves = np.zeros((len(shown.weights), len(at)))
    for k, (weight, center, covariance) in enumerate(zip(shown.weights, shown.centers, shown.covariances, strict=True)):
        variance = float(np.ravel(covariance)[0])
        if variance > 0:
            z = (at - center[0]) ** 2 / variance
            curves[k] = weight * np.exp(-z / 2) / np.sqrt(2 * np.pi * variance)
    return curves


def _legend(picture: Picture) -> list[Line2D | Patch]:
    if not has_components(picture):
        color = component(0).color
        return [
            Line2D([], [], linestyle="none", marker="o", markersize=5, color=MUTED, markeredgewidth=0, label="rows"),
            Line2D([], [], color=color, label="predictive mean"),
            Patch(color=color, alpha=0.18, linewidth=0, label="95 % predictive band"),
        ]
    styles = [component(k) for k in range(len(picture.snapshots[-1].weights))] if picture.snapshots else []
    return [
        Line2D([], [], color=s.color, linestyle=s.line, marker=s.marker, markersize=6, label=f"component {k}")
        for k, s in enumerate(styles)
    ]
