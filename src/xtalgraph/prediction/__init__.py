"""Prediction: load networks, predict crystals, get a table with units and how sure it is."""

from typing import TYPE_CHECKING

from xtalgraph.lazy import load_when_used

if TYPE_CHECKING:
    from xtalgraph.prediction.ensemble import Ensemble, read_ensemble
    from xtalgraph.prediction.predictions import Predictions
    from xtalgraph.prediction.predictor import Predictor, load_model
    from xtalgraph.prediction.streaming import predict_source

__getattr__, __dir__ = load_when_used(
    __name__,
    {
        "ensemble": "Ensemble read_ensemble",
        "predictions": "Predictions",
        "predictor": "Predictor load_model",
        "streaming": "predict_source",
    },
)

__all__ = ["Ensemble", "Predictions", "Predictor", "load_model", "predict_source", "read_ensemble"]
