"""The page of a screen: the settings, the top candidates, distributions, and A-B maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xtalgraph.files import write_text
from xtalgraph.report import Picture, Report, Section, Table, write_report
from xtalgraph.report.page import describe_repeat, file_name
from xtalgraph.screening.overview import (
    MOST_MAPS,
    count_in_bins,
    draw_distribution,
    draw_site_map,
    find_range,
    read_maps,
)
from xtalgraph.screening.results import ScreenResult
from xtalgraph.screening.screener import BOUND, SCORE, SITES, UNCERTAINTY, Screener
from xtalgraph.units import Target

N_ROWS = 25  # of the top candidates; top.csv has all
MOST_DISTRIBUTIONS = 8
MOST_WORDS = 60  # shown of a list of elements or anions; manifest.json has all
CHECKSUM = 12  # characters shown to distinguish models


@dataclass(frozen=True, eq=False)
class Asked:
    """What a page shows besides the results."""

    title: str  # of the candidates
    description: Mapping[str, Any]  # as in manifest.json
    screener: Screener  # with the expressions and the predicted quantities
    command: str = ""  # that reproduces the screen, if there is one
    rate: str = ""


def write_page(asked: Asked, result: ScreenResult, predicted: Sequence[Path]) -> Path:
    """Write `report.html` with its figures and tables into the folder of a screen.

    `predicted` are the files with the predictions of each chunk. Returns the path of the page.
    """
    sections = [_describe(asked, result), _show_best(asked, result)]
    sections += _show_distributions(asked, predicted)
    sections += _show_maps(asked, result, predicted)
    if asked.command:
        words = "All settings are in manifest.json."
        sections.append(describe_repeat(asked.command, words=words))
    n_passed, n_all = result.funnel["passed"], result.funnel["candidates"]
    title = f"{n_passed:,} of {n_all:,} candidates: {asked.title}"
    versions = [predictor.model_version for predictor in asked.screener.predictors]
    numbers = {
        "asked": asked.description,
        "model_versions": versions,
        "funnel": result.funnel,
    }
    return write_report(result.folder, Report(title, tuple(sections), numbers))


def _describe(asked: Asked, result: ScreenResult) -> Section:
    description = asked.description
    where, rank_by = asked.screener.where, asked.screener.rank_by
    models = [f"{name} (SHA-256 {sum[:CHECKSUM]}…)" for name, sum in description["models"].items()]
    words = [
        _describe_candidates(asked),
        f"Models: {'; '.join(models)}. Predicted: {', '.join(_write(asked.screener.quantities))}.",
        f"Filter: {where.text if where else 'none'}. "
        f"Ranked by: {rank_by.text if rank_by else ''}, smallest first.",
    ]
    filters = []
    if description["exclude"]:
        filters.append(f"without {', '.join(description['exclude'])}")
    if description["charge_balance"] or description["candidates"].get("charge_balance"):
        filters.append("charge-balanced with common oxidation states")
    if description["known"]:
        known = description["known"][:CHECKSUM]
        filters.append(f"compared with known crystals of a table with SHA-256 {known}…")
    if filters:
        words.append(f"Also: {'; '.join(filters)}.")
    if asked.rate:
        words.append(asked.rate)
    funnel = pd.DataFrame({"step": list(result.funnel), "candidates": list(result.funnel.values())})
    caption = "Candidates in all, removed by each filter, predicted, and passed"
    return Section(
        "Summary",
        tuple(words),
        tables=(Table("funnel", funnel, caption),),
    )


def _describe_candidates(asked: Asked) -> str:
    """Return a description of the candidates, as far as the source provides it."""
    space = asked.description["candidates"]
    if space["kind"] == "perovskites":
        sites = [f"{site}: {_list(space[site])}." for site in SITES]
        windows = [
            f"{name} factor {space[name][0]} to {space[name][1]}."
            for name in ("tolerance", "octahedral")
            if space[name]
        ]
        cells = f"Cells: {space['cells']['rule']}."
        return " ".join(["Perovskites ABX3 as cubic cells of five atoms.", *sites, cells,
                         *windows])  # fmt: skip
    if space["kind"] == "prototype":
        sites = [f"{one['name']}: {_list(one['elements'])}." for one in space["substitutions"]]
        return " ".join([f"{space['id']} with substituted elements on its sites.", *sites])
    return f"The crystals of {asked.title}."


def _list(words: Sequence[str]) -> str:
    if len(words) == 1:
        return words[0]
    more = ", …" if len(words) > MOST_WORDS else ""
    return f"{len(words)} ({', '.join(words[:MOST_WORDS])}{more})"


def _write(names: Sequence[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]


def _show_best(asked: Asked, result: ScreenResult) -> Section:
    tables = [_make_table("best", result.top, asked, "by the score")]
    if result.top_cautious is not None:
        words = "by the bound: the worst score within the uncertainties"
        tables.append(_make_table("best_cautious", result.top_cautious, asked, words))
    if result.top.empty:
        return Section("Top candidates", ("None passed.",))
    warning = (
        "These are model predictions. The top of many candidates is biased towards those whose "
        "error is in their favour: verify them by DFT."
    )
    return Section("Top candidates", (warning,), tables=tuple(tables))


def _make_table(name: str, frame: pd.DataFrame, asked: Asked, words: str) -> Table:
    """Return the most important columns: names, predictions, score, domain and known."""
    wanted = {"rank", "id", "formula", BOUND, "domain", "known"}
    rank_by = asked.screener.rank_by
    if rank_by is None or rank_by.text not in asked.screener.quantities:
        wanted.add(SCORE)  # otherwise it would duplicate the prediction
    wanted |= {
        header for quantity in asked.screener.quantities for header in _headers(quantity, asked)
    }
    columns = [header for header in frame.columns if header in wanted]
    shown = min(N_ROWS, len(frame))
    return Table(name, frame[columns].head(N_ROWS), f"Top {shown} {words}")


def _headers(quantity: str, asked: Asked) -> tuple[str, str]:
    """Return the headers of a quantity and of its uncertainty, with their unit."""
    unit = _target(quantity, asked).unit
    return Target(quantity, unit).column, Target(quantity + UNCERTAINTY, unit).column


def _target(quantity: str, asked: Asked) -> Target:
    return asked.screener.targets.get(quantity, Target(quantity))


def _show_distributions(asked: Asked, predicted: Sequence[Path]) -> list[Section]:
    found = count_in_bins(predicted, asked.screener.quantities[:MOST_DISTRIBUTIONS])
    if not found:
        return []
    limits = asked.screener.where.limits if asked.screener.where else {}
    pictures = tuple(
        Picture(
            f"distribution_{file_name(name)}",
            draw_distribution(found[name], _target(name, asked), limits.get(name, ())),
            f"Predicted {name.replace('_', ' ')} of all candidates",
        )
        for name in found
    )
    return [Section("Distributions", pictures=pictures)]


def _show_maps(asked: Asked, result: ScreenResult, predicted: Sequence[Path]) -> list[Section]:
    """Return the section with the maps of a perovskite space; a table has their values."""
    space = asked.description["candidates"]
    if not set(SITES) <= set(space):
        return []
    used = asked.screener.rank_by.names if asked.screener.rank_by else set()
    ranked = [name for name in asked.screener.quantities if name in used]
    quantity = (ranked or list(asked.screener.quantities))[0]
    maps = read_maps(predicted, quantity, space)
    if not maps:
        return []
    target, ends = _target(quantity, asked), find_range(maps)
    marks = result.funnel["passed"] < result.funnel["predicted"]
    pictures = tuple(
        Picture(
            f"map_{one.anions}",
            draw_site_map(one, target, ends, marks=marks),
            f"AB{one.anions}: A in columns, B in rows.",
            width=760,
        )
        for one in maps
    )
    rows = pd.concat([one.to_frame(target.column) for one in maps], ignore_index=True)
    (result.folder / "tables").mkdir(exist_ok=True)
    text = rows.to_csv(index=False, float_format="%.6g")
    write_text(result.folder / "tables" / "map.csv", text)
    words = [
        f"Predicted {quantity.replace('_', ' ')} for every pair of elements, sorted by group of "
        "the periodic table. Grey: filtered out or not predicted."
        + (" Dots: passed." if marks else ""),
        "All maps share one colour scale; the numbers are in tables/map.csv.",
    ]
    if len(space["X"]) > len(maps):
        words.append(
            f"Of {len(space['X'])} combinations of anions these {len(maps)} (at most {MOST_MAPS}) "
            "have the most candidates that passed."
        )
    return [Section("Maps of A and B", tuple(words), pictures=pictures)]
