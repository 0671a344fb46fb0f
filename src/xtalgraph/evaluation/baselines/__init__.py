"""Models to stand beside: trivial ones, composition alone, distances alone.

Each is fitted on rows of a data set and predicts rows of one, as any model. A result that does not
beat `composition_forest` has not learned structure.
"""

from xtalgraph.evaluation.baselines.composition import CompositionModel, composition_features
from xtalgraph.evaluation.baselines.distance_mlp import DistanceMlp
from xtalgraph.evaluation.baselines.registry import (
    BASELINES,
    Baseline,
    make_baseline,
    trivial_baselines,
)
from xtalgraph.evaluation.baselines.saving import read_baseline, save_baseline
from xtalgraph.evaluation.baselines.trivial import ConstantBaseline, FrequencyBaseline
from xtalgraph.evaluation.distances import shortest_distances

__all__ = [
    "BASELINES",
    "Baseline",
    "CompositionModel",
    "ConstantBaseline",
    "DistanceMlp",
    "FrequencyBaseline",
    "composition_features",
    "make_baseline",
    "read_baseline",
    "save_baseline",
    "shortest_distances",
    "trivial_baselines",
]
