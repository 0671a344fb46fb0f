"""Prediction: load a saved network, predict crystals, get a table with units."""

from xtalgraph.prediction.predictor import Predictions, Predictor, load_model

__all__ = ["Predictions", "Predictor", "load_model"]
