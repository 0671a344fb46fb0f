from .data import (
    Dataset as Dataset,
    Split as Split,
    check_dataset as check_dataset,
    fetch_dataset as fetch_dataset,
    make_split as make_split,
    read_dataset as read_dataset,
    read_sample_dataset as read_sample_dataset,
)
from .errors import (
    UnknownName as UnknownName,
    XtalgraphError as XtalgraphError,
)
from .evaluation import (
    evaluate as evaluate,
    pack_ensemble as pack_ensemble,
)
from .graphs import (
    CrystalGraph as CrystalGraph,
    GraphArrays as GraphArrays,
    GraphConfig as GraphConfig,
    GraphLoader as GraphLoader,
    build_arrays as build_arrays,
    build_graphs as build_graphs,
)
from .nn import (
    CgcnnConfig as CgcnnConfig,
    ResidualConfig as ResidualConfig,
    SavedModel as SavedModel,
    read_model as read_model,
    save_model as save_model,
)
from .prediction import (
    PredictionGroup as PredictionGroup,
    Predictions as Predictions,
    Predictor as Predictor,
    PredictorGroup as PredictorGroup,
    load_model as load_model,
)
from .structures import (
    Crystal as Crystal,
    CrystalStore as CrystalStore,
    read_crystal as read_crystal,
    read_crystals as read_crystals,
    write_crystal as write_crystal,
)
from .studies import (
    compare as compare,
    cross_validate as cross_validate,
    learning_curve as learning_curve,
    matbench as matbench,
    tune as tune,
)
from .training import (
    RunConfig as RunConfig,
    TrainConfig as TrainConfig,
    preset as preset,
    start_from as start_from,
    train as train,
)

__version__: str
