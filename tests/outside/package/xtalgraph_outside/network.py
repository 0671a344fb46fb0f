"""A network without edges and without a form in numpy: predicted with torch, on a CPU too."""

from dataclasses import dataclass

from torch import nn

from xtalgraph.nn import POOLINGS, NetworkKind
from xtalgraph.nn.registry import load_form
from xtalgraph.settings import check_settings, explained, setting


@explained
@dataclass(frozen=True)
class BagConfig:
    """Settings of a bag of elements."""

    width: int = setting(16, "components of an element's vector", at_least=1)
    pooling: str = setting("mean", "from atoms to the crystal", choices=POOLINGS)

    def __post_init__(self):
        check_settings(self, "model")


class BagOfElements(nn.Module):
    """Learned vectors of elements, pooled, and one linear map."""

    learns_from_deduplicated = True

    def __init__(self, config, n_outputs, element_vectors=None):
        super().__init__()
        self.elements = nn.Embedding(119, config.width)
        self.pool = load_form(POOLINGS[config.pooling].in_torch)
        self.output = nn.Sequential(nn.Linear(config.width, n_outputs))

    @property
    def known_elements(self):
        return list(range(1, 119))

    def atom_vectors(self, graph):
        return self.elements(graph.atomic_numbers)

    def fingerprint(self, graph):
        return self.pool(self.atom_vectors(graph), graph)

    def forward(self, graph):
        return self.output(self.fingerprint(graph))


BAG_OF_ELEMENTS = NetworkKind(BagOfElements, BagConfig)
