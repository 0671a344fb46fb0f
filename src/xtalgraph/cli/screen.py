"""`xtalgraph screen`: many candidates through trained models, and the best of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from xtalgraph.cli.output import print_json, print_lines, say
from xtalgraph.cli.usage_error import UsageError

if TYPE_CHECKING:
    from xtalgraph.screening import LearnedCells, RadiiCells, ScreenProgress, ScreenSpec, Source

app = App(name="screen", help="Screener many candidates with trained models, and keep the best.")
Formula = Annotated[str, Parameter(allow_leading_hyphen=True)]
Positive = Annotated[int, Parameter(validator=Number(gte=1))]


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What every screen takes.

    Parameters
    ----------
    model: str
        Trained models, parted by commas: run folders, model files or names.
    out: Path
        Folder of the results. The same command with the same folder goes on where it was.
    where: str
        What passes, such as 'energy_above_hull < 0.1 and band_gap > 1'; all that can be predicted
        where not given. A column that is not there is answered with those that are.
    rank_by: str
        What is best, the smallest first, such as 'abs(band_gap - 1.5)' or -band_gap; the first
        predicted number where not given.
    top: int
        How many of the best are listed.
    exclude: str
        Elements that no candidate may hold, parted by commas.
    charge_balance: bool
        Only candidates that common oxidation states can make neutral.
    known: str
        A table or folder of known crystals; the column `known` says what is in it by structure, or
        by formula alone.
    workers: int
        Processes, one core each; as many as there are cores where not given.
    device: str
        Where the networks run: cpu, cuda, mps.
    engine: str
        local, or ray for a cluster (needs the extra `scale`).
    address: str
        Of the Ray cluster: auto, or host:6379; Ray is begun here where not given.
    json: bool
        Print the counts and the best for a program.
    """

    model: str
    out: Path
    where: Formula = ""
    rank_by: Formula = ""
    top: Positive = 100
    exclude: str = ""
    charge_balance: Annotated[bool, Parameter(negative=())] = False
    known: str | None = None
    workers: Positive | None = None
    device: str = "cpu"
    engine: str = "local"
    address: str | None = None
    json: Annotated[bool, Parameter(negative=())] = False


@app.default
def data(source: str, /, *, options: Options) -> int:
    """Screen the crystals of a table, a folder, a glob or a structure file.

    Parameters
    ----------
    source: str
        A table (CSV, parquet, JSON) or a folder or glob of structure files; read in pieces, so that
        it may be larger than the memory.
    """
    from xtalgraph.screening import read_candidates

    return _screen(read_candidates(source), options, [source])


@app.command
def perovskites(
    *,
    options: Options,
    a: str = "castelli",
    b: str = "castelli",
    anions: str = "O3,O2N,ON2,N3,O2S,O2F,OFN",
    cells: str = "radii",
    tolerance: str | None = None,
    octahedral: str | None = None,
) -> int:
    """Screen all perovskites ABX3 over chosen elements, as cubic cells of five atoms.

    With --charge-balance, A and B have common oxidation states that balance the anions.

    Parameters
    ----------
    a: str
        Elements for the A site, parted by commas; castelli (52 elements) and metals (all) stand for
        lists.
    b: str
        Elements for the B site, likewise.
    anions: str
        Threes of anions such as O2N; single elements (O,N,F) stand for all threes of them.
    cells: str
        radii: a = 2 (r_B + r_X) with Shannon's radii; or a table of perovskites, from which lattice
        constants are learned.
    tolerance: str
        Window of Goldschmidt's tolerance factor, as in 0.8,1.05.
    octahedral: str
        Window of the octahedral factor r_B / r_X, as in 0.38,0.9.
    """
    from xtalgraph.screening import PerovskiteSpace, list_anions, list_elements

    space = PerovskiteSpace(
        list_elements(a.split(",")),
        list_elements(b.split(",")),
        list_anions(anions.split(",")),
        _choose_cells(cells),
        options.charge_balance,
        _read_window("--tolerance", tolerance),
        _read_window("--octahedral", octahedral),
    )
    words = ["perovskites", f"--a={a}", f"--b={b}", f"--anions={anions}", f"--cells={cells}"]
    words += [f"--tolerance={tolerance}"] if tolerance else []
    words += [f"--octahedral={octahedral}"] if octahedral else []
    return _screen(space, options, words)


@app.command
def prototype(file: Path, /, *, options: Options, substitute: list[str]) -> int:
    """Screen what a structure becomes when other elements stand on some of its sites.

    Cell lengths are scaled by the sum of the covalent radii; fractional positions stay.

    Parameters
    ----------
    file: Path
        The structure, in any format that is read.
    substitute: list[str]
        SITES=ELEMENTS, as in Ti=Ti,Zr,Hf; may be given again. SITES is an element of the structure
        and means all its sites, or a label of the CIF's table of sites (O1). ELEMENTS are symbols,
        castelli or metals.
    """
    from xtalgraph.screening import read_prototype

    words = ["prototype", str(file), *(f"--substitute={one}" for one in substitute)]
    return _screen(read_prototype(file, substitute), options, words)


def _screen(source: Source, options: Options, words: list[str]) -> int:
    from xtalgraph.screening import screen

    spec = _ask(source, options)
    with _bar() as show:
        result = screen(
            source,
            spec,
            out=options.out,
            n_top=options.top,
            engine=options.engine,
            n_workers=options.workers,
            address=options.address,
            command=_write_command(words, options),
            on_progress=show,
        )
    best = result.top.head(10)
    if options.json:
        print_json({"funnel": result.funnel, "top": best.to_dict(orient="records")})
    else:
        print_lines(f"{name:20} {count:>12,}" for name, count in result.funnel.items())
        print_lines(best.to_string(index=False).split("\n") if len(best) else [])
    say(
        f"the best: {options.out / 'top.csv'}",
        f"all that passed: {options.out / 'passed.parquet'}",
        f"report: {options.out / 'report.html'}",
    )
    return 0


def _write_command(words: list[str], options: Options) -> str:
    """Give the command line, quoted for a shell, with the options that are not as by default."""
    parts = list(words)
    for field in fields(options):
        value, name = getattr(options, field.name), field.name.replace("_", "-")
        if value is True:
            parts.append(f"--{name}")
        elif value != field.default:
            parts.append(f"--{name}={value}")
    return " \\\n    ".join(["xtalgraph screen", *map(shlex.quote, parts)])


def _ask(source: Source, options: Options) -> ScreenSpec:
    from xtalgraph.data import read_dataset
    from xtalgraph.screening import KnownCrystals, PerovskiteSpace, ScreenSpec

    known = None
    if options.known is not None:
        known = KnownCrystals.from_dataset(read_dataset(options.known, rejected=[]))
    return ScreenSpec(
        tuple(options.model.split(",")),
        options.where,
        options.rank_by,
        tuple(symbol for symbol in options.exclude.split(",") if symbol),
        # a perovskite's charges are balanced where its sites are chosen, A and B each by itself
        options.charge_balance and not isinstance(source, PerovskiteSpace),
        options.device,
        known,
    )


def _choose_cells(cells: str) -> RadiiCells | LearnedCells:
    from xtalgraph.data import read_dataset
    from xtalgraph.screening import RadiiCells, learn_cells

    if cells == "radii":
        return RadiiCells()
    learned = learn_cells(read_dataset(cells, rejected=[]))
    say(
        f"lattice constants learned from {learned.n_fitted:,} perovskites; mean error on one that "
        f"was left out {learned.error:.3f} Å"
    )
    return learned


def _read_window(option: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text}: write two numbers, as in 0.8,1.05.") from None
    return low, high


@contextmanager
def _bar() -> Iterator[Callable[[ScreenProgress], None]]:
    """Give a function that shows the progress on stderr: a moving line, or a line now and then."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _LogLines(console).show
        return
    columns = (
        TextColumn("{task.fields[text]}", markup=False),
        BarColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("screen", total=None, text="")

        def show(progress: ScreenProgress) -> None:
            text = _describe(progress)
            bars.update(bar, completed=progress.n_candidates, total=progress.n_all, text=text)

        yield show


class _LogLines:
    """Prints a line each time that a twentieth more is done, or the number doubles."""

    def __init__(self, console: Console) -> None:
        self.console, self.due = console, 0

    def show(self, progress: ScreenProgress) -> None:
        if progress.n_candidates < self.due and progress.n_candidates != progress.n_all:
            return
        step = progress.n_all // 20 if progress.n_all else progress.n_candidates
        self.due = progress.n_candidates + step
        left = progress.seconds_remaining
        text = _describe(progress) + ("" if left is None else f", {left:.0f} s left")
        self.console.print(text, soft_wrap=True, markup=False)


def _describe(progress: ScreenProgress) -> str:
    of = f" of {progress.n_all:,}" if progress.n_all else ""
    return (
        f"{progress.n_candidates:,}{of} candidates, {progress.n_passed:,} passed, "
        f"{progress.candidates_per_second:,.0f}/s"
    )
