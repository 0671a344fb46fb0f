"""Where an atom vector begins: the vector of its element, fixed or learned."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from xtalgraph.errors import BadConfig
from xtalgraph.nn.element_properties import N_COMPONENTS, components_of_elements
from xtalgraph.nn.registry import LEARNED, PAPER
from xtalgraph.structures.elements import SYMBOLS

N_NUMBERS = len(SYMBOLS)  # rows of a table: elements 1 to 118, and 0, which no crystal holds


def paper_vectors() -> Float32[Tensor, "n_elements n_components"]:
    """Return the element vectors of the 2018 paper.

    Returns:
        92 components; row Z is the vector of element Z, NaN beyond Z = 100.

    >>> paper_vectors()[8].nonzero().flatten().tolist()  # O
    [16, 20, 34, 37, 51, 64, 74, 79, 86]
    """
    vectors = torch.full((N_NUMBERS, N_COMPONENTS), torch.nan)
    for atomic_number, components in components_of_elements().items():
        vectors[atomic_number] = 0.0
        vectors[atomic_number, components] = 1.0
    return vectors


def read_element_vectors(path: str | Path) -> Float32[Tensor, "n_elements n_components"]:
    """Read element vectors from JSON in the format of the 2018 `atom_init.json`.

    Args:
        path: A file of the form {"1": [numbers], "2": …}.

    Returns:
        Row Z is the vector of element Z, NaN for elements that are not in the file.

    Raises:
        BadConfig: The file cannot be read or has another form.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig(
            f"element vectors: {path} does not exist. Give 'paper', 'learned', or the path of an "
            "atom_init.json."
        ) from None
    except ValueError as error:
        raise BadConfig(f"element vectors: {path} is not JSON ({error}).") from None
    form = f'element vectors: {path} must hold {{"<atomic number>": [numbers], …}}'
    if not isinstance(table, dict) or not table:
        raise BadConfig(f"{form}, got {type(table).__name__}.")
    try:
        rows = {int(key): torch.tensor(row, dtype=torch.float32) for key, row in table.items()}
    except (TypeError, ValueError) as error:
        raise BadConfig(f"{form} ({error}).") from None
    shapes = {tuple(row.shape) for row in rows.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise BadConfig(f"{form} of one length, got lengths {sorted(shapes)}.")
    if min(rows) < 1 or max(rows) >= N_NUMBERS:
        raise BadConfig(f"{form} for 1 to {N_NUMBERS - 1}, got {min(rows)} to {max(rows)}.")
    vectors = torch.full((N_NUMBERS, *shapes.pop()), torch.nan)
    for atomic_number, row in rows.items():
        vectors[atomic_number] = row
    return vectors


class FixedElementVectors(nn.Module):
    """A given vector for each element, mapped to the atom width: v = x W + b.

    The map is applied to the table, not to each atom: the same numbers, once an element. An element
    without a vector gives NaN, never somebody else's vector; `refuse_unknown_elements` says it
    with words, before.
    """

    vectors: Tensor
    refusal: Tensor

    def __init__(self, vectors: Float[Tensor, "n_elements n_components"], atom_width: int) -> None:
        super().__init__()
        unknown = vectors.isnan().any(dim=1, keepdim=True)
        # NaN in a product would reach the gradient of every element, so it is added afterwards.
        self.register_buffer("vectors", vectors.masked_fill(unknown, 0.0))
        self.register_buffer(
            "refusal", torch.zeros(len(vectors), 1).masked_fill(unknown, torch.nan)
        )
        self.embedding = nn.Linear(vectors.shape[1], atom_width)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers that have a vector."""
        return (~self.refusal[:, 0].isnan()).nonzero().flatten().tolist()

    def forward(self, atomic_numbers: Int64[Tensor, "n_atoms"]) -> Float[Tensor, "n_atoms width"]:
        """Return the first atom vectors."""
        return (self.embedding(self.vectors) + self.refusal).index_select(0, atomic_numbers)


class LearnedElementVectors(nn.Module):
    """A vector for each element that is learned with the network, begun at random.

    It knows nothing of an element that the training crystals did not hold.
    """

    def __init__(self, atom_width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(N_NUMBERS, atom_width)

    @property
    def known_elements(self) -> list[int]:
        """Atomic numbers that have a vector: all."""
        return list(range(1, N_NUMBERS))

    def forward(self, atomic_numbers: Int64[Tensor, "n_atoms"]) -> Float[Tensor, "n_atoms width"]:
        """Return the first atom vectors."""
        return self.embedding(atomic_numbers)


def make_element_vectors(
    name: str, atom_width: int, vectors: Float[Tensor, "n_elements n_components"] | None = None
) -> FixedElementVectors | LearnedElementVectors:
    """Make the module named `paper`, `learned`, or by the path of an `atom_init.json`.

    `vectors` stand in for the file where a saved model brings them along.
    """
    if name == LEARNED:
        return LearnedElementVectors(atom_width)
    if vectors is None:
        vectors = paper_vectors() if name == PAPER else read_element_vectors(name)
    return FixedElementVectors(vectors, atom_width)
