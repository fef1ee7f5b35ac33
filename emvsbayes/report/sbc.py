"""`render_calibration`: a simulation-based calibration as one HTML page: verdict, ranks, tests, how it was done."""

from __future__ import annotations

from markupsafe import Markup

from emvsbayes.calibration.record import REJECTED, Calibration, Histogram, ModelResult
from emvsbayes.report import format as fmt
from emvsbayes.report.figures import sbc as figure
from emvsbayes.report.page import Drawing, environment, stylesheet
from emvsbayes.report.tables import Table


def render_calibration(calibration: Calibration) -> str:
    """The page; the same for equal calibrations."""
    figures = {
        (name := f"ranks-{model.name}"): Drawing(Markup(figure.draw(model)), figure.caption(model), name)
        for model in calibration.models
    }
    template = environment().get_template("sbc.html")
    return template.render(
        c=calibration,
        figures=figures,
        tests={model.name: tests(model, calibration.control) for model in calibration.models},
        sampler=sampler(calibration),
        rejected=f"{REJECTED:g}",
        css=stylesheet(),
        fmt=fmt,
    )


def tests(model: ModelResult, control: float) -> Table:
    """The p-values of a model's quantities, and those of the narrowed draws."""
    return Table(
        f"{model.title}: p-values of uniform ranks",
        ["quantity", "chi-square", "ECDF", f"chi-square, draws {100 * (1 - control):.0f} % narrower", "ECDF, narrower"],
        [
            [h.name, _p(h.chi_square, h), _p(h.ecdf, h), _narrow(h.control_chi_square), _narrow(h.control_ecdf)]
            for h in model.histograms
        ],
        note=f"Bold: below {REJECTED:g}. The narrowed draws are a control: there bold is as it should be.",
    )


def sampler(calibration: Calibration) -> Table:
    """What the sampler went through, model by model."""
    return Table(
        "The sampler",
        [
            "model",
            "sampled",
            "simulations",
            "smallest ESS",
            "largest R-hat",
            "ESS too small",
            "R-hat above 1.05",
            "with divergences",
            "most draws",
            "seconds",
        ],
        [
            [
                m.name,
                "the compiled posterior" if m.likelihood == "fused" else "the PyMC model",
                fmt.count(m.simulations),
                fmt.count(m.ess),
                fmt.fixed(m.r_hat, 3),
                fmt.count(m.short),
                fmt.count(m.unmixed),
                fmt.count(m.diverged),
                fmt.count(m.longest),
                fmt.count(m.seconds),
            ]
            for m in calibration.models
        ],
        frozenset({1}),
        note=(
            "The smallest effective sample size and the largest R-hat of any scalar in any simulation; draws of all "
            "chains together; seconds without compiling."
        ),
    )


def _p(value: float, histogram: Histogram) -> str:
    text = fmt.number(value, 2)
    return Markup('<strong class="bad">{}</strong>').format(text) if value < REJECTED else text


def _narrow(value: float) -> str:
    text = fmt.number(value, 2)
    return Markup("<strong>{}</strong>").format(text) if value < REJECTED else text
