"""Files of models: those of 0.1, blocks of tomorrow, and what a reader of today does with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes import model_format
from xtalgraph.errors import BadCheckpoint
from xtalgraph.nn import read_model, save_model
from xtalgraph.nn.saved import find_block
from xtalgraph.nn.saved_model import Block
from xtalgraph.prediction import Ensemble, Predictor, load_model, read_ensemble
from xtalgraph.prediction.calibration import IntervalCalibration, Scale, write_calibration
from xtalgraph.prediction.ensemble import copy_whole
from xtalgraph.structures import Crystal

OLD = Path(__file__).with_name("models_of_0_1")
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
CRYSTALS = [
    Crystal(2.82 * (np.ones((3, 3)) - np.eye(3)), [[0, 0, 0], [0.5, 0.5, 0.5]], [11, 17], "NaCl"),
    Crystal(
        3.9 * np.eye(3),
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
        [38, 22, 8, 8, 8],
        "SrTiO3",
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the models of 0.1."""
    return shutil.copytree(OLD, tmp_path / "models")


def refuse_difference(root: Path, name: str) -> None:
    """Fail where a model does not predict what version 0.1 predicted."""
    columns = load_model(root / name).predict(CRYSTALS).to_columns()
    assert list(columns) == list(EXPECTED[name])
    for header, expected in EXPECTED[name].items():
        if isinstance(expected[0], float):
            np.testing.assert_allclose(columns[header], expected, rtol=0, atol=1e-6)
        else:
            assert columns[header].tolist() == expected


@pytest.mark.parametrize("name", EXPECTED)
def test_models_of_0_1_predict_the_same(name: str) -> None:
    refuse_difference(OLD, name)


@pytest.mark.parametrize("name", EXPECTED)
def test_models_of_0_1_are_converted_bit_for_bit(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["model_format", str(folder), "--version", "0.1"]
    monkeypatch.setattr("sys.argv", command)
    model_format.main()
    assert "3 networks and 1 ensembles" in capsys.readouterr().out
    for file in OLD.rglob("model.safetensors"):
        assert (folder / file.relative_to(OLD)).read_bytes() == file.read_bytes()
    assert not list(folder.rglob("reference.safetensors"))
    descriptions = [*folder.rglob("model.json"), *folder.rglob("ensemble.json")]
    assert {json.loads(file.read_text())["format"] for file in descriptions} == {3}
    assert load_model(folder / "ensemble").model_version == "ensemble@0.1"
    refuse_difference(folder, name)
    model_format.main()
    assert "0 networks and 0 ensembles" in capsys.readouterr().out


def test_blocks_are_kept_and_read_when_they_are_asked_for(tmp_path: Path) -> None:
    hashes = np.arange(5, dtype=np.uint64)
    blocks = {
        "training_hashes": Block(1, {"algorithm": "sha256/8"}, {"formulas": hashes}),
        "of_tomorrow": Block(7, {"a": [1, None]}),
    }
    saved = replace(read_model(OLD / "network"), name="mine", version="2.0", blocks=blocks)
    read = read_model(save_model(saved, tmp_path / "a"))
    assert (read.name, read.version) == ("mine", "2.0")
    assert Predictor(read).model_version == "mine@2.0"
    again = read_model(save_model(read, tmp_path / "b"))
    for name, block in blocks.items():
        found = again.blocks[name]
        assert (found.schema, found.info, found.required) == (block.schema, block.info, False)
        assert found.arrays.keys() == block.arrays.keys()
    assert np.array_equal(again.blocks["training_hashes"].arrays["formulas"], hashes)
    (tmp_path / "b" / "training_hashes.safetensors").write_bytes(b"broken")
    late = read_model(tmp_path / "b")  # what is not asked for is not read
    with pytest.raises(BadCheckpoint, match=r"training_hashes.* is broken"):
        _ = late.blocks["training_hashes"].arrays["formulas"]


def test_a_single_network_can_be_calibrated(tmp_path: Path) -> None:
    saved = read_ensemble(OLD / "ensemble/member-1").members[0]
    calibration = IntervalCalibration(0.9, (Scale(0.25),))
    calibrated = replace(saved, blocks={"calibration": write_calibration(calibration)})
    predictor = load_model(save_model(calibrated, tmp_path))
    assert predictor.ensemble.calibration == calibration
    assert np.allclose(predictor.predict(CRYSTALS).uncertainty, 0.25)
    wrong = replace(saved, blocks={"calibration": Block(1, {"coverage": 0.9})})
    with pytest.raises(BadCheckpoint, match="the calibration is broken"):
        Ensemble.of(wrong)


def change(folder: Path, edit: Callable[[dict[str, Any]], object], name: str) -> None:
    description = json.loads((folder / name).read_text())
    edit(description)
    (folder / name).write_text(json.dumps(description))


def test_a_required_block_that_is_not_known_refuses_the_model(folder: Path) -> None:
    network = save_model(read_model(OLD / "network"), folder / "new")
    block = {"schema": 1, "required": True, "info": {}}
    change(network, lambda d: d["blocks"].update(strain=block), "model.json")
    with pytest.raises(BadCheckpoint, match=r"needs its block 'strain' .* Update xtalgraph"):
        read_model(network)
    block["required"] = False
    change(network, lambda d: d.update(blocks={"strain": block}, tomorrow=1), "model.json")
    assert read_model(network).blocks["strain"].schema == 1


def test_a_newer_calibration_is_ignored_with_a_warning_and_kept() -> None:
    blocks = {"calibration": Block(2, {"regions": []})}
    saved = replace(read_model(OLD / "network"), blocks=blocks)
    with pytest.warns(UserWarning, match="'calibration' has schema 2"):
        ensemble = Ensemble.of(saved)
    assert ensemble.calibration is None
    assert ensemble.blocks == blocks
    assert find_block({}, "evidence") is None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d["blocks"].update(x=3), "block 'x' is broken"),
        (
            lambda d: d["blocks"].update(x={"schema": 1, "file": "/etc/x"}),
            "/etc/x leaves its folder",
        ),
        (lambda d: d["blocks"].update(x={"schema": 1, "file": "x"}), "block 'x' is broken"),
        (lambda d: d["model_config"].update(atom_width=10**9), "no array of the weights is larger"),
        (lambda d: d["model_config"].update(n_convolutions=10**9), "no array of the weights"),
        (lambda d: d["model_config"].update(hidden_width=92), "does not fit the settings"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_allocated(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    network = save_model(read_model(OLD / "network"), tmp_path)
    change(network, edit, "model.json")
    with pytest.raises(BadCheckpoint, match=message):
        read_model(network)


def test_members_are_those_that_were_packed(folder: Path, tmp_path: Path) -> None:
    ensemble = folder / "ensemble"
    model_format.convert_model(ensemble / "member-1" / "model.json")
    model_format.convert_model(ensemble / "member-2" / "model.json")
    model_format.convert_ensemble(ensemble / "ensemble.json", "1")
    shared = {"schema": 1, "file": "../shared.safetensors", "sha256": "0"}
    change(ensemble, lambda d: d["blocks"].update(evidence=shared), "ensemble.json")
    (folder / "shared.safetensors").write_bytes(b"x")
    copy_whole(ensemble, tmp_path / "copy")
    assert (tmp_path / "copy" / "shared.safetensors").read_bytes() == b"x"
    assert load_model(tmp_path / "copy").model_version == "ensemble@1"
    shutil.rmtree(ensemble / "member-2")
    shutil.copytree(ensemble / "member-1", ensemble / "member-2")
    with pytest.raises(BadCheckpoint, match=r"member-2 is not the network that .* was packed with"):
        load_model(ensemble)
