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
from xtalgraph.files import write_text
from xtalgraph.interpretation.contributions import (
    SiteContributions,
    contribution_column,
    explain_sites,
)
from xtalgraph.interpretation.explanation_page import make_report
from xtalgraph.interpretation.figures import mean_by_element
from xtalgraph.interpretation.roles import Roles, find_roles
from xtalgraph.prediction import Predictor
from xtalgraph.report import write_report
from xtalgraph.structures import Crystal, format_cif
from xtalgraph.units import Target

SITES, CRYSTALS, ELEMENTS = "contributions.csv", "crystals.csv", "elements.csv"
DIGITS = "%.9g"
CIF_COLUMNS = ("_atom_site_xtalgraph_role", "_atom_site_xtalgraph_contribution")
CIF, XYZ = "contributions.cif", "contributions.extxyz"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The results of `explain`: contributions with roles, as tables, and the path of the page.

    `sites` has one row per site, `crystals` one row per crystal, `elements` one row per element and
    role.
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
            "gap": result.gaps,
        }
    )


def _write_files(folder: Path, explanation: Explanation) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result, roles = explanation.contributions, explanation.roles
    write_text(folder / SITES, explanation.sites.to_csv(index=False, float_format=DIGITS))
    write_text(folder / CRYSTALS, explanation.crystals.to_csv(index=False, float_format=DIGITS))
    write_text(folder / ELEMENTS, explanation.elements.to_csv(index=False, float_format=DIGITS))

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
        f"_xtalgraph_target '{target.name}'",
        f"_xtalgraph_contribution_unit '{target.unit or '1'}'",
    ]
    columns = [f" {name}" for name in CIF_COLUMNS]
    n_atoms = crystal.n_atoms
    rows = [
        f"{line} {role} {value:.9g}"
        for line, role, value in zip(lines[-n_atoms:], roles, values.tolist(), strict=True)
    ]
    return "\n".join([lines[0], *head, *lines[1:-n_atoms], *columns, *rows]) + "\n"


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
