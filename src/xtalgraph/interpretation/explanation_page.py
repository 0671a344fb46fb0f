"""The page of `explain`: pictures of crystals, elements by role, maps of what was learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xtalgraph.errors import Rejected, summarise
from xtalgraph.interpretation.contributions import (
    SiteContributions,
    contribution_column,
)
from xtalgraph.interpretation.figures import (
    draw_by_element,
    draw_crystal_map,
    draw_element_map,
    draw_structure,
    find_scale,
    mean_by_element,
)
from xtalgraph.interpretation.roles import PEROVSKITE, Roles
from xtalgraph.prediction import Predictor
from xtalgraph.report import Picture, Report, Section, Table
from xtalgraph.report.page import file_name, format_cell
from xtalgraph.structures import Crystal

MIN_SITES = 5  # an element's mean over fewer sites is not coloured
N_FOR_A_TABLE = 20  # crystals; from so many on, elements and maps are drawn
N_ROWS = 20  # of the table of crystals on the page; crystals.csv has all


def make_report(
    predictor: Predictor,
    result: SiteContributions,
    roles: Sequence[Roles],
    sites: pd.DataFrame,
    crystals: pd.DataFrame,
    n_pictures: int,
    left_out: Sequence[Rejected] = (),
) -> Report:
    """Return the report: what was explained, crystals, and of 20 or more also elements and maps.

    `sites` has one row per site with its role, `crystals` one row per crystal.
    """
    sections = [_describe(result, roles, crystals, left_out)]
    if n_pictures:
        sections.append(_show_crystals(result, roles, n_pictures))
    if len(result.crystals) >= N_FOR_A_TABLE:
        sections += [_show_elements(result, roles, sites), _show_maps(predictor, result)]
    numbers = {
        "target": result.target.name,
        "unit": result.target.unit,
        "rule": result.rule,
        "method": result.method,
        "crystals": len(result.crystals),
        "sites": len(result.values),
        "perovskites": _count_perovskites(roles),
        "left_out": len(left_out),
        "largest_gap": float(np.abs(result.gaps).max()),
    }
    title = f"Site contributions to {result.target.name.replace('_', ' ')}"
    return Report(title, tuple(sections), numbers)


def _count_perovskites(roles: Sequence[Roles]) -> int:
    return sum(one.kind == PEROVSKITE for one in roles)


def _describe(
    result: SiteContributions,
    roles: Sequence[Roles],
    crystals: pd.DataFrame,
    left_out: Sequence[Rejected],
) -> Section:
    gap = f"{format_cell(float(np.abs(result.gaps).max()))} {result.target.unit}".strip()
    words = (
        f"The {result.rule} of the contributions of a crystal's sites is its predicted "
        f"{result.target.column}. "
        f"Method: {result.method}. The largest deviation from this sum is {gap}.",
        f"{len(result.crystals):,} crystals, {len(result.values):,} sites; "
        f"{_count_perovskites(roles):,} are perovskites, whose sites are called A, B and X after "
        "their coordination. In other structures a site is named by its element, with a number "
        "where the element is on several orbits.",
        "A contribution is what the network assigns to a site in its environment. It explains the "
        "prediction and is not a measurable quantity.",
    )
    notes = (f"{len(left_out)} crystals were left out:\n{summarise(left_out)}",) if left_out else ()
    caption = f"The first {N_ROWS} crystals." if len(crystals) > N_ROWS else ""
    table = Table("first_crystals", crystals.head(N_ROWS), caption)
    return Section("Summary", words, notes, (table,))


def _show_crystals(result: SiteContributions, roles: Sequence[Roles], n_pictures: int) -> Section:
    n_shown = min(n_pictures, len(result.crystals))
    last = result.crystals.offsets[n_shown]
    scale = find_scale(result.values[:last])
    pictures = []
    for row in range(n_shown):
        crystal = result.crystals[row]
        figure = draw_structure(crystal, result.of_crystal(row), result.target, scale=scale)
        caption = _caption(result, row, crystal, roles[row])
        pictures.append(Picture(f"{row:03d}_{file_name(crystal.id)}", figure, caption, width=360))
    words = ("All pictures share one colour scale.",)
    return Section("Crystals", words, pictures=tuple(pictures))


def _caption(result: SiteContributions, row: int, crystal: Crystal, roles: Roles) -> str:
    values: dict[str, list[float]] = {}
    for role, symbol, value in zip(
        roles.sites, crystal.symbols, result.of_crystal(row), strict=True
    ):
        name = f"{symbol} on {role}" if roles.kind else role
        values.setdefault(name, []).append(float(value))
    parts = ", ".join(f"{name} {_write(float(np.mean(found)))}" for name, found in values.items())
    predicted = f"{_write(result.predictions[row])} {result.target.unit}".strip()
    name = " ".join(dict.fromkeys((crystal.id, crystal.reduced_formula)))
    return f"{name}: predicted {predicted}. {parts}."


def _write(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _show_elements(
    result: SiteContributions, roles: Sequence[Roles], sites: pd.DataFrame
) -> Section:
    """Return the section of elements: perovskites, the oxides among them, and other structures."""
    n_atoms = result.crystals.n_atoms
    is_perovskite = np.array([one.kind == PEROVSKITE for one in roles])
    is_oxide = np.array([one.anions == ("O",) for one in roles])
    groups = [("perovskites", is_perovskite)]
    if is_oxide.any() and (is_oxide != is_perovskite).any():
        groups.append(("oxide perovskites", is_oxide))
    groups.append(("other structures", ~is_perovskite))
    pictures, tables = [], []
    for name, chosen in groups:
        part = sites[np.repeat(chosen, n_atoms)]
        panels: tuple[str, ...] = ("A", "B")
        if name == "other structures":
            panels, part = (name,), part.assign(role=name)
        means = mean_by_element(part, contribution_column(result.target))
        drawn = means[means["role"].isin(panels) & (means["sites"] >= MIN_SITES)]
        if drawn.empty:
            continue
        caption = f"Mean contribution of each element in {name}; below it the number of sites."
        figure = draw_by_element(means, panels, result.target, min_sites=MIN_SITES)
        pictures.append(Picture(f"elements_{file_name(name)}", figure, caption, 480 * len(panels)))
        tables.append((name, means))
    words = (
        "Means over all compounds in the data: elements compare fairly only where they occur with "
        "the same partners.",
    )
    return Section(
        "Elements by role",
        words,
        tables=tuple(_show_extremes(name, means, result) for name, means in tables),
        pictures=tuple(pictures),
    )


def _show_extremes(name: str, means: pd.DataFrame, result: SiteContributions) -> Table:
    """Return the lowest and highest elements of each role that have enough sites."""
    rows = []
    for role, found in means[means["sites"] >= MIN_SITES].groupby("role", sort=False):
        ranked = [
            f"{element} {_write(mean)}"
            for element, mean in found.sort_values("mean")[["element", "mean"]].to_numpy().tolist()
        ]
        rows.append(
            {"role": role, "elements": len(ranked), "lowest": ", ".join(ranked[:8]),
             "highest": ", ".join(ranked[:-6:-1])}
        )  # fmt: skip
    caption = f"{name}: mean contribution to {result.target.column}"
    return Table(f"extremes_{file_name(name)}", pd.DataFrame(rows), caption)


def _show_maps(predictor: Predictor, result: SiteContributions) -> Section:
    fingerprints = predictor.fingerprints(result.crystals).astype(np.float64)
    words = (
        "The first two principal components of the vectors. Of an ensemble, the first network is "
        "shown.",
    )
    pictures = [
        Picture(
            "map_of_crystals",
            draw_crystal_map(fingerprints, result.predictions, result.target),
            "The pooled vectors of the crystals, coloured by the prediction.",
        )
    ]
    if hasattr(predictor.saved.network, "element_vectors"):
        words_of_map = "The learned element vectors, of the elements in the training data."
        drawn = draw_element_map(predictor.saved)
        pictures.append(Picture("map_of_elements", drawn, words_of_map))
    return Section("What the network has learned", words, pictures=tuple(pictures))
