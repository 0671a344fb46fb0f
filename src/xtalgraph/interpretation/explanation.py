"""From a model and crystals to a folder of contributions, pictures and one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from xtalgraph.data import Dataset
from xtalgraph.errors import BadCrystal, BadDataset, Rejected, summarise
from xtalgraph.files import format_csv, write_text
from xtalgraph.interpretation.contributions import (
    SiteContributions,
    contribution_column,
    explain_sites,
)
from xtalgraph.interpretation.figures import (
    draw_by_element,
    draw_crystal_map,
    draw_element_map,
    draw_structure,
    find_scale,
    mean_by_element,
)
from xtalgraph.interpretation.roles import PEROVSKITE, Roles, find_roles
from xtalgraph.prediction import Predictor
from xtalgraph.report import Picture, Report, Section, Table, write_report
from xtalgraph.report.page import file_name, format_cell
from xtalgraph.structures import Crystal, format_cif
from xtalgraph.units import Target

SITES, CRYSTALS, ELEMENTS = "contributions.csv", "crystals.csv", "elements.csv"
DIGITS = "%.9g"
CIF_COLUMNS = ("_atom_site_xtalgraph_role", "_atom_site_xtalgraph_contribution")
CIF, XYZ = "contributions.cif", "contributions.extxyz"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The results of `explain`.

    Attributes:
        contributions: The contribution of every site.
        roles: The roles of the sites of each crystal.
        sites: One row per site.
        crystals: One row per crystal.
        elements: One row per element and role.
        page: The path of the page.
    """

    contributions: SiteContributions
    roles: tuple[Roles, ...]
    sites: pd.DataFrame
    crystals: pd.DataFrame
    elements: pd.DataFrame
    page: Path


def explain(
    predictor: Predictor,
    dataset: Dataset,
    folder: str | Path,
    *,
    target: str | None = None,
    n_pictures: int = 12,
    rejected: list[Rejected] | None = None,
) -> Explanation:
    """Write the contribution of every site of every crystal to a folder, and return them.

    `contributions.csv` has one row per site, `crystals.csv` one row per crystal, `elements.csv` one
    row per element and role; `contributions.cif` and `contributions.extxyz` contain the structures
    with the values at their atoms, and `report.html` shows them, with 20 crystals or more also the
    mean of each element in each role and a map.

    Args:
        predictor: A model whose pooling says what fraction of each atom it takes.
        dataset: The crystals to explain; no labels are needed.
        folder: The output folder.
        target: One of the targets of the model, or one of its classes; the first target or the
            last class if None.
        n_pictures: Number of crystals to draw.
        rejected: Takes the crystals that cannot be explained, which are left out.

    Returns:
        The contributions, in the unit of the target, and the path of the page.

    Raises:
        BadDataset: A crystal cannot be explained and `rejected` is None, or none can.
    """
    bad: list[Rejected] = []
    dataset = dataset.with_unique_ids()
    found = _find_all_roles(dataset, bad)
    store = dataset.crystals.take([row for row, roles in enumerate(found) if roles is not None])
    result = explain_sites(predictor, store, target=target, rejected=bad)
    if bad and rejected is None:
        raise BadDataset(f"{len(bad)} crystals cannot be explained:\n{summarise(bad)}")
    if not len(result.crystals):
        raise BadDataset(f"none of the crystals can be explained:\n{summarise(bad)}")
    if rejected is not None:
        rejected += bad
    by_id = dict(zip(dataset.ids.tolist(), found, strict=True))
    roles = tuple(one for id in result.crystals.ids.tolist() if (one := by_id[id]) is not None)
    folder = Path(folder)
    sites = _list_sites(result, roles)
    explanation = Explanation(
        result,
        roles,
        sites,
        _list_crystals(result, roles),
        mean_by_element(sites, contribution_column(result.target)),
        folder / "report.html",
    )
    _write_files(folder, explanation)
    report = make_report(
        predictor, result, roles, sites, explanation.crystals, n_pictures, tuple(bad)
    )
    write_report(folder, report)
    return explanation


def _find_all_roles(dataset: Dataset, bad: list[Rejected]) -> list[Roles | None]:
    found: list[Roles | None] = []
    for crystal in dataset.crystals:
        try:
            found.append(find_roles(crystal))
        except BadCrystal as error:
            bad.append(Rejected(crystal.id, str(error)))
            found.append(None)
    return found


def _list_sites(result: SiteContributions, roles: tuple[Roles, ...]) -> pd.DataFrame:
    frame = result.to_frame()
    frame.insert(3, "role", [role for one in roles for role in one.sites])
    return frame


def _list_crystals(result: SiteContributions, roles: tuple[Roles, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": np.array(result.crystals.ids.tolist(), dtype=object),
            "formula": [crystal.reduced_formula for crystal in result.crystals],
            "kind": [one.kind for one in roles],
            "anions": [" ".join(one.anions) for one in roles],
            f"predicted {result.target.column}": result.predictions,
            f"{result.rule} of contributions": result.totals,
            Target("sum minus prediction", result.target.unit).column: result.gaps,
        }
    )


def _write_files(folder: Path, explanation: Explanation) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result, roles = explanation.contributions, explanation.roles
    write_text(folder / SITES, format_csv(explanation.sites, float_format=DIGITS))
    write_text(folder / CRYSTALS, format_csv(explanation.crystals, float_format=DIGITS))
    write_text(folder / ELEMENTS, format_csv(explanation.elements, float_format=DIGITS))

    def join(write: Callable[..., str]) -> str:
        return "".join(
            write(crystal, result.of_crystal(row), roles[row].sites, result.target)
            for row, crystal in enumerate(result.crystals)
        )

    write_text(folder / CIF, join(format_contributions_cif))
    write_text(folder / XYZ, join(format_contributions_xyz))


def format_contributions_cif(
    crystal: Crystal,
    values: Float64[np.ndarray, "n_atoms"],
    roles: Sequence[str],
    target: Target,
) -> str:
    """Return a CIF with the role and the contribution of each atom as further columns.

    The columns are `_atom_site_xtalgraph_role` and `_atom_site_xtalgraph_contribution`; what the
    contributions are of, and their unit, stand before the cell. Other programs pass over them.
    """
    lines = format_cif(crystal).splitlines()
    head = [
        f"_xtalgraph_target {quote_cif(target.name)}",
        f"_xtalgraph_contribution_unit {quote_cif(target.unit or '1')}",
    ]
    columns = [f" {name}" for name in CIF_COLUMNS]
    n_atoms = crystal.n_atoms
    rows = [
        f"{line} {role} {value:.9g}"
        for line, role, value in zip(lines[-n_atoms:], roles, values.tolist(), strict=True)
    ]
    return "\n".join([lines[0], *head, *lines[1:-n_atoms], *columns, *rows]) + "\n"


def quote_cif(text: str) -> str:
    """Return a text as one value of a CIF, whatever is in it.

    >>> print(quote_cif("E"), quote_cif("O's"))
    'E' "O's"
    """
    text = " ".join(text.split()).replace("\N{NULL}", "")
    quote = next((sign for sign in "'\"" if sign not in text), "")
    return f"{quote}{text}{quote}" if quote else f"\n;{text}\n;"


def format_contributions_xyz(
    crystal: Crystal,
    values: Float64[np.ndarray, "n_atoms"],
    roles: Sequence[str],
    target: Target,
) -> str:
    """Return a frame of extended xyz with the columns `role` and `contribution`, positions in Å."""
    lattice = " ".join(f"{value:.16g}" for value in crystal.lattice.ravel())
    words = {"id": crystal.id, "target": target.name, "unit": target.unit}
    notes = " ".join(f'{key}="{_unquoted(text)}"' for key, text in words.items() if text)
    properties = "species:S:1:pos:R:3:role:S:1:contribution:R:1"
    lines = [str(crystal.n_atoms)]
    lines.append(f'Lattice="{lattice}" Properties={properties} {notes} pbc="T T T"')
    sites = zip(
        crystal.symbols, crystal.cartesian_positions.tolist(), roles, values.tolist(), strict=True
    )
    lines += [
        f"{symbol:<2} {x:21.14f} {y:21.14f} {z:21.14f} {role:<3} {value:16.9g}"
        for symbol, (x, y, z), role, value in sites
    ]
    return "\n".join(lines) + "\n"


def _unquoted(text: str) -> str:
    return text.replace('"', "'").replace("\\", "/").replace("\n", " ")


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
        "largest_deviation": float(np.abs(result.gaps).max()),
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
    deviation = f"{format_cell(float(np.abs(result.gaps).max()))} {result.target.unit}".strip()
    words = (
        f"The {result.rule} of the contributions of a crystal's sites is its predicted "
        f"{result.target.column}. "
        f"Method: {result.method}. The largest deviation from this sum is {deviation}.",
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
