"""The network of 2018: its equations on padded arrays, and its own numbers' predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from tests.zoo import ZOO
from xtalgraph.data import check_dataset, read_dataset
from xtalgraph.errors import BadCheckpoint
from xtalgraph.graphs import GraphConfig, build_graphs, nearest_distances
from xtalgraph.metrics import roc_auc
from xtalgraph.nn import Cgcnn, read_model, save_model
from xtalgraph.nn.cgcnn import GatedConvolution
from xtalgraph.nn.checkpoint_2018 import TARGETS_OF_2018, config_of_2018_state, from_2018_state
from xtalgraph.nn.configs import NETWORK_OF_2018
from xtalgraph.prediction import load_model
from xtalgraph.structures import CrystalStore
from xtalgraph.units import KNOWN_TARGETS

NEAREST = GraphConfig(rule="nearest")


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


@pytest.fixture(scope="module")
def untied(oracle_2018: Path, shared_data: Path) -> tuple[pd.DataFrame, CrystalStore]:
    """Crystals whose graph is unambiguous, and what the 2018 code predicted for them."""
    dataset = read_dataset(shared_data / "cs182_perovskites")
    rows = read_predictions(oracle_2018).set_index("id").loc[dataset.ids]
    unambiguous = (~rows["tie_at_12"] & ~rows["fewer_than_12"]).to_numpy()
    return rows[unambiguous], dataset.take(np.flatnonzero(unambiguous)).crystals


def read_predictions(oracle_2018: Path) -> pd.DataFrame:
    return pd.read_csv(oracle_2018 / "predictions_cs182_perovskites.csv", dtype={"id": str})


@pytest.mark.parametrize("form", ["as it is", "converted"])
@pytest.mark.parametrize("name", TARGETS_OF_2018)
def test_shipped_networks_predict_as_in_2018(
    name: str,
    form: str,
    oracle_2018: Path,
    untied: tuple[pd.DataFrame, CrystalStore],
    tmp_path: Path,
) -> None:
    rows, crystals = untied
    path = oracle_2018 / f"{name}.pth.tar"
    if form == "converted":
        path = save_model(read_model(path), tmp_path)
    result = load_model(path).predict(crystals)
    column = TARGETS_OF_2018[name]
    if name == "semi-metal-classification":
        column = "probability true"
    else:
        column = KNOWN_TARGETS[column].column
    assert len(rows) >= 130
    assert list(result.ids) == rows.index.tolist()
    np.testing.assert_allclose(result.to_frame()[column], rows[name], rtol=0, atol=1e-4)


def test_shown_to_fail_bonds_one_percent_shorter_predict_otherwise(
    oracle_2018: Path, untied: tuple[pd.DataFrame, CrystalStore]
) -> None:
    rows, crystals = untied
    predictor = load_model(oracle_2018 / "formation-energy-per-atom.pth.tar")
    graph = build_graphs(crystals, NEAREST)
    changed = predictor.predict_graph(replace(graph, distance=graph.distance * 0.99))
    expected = rows["formation-energy-per-atom"].to_numpy()
    assert np.abs(changed[:, 0] - expected).max() > 1e-3


def test_the_shipped_classifier_calls_a_metal_true(oracle_2018: Path, shared_data: Path) -> None:
    """Which of its two classes is which, the file does not say; gaps of the homework do."""
    gaps = pd.read_csv(shared_data / "cs182_perovskites" / "band_gap.csv", header=None)
    gaps = dict(zip(gaps[0].astype(str), gaps[1], strict=True))
    rows = read_predictions(oracle_2018)
    rows = rows[rows["id"].isin(gaps)]
    probability = rows["semi-metal-classification"].to_numpy()
    is_metal = np.array([int(gaps[id] == 0) for id in rows["id"]])
    assert roc_auc(is_metal, np.stack([1 - probability, probability], axis=1)) > 0.75


def test_check_lists_the_crystals_with_a_tie(oracle_2018: Path, shared_data: Path) -> None:
    rows = read_predictions(oracle_2018)
    report = check_dataset(
        shared_data / "cs182_perovskites", nearest_distances=nearest_distances, rule="nearest"
    )
    assert set(report.ties) == set(rows["id"][rows["tie_at_12"]])


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
