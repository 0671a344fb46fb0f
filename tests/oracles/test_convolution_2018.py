"""The network of 2018: its equations on padded arrays, and its own numbers' predictions."""

from __future__ import annotations

import csv
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.zoo import ZOO
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import CrystalGraph, GraphConfig, build_graphs
from xtalgraph.models import Cgcnn
from xtalgraph.models.cgcnn import NETWORK_OF_2018
from xtalgraph.models.cgcnn.convolutions import GatedConvolution
from xtalgraph.models.cgcnn.weights_2018 import config_of_2018_state, from_2018_state
from xtalgraph.structures import Crystal, CrystalStore

NEAREST = GraphConfig(rule="nearest")
REGRESSIONS = (
    "formation-energy-per-atom",
    "final-energy-per-atom",
    "band-gap",
    "efermi",
    "bulk-moduli",
    "shear-moduli",
    "poisson-ratio",
)
NUMPY_SCALARS = [  # one file holds its best score as a numpy number, under numpy's old path
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]


def layer_of_2018(layer: GatedConvolution, atoms: Tensor, bonds: Tensor, around: Tensor) -> Tensor:
    """Write out the published layer for exactly 12 neighbours of each atom.

    `atoms` n × w, `bonds` n × 12 × g, `around` n × 12 numbers of atoms. Normalisation is written
    out with the statistics of the batch.
    """

    def normalise(values: Tensor, norm: nn.Module) -> Tensor:
        spread = ((values - values.mean(0)) ** 2).mean(0)
        return (values - values.mean(0)) / (spread + 1e-5).sqrt() * norm.weight + norm.bias

    n, width = atoms.shape
    own = atoms[:, None, :].expand(n, 12, width)
    z = torch.cat([own, atoms[around], bonds], dim=2)
    linear = layer.gate_and_message
    argument = torch.einsum("nkz,oz->nko", z, linear.weight) + linear.bias
    argument = normalise(argument.reshape(n * 12, 2 * width), layer.normalise_edges)
    argument = argument.reshape(n, 12, 2 * width)
    gate = 1 / (1 + torch.exp(-argument[..., :width]))
    message = torch.log1p(torch.exp(argument[..., width:]))
    received = normalise((gate * message).sum(dim=1), layer.normalise_sum)
    return torch.log1p(torch.exp(atoms + received))


@pytest.mark.parametrize("seed", [0, 1])
def test_gated_equals_the_layer_of_2018(seed: int) -> None:
    graph = build_graphs([ZOO[name] for name in ("SrTiO3", "glass", "UO2")], NEAREST)
    random = torch.Generator().manual_seed(seed)
    atoms = torch.randn(graph.n_atoms, 6, generator=random, dtype=torch.float64)
    bonds = torch.rand(graph.n_edges, 41, generator=random, dtype=torch.float64)
    layer = GatedConvolution(replace(NETWORK_OF_2018, atom_width=6)).double().train()
    for norm in (layer.normalise_edges, layer.normalise_sum):
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias)
    padded = bonds.reshape(graph.n_atoms, 12, 41)
    expected = layer_of_2018(layer, atoms, padded, graph.neighbour.reshape(-1, 12))
    torch.testing.assert_close(layer(atoms, bonds, graph), expected, rtol=1e-11, atol=1e-11)


def read_oracle(folder: Path, name: str) -> tuple[Cgcnn, dict[str, float]]:
    """Give a shipped network with its own numbers, and its normaliser."""
    with torch.serialization.safe_globals(NUMPY_SCALARS):
        file = torch.load(folder / f"{name}.pth.tar", map_location="cpu", weights_only=True)
    state = file["state_dict"]
    network = Cgcnn(config_of_2018_state(state), state["fc_out.weight"].shape[0])
    missing, unexpected = network.load_state_dict(from_2018_state(state), strict=False)
    assert not unexpected
    assert all("num_batches" in key or key.startswith("element_vectors.") for key in missing)
    return network.eval(), file["normalizer"]


@pytest.fixture(scope="module")
def untied(oracle_2018: Path, shared_data: Path) -> tuple[list[dict[str, str]], CrystalGraph]:
    """What the 2018 code predicted for the crystals whose graph is unambiguous, and the graph."""
    from pymatgen.core import Structure

    with (oracle_2018 / "predictions_cs182_perovskites.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["tie_at_12"] == "False"]
    rows = [row for row in rows if row["fewer_than_12"] == "False"][:60]
    crystals = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pymatgen, about rounded coordinates
        for row in rows:
            file = shared_data / "cs182_perovskites" / f"{row['id']}.cif"
            structure = Structure.from_file(file)
            numbers = np.array(structure.atomic_numbers)
            crystals.append(
                Crystal(structure.lattice.matrix, structure.frac_coords, numbers, row["id"])
            )
    return rows, build_graphs(CrystalStore.from_crystals(crystals), NEAREST)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_shipped_networks_predict_as_in_2018(
    name: str, oracle_2018: Path, untied: tuple[list[dict[str, str]], CrystalGraph]
) -> None:
    rows, graph = untied
    network, normaliser = read_oracle(oracle_2018, name)
    with torch.no_grad():
        found = network(graph)[:, 0].double() * normaliser["std"] + normaliser["mean"]
    expected = torch.tensor([float(row[name]) for row in rows], dtype=torch.float64)
    assert len(rows) >= 30
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_shipped_classifier_predicts_as_in_2018(
    oracle_2018: Path, untied: tuple[list[dict[str, str]], CrystalGraph]
) -> None:
    rows, graph = untied
    network, _ = read_oracle(oracle_2018, "semi-metal-classification")
    with torch.no_grad():
        found = network(graph).double().softmax(dim=1)[:, 1]
    expected = [float(row["semi-metal-classification"]) for row in rows]
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=0, atol=1e-4)


def test_shown_to_fail_bonds_one_percent_shorter_predict_otherwise(
    oracle_2018: Path, untied: tuple[list[dict[str, str]], CrystalGraph]
) -> None:
    graph = untied[1]
    network, _ = read_oracle(oracle_2018, "formation-energy-per-atom")
    with torch.no_grad():
        changed = network(replace(graph, distance=graph.distance * 0.99))
        assert (network(graph) - changed).abs().max() > 1e-3


def test_further_hidden_layers_keep_their_place() -> None:
    ours = Cgcnn(replace(NETWORK_OF_2018, n_hidden=3, hidden_width=5), 2)
    theirs = {
        "embedding.weight": ours.element_vectors.embedding.weight,
        "embedding.bias": ours.element_vectors.embedding.bias,
        "conv_to_fc.weight": ours.output[1].weight,
        "fcs.0.weight": ours.output[3].weight,
        "fcs.1.weight": ours.output[5].weight,
        "fc_out.weight": ours.output[7].weight,
    }
    for i, layer in enumerate(ours.convolutions):
        theirs[f"convs.{i}.fc_full.weight"] = layer.gate_and_message.weight
    assert config_of_2018_state(theirs) == replace(NETWORK_OF_2018, n_hidden=3, hidden_width=5)
    state = ours.state_dict()
    for name, value in from_2018_state(theirs).items():
        assert torch.equal(state[name], value), name


def test_other_numbers_are_refused() -> None:
    with pytest.raises(BadCheckpoint, match="not the numbers of a network of the 2018 code"):
        config_of_2018_state({"weight": torch.zeros(1)})
    state = {
        "embedding.weight": torch.zeros(64, 92),
        "convs.0.fc_full.weight": torch.zeros(128, 169),
        "conv_to_fc.weight": torch.zeros(32, 64),
        "head.weight": torch.zeros(1),
    }
    with pytest.raises(BadCheckpoint, match=r"'head\.weight' is not a name"):
        from_2018_state(state)
