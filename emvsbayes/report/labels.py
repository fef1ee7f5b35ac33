"""`render_labels`: the diagnosis of some draws' labels and what relabelling did, as a page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from emvsbayes.report import format as fmt
from emvsbayes.report.figures.switching import draw_stages
from emvsbayes.report.page import Drawing, environment, stylesheet
from emvsbayes.report.tables import Table

if TYPE_CHECKING:  # plain records, whose package this one does not load
    from emvsbayes.relabelling.convergence import RelabellingReport
    from emvsbayes.relabelling.diagnosis import LabelDiagnosis

CHAINS_DRAWN, SCALARS_SHOWN = 4, 30


def render_labels(name: str, diagnosis: LabelDiagnosis, report: RelabellingReport) -> str:
    """The page; the same for equal records."""
    figures = {}
    if report.trace is not None:
        trace = report.trace
        stages = [(", before", trace.before[:CHAINS_DRAWN]), (", after", trace.after[:CHAINS_DRAWN])]
        label = f"Draws of {trace.name} by component, before and after relabelling"
        svg = draw_stages(trace.name, trace.draw, stages, label)
        caption = (
            f"Draws of {trace.name}, the coordinate that separates the components best. A colour that jumps, or "
            "differs from chain to chain, is one component under several names."
        )
        if report.chains > CHAINS_DRAWN:
            caption += f" The first {CHAINS_DRAWN} of {report.chains} chains."
        figures["switching"] = Drawing(Markup(svg), caption, "switching")
    template = environment().get_template("labels.html")
    return template.render(
        name=name,
        d=diagnosis,
        r=report,
        figures=figures,
        chains=chain_table(diagnosis),
        scalars=scalar_table(report),
        pairs=[f"{pair}: {share:.1%}" for pair, share in diagnosis.disagreements.items()],
        css=stylesheet(),
        fmt=fmt,
    )


def chain_table(d: LabelDiagnosis) -> Table:
    """One row a chain."""
    headers = ["chain", "switches", "mode"]
    headers += ["mean log posterior"] * (d.log_posterior is not None)
    headers += ["EM from its end"] * (d.mode_log_posterior is not None)
    rows = []
    for chain in range(d.chains):
        row = [str(chain), fmt.count(d.switches[chain]), str(d.modes[chain])]
        if d.log_posterior is not None:
            row.append(fmt.fixed(d.log_posterior[chain], 2))
        if d.mode_log_posterior is not None:
            row.append(fmt.fixed(d.mode_log_posterior[chain], 2))
        rows.append(row)
    note = "Chains of one mode are relabellings of one another."
    if d.mode_log_posterior is not None:
        note += " EM climbs from the last draw of each chain; log posteriors are in nats."
    return Table("Chains", headers, rows, frozenset({0}), note)


def scalar_table(r: RelabellingReport) -> Table:
    """The worst scalars, before and after."""
    headers = ["parameter", "R-hat before", "after", "ESS before", "after"]
    rows = [
        [
            s.name,
            fmt.fixed(s.rhat_before, 3),
            fmt.fixed(s.rhat_after, 3),
            fmt.fixed(s.ess_before, 0),
            fmt.fixed(s.ess_after, 0),
        ]
        for s in r.scalars[:SCALARS_SHOWN]
    ]
    more = len(r.scalars) - SCALARS_SHOWN
    note = "Worst R-hat after relabelling first." + (f" {more} more are in the JSON." if more > 0 else "")
    return Table("Convergence", headers, rows, frozenset({0}), note)
