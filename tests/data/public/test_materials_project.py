"""Queries to the Materials Project, with a stand-in for its client (there is no network)."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.zoo import ZOO
from xtalgraph.data import fetch_materials_project, read_dataset
from xtalgraph.errors import BadDataset, MissingExtra, Rejected, UnknownName

CRITERIA = {"elements": ["O"], "energy_above_hull": (0, 0.05)}


class RestError(Exception):
    """Stands for MPRestError."""


class Client:
    """Stands for MPRester: a context manager with `materials.summary.search`."""

    answer: Any = ()
    asked: dict[str, Any]

    def __init__(self, key: str) -> None:
        type(self).asked = {"key": key}
        self.materials = SimpleNamespace(summary=SimpleNamespace(search=self.search))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def search(self, fields: list[str], **criteria: object) -> list[Any]:
        type(self).asked |= {"fields": fields, "criteria": criteria}
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    modules = {name: ModuleType(name) for name in ("mp_api", "mp_api.client", "mp_api.client.core")}
    modules["mp_api.client"].MPRester = Client  # type: ignore[attr-defined]
    modules["mp_api.client.core"].MPRestError = RestError  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.setattr(Client, "answer", ())
    return Client


def document(id: str, name: str, **values: object) -> SimpleNamespace:
    return SimpleNamespace(material_id=id, structure=ZOO[name].to_pymatgen(), **values)


def test_a_query_becomes_a_table(client: type[Client], tmp_path: Path) -> None:
    modulus = SimpleNamespace(voigt=180.0, reuss=170.0, vrh=175.0)
    client.answer = [
        document("mp-1", "SrTiO3", band_gap=1.8, is_metal=False, efermi=5.0, bulk_modulus=modulus),
        document("mp-2", "NaCl", band_gap=5.0, is_metal=None, efermi=None, bulk_modulus=None),
    ]
    fields = ["band_gap", "is_metal", "fermi_energy", "bulk_modulus"]
    path = fetch_materials_project(tmp_path / "oxides.parquet", fields, CRITERIA, api_key="secret")
    dataset = read_dataset(path)
    assert client.asked == {
        "key": "secret",
        "fields": ["material_id", "structure", "band_gap", "is_metal", "efermi", "bulk_modulus"],
        "criteria": CRITERIA,
    }
    assert dataset.ids.tolist() == ["mp-1", "mp-2"]
    assert dataset.crystals[0].reduced_formula == "SrTiO3"
    numbers = dataset.values(["band_gap", "fermi_energy", "bulk_modulus"])
    np.testing.assert_array_equal(numbers, [[1.8, 5.0, 175.0], [5.0, np.nan, np.nan]])
    assert dataset.targets["bulk_modulus"].unit == "GPa"
    assert dataset.labels("is_metal").tolist() == ["false", None]
    assert b"secret" not in path.read_bytes()


def test_documents_may_be_dictionaries(client: type[Client], tmp_path: Path) -> None:
    structure = ZOO["NaCl"].to_pymatgen()
    client.answer = [
        {"material_id": "mp-3", "structure": structure, "shear_modulus": {"vrh": 15.0}}
    ]
    path = fetch_materials_project(
        tmp_path / "salt.parquet", ["shear_modulus"], CRITERIA, api_key="k"
    )
    assert read_dataset(path).values(["shear_modulus"]).tolist() == [[15.0]]


def test_the_key_may_come_from_the_environment(
    client: type[Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_API_KEY", " from-environment ")
    client.answer = [document("mp-2", "NaCl", band_gap=5.0)]
    fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA)
    assert client.asked["key"] == "from-environment"


def test_without_key(client: type[Client], tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"no API key.*org/api and set MP_API_KEY"):
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api", None)
    with pytest.raises(MissingExtra, match=r"xtalgraph\[mp-api\]"):
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA, api_key="k")


def test_a_refused_query_does_not_show_the_key(client: type[Client], tmp_path: Path) -> None:
    client.answer = RestError("key secret is not valid")
    with pytest.raises(BadDataset, match=r"refused the query.*Check the key") as caught:
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA, api_key="secret")
    assert "secret" not in str(caught.value)


def test_an_unknown_property(client: type[Client], tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"'bandgap'. Did you mean 'band_gap'"):
        fetch_materials_project(tmp_path / "a.parquet", ["bandgap"], CRITERIA, api_key="k")


def test_no_criteria(client: type[Client], tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="asks for the whole database"):
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], {}, api_key="k")


def test_an_empty_result(client: type[Client], tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"no usable crystal for .*elements"):
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA, api_key="k")


def test_a_disordered_crystal_is_reported_or_left_out(client: type[Client], tmp_path: Path) -> None:
    good, bad = document("mp-1", "NaCl", band_gap=5.0), document("mp-9", "NaCl", band_gap=4.0)
    bad.structure[0] = {"Na": 0.5, "K": 0.5}
    client.answer = [good, bad]
    with pytest.raises(BadDataset, match=r"1 of 2 crystals cannot be used:\n  mp-9"):
        fetch_materials_project(tmp_path / "a.parquet", ["band_gap"], CRITERIA, api_key="k")
    rejected: list[Rejected] = []
    path = fetch_materials_project(
        tmp_path / "a.parquet", ["band_gap"], CRITERIA, api_key="k", rejected=rejected
    )
    assert [row.id for row in rejected] == ["mp-9"]
    assert read_dataset(path).ids.tolist() == ["mp-1"]
