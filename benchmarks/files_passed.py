"""How many files of the package one crystal passes: what a reader opens to follow it.

    python -m benchmarks.files_passed [predict train screen] [--list]

Counts the distinct files of `xtalgraph` that `sys.setprofile` sees, imports included, for three
commands, each in a process of its own: `predict` of one CIF, `train` for one epoch, and `screen` of
four perovskites. `passed` are the files in which a function or the body of a class runs, which have
limits; `loaded` are all, also those that hold nothing but names for others.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from itertools import islice, product
from pathlib import Path
from types import FrameType
from typing import Any

LIMITS = {"predict": 35, "train": 75, "screen": 93}
CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{A} 0 0 0
{B} 0.5 0.5 0.5
{X} 0.5 0.5 0
"""


def write_crystals(folder: Path, n_crystals: int) -> None:
    """Write perovskites as CIF files with a table of invented labels: what `train` reads."""
    rows = ["id,energy [eV]"]
    kinds = product(("Ca", "Sr", "Ba", "K", "Na"), ("Ti", "Zr", "Nb", "Ta", "Sn"), ("O", "F"))
    for number, (a, b, x) in enumerate(islice(kinds, n_crystals)):
        text = CIF.format(name=f"{a}{b}{x}3", a=3.8 + 0.02 * number, A=a, B=b, X=x)
        (folder / f"{a}{b}{x}3.cif").write_text(text)
        rows.append(f"{a}{b}{x}3,{-1 - 0.1 * (number % 7)}")
    (folder / "id_prop.csv").write_text("\n".join(rows) + "\n")


def make_command(name: str, folder: Path) -> list[str]:
    """Give the arguments of `xtalgraph` for one of the three, its input written into a folder."""
    if name == "predict":
        write_crystals(folder, 1)
        return ["predict", "formation-energy", str(folder / "CaTiO3.cif")]
    if name == "train":
        write_crystals(folder, 50)
        command = ["train", str(folder), "--target", "energy", "--out", str(folder / "run")]
        return [*command, "--set", "train.epochs=1", "--set", "train.batch_size=16"]
    sites = ["--a", "Ca,Sr", "--b", "Ti,Zr", "--anions", "O3"]
    where = ["--where", "formation_energy_per_atom < 9"]
    model = ["--model", "formation-energy"]
    return ["screen", "perovskites", *model, *sites, *where, "--out", str(folder / "screen")]


def trace(arguments: list[str], result: Path) -> None:
    """Run a command in this process, and write which files and functions of the package ran."""
    seen: set[tuple[str, str, int]] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            seen.add((code.co_filename, code.co_qualname, code.co_firstlineno))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        from xtalgraph.cli import main

        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    import xtalgraph

    root = str(Path(xtalgraph.__file__).parent)
    ours = [
        (Path(file).relative_to(root).as_posix(), name)
        for file, name, _ in seen
        if file.startswith(root)
    ]
    bodies = [place for place in ours if place[1] != "<module>"]
    found = {
        "passed": sorted({file for file, _ in bodies}),
        "loaded": sorted({file for file, _ in ours}),
        "functions": len([name for _, name in bodies if not name.endswith(">")]),
    }
    result.write_text(json.dumps(found))


def count(name: str) -> dict[str, Any]:
    """Give the files of the package that one of the three commands passes, and the functions."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "input"
        folder.mkdir()
        result = Path(scratch) / "result.json"
        command = [sys.executable, "-m", "benchmarks.files_passed", "--trace", str(result)]
        done = subprocess.run(
            [*command, *make_command(name, folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
        return json.loads(result.read_text())


def main() -> None:
    """Print a line for each command."""
    if sys.argv[1:2] == ["--trace"]:
        trace(sys.argv[3:], Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="*", help="of predict, train, screen; all if not given")
    parser.add_argument("--list", action="store_true", help="name the files")
    asked = parser.parse_args()
    for name in asked.commands or LIMITS:
        found = count(name)
        passed, loaded = found["passed"], found["loaded"]
        print(
            f"{name}: {len(passed)} files passed (limit {LIMITS[name]}), {len(loaded)} loaded, "
            f"{found['functions']} functions"
        )
        if asked.list:
            print("\n".join(f"  {'*' if file in passed else ' '} {file}" for file in loaded))


if __name__ == "__main__":
    main()
