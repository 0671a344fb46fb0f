from .cgcnn import (
    Cgcnn as Cgcnn,
    CgcnnConfig as CgcnnConfig,
)
from .element_properties import (
    Component as Component,
    describe_components as describe_components,
    element_table as element_table,
)
from .element_vectors import (
    paper_vectors as paper_vectors,
    read_element_vectors as read_element_vectors,
)
from .network import (
    Network as Network,
)
from .registry import (
    MODELS as MODELS,
    ModelKind as ModelKind,
    find_model as find_model,
    model_name as model_name,
)
from .residual import (
    ResidualConfig as ResidualConfig,
    ResidualNetwork as ResidualNetwork,
)
from .saved import (
    SavedModel as SavedModel,
    read_model as read_model,
    save_model as save_model,
)
from .task import (
    Normaliser as Normaliser,
    Task as Task,
    refuse_unknown_elements as refuse_unknown_elements,
)
