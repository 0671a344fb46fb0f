"""`xtalgraph screen`: its three kinds of candidates, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import ENERGY, Call
from xtalgraph import Dataset, read_dataset
from xtalgraph.data import write_parquet
from xtalgraph.structures import write_crystal

FEW = ["--a", "Ca,Sr,Ba", "--b", "Ti,Zr", "--anions", "O3,O2F", "--workers", 1]


def test_perovskites_are_screened(call: Call, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = call("screen", "perovskites", "--model", trained, "--out", out, "--top", 4, *FEW)
    assert outcome.status == 0
    assert outcome.out.split()[:2] == ["candidates", "12"]
    table = pd.read_csv(out / "top.csv")
    assert len(table) == 4
    assert table[f"{ENERGY} [eV/atom]"].is_monotonic_increasing
    assert table["id"][0] in outcome.out
    assert "12 of 12 candidates, 12 passed" in outcome.err
    assert "0 s left" in outcome.err
    assert str(out / "top.csv") in outcome.err


def test_options_reach_the_screen(call: Call, trained: Path, tmp_path: Path) -> None:
    words = ["screen", "perovskites", "--model", trained, "--out", tmp_path / "out", *FEW, "--json"]
    words += ["--charge-balance", "--tolerance", "0.9,1.05", "--octahedral", "0.4,0.9"]
    words += [
        "--exclude",
        "Ba",
        "--where",
        "A == 'Sr' and X == 'O3'",
        "--rank-by",
        "-tolerance_factor",
    ]
    outcome = call(*words)
    assert outcome.status == 0
    result = json.loads(outcome.out)
    funnel = result["funnel"]
    assert list(funnel)[:5] == [
        "candidates",
        "charge balance",
        "tolerance factor",
        "octahedral factor",
        "excluded elements",
    ]
    assert funnel["charge balance"] == 3  # O2F with Zr⁴⁺; titanium may be Ti³⁺
    assert [row["id"] for row in result["top"]] == ["SrTiO3", "SrZrO3"]


def test_cells_are_learned_and_known_crystals_marked(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    from xtalgraph.screening import PerovskiteSpace

    space = PerovskiteSpace(("Ca", "Sr", "Ba", "Pb"), ("Ti", "Zr", "Hf", "Sn"), ("O3", "O2F"))
    crystals = space.make(0, 32).crystals
    nothing = pd.DataFrame(index=range(32))
    table = write_parquet(Dataset("t", crystals, nothing, {}, "", ""), tmp_path / "table.parquet")
    words = ["--cells", table, "--known", table, "--where", "known == 'structure'"]
    outcome = call(
        "screen", "perovskites", "--model", trained, "--out", tmp_path / "out", *FEW, *words
    )
    assert outcome.status == 0
    assert "lattice constants learned from 32 perovskites" in outcome.err
    assert len(pd.read_csv(tmp_path / "out" / "top.csv")) == 12


def test_a_table_a_folder_and_the_embedded_set_are_screened(
    call: Call, trained: Path, tiny: Path, few: Dataset, tmp_path: Path
) -> None:
    table = write_parquet(read_dataset(tiny), tmp_path / "table.parquet")
    found = {}
    for name, source in (("folder", tiny), ("table", table), ("made", "mp-sample")):
        out = tmp_path / name
        outcome = call("screen", source, "--model", trained, "--out", out, "--workers", 1)
        assert outcome.status == 0
        found[name] = pd.read_csv(out / "top.csv")
    assert found["folder"]["id"].tolist() == found["table"]["id"].tolist()
    assert len(found["folder"]) == 24
    assert len(found["made"]) == len(few)


def test_a_prototype_is_screened(
    call: Call, trained: Path, sample: Dataset, tmp_path: Path
) -> None:
    crystal = next(crystal for crystal in sample.crystals if crystal.reduced_formula == "SrTiO3")
    write_crystal(crystal, tmp_path / "host.cif")
    words = ["--substitute", "Ti=Ti,Zr", "--substitute", "Sr=Ba,Sr", "--workers", 1]
    out = tmp_path / "out"
    outcome = call(
        "screen", "prototype", tmp_path / "host.cif", "--model", trained, "--out", out, *words
    )
    assert outcome.status == 0
    formulas = pd.read_csv(out / "top.csv")["formula"]
    assert sorted(formulas) == ["BaTiO3", "BaZrO3", "SrTiO3", "SrZrO3"]


@pytest.mark.parametrize(
    ("words", "status", "what"),
    [
        (["--where", "enrgy < 1"], 1, "unknown column 'enrgy'"),
        (["--where", "__import__('os')"], 1, "is not allowed"),
        (["--tolerance", "0.9"], 2, "write two numbers"),
        (["--a", "Xx"], 1, "'Xx'"),
        (["--anions", "O7"], 1, "three atoms"),
        (["--top", 0], 2, "--top"),
        (["--engine", "spark"], 1, "unknown engine"),
        (["--model", "no-such-model"], 1, "no-such-model"),
        (["--cells", "nowhere.parquet"], 1, "nowhere.parquet"),
    ],
)
def test_mistakes_are_told(
    call: Call, trained: Path, tmp_path: Path, words: list, status: int, what: str
) -> None:
    base = {"--model": trained, "--out": tmp_path / "out", "--a": "Sr", "--b": "Ti"}
    base |= {"--workers": 1, words[0]: words[1]}
    outcome = call("screen", "perovskites", *(word for pair in base.items() for word in pair))
    assert outcome.status == status
    assert what in " ".join(outcome.err.split())
    assert not (tmp_path / "out").exists()


def test_ray_is_an_extra(call: Call, trained: Path, tmp_path: Path) -> None:
    try:
        import ray  # noqa: F401
    except ImportError:
        words = ["--model", trained, "--out", tmp_path / "out", *FEW, "--engine", "ray"]
        outcome = call("screen", "perovskites", *words)
        assert outcome.status == 1
        assert "pip install 'xtalgraph[scale]'" in outcome.err
