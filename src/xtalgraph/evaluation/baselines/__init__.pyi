from .composition import (
    CompositionModel as CompositionModel,
    composition_features as composition_features,
)
from .distance_mlp import DistanceMlp as DistanceMlp
from .registry import (
    BASELINES as BASELINES,
    Baseline as Baseline,
    BaselineEntry as BaselineEntry,
    make_baseline as make_baseline,
    models_without_structures as models_without_structures,
    need_structures as need_structures,
    read_baseline as read_baseline,
    save_baseline as save_baseline,
    trivial_baselines as trivial_baselines,
)
from .trivial import (
    ConstantBaseline as ConstantBaseline,
    FrequencyBaseline as FrequencyBaseline,
)
