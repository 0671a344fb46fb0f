from .classes import (
    CROWDED as CROWDED,
    calibration_figure as calibration_figure,
    confusion_figure as confusion_figure,
    coverage_figure as coverage_figure,
    precision_recall_figure as precision_recall_figure,
    reliability_figure as reliability_figure,
    roc_figure as roc_figure,
)
from .parity import (
    error_by_element as error_by_element,
    error_by_group as error_by_group,
    error_by_size as error_by_size,
    error_of_elements as error_of_elements,
    parity_plot as parity_plot,
    residual_histogram as residual_histogram,
)
from .runs import (
    DFT_AGAINST_EXPERIMENT as DFT_AGAINST_EXPERIMENT,
    compare_losses as compare_losses,
    error_against_size as error_against_size,
    learning_curves as learning_curves,
    scores_of_trials as scores_of_trials,
    scores_over_folds as scores_over_folds,
    scores_over_settings as scores_over_settings,
)
from .style import (
    save_figure as save_figure,
)
