"""What the base does without any extra, and what it says where one is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.zoo import ZOO
from xtalgraph.errors import MissingExtra
from xtalgraph.extras import EXTRA_OF, explain_missing, import_extra
from xtalgraph.structures import write_crystal

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "xtalgraph"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

BLOCKED = sorted({*EXTRA_OF, "scipy", "numba"})
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crystals as CIF, CSV, JSON, and a folder with `id_prop.csv`."""
    folder = tmp_path_factory.mktemp("inputs")
    write_crystal(ZOO["NaCl"], folder / "salt.cif")
    text = (folder / "salt.cif").read_text()
    quoted = text.replace('"', '""')
    (folder / "table.csv").write_text(f'id,cif,gap [eV]\nsalt,"{quoted}",5.0\n')
    rows = [{"id": "salt", "cif": text, "gap [eV]": 5.0}]
    (folder / "table.json").write_text(json.dumps(rows))
    (folder / "mine").mkdir()
    (folder / "mine" / "salt.cif").write_text(text)
    (folder / "mine" / "id_prop.csv").write_text("salt,5.0\n")
    return folder


def run(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run Python in which no module of an extra can be imported."""
    words = [sys.executable, "-c", BLOCKER + code]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False)


def call(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    code = f"from xtalgraph.cli import main; main({arguments})"
    return run(code, folder)


def test_the_base_predicts_and_checks(inputs: Path) -> None:
    for source in ("salt.cif", "table.csv", "table.json", "mine"):
        done = call(["predict", "formation-energy,crystal-system", source], inputs)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].startswith("salt,-2.")
        done = call(["check", source], inputs)
        assert "Traceback" not in done.stderr
        assert "1 crystals" in done.stdout or "1 crystal" in done.stdout
    done = call(["predict", "all", "mine", "--out", "all.json", "--long"], inputs)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((inputs / "all.json").read_text())) == 12
    for words in (["--help"], ["models"], ["predict", "--help"], ["train", "--help"]):
        assert call(words, inputs).returncode == 0


def test_the_base_builds_graphs_and_reads(inputs: Path) -> None:
    code = (
        "import xtalgraph as x\n"
        "crystal = x.read_crystal('salt.cif')\n"
        "graph = x.build_arrays(crystal)\n"
        "predictions = x.load_model(['band-gap', 'is-metal']).predict([crystal])\n"
        "dataset = x.read_dataset('table.csv')\n"
        "print(graph.n_edges, len(dataset), len(predictions.to_columns()['id']))\n"
    )
    done = run(code, inputs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["1", "1"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train table.csv --target gap", "train"),
        ("explain band-gap salt.cif --out told", "train"),
        ("compare table.csv --target gap --vary model.pooling=mean,max", "train"),
        ("screen table.csv --model band-gap --out chosen", "screen"),
        ("evaluate band-gap table.csv", "train"),
        ("predict band-gap salt.cif --out table.parquet", "tables"),
        ("predict band-gap salt.cif --device cuda", "train"),
    ],
)
def test_a_missing_extra_is_named_with_the_command(words: str, extra: str, inputs: Path) -> None:
    done = call(words.split(), inputs)
    assert done.returncode == 1, done.stderr
    assert f"pip install 'xtalgraph[{extra}]'" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "extra"),
    [("train", "train"), ("compare", "train"), ("evaluate", "train"), ("build_graphs", "train")],
)
def test_a_missing_extra_is_named_in_python(name: str, extra: str, inputs: Path) -> None:
    done = run(f"import xtalgraph\nxtalgraph.{name}", inputs)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("xtalgraph.errors.MissingExtra: xtalgraph.")
    assert last.endswith(f"needs an extra: pip install 'xtalgraph[{extra}]'.")


def test_an_error_within_a_module_is_not_taken_for_a_missing_extra() -> None:
    assert explain_missing(ModuleNotFoundError("no", name="nonsense"), "this") is None
    with pytest.raises(ModuleNotFoundError):
        import_extra("nonsense.of.ours", "this")
    missing = explain_missing(ModuleNotFoundError("no", name="pandas.core"), "this", "train")
    assert isinstance(missing, MissingExtra)
    assert missing.extra == "train"


def names_of(requirements: list[str]) -> set[str]:
    """Names of distributions, and of the extras of ours that are named."""
    found = set()
    for requirement in requirements:
        if requirement.startswith("xtalgraph["):
            found |= set(requirement[len("xtalgraph[") : -1].split(","))
        else:
            found.add(requirement.split(">")[0].split("=")[0].split("[")[0].lower())
    return found


def test_every_module_of_an_extra_is_installed_by_it() -> None:
    extras = {name: names_of(wanted) for name, wanted in PROJECT["optional-dependencies"].items()}
    distributions = packages_distributions()
    for module, extra in EXTRA_OF.items():
        known = {name.lower() for name in distributions.get(module, [])}
        known |= {module.lower().replace("_", "-"), module.lower()}
        assert known & extras[extra], f"{module} is not in the extra {extra}"
    assert set(extras) - extras["all"] <= {"all", "scale", "course", "tables", "pymatgen"}
    assert {"tables", "pymatgen"} <= extras["train"] | extras["screen"]


def test_nothing_else_is_imported_than_what_is_installed() -> None:
    """Every module that the package imports is of the base, of an extra, or of Python."""
    base = names_of(PROJECT["dependencies"])
    distributions = packages_distributions()
    unknown = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in (name.partition(".")[0] for name in names):
                if name in sys.stdlib_module_names or name in EXTRA_OF or name == "xtalgraph":
                    continue
                found = {one.lower().replace("_", "-") for one in distributions.get(name, [name])}
                if not found & {one.replace("_", "-") for one in base}:
                    unknown.add(f"{path.relative_to(SOURCE)}: {name}")
    assert unknown <= {"nn/gated_sum/triton_kernel.py: triton"}, unknown


@pytest.mark.full
def test_a_wheel_in_an_empty_environment_predicts(inputs: Path, tmp_path: Path) -> None:
    """Built, installed without an extra, asked; at most 150 MB."""
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("xtalgraph-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    words = [python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel]
    subprocess.run(words, check=True)
    (packages,) = (tmp_path / "empty" / "lib").glob("python*/site-packages")
    tools = ("pip", "setuptools", "_distutils_hack", "pkg_resources")
    files = [file for file in packages.rglob("*") if file.is_file()]
    kept = [file for file in files if not file.relative_to(packages).parts[0].startswith(tools)]
    size = sum(file.stat().st_size for file in kept if "__pycache__" not in file.parts)
    assert size < 150e6, f"{size / 1e6:.0f} MB"
    program = tmp_path / "empty" / "bin" / "xtalgraph"
    for source in ("salt.cif", "table.csv", "table.json", "mine"):
        words = [program, "predict", "all", inputs / source]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [program, "train", inputs / "table.csv", "--target", "gap"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'xtalgraph[train]'" in done.stderr
