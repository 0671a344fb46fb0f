"""`xtalgraph ensemble`, `models` and `publish`, and what `predict` says of a calibrated model."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, SMALL, Call, draw
from tests.zoo import ZOO
from xtalgraph.data import Dataset, make_dataset_folder
from xtalgraph.graphs import GraphConfig
from xtalgraph.nn import CgcnnConfig, Normaliser, SavedModel, Task, resolve as shipped, save_model
from xtalgraph.nn.cgcnn import Cgcnn
from xtalgraph.structures import write_crystal
from xtalgraph.units import Target


@pytest.fixture
def shelf(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the tiny ensemble, in the place of the shipped ones."""
    monkeypatch.setattr(shipped, "SHIPPED", packed.parent)
    return packed.parent


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    """A structure file."""
    write_crystal(ZOO["NaCl"], tmp_path / "salt.cif")
    return tmp_path / "salt.cif"


def test_runs_are_packed_and_predicted_with(
    call: Call, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_dataset_folder(draw(sample, 80), Path("mine"))
    Path("notes.md").write_text("## Known failures\n\nNone was looked for.")
    for seed in (1, 2):
        words = f"train mine --target {ENERGY} --seed {seed} --out runs/{seed}"
        assert call(*words.split(), *SMALL).status == 0
    words = "ensemble runs/1 runs/2 --out packed --baselines mean --card-notes notes.md"
    outcome = call(*words.split())
    assert outcome.status == 0
    assert f"{ENERGY}: " in outcome.out
    assert "% of the test crystals are within the 90 % intervals" in outcome.out
    assert "2 networks: packed" in outcome.err
    card = Path("packed/card.md").read_text(encoding="utf-8")
    assert "| mean |" in card
    assert "| median |" not in card
    assert card.endswith("None was looked for.\n")
    table = pd.read_csv(io.StringIO(call("predict", "packed", "mine").out))
    assert len(table) == 80
    assert list(table)[1:3] == [f"{ENERGY} [eV/atom]", f"{ENERGY} uncertainty [eV/atom]"]
    assert set(table["domain"]) <= {"in", "edge", "out"}
    assert call("evaluate", "packed", "mine", "--split", "all").status == 0
    again = call(*words.split())
    assert again.status == 1
    assert "packed holds an ensemble already" in again.err
    moved = Path("mine").rename("moved")
    assert call(*words.replace("packed", "second").split(), "--data", moved).status == 0
    first, second = (
        json.loads(Path(name, "ensemble.json").read_text()) for name in ("packed", "second")
    )
    assert first["facts"]["test"] == second["facts"]["test"]
    assert first["blocks"]["domain"] == second["blocks"]["domain"]


def test_a_shipped_name_is_predicted_with_and_what_is_out_of_its_domain_is_told(
    call: Call, shelf: Path, salt: Path, tmp_path: Path
) -> None:
    outcome = call("predict", "tiny-energy", salt)
    assert outcome.status == 0
    table = pd.read_csv(io.StringIO(outcome.out))
    assert np.isfinite(table["energy [eV/atom]"]).all()
    write_crystal(ZOO["SrTiO3"], tmp_path / "other.cif")
    outcome = call("predict", "tiny-energy", salt, tmp_path / "other.cif")
    assert outcome.status == 0
    assert "out of the model's domain:" in outcome.err
    assert "other: O, Ti, Sr never seen in training" in outcome.err
    assert len(pd.read_csv(io.StringIO(outcome.out))) == 2


def modules_loaded_to_predict(model: str | Path, crystals: Path) -> set[str]:
    code = (
        "import sys; from xtalgraph.cli.app import run; "
        f"assert run(['predict', {str(model)!r}, {str(crystals)!r}]) == 0; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_crystals_are_predicted_without_torch_and_what_only_tables_and_training_need(
    packed: Path, salt: Path
) -> None:
    heavy = {"torch", "matplotlib", "sklearn", "optuna"}
    heavy |= {"huggingface_hub", "pandas", "pyarrow", "pymatgen", "ase", "moyopy"}
    (salt.parent / "id_prop.csv").write_text(f"{salt.stem},1.0\n")
    for crystals in (salt, salt.parent):
        assert not heavy & modules_loaded_to_predict(packed, crystals)


def test_no_shipped_model_loads_torch(salt: Path) -> None:
    assert not {"torch", "pandas"} & modules_loaded_to_predict("all", salt)


def test_shown_to_fail_a_network_that_has_no_form_in_numpy_loads_torch(
    salt: Path, tmp_path: Path
) -> None:
    config = CgcnnConfig(convolution="shared", n_convolutions=1, atom_width=4)
    task = Task("regression", (Target("gap", "eV"),))
    normaliser = Normaliser((0.0,), (1.0,))
    saved = SavedModel(Cgcnn(config, 1), config, GraphConfig(), task, normaliser, ("Na", "Cl"), {})
    assert "torch" in modules_loaded_to_predict(save_model(saved, tmp_path / "shared"), salt)


def test_an_unknown_name_is_answered_with_the_nearest(call: Call, shelf: Path, salt: Path) -> None:
    for words in (["predict", "tiny-enrgy", salt], ["models", "tiny-enrgy"]):
        outcome = call(*words)
        assert outcome.status == 1
        assert "Did you mean 'tiny-energy'?" in outcome.err
        assert not outcome.out


def test_models_lists_names_units_errors_and_sizes(call: Call, shelf: Path) -> None:
    outcome = call("models")
    head, row = outcome.out.strip().split("\n")
    assert head.split("  ")[0] == "name"
    assert row.startswith("tiny-energy  energy [eV/atom], gap [eV]  MAE ")
    assert row.endswith(" MB")
    (shown,) = json.loads(call("models", "--json").out)
    assert shown["name"] == "tiny-energy"
    assert call("models", "tiny-energy").out == (shelf / "tiny-energy" / "card.md").read_text()


def test_without_any_model_the_list_is_empty(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, salt: Path
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "nothing")
    assert len(call("models").out.strip().split("\n")) == 1
    assert json.loads(call("models", "--json").out) == []
    assert "There is none at all." in call("predict", "band-gap", salt).err


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("ensemble --out packed", 2, "no run is named"),
        ("ensemble run --out packed --coverage 1", 2, "Must be < 1"),
        ("ensemble nowhere --out packed", 1, "no finished run, metrics.json is missing"),
        ("publish nowhere --to me/mine", 1, "is no packed ensemble with a card"),
        ("predict hf:nowhere file.cif", 1, "Write hf:OWNER/NAME"),
    ],
)
def test_wrong_words_are_refused(call: Call, words: str, status: int, message: str) -> None:
    outcome = call(*words.split())
    assert outcome.status == status
    assert message in " ".join(outcome.err.replace("│", " ").split())
