"""Evaluation: scores beside baselines, figures in one style, and pages that say how it was done.

No result stands alone: `evaluate` fits the trivial baselines on the training part of the same split
and scores them on the same crystals. The figures are in `figures`, the baselines in `baselines`.
"""

from xtalgraph.evaluation.evaluate import Evaluation, evaluate, score, tabulate
from xtalgraph.evaluation.report import Picture, Report, Section, Table, write_report
from xtalgraph.evaluation.run_report import draw_evaluation, report_run

__all__ = [
    "Evaluation",
    "Picture",
    "Report",
    "Section",
    "Table",
    "draw_evaluation",
    "evaluate",
    "report_run",
    "score",
    "tabulate",
    "write_report",
]
