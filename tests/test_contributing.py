"""What CONTRIBUTING.md says: every file it names is there, and two of its lists are done here.

The examples of a pooling and of a format are run as they stand in the text, and then everything
that should know of a new part is asked.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Call, call  # noqa: F401
from tests.training.tiny import make_tiny, small_config
from xtalgraph import load_model, read_crystal, read_dataset, train, write_crystal
from xtalgraph.nn import POOLINGS
from xtalgraph.structures import FORMATS

ROOT = Path(__file__).resolve().parents[1]
PLACES = (ROOT, ROOT / "src" / "xtalgraph")
CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def named_files(text: str) -> list[str]:
    """Give the files and folders that a page names in backticks."""
    words = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    is_path = re.compile(r"\.?[\w./-]+/[\w./-]*|[a-z_]+\.py")
    return [word for word in words if is_path.fullmatch(word) and not word.startswith("../")]


def is_there(name: str) -> bool:
    """Tell whether there is such a path, or such a file anywhere where the name is no path."""
    if "/" not in name:
        return any(PLACES[1].rglob(name))
    return any((place / name).exists() for place in PLACES)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    names = named_files((ROOT / page).read_text(encoding="utf-8"))
    assert len(names) > 10
    assert [name for name in names if not is_there(name)] == []


def test_a_file_that_is_not_there_is_found() -> None:
    names = named_files("`cli/app.py`, `cli/nothing.py`, `docs/`, `make test`, `--out`, `a.b`")
    assert names == ["cli/app.py", "cli/nothing.py", "docs/"]
    assert [is_there(name) for name in names] == [True, False, True]


def run_example(heading: str) -> None:
    """Run the Python below a heading of CONTRIBUTING.md."""
    section = CONTRIBUTING.read_text(encoding="utf-8").partition(f"### {heading}\n")[2]
    exec(section.partition("```python\n")[2].partition("```")[0], {})


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registries of parts and formats, which are as before afterwards."""
    for registry in (POOLINGS, FORMATS):
        for name, entries in vars(registry).items():
            if isinstance(entries, dict):
                monkeypatch.setattr(registry, name, dict(entries))


def test_a_pooling_is_added_as_the_list_says(
    call: Call,  # noqa: F811
    registries: None,
    tmp_path: Path,
) -> None:
    run_example("A pooling")
    dataset = make_tiny()
    config = small_config("model.pooling=smallest", "train.epochs=2")
    run = train(dataset, "energy", config=config, out=tmp_path / "run")
    predicted = load_model(run.folder).predict(dataset.crystals).to_frame().set_index("id")
    by_torch = pd.read_csv(run.folder / "test_predictions.csv", dtype={"id": str}).set_index("id")
    (column,) = [name for name in by_torch if "predicted" in name]
    found = predicted.loc[by_torch.index].iloc[:, 0]
    np.testing.assert_allclose(found, by_torch[column], atol=1e-4)
    assert "smallest" in call("settings", "model.pooling").out
    wrong = call("train", "mp-sample", "--target", "x", "--set", "model.pooling=smalest")
    assert "Did you mean 'smallest'?" in wrong.err


def test_a_format_is_added_as_the_list_says(
    call: Call,  # noqa: F811
    registries: None,
    tmp_path: Path,
) -> None:
    run_example("A format of structures")
    dataset = make_tiny()
    (tmp_path / "data").mkdir()
    for crystal in dataset.crystals:
        write_crystal(crystal, tmp_path / "data" / f"{crystal.id}.tab")
    rows = [
        f"{id},{value}"
        for id, value in zip(dataset.ids, dataset.values(["energy"])[:, 0], strict=True)
    ]
    (tmp_path / "data" / "id_prop.csv").write_text("\n".join(["id,energy [eV]", *rows]))
    again = read_dataset(tmp_path / "data")
    np.testing.assert_allclose(again.values(["energy"]), dataset.values(["energy"]))
    first = dataset.crystals[0]
    found = read_crystal(tmp_path / "data" / f"{first.id}.tab")
    np.testing.assert_allclose(found.lattice, first.lattice)
    assert found.id == first.id
    names = ["id", *map(str, sorted((tmp_path / "data").glob("*.tab"))[:2])]
    outcome = call("predict", "formation-energy", *names[1:])
    assert len(outcome.out.splitlines()) == 3
