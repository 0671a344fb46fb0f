"""Mutated inputs for every reader: `python -m tests.structures.fuzz --inputs 30000 --seed 1`.

Each input is made from (seed, number) alone, so that a fault is made again by `--only NUMBER`. It
is read in a process of its own kind with limits of time and memory; what may come out is crystals,
whose neighbours are then searched, or the package's own error. Faults are crashes, hangs, more
memory than the limit, and any other exception. Where atheris is installed, `--guided SECONDS`
searches by coverage instead.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import re
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

CPU_SECONDS = 2.0  # of an input, as measured in the process
WALL_SECONDS = 20.0  # without a word of the process, which is then stopped
MEGABYTES = 500  # beyond what the process has when it begins

_WORD = re.compile(r"[^\s,:\[\]{}]+")
NUMBERS = [
    *("0", "-0", "1", "-1", "2", "0.5", "1e-300", "1e150", "1e308", "1e309", "9.2e18", "1e19"),
    *("2.2e9", "1e6", "1000001", "1e17", "nan", "inf", "-inf", "119.9999999", "179.9999"),
    *("0.0001", "2147483648", "9223372036854775808", "1e-8", "1/3", "1,5", "?", ".", "²", "٣"),
    *("0x10", "1_0", "9" * 5000),
]
TOKENS = [
    *(
        "loop_",
        "data_",
        "data_b\n",
        ";\n",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        "[" * 3000,
        '{"a":' * 3000,
    ),
    *(
        "\n",
        "\n" * 3000,
        "\r",
        "\r\n",
        "\t",
        " " * 3000,
        "\x00",
        "é",
        "\ufeff",
        "save_\n",
        "?",
        ".",
    ),
    *("_cell_length_a 5\n", "_atom_site_fract_x", "_symmetry_equiv_pos_as_xyz\n", "'x,y,z'\n"),
    *("x,y,z\n" * 900, "'-x,y,100z'\n", "_space_group_name_H-M_alt 'F d -3 m'\n", "#"),
    *("_cell_modulation_dimension 1\n", 'Lattice="', 'pbc="T T F"', "Properties=", "a=" * 3000),
    *("a{" * 3000, "Direct\n", "Selective\n", "-64", "null", "true", '"abc"', '"sites"', "T", "F"),
    *('"@class": "Molecule",', "Uuo", "D", "Fe3+", "Nb,Zr", "H2O", "{[]:1}", "0.3(", "0.999"),
]


def make_seeds() -> dict[str, list[str]]:
    """Return good and bad texts by format, from the cases of the other tests and the zoo."""
    from tests.structures.hard_cifs import BAD, EQUAL, HARD
    from tests.structures.test_formats import (
        BAD_DICTS,
        BAD_POSCARS,
        FRAME,
        POSCARS,
        SEVERAL_COLUMNS,
    )
    from tests.zoo import ZOO
    from xtalgraph.structures.formats import FORMATS

    small = [crystal for crystal in ZOO.values() if crystal.n_atoms <= 20]
    written = {name: [FORMATS[name].write(c) for c in small] for name in ("cif", "poscar", "json")}
    rows = [
        json.dumps(
            {
                "id": f"x{row}",
                "lattice": crystal.lattice.tolist(),
                "species": crystal.symbols,
                "frac": crystal.fractional_positions.tolist(),
                "target": 0.5,
            }
        )
        for row, crystal in enumerate(small[:5])
    ]
    cells = [json.loads(row) for row in rows]
    quoted = [
        [c["id"], *(json.dumps(c[k]).replace('"', '""') for k in ("lattice", "species", "frac"))]
        for c in cells
    ]
    csv = "id,lattice,species,frac\n" + "".join(f"{','.join(map(_quote, q))}\n" for q in quoted)
    return {
        "cif": [*written["cif"], *HARD.values(), *(t for pair in EQUAL.values() for t in pair)]
        + [text for text, _ in BAD.values()],
        "poscar": [*written["poscar"], *POSCARS.values(), *(t for t, _ in BAD_POSCARS.values())],
        "extxyz": [FRAME, SEVERAL_COLUMNS, FRAME * 3]
        + [FORMATS["extxyz"].write(crystal) for crystal in small],
        "json": [*written["json"], *(text for text, _ in BAD_DICTS.values())],
        "table.csv": [csv],
        "table.jsonl": ["\n".join(rows) + "\n"],
    }


def _quote(cell: str) -> str:
    return f'"{cell}"'


def mutate(text: str, others: list[str], chance: random.Random) -> str:
    """Return the text with one to six changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice((1, 3, 10, 60)))
        kind = chance.randrange(9)
        if kind == 0:
            text = text[:begin] + text[end:]
        elif kind == 1:
            text = text[:begin] + chance.choice(TOKENS) + text[begin:]
        elif kind <= 4:  # a number or a word becomes another, which says most
            words = [(m.start(), m.end()) for m in _WORD.finditer(text)] or [(begin, end)]
            first, last = chance.choice(words)
            new = chance.choice(NUMBERS) if kind < 4 else chance.choice(TOKENS)
            text = text[:first] + new + text[last:]
        elif kind == 5:
            text = text[:end] + text[begin:end] * chance.choice((1, 2, 40)) + text[end:]
        elif kind == 6:
            lines = text.splitlines(keepends=True) or [""]
            first, last = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[first], lines[last] = lines[last], lines[first]
            if chance.random() < 0.3:
                lines[first] *= chance.choice((2, 300))
            text = "".join(lines)
        elif kind == 7:
            other = chance.choice(others)
            text = text[:begin] + other[chance.randrange(len(other) + 1) :]
        else:
            byte = chr(chance.choice((0, 9, 13, 34, 39, 44, 45, 46, 65, 91, 123, 178, 255, 0x2028)))
            text = text[:begin] + byte + text[end:]
    return text[:200_000]


def make_input(seeds: dict[str, list[str]], seed: int, number: int) -> tuple[str, str]:
    """Return the format and the text of one input."""
    chance = random.Random(seed * 1_000_003 + number)
    names = [name for name in seeds for _ in range(1 if name.startswith("table") else 6)]
    name = chance.choice(names)
    return name, mutate(chance.choice(seeds[name]), seeds[name], chance)


def read_one(name: str, text: str, folder: Path) -> str:
    """Read one input as its format, and search the neighbours; return what came out of it."""
    from xtalgraph import read_dataset
    from xtalgraph.errors import Rejected, XtalgraphError
    from xtalgraph.graphs import GraphConfig, build_graphs
    from xtalgraph.structures.crystal import CrystalStore
    from xtalgraph.structures.reading import read_file

    rejected: list[Rejected] = []
    path = folder / (name if name.startswith("table") else f"x.{name}")
    data = text.encode("utf-8", "surrogatepass")
    if len(text) % 17 == 0:
        data = gzip.compress(data)
    try:
        if name.startswith("table"):
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            store = read_dataset(path, rejected=rejected).crystals
        else:
            store = CrystalStore.from_crystals(read_file(path, "x", name, rejected, content=data))
        small = [row for row, n in enumerate(store.n_atoms.tolist()) if n <= 300]
        if small:
            build_graphs(store.take(small[:20]), GraphConfig())
    except XtalgraphError as error:
        return "memory" if "more memory than" in str(error) else "refused"
    return "memory" if any("more memory than" in row.reason for row in rejected) else "read"


def work(seed: int, begin: int, end: int) -> None:
    """Read the inputs `begin` to `end`; what happens is told on stdout, a line before and after."""
    seeds = make_seeds()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, texts in seeds.items():  # loads and compiles all before the limit is set
            read_one(name, texts[0], Path(folder))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = used + MEGABYTES * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in range(begin, end):
            print("begin", number, flush=True)
            name, text = make_input(seeds, seed, number)
            before = time.process_time()
            try:
                outcome = read_one(name, text, Path(folder))
            except Exception as error:  # a fault, whatever it is
                outcome = f"foreign {type(error).__name__}: {error}"
            if time.process_time() - before > CPU_SECONDS:
                outcome = f"slow {time.process_time() - before:.1f} s"
            print("end", number, name, " ".join(outcome.split())[:200], flush=True)


def run(
    seed: int, n_inputs: int, seconds: float = 1e9, first: int = 0
) -> tuple[Counter, list[str]]:
    """Return how many inputs were read and refused, and what was wrong with the others."""
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    ends = time.monotonic() + seconds
    begin, last = first, first + n_inputs
    while begin < last and time.monotonic() < ends:
        command = [
            sys.executable,
            "-m",
            "tests.structures.fuzz",
            "--work",
            f"{seed},{begin},{last}",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        begin, why = _follow(process, begin, ends, outcomes, faults)
        if why:
            faults.append(f"input {begin}: {why}")
            outcomes[why.split()[0]] += 1
            begin += 1
    return outcomes, faults


def _follow(
    process: subprocess.Popen[bytes],
    begin: int,
    ends: float,
    outcomes: Counter[str],
    faults: list[str],
) -> tuple[int, str]:
    """Follow a process to its end; return the input it stopped at and why, "" where it is done."""
    waiting = selectors.DefaultSelector()
    assert process.stdout is not None
    waiting.register(process.stdout, selectors.EVENT_READ)
    number, is_reading, patience, pending = begin, False, 120.0, b""  # at first to load and compile
    try:
        while time.monotonic() < ends:
            if not waiting.select(timeout=patience):
                return number, f"hang of more than {patience:g} s"
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                status = process.wait()
                if status == 0:
                    return 10**12, ""
                name = signal.Signals(-status).name if status < 0 else f"status {status}"
                return number, f"crash ({name})" if is_reading else f"crash at start ({name})"
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                word, text, *rest = line.decode().split(maxsplit=3)
                number, patience = int(text), WALL_SECONDS
                is_reading = word == "begin"
                if word == "end":
                    kind = rest[1].split()[0]
                    outcomes[kind] += 1
                    if kind not in ("read", "refused"):
                        faults.append(f"input {number}: {rest[0]}: {rest[1]}")
        return 10**12, ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def search_guided(seconds: int) -> None:
    """Search with atheris, which follows the branches of the readers (extra, not required)."""
    import atheris

    with atheris.instrument_imports(include=["xtalgraph"]):
        import xtalgraph.structures  # noqa: F401
    seeds = make_seeds()

    def one_input(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        name = list(seeds)[provider.ConsumeIntInRange(0, 3)]
        with contextlib.suppress(UnicodeDecodeError):
            read_one(name, provider.ConsumeUnicode(len(data)), Path(tempfile.gettempdir()))

    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}"], one_input)
    atheris.Fuzz()


def main() -> None:
    """Run the harness and end with 1 where there are faults."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="write this input to stdout")
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="search with atheris")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*map(int, options.work.split(",")))
    elif options.only is not None:
        sys.stdout.write("\n".join(make_input(make_seeds(), options.seed, options.only)))
    elif options.guided:
        search_guided(options.guided)
    else:
        outcomes, faults = run(options.seed, options.inputs, options.seconds, options.first)
        print("\n".join(faults))
        print(f"{sum(outcomes.values())} inputs of seed {options.seed}: {dict(outcomes)}")
        sys.exit(bool(faults))


if __name__ == "__main__":
    main()
