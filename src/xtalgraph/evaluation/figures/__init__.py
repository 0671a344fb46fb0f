"""Pictures of results in one style: matplotlib figures, made without pyplot and its global list.

Every function gives a `Figure`; `save_figure` writes it as PNG and SVG.
"""

from xtalgraph.evaluation.figures.calibration import calibration_figure
from xtalgraph.evaluation.figures.classes import (
    CROWDED,
    confusion_figure,
    coverage_figure,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from xtalgraph.evaluation.figures.errors_by import (
    error_by_element,
    error_by_group,
    error_by_size,
    error_of_elements,
)
from xtalgraph.evaluation.figures.folds import (
    DFT_AGAINST_EXPERIMENT,
    error_against_size,
    scores_over_folds,
)
from xtalgraph.evaluation.figures.parity import parity_plot, residual_histogram
from xtalgraph.evaluation.figures.search import scores_of_trials, scores_over_settings
from xtalgraph.evaluation.figures.style import save_figure
from xtalgraph.evaluation.figures.training import compare_losses, learning_curves

__all__ = [
    "CROWDED",
    "DFT_AGAINST_EXPERIMENT",
    "calibration_figure",
    "compare_losses",
    "confusion_figure",
    "coverage_figure",
    "error_against_size",
    "error_by_element",
    "error_by_group",
    "error_by_size",
    "error_of_elements",
    "learning_curves",
    "parity_plot",
    "precision_recall_figure",
    "reliability_figure",
    "residual_histogram",
    "roc_figure",
    "save_figure",
    "scores_of_trials",
    "scores_over_folds",
    "scores_over_settings",
]
