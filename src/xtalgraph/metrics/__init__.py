"""Arrays in, numbers out: errors of regression, scores of classification, calibration.

Nothing here knows of models or files. A missing label is NaN (regression) or -1 (classification):
it is left out, and counted where several scores are given together. A missing prediction is never
left out, because a model that stays silent on hard cases would look better for it: it is refused.
"""

from xtalgraph.metrics.calibration import (
    ReliabilityCurve,
    calibration_curve,
    conformal_quantile,
    expected_calibration_error,
    interval_coverage,
    normal_coverage_curve,
)
from xtalgraph.metrics.classification import (
    MISSING_CLASS,
    accuracy,
    balanced_accuracy,
    class_indices,
    classification_metrics,
    confusion_matrix,
    f1,
    log_loss,
    macro_f1,
)
from xtalgraph.metrics.curves import (
    Curve,
    average_precision,
    best_threshold,
    precision_recall_curve,
    roc_auc,
    roc_curve,
)
from xtalgraph.metrics.regression import (
    keep_labelled,
    max_error,
    mean_absolute_error,
    r_squared,
    regression_metrics,
    root_mean_squared_error,
)

__all__ = [
    "MISSING_CLASS",
    "Curve",
    "ReliabilityCurve",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "best_threshold",
    "calibration_curve",
    "class_indices",
    "classification_metrics",
    "conformal_quantile",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "interval_coverage",
    "keep_labelled",
    "log_loss",
    "macro_f1",
    "max_error",
    "mean_absolute_error",
    "normal_coverage_curve",
    "precision_recall_curve",
    "r_squared",
    "regression_metrics",
    "roc_auc",
    "roc_curve",
    "root_mean_squared_error",
]
