"""Prediction: load networks, predict crystals, get a table with units and how sure it is."""

from xtalgraph.prediction.ensemble import Ensemble, read_ensemble
from xtalgraph.prediction.predictions import Predictions
from xtalgraph.prediction.predictor import Predictor, load_model
from xtalgraph.prediction.streaming import predict_source

__all__ = ["Ensemble", "Predictions", "Predictor", "load_model", "predict_source", "read_ensemble"]
