from .ensemble import (
    Ensemble as Ensemble,
    read_ensemble as read_ensemble,
)
from .predictor import (
    Predictions as Predictions,
    Predictor as Predictor,
    load_model as load_model,
    predict_source as predict_source,
)
