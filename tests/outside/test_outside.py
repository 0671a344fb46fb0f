"""A package of somebody else adds parts, a network, a format and a baseline, and all know them.

`package/` is written as its author would write it. Here it is as if installed: on the path, with
the entry points of its `pyproject.toml`.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from xtalgraph.cli.app import run
from xtalgraph.data import read_dataset
from xtalgraph.errors import BadConfig
from xtalgraph.evaluation import evaluate
from xtalgraph.evaluation.baselines import BASELINES
from xtalgraph.nn import (
    ACTIVATIONS,
    CONVOLUTIONS,
    NETWORKS,
    NORMALISATIONS,
    POOLINGS,
    RADIAL_BASES,
)
from xtalgraph.prediction import Predictor, load_model
from xtalgraph.prediction.in_torch import NetworksInTorch
from xtalgraph.registry import Registry
from xtalgraph.structures import FORMATS, read_crystals

PACKAGE = Path(__file__).parent / "package"
REGISTRIES: list[Registry] = [
    *(POOLINGS, ACTIVATIONS, NORMALISATIONS, RADIAL_BASES, CONVOLUTIONS, NETWORKS),
    *(FORMATS, BASELINES),
]
SMALL = [
    *("--epochs", "2", "--accelerator", "cpu", "--set", "train.batch_size=8"),
    *("--set", "train.tensorboard=false", "--set", "graph.n_neighbours=6"),
]
NARROW = ["--set", "model.atom_width=6", "--set", "model.n_convolutions=1"]
Call = Callable[..., tuple[int, str, str]]


def forget(patch: pytest.MonkeyPatch) -> None:
    """Let the registries look for entry points anew, and have their own entries again after."""
    for registry in REGISTRIES:
        patch.setattr(registry, "_entries", dict(registry._entries))
        patch.setattr(registry, "_is_complete", False)
    patch.setattr(FORMATS, "_by_suffix", dict(FORMATS._by_suffix))


def install(folder: Path, points: dict[str, dict[str, str]]) -> None:
    """Write what an installer writes of a package."""
    information = folder / "xtalgraph_outside-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: xtalgraph-outside\n")
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in points.items()
    )
    (information / "entry_points.txt").write_text("\n".join(sections))


@pytest.fixture(scope="module", autouse=True)
def _outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package, installed for the tests of this file."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install(site, project["entry-points"])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PACKAGE))
        patch.syspath_prepend(str(site))
        forget(patch)
        yield
    for name in [name for name in sys.modules if name.startswith("xtalgraph_outside")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty crystals in files of the new format, with a table of labels."""
    folder = tmp_path_factory.mktemp("cubes")
    draw, rows = np.random.default_rng(3), ["id,energy"]
    for number in range(30):
        edge, first = draw.uniform(3.5, 5.0), draw.choice(["Na", "K", "Rb"])
        second = draw.choice(["Cl", "Br", "I"])
        (folder / f"c{number}.cube2").write_text(f"cube {edge:.3f} {first} {second}\n")
        rows.append(f"c{number},{-edge:.3f}")
    (folder / "id_prop.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the program in this process."""

    def run_program(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_program


def train_here(call: Call, folder: Path, out: Path, *options: str) -> Predictor:
    status, _, errors = call(
        "train", folder, "--target", "energy", "--out", out, *SMALL, *options
    )  # fmt: skip
    assert status == 0, errors
    return load_model(out)


def in_torch(predictor: Predictor) -> Predictor:
    """The same model, computed in torch."""
    other = Predictor(predictor.ensemble)
    other.networks = NetworksInTorch(predictor.ensemble.members, "cpu")
    return other


def test_the_settings_and_their_help_know_them(call: Call) -> None:
    rows = json.loads(call("settings", "model", "--json")[1])
    legal = {(row["name"], row["legal"]) for row in rows}
    assert any(name == "model.kind" and "bag_of_elements" in text for name, text in legal)
    assert any(name == "model.pooling" and "soft_minimum" in text for name, text in legal)
    assert any(name == "model.activation" and "sine" in text for name, text in legal)
    assert any(row["name"] == "model.width" for row in rows)
    wrong = "--set", "model.pooling=soft_minimun"
    status, _, errors = call("train", "nowhere", "--target", "energy", *wrong)
    assert status != 0
    assert "soft_minimum" in errors


@pytest.mark.parametrize("pooling", ["soft_minimum", "smallest"])
def test_a_pooling_trains_and_predicts_the_same_with_torch_and_without(
    pooling: str, call: Call, folder: Path, tmp_path: Path
) -> None:
    predictor = train_here(
        call, folder, tmp_path / "run", *NARROW, f"--set=model.pooling={pooling}"
    )
    assert predictor.saved.in_numpy is not None
    crystals = read_crystals(folder)
    found = predictor.predict(crystals).values
    np.testing.assert_allclose(found, in_torch(predictor).predict(crystals).values, rtol=1e-5)
    other = train_here(call, folder, tmp_path / "mean", *NARROW)
    assert np.abs(other.predict(crystals).values - found).max() > 1e-3
    status, table, errors = call("predict", tmp_path / "run", folder / "c1.cube2")
    assert status == 0, errors
    assert table.splitlines()[1].startswith("c1,")


def test_a_pooling_is_explained_by_its_fractions_or_refused(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("captum")
    from xtalgraph.interpretation import explain_sites

    options = [*NARROW, "--set", "model.n_hidden=0"]
    predictor = train_here(call, folder, tmp_path / "a", *options, "--set=model.pooling=smallest")
    found = explain_sites(predictor, read_crystals(folder))
    np.testing.assert_allclose(found.gaps, 0, atol=1e-5)
    soft = train_here(call, folder, tmp_path / "b", *options, "--set=model.pooling=soft_minimum")
    with pytest.raises(BadConfig, match="cannot be explained by sites"):
        explain_sites(soft, read_crystals(folder))


def test_an_activation_is_compiled_where_it_says_so(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    for name, is_compiled in (("swish", True), ("sine", False)):
        options = [*NARROW, f"--set=model.activation={name}"]
        predictor = train_here(call, folder, tmp_path / name, *options)
        assert (predictor.saved.in_numpy is not None) == is_compiled
        found = predictor.predict(read_crystals(folder)).values
        np.testing.assert_allclose(
            found, in_torch(predictor).predict(read_crystals(folder)).values, rtol=1e-5
        )


def test_a_network_trains_predicts_explains_and_is_evaluated_with_a_baseline(
    call: Call, folder: Path, tmp_path: Path
) -> None:
    from xtalgraph.interpretation import explain_sites

    predictor = train_here(call, folder, tmp_path / "run", "--set", "model.kind=bag_of_elements")
    assert predictor.saved.in_numpy is None
    description = json.loads((tmp_path / "run" / "model.json").read_text(encoding="utf-8"))
    assert description["model"] == "bag_of_elements"
    found = explain_sites(predictor, read_crystals(folder))
    np.testing.assert_allclose(found.gaps, 0, atol=1e-5)
    result = evaluate(tmp_path / "run", read_dataset(folder), baselines=("midrange",))
    assert "midrange" in result.table()["model"].tolist()


def test_a_format_is_read_and_written_by_its_name(folder: Path) -> None:
    assert read_crystals(folder / "c1.cube2").ids.tolist() == ["c1"]
    assert len(read_dataset(folder)) == 30
    assert "cube" in FORMATS


def test_shown_to_fail_an_entry_point_that_is_no_entry_is_refused(tmp_path: Path) -> None:
    install(tmp_path, {"xtalgraph.poolings": {"wrong": "xtalgraph_outside.parts:Sine"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        forget(patch)
        with pytest.raises(BadConfig, match=r"pooling 'wrong' .* it must be a Pooling"):
            list(POOLINGS)
