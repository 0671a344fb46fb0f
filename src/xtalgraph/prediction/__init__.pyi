from .ensemble import (
    Ensemble as Ensemble,
    read_ensemble as read_ensemble,
)
from .predictions import (
    Predictions as Predictions,
)
from .predictor import (
    Predictor as Predictor,
    load_model as load_model,
)
from .streaming import (
    predict_source as predict_source,
)
