from .cgcnn import (
    Cgcnn as Cgcnn,
)
from .configs import (
    CgcnnConfig as CgcnnConfig,
    ResidualConfig as ResidualConfig,
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
from .registry import (
    ACTIVATIONS as ACTIVATIONS,
    CONVOLUTIONS as CONVOLUTIONS,
    NETWORKS as NETWORKS,
    NORMALISATIONS as NORMALISATIONS,
    POOLINGS as POOLINGS,
    RADIAL_BASES as RADIAL_BASES,
    Activation as Activation,
    Convolution as Convolution,
    Network as Network,
    NetworkConfig as NetworkConfig,
    NetworkKind as NetworkKind,
    Normalisation as Normalisation,
    NumpyNetwork as NumpyNetwork,
    Pooling as Pooling,
    RadialBasis as RadialBasis,
    network_name as network_name,
)
from .residual import (
    ResidualNetwork as ResidualNetwork,
)
from .saved import (
    read_model as read_model,
    save_model as save_model,
)
from .saved_model import (
    SavedModel as SavedModel,
)
from .task import (
    Labels as Labels,
    Normaliser as Normaliser,
    Outputs as Outputs,
    Rows as Rows,
    Task as Task,
    refuse_unknown_elements as refuse_unknown_elements,
)
