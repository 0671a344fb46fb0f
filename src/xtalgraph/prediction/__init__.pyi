from .ensemble import (
    Ensemble as Ensemble,
    read_ensemble as read_ensemble,
)
from .group import (
    PredictorGroup as PredictorGroup,
    load_model as load_model,
    predict_source as predict_source,
)
from .predictions import (
    PredictionGroup as PredictionGroup,
    Predictions as Predictions,
)
from .predictor import (
    Predictor as Predictor,
)
