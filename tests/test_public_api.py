"""What a user imports: the public names, and the examples of the README as they stand there."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xtalgraph
from xtalgraph.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ENERGY = "formation_energy_per_atom"


@pytest.mark.parametrize("name", xtalgraph.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert name in dir(xtalgraph)
    assert getattr(xtalgraph, name).__doc__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="trian"):
        _ = xtalgraph.trian


STUBS = sorted(Path(xtalgraph.__file__).parent.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=[stub.parent.name for stub in STUBS])
def test_names_of_a_stub_are_those_that_can_be_loaded(stub: Path) -> None:
    inner = stub.parent.relative_to(Path(xtalgraph.__file__).parents[1])
    room = importlib.import_module(".".join(inner.parts))
    names = re.findall(r"^    (\w+) as (\w+),$", stub.read_text(encoding="utf-8"), re.MULTILINE)
    assert names
    assert {name for name, _ in names} <= set(room.__all__)
    for name, public in names:
        assert name == public
        assert getattr(room, name) is not None


def public_callables() -> dict[str, object]:
    """Return the functions and classes that the stubs name, by their full name."""
    found: dict[str, object] = {}
    for stub in STUBS:
        inner = stub.parent.relative_to(Path(xtalgraph.__file__).parents[1])
        room = importlib.import_module(".".join(inner.parts))
        text = stub.read_text(encoding="utf-8")
        for name in re.findall(r"^    (\w+) as \w+,$", text, re.MULTILINE):
            thing = getattr(room, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return found


def missing_sections(thing: object) -> list[str]:
    """Return the parameters, fields and sections that a docstring lacks.

    A function with at most one parameter that one sentence describes needs no sections.
    """
    text = inspect.getdoc(thing) or ""
    if inspect.isclass(thing):
        if not dataclasses.is_dataclass(thing):
            return [] if text else ["docstring"]
        names = [field.name for field in dataclasses.fields(thing)]
        return [name for name in names if not re.search(rf"^    {name}: ", text, re.MULTILINE)]
    signature = inspect.signature(thing)
    names = list(signature.parameters)
    if len(names) < 2 and len(text.splitlines()) == 1:
        return []
    lacking = [name for name in names if not re.search(rf"^    {name}: ", text, re.MULTILINE)]
    if names and not re.search(r"^Args:$", text, re.MULTILINE):
        lacking.append("Args")
    returns = signature.return_annotation not in ("None", None)
    if returns and not re.search(r"^(Returns|Yields):$", text, re.MULTILINE):
        lacking.append("Returns")
    return lacking


def test_public_names_are_documented() -> None:
    found = public_callables()
    assert len(found) > 100
    lacking = {name: missing_sections(thing) for name, thing in found.items()}
    assert {name: parts for name, parts in lacking.items() if parts} == {}


def test_a_docstring_without_its_sections_is_found() -> None:
    def weigh(mass: float, factor: float) -> float:  # noqa: D417
        """Return the product.

        Args:
            mass: In kg.
        """
        return mass * factor

    assert missing_sections(weigh) == ["factor", "Returns"]


@pytest.fixture(scope="module")
def dataset() -> xtalgraph.Dataset:
    return xtalgraph.read_sample_dataset()


@pytest.fixture(scope="module")
def folder(dataset: xtalgraph.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with `runs/mine` and `new_crystals`, as the README supposes them."""
    folder = tmp_path_factory.mktemp("user")
    rows = np.linspace(0, len(dataset) - 1, 20).astype(int)
    config = xtalgraph.RunConfig(
        model=xtalgraph.CgcnnConfig(atom_width=8, n_convolutions=1, hidden_width=8),
        train=xtalgraph.TrainConfig(epochs=1, accelerator="cpu", tensorboard=False),
    )
    run = xtalgraph.train(dataset.take(rows), ENERGY, config=config, out=folder / "runs" / "mine")
    assert run.metrics["epochs"] == 1
    for crystal in dataset.take(rows[:3]).crystals:
        path = folder / "new_crystals" / f"{crystal.id}.cif"
        path.parent.mkdir(exist_ok=True)
        xtalgraph.write_crystal(crystal, path)
    return folder


def test_from_files_to_a_table(folder: Path) -> None:
    paths = sorted((folder / "new_crystals").iterdir())
    crystal = xtalgraph.read_crystal(paths[0])
    crystals = xtalgraph.read_crystals(folder / "new_crystals")
    predictor = xtalgraph.load_model(folder / "runs" / "mine")
    table = predictor.predict(crystals).to_frame()
    assert list(table) == ["id", f"{ENERGY} [eV/atom]"]
    assert table["id"].tolist() == [path.stem for path in paths]
    alone = predictor.predict(crystal).to_frame()
    assert alone["id"].tolist() == [crystal.id]
    np.testing.assert_allclose(alone.iloc[0, 1], table.iloc[0, 1], rtol=1e-5)


def test_from_a_data_set_to_scores(folder: Path, dataset: xtalgraph.Dataset) -> None:
    unlabelled = xtalgraph.read_dataset(folder / "new_crystals")
    assert len(unlabelled) == 3
    assert "good for prediction" in " ".join(xtalgraph.check_dataset(unlabelled).warnings)
    result = xtalgraph.evaluate(folder / "runs" / "mine", dataset, rows=np.arange(4))
    assert result.metrics[ENERGY]["n_scored"] == 4


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_of_the_readme_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    blocks = python_blocks(ROOT / "README.md")
    assert len(blocks) == 3
    for block in blocks:
        exec(block, names)
    assert len(names["crystals"]) == 3
    assert names["graph"].n_crystals == 3


def commands(text: str) -> list[list[str]]:
    """Give the words of each `xtalgraph …` in the code blocks of a page, backslashes joined."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("xtalgraph ")]


def test_every_command_of_the_pages_is_legal() -> None:
    found = [
        (page.name, words) for page in PAGES for words in commands(page.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 4
    for page, words in found:
        if not {"…", "..."} & set(words):
            app.parse_args(words, exit_on_error=False, print_error=False)
            assert page


def test_a_command_that_is_not_legal_is_found() -> None:
    (words,) = commands("```\nxtalgraph train \\\n  data --tagret x  # a remark\n```")
    assert words == ["train", "data", "--tagret", "x"]
    with pytest.raises(Exception, match="--tagret"):
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_command_is_installed() -> None:
    command = shutil.which("xtalgraph", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == xtalgraph.__version__
