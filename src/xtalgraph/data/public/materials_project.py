"""Queries to the Materials Project by API key, through its own client (extra `mp-api`)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xtalgraph.data.dataset import Dataset
from xtalgraph.data.write import write_parquet
from xtalgraph.errors import BadCrystal, BadDataset, MissingExtra, Rejected, UnknownName, summarise
from xtalgraph.structures.crystal import Crystal, CrystalStore
from xtalgraph.units import KNOWN_TARGETS

# Our name: field of the summary documents, and the key within it where it holds several numbers.
_FIELDS = {
    "formation_energy_per_atom": ("formation_energy_per_atom", ""),
    "energy_per_atom": ("energy_per_atom", ""),
    "energy_above_hull": ("energy_above_hull", ""),
    "band_gap": ("band_gap", ""),
    "is_metal": ("is_metal", ""),
    "fermi_energy": ("efermi", ""),
    "total_magnetization": ("total_magnetization", ""),
    "bulk_modulus": ("bulk_modulus", "vrh"),
    "shear_modulus": ("shear_modulus", "vrh"),
    "poisson_ratio": ("homogeneous_poisson", ""),
}
KEY_VARIABLE = "MP_API_KEY"


def fetch_materials_project(
    path: str | Path,
    fields: Sequence[str],
    criteria: Mapping[str, Any],
    *,
    api_key: str | None = None,
    rejected: list[Rejected] | None = None,
) -> Path:
    """Query the Materials Project and write the result as parquet (extra `mp-api`).

    Moduli are Voigt-Reuss-Hill averages in GPa.

    Args:
        path: The parquet file to write.
        fields: Our names of properties (`band_gap`, `formation_energy_per_atom`, `bulk_modulus`,
            …).
        criteria: As for the client's `materials.summary.search`, for instance
            `{"elements": ["O"], "num_elements": 3, "energy_above_hull": (0, 0.05)}`.
        api_key: The API key; by default that in the environment variable `MP_API_KEY`. It is not
            written anywhere.
        rejected: List to which rows that are no valid crystal are added; without it they are
            refused.

    Returns:
        The path.

    Raises:
        BadConfig: There are no criteria, which would select the whole database, or no API key.
        BadDataset: The result is empty.
        MissingExtra: The client is not installed.
    """
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise UnknownName("property of the Materials Project", unknown[0], _FIELDS)
    if not criteria:
        raise BadDataset(
            "no criteria: that asks for the whole database. Give some, for instance "
            "{'elements': ['O'], 'num_elements': 3}."
        )
    documents = _search(_find_key(api_key), fields, criteria)
    dataset = _to_dataset(documents, fields, str(dict(criteria)), rejected)
    return write_parquet(dataset, path)


def _find_key(api_key: str | None) -> str:
    key = (api_key or os.environ.get(KEY_VARIABLE, "")).strip()
    if not key:
        raise BadDataset(
            "no API key for the Materials Project. Get one (free) at "
            f"https://next-gen.materialsproject.org/api and set {KEY_VARIABLE}, or give it as "
            "api_key."
        )
    return key


def _search(key: str, fields: Sequence[str], criteria: Mapping[str, Any]) -> list[Any]:
    try:
        from mp_api.client import MPRester
        from mp_api.client.core import MPRestError
    except ImportError as error:
        raise MissingExtra("querying the Materials Project", "mp-api") from error
    wanted = ["material_id", "structure", *(_FIELDS[name][0] for name in fields)]
    try:
        with MPRester(key) as client:
            return list(client.materials.summary.search(**criteria, fields=wanted))
    except (MPRestError, ValueError, TypeError, ConnectionError, OSError) as error:
        reason = str(error).replace(key, "…")  # a key must not end in a log
        raise BadDataset(
            f"the Materials Project refused the query {dict(criteria)}: {reason}. Check the key, "
            "the criteria and the network."
        ) from None


def _to_dataset(
    documents: Sequence[Any],
    fields: Sequence[str],
    query: str,
    rejected: list[Rejected] | None,
) -> Dataset:
    crystals, kept, bad = [], [], []
    for document in documents:
        id = str(_read_field(document, "material_id"))
        try:
            crystals.append(Crystal.from_pymatgen(_read_field(document, "structure"), id))
            kept.append(document)
        except BadCrystal as error:
            bad.append(Rejected(id, f"{error.problem}. {error.remedy}"))
    if bad and rejected is None:
        raise BadDataset(
            f"{len(bad)} of {len(documents)} crystals cannot be used:\n{summarise(bad)}\n"
            "Give a list as `rejected` to leave them out."
        )
    if rejected is not None:
        rejected += bad
    if not crystals:
        raise BadDataset(f"the Materials Project has no usable crystal for {query}. Ask for less.")
    columns = {name: [_read_number(one, *_FIELDS[name]) for one in kept] for name in fields}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(kept)))
    if "is_metal" in frame:
        frame["is_metal"] = frame["is_metal"].map({1.0: True, 0.0: False}).astype("boolean")
    targets = {name: KNOWN_TARGETS[name] for name in fields if name != "is_metal"}
    store = CrystalStore.from_crystals(crystals)
    return Dataset("materials_project", store, frame, targets, f"Materials Project, {query}", "")


def _read_field(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, Mapping) else getattr(document, name, None)


def _read_number(document: Any, name: str, key: str) -> float:
    """Return a number of a document, nan where it has none."""
    value = _read_field(document, name)
    if key and value is not None:
        value = _read_field(value, key)
    return np.nan if value is None else float(value)
