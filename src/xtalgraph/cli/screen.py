"""`xtalgraph screen`: many candidates through trained models, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import App, Parameter

from xtalgraph.cli.options import (
    Device,
    Flag,
    Json,
    Positive,
    UsageError,
    choose_device,
    default,
    split_words,
)
from xtalgraph.cli.output import print_json, print_lines, print_table, say
from xtalgraph.cli.progress import describe_screen, progress_bar
from xtalgraph.manifest import write_command

if TYPE_CHECKING:
    from xtalgraph.screening import LearnedCells, RadiiCells, ScreenSpec, Source

app = App(name="screen", help="Predict many candidates with trained models, and keep the best.")
Hyphen = Parameter(allow_leading_hyphen=True)
Window: TypeAlias = Annotated[str | None, default("any")]


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What every screen takes.

    Parameters
    ----------
    model: str
        Comma-separated models: names of shipped models, run folders, ensembles or model files.
    out: Path
        Folder of the results. If interrupted, rerun the command with the same folder to resume.
    where: str
        Condition that a candidate must meet, such as 'energy_above_hull < 0.1 and band_gap > 1'. An
        unknown column is answered with those that exist.
    rank_by: str
        Expression to rank by, the smallest value first, such as 'abs(band_gap - 1.5)' or -band_gap.
    top: int
        Number of the best candidates that are listed.
    exclude: str
        Comma-separated elements that no candidate may contain.
    charge_balance: bool
        Only candidates that are neutral with common oxidation states.
    known: str
        A table or folder of known crystals. The column `known` then tells whether a candidate is
        among them by its structure, or by its formula only.
    workers: int
        Number of processes, one core each.
    engine: str
        local, or ray for a cluster (needs the extra `scale`).
    address: str
        Address of the Ray cluster: auto, or such as host:6379.
    """

    model: str
    out: Path
    where: Annotated[str, Hyphen, default("all that can be predicted")] = ""
    rank_by: Annotated[str, Hyphen, default("the first predicted number")] = ""
    top: Positive = 100
    exclude: Annotated[str, default("none")] = ""
    charge_balance: Annotated[bool, Flag] = False
    known: Annotated[str | None, default("none")] = None
    workers: Annotated[Positive | None, default("all cores")] = None
    device: Device = "cpu"
    engine: str = "local"
    address: Annotated[str | None, default("Ray is started on this machine")] = None
    json: Json = False


@app.default
def data(source: str, /, *, options: Options) -> int:
    """Screen the crystals of a table, a folder, a glob or a structure file.

    Parameters
    ----------
    source: str
        A table (CSV, parquet, JSON), or a folder or glob of structure files. It is read in chunks,
        and may be larger than memory.

    Examples
    --------
    xtalgraph screen candidates.parquet --model formation-energy --out runs/screen
    """
    from xtalgraph.screening import read_candidates

    return _screen(read_candidates(source), options, [source], {})


@app.command
def perovskites(
    *,
    options: Options,
    a: str = "castelli",
    b: str = "castelli",
    anions: str = "O3,O2N,ON2,N3,O2S,O2F,OFN",
    cells: str = "radii",
    tolerance: Window = None,
    octahedral: Window = None,
) -> int:
    """Screen all perovskites ABX3 of chosen elements, as cubic cells of five atoms.

    With --charge-balance, A and B have common oxidation states that balance the anions.

    Parameters
    ----------
    a: str
        Comma-separated elements for the A site; castelli (52 elements) and metals (all metals)
        stand for lists.
    b: str
        Elements for the B site, in the same form.
    anions: str
        Comma-separated anion triples such as O2N; single elements (O,N,F) stand for all triples of
        them.
    cells: str
        radii: a = 2 (r_B + r_X) with Shannon's radii; or a table of perovskites, to which lattice
        constants are fitted.
    tolerance: str
        Range of Goldschmidt's tolerance factor, as in 0.8,1.05.
    octahedral: str
        Range of the octahedral factor r_B / r_X, as in 0.38,0.9.

    Examples
    --------
    xtalgraph screen perovskites --model formation-energy --out runs/abo3 --anions O3
    """
    from xtalgraph.screening import PerovskiteSpace, list_anions, list_elements

    space = PerovskiteSpace(
        list_elements(split_words(a)),
        list_elements(split_words(b)),
        list_anions(split_words(anions)),
        _choose_cells(cells),
        options.charge_balance,
        _read_window("--tolerance", tolerance),
        _read_window("--octahedral", octahedral),
    )
    given: dict[str, object] = {"a": a, "b": b, "anions": anions, "cells": cells}
    given |= {"tolerance": tolerance, "octahedral": octahedral}
    return _screen(space, options, ["perovskites"], given)


@app.command
def prototype(file: Path, /, *, options: Options, substitute: Annotated[list[str], Flag]) -> int:
    """Screen a structure with other elements substituted on some of its sites.

    Cell lengths are scaled by the sum of the covalent radii; fractional positions are kept.

    Parameters
    ----------
    file: Path
        The structure, in any supported format.
    substitute: list[str]
        SITES=ELEMENTS, as in Ti=Ti,Zr,Hf; may be given several times. SITES is an element of the
        structure, for all its sites, or a site label of the CIF (O1). ELEMENTS are symbols,
        castelli or metals.

    Examples
    --------
    xtalgraph screen prototype SrTiO3.cif --substitute Ti=Ti,Zr,Hf \\
        --model formation-energy --out runs/titanates
    """
    from xtalgraph.screening import read_prototype

    given = {"substitute": substitute}
    return _screen(read_prototype(file, substitute), options, ["prototype", file], given)


def _screen(
    source: Source, options: Options, words: Sequence[object], given: Mapping[str, object]
) -> int:
    from xtalgraph.screening import screen

    spec = _ask(source, options)
    changed = {
        name.replace("_", "-"): value
        for name, value in vars(options).items()
        if value != getattr(Options, name, None)  # the default
    }
    with progress_bar(describe_screen) as show:
        result = screen(
            source,
            spec,
            out=options.out,
            n_top=options.top,
            engine=options.engine,
            n_workers=options.workers,
            address=options.address,
            command=write_command(["screen", *words], {**given, **changed}),
            on_progress=show,
        )
    best = result.top.head(10)
    if options.json:
        print_json({"funnel": result.funnel, "top": best.to_dict(orient="records")})
    else:
        print_lines(f"{name:20} {count:>12,}" for name, count in result.funnel.items())
        if len(best):
            print_table(best)
    say(
        f"best candidates: {options.out / 'top.csv'}",
        f"all that passed: {options.out / 'passed.parquet'}",
        f"report: {options.out / 'report.html'}",
    )
    return 0


def _ask(source: Source, options: Options) -> ScreenSpec:
    from xtalgraph.data import read_dataset
    from xtalgraph.screening import KnownCrystals, PerovskiteSpace, ScreenSpec

    known = None
    if options.known is not None:
        known = KnownCrystals.from_dataset(read_dataset(options.known, rejected=[]))
    return ScreenSpec(
        tuple(split_words(options.model)),
        options.where,
        options.rank_by,
        tuple(symbol for symbol in split_words(options.exclude) if symbol),
        # a perovskite's charges are balanced where its sites are chosen, A and B each by itself
        options.charge_balance and not isinstance(source, PerovskiteSpace),
        choose_device(options.device),
        known,
    )


def _choose_cells(cells: str) -> RadiiCells | LearnedCells:
    from xtalgraph.data import read_dataset
    from xtalgraph.screening import RadiiCells, learn_cells

    if cells == "radii":
        return RadiiCells()
    learned = learn_cells(read_dataset(cells, rejected=[]))
    say(
        f"lattice constants learned from {learned.n_fitted:,} perovskites; leave-one-out mean "
        f"error {learned.error:.3f} Å"
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
