from .calibration import (
    ReliabilityCurve as ReliabilityCurve,
    calibration_curve as calibration_curve,
    conformal_quantile as conformal_quantile,
    expected_calibration_error as expected_calibration_error,
    interval_coverage as interval_coverage,
    normal_coverage_curve as normal_coverage_curve,
)
from .classification import (
    MISSING_CLASS as MISSING_CLASS,
    Curve as Curve,
    accuracy as accuracy,
    average_precision as average_precision,
    balanced_accuracy as balanced_accuracy,
    best_threshold as best_threshold,
    class_indices as class_indices,
    classification_metrics as classification_metrics,
    confusion_matrix as confusion_matrix,
    f1 as f1,
    log_loss as log_loss,
    macro_f1 as macro_f1,
    precision_recall_curve as precision_recall_curve,
    roc_auc as roc_auc,
    roc_curve as roc_curve,
)
from .regression import (
    keep_labelled as keep_labelled,
    max_error as max_error,
    mean_absolute_error as mean_absolute_error,
    r_squared as r_squared,
    regression_metrics as regression_metrics,
    root_mean_squared_error as root_mean_squared_error,
)
