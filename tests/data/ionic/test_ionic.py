"""The embedded data set: always the same, neutral, in the right space groups, without overlaps."""

import numpy as np
import pytest

from xtalgraph.data import Dataset, make_ionic_dataset, read_dataset
from xtalgraph.data.ionic.born import (
    born_repulsion,
    ionic_energy_per_atom,
    measure_energy,
    relax_size,
)
from xtalgraph.data.ionic.ewald import find_pairs
from xtalgraph.data.ionic.orbits import find_orbit
from xtalgraph.data.ionic.oxide_prototypes import (
    DELAFOSSITE,
    LAYERED_ROCK_SALT,
    OXIDES,
    ROCK_SALT,
    SPINEL,
    list_oxides,
)
from xtalgraph.data.ionic.perovskites import (
    CUBIC,
    OCTAHEDRAL_WINDOW,
    ORTHORHOMBIC,
    TETRAGONAL,
    TOLERANCE_WINDOW,
    list_perovskites,
    octahedral_factor,
    tilt_angle,
    tolerance_factor,
)
from xtalgraph.data.shannon import Ion, _read_radii, find_ion, list_cations
from xtalgraph.errors import BadCrystal, UnknownName
from xtalgraph.structures import Crystal

PROTOTYPES = {p.name: p for p in (CUBIC, TETRAGONAL, ORTHORHOMBIC, *(p for p, _ in OXIDES))}
OXYGEN = Ion("O", -2)


@pytest.fixture(scope="module")
def ionic() -> Dataset:
    return make_ionic_dataset()


def space_group(crystal: Crystal, tolerance: float = 1e-3) -> int:
    import moyopy

    cell = moyopy.Cell(
        crystal.lattice.tolist(),
        crystal.fractional_positions.tolist(),
        crystal.atomic_numbers.tolist(),
    )
    return moyopy.MoyoDataset(cell, symprec=tolerance).number


def test_two_makings_are_identical_to_the_byte(ionic: Dataset) -> None:
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002, to see that it is left alone
    again = make_ionic_dataset()
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002
    for name in ("lattices", "fractional_positions", "atomic_numbers", "offsets"):
        first, second = getattr(ionic.crystals, name), getattr(again.crystals, name)
        assert first.tobytes() == second.tobytes()
    assert ionic.ids.tolist() == again.ids.tolist()
    assert ionic.columns.to_csv() == again.columns.to_csv()
    assert ionic.checksum == again.checksum
    assert len(ionic.checksum) == 64


def test_read_dataset_knows_it_by_name(ionic: Dataset) -> None:
    assert read_dataset("ionic").checksum == ionic.checksum


def test_sizes_and_columns(ionic: Dataset) -> None:
    prototypes = ionic.columns["prototype"]
    is_perovskite = prototypes.str.endswith("perovskite")
    assert 650 <= is_perovskite.sum() <= 750
    assert 900 <= (~is_perovskite).sum() <= 1050
    assert set(ionic.columns.loc[is_perovskite, "anion"]) == {
        "oxide", "fluoride", "chloride", "bromide", "iodide", "sulfide", "nitride",
    }  # fmt: skip
    assert set(prototypes) == set(PROTOTYPES)
    assert len(set(ionic.ids.tolist())) == len(ionic)
    assert list(ionic.targets) == ["ionic_energy_per_atom"]
    assert ionic.targets["ionic_energy_per_atom"].unit == "eV/atom"
    assert "not DFT" in ionic.source


def test_only_oxides_have_a_class(ionic: Dataset) -> None:
    """Otherwise the anion alone would tell perovskites from the rest."""
    labels = ionic.labels("is_perovskite")
    is_oxide = (ionic.columns["anion"] == "oxide").to_numpy()
    is_perovskite = ionic.columns["prototype"].str.endswith("perovskite").to_numpy()
    assert set(labels[is_oxide & is_perovskite]) == {"perovskite"}
    assert set(labels[is_oxide & ~is_perovskite]) == {"other oxide"}
    assert set(labels[~is_oxide]) == {None}


def test_energies_are_finite_varied_and_bound(ionic: Dataset) -> None:
    energies = ionic.values(["ionic_energy_per_atom"])[:, 0]
    assert np.isfinite(energies).all()
    assert (energies < -4).all()
    assert (energies > -100).all()
    assert len(np.unique(energies.round(3))) > 0.85 * len(energies)  # Nb and Ta are alike


def test_the_form_matters_not_only_the_composition(ionic: Dataset) -> None:
    energies = dict(zip(ionic.ids.tolist(), ionic.columns["ionic_energy_per_atom"], strict=True))
    rutile, anatase = energies["TiO2_rutile"], energies["TiO2_anatase"]
    assert abs(rutile - anatase) > 0.05
    cubic, tilted = energies["GdFeO3_cubic-perovskite"], energies["GdFeO3_orthorhombic-perovskite"]
    assert abs(cubic - tilted) > 0.05


def test_no_atoms_overlap_and_none_is_alone(ionic: Dataset) -> None:
    for crystal in ionic.crystals:
        pairs = find_pairs(crystal.lattice, crystal.fractional_positions, 5.0)
        assert pairs.distance.min() > 1.3
        assert set(pairs.first.tolist()) == set(range(crystal.n_atoms))


def test_every_prototype_has_its_space_group(ionic: Dataset) -> None:
    names = ionic.columns["prototype"].to_numpy()
    for name, prototype in PROTOTYPES.items():
        rows = np.flatnonzero(names == name)
        for row in rows[:: max(1, len(rows) // 5)]:
            assert space_group(ionic.crystals[int(row)]) == prototype.space_group, ionic.ids[row]


def test_a_moved_atom_breaks_the_space_group(ionic: Dataset) -> None:
    crystal = ionic.crystals[ionic.ids.tolist().index("TiO2_rutile")]
    positions = crystal.fractional_positions.copy()
    positions[0] += 0.01
    assert space_group(Crystal(crystal.lattice, positions, crystal.atomic_numbers)) != 136


def test_perovskites_obey_the_rules() -> None:
    forms = list(list_perovskites())
    for prototype, ions in forms:
        assert TOLERANCE_WINDOW[0] <= tolerance_factor(ions) <= TOLERANCE_WINDOW[1]
        assert OCTAHEDRAL_WINDOW[0] <= octahedral_factor(ions) <= OCTAHEDRAL_WINDOW[1]
        assert ions["A"].charge + ions["B"].charge + 3 * ions["X"].charge == 0
        assert prototype is CUBIC or tolerance_factor(ions) < 0.985
    known = {f"{i['A'].element}{i['B'].element}{i['X'].element}3" for _, i in forms}
    assert {"SrTiO3", "CaTiO3", "GdFeO3", "BaZrS3", "CsPbCl3", "LaWN3", "KMgF3"} <= known
    assert "MgSiO3" not in known


def test_tilts_grow_as_the_tolerance_factor_falls() -> None:
    assert tilt_angle(1.0) == tilt_angle(1.04) == 0.0
    angles = [tilt_angle(t) for t in (0.98, 0.95, 0.90, 0.85)]
    assert angles == sorted(angles)
    gadolinium = {"A": Ion("Gd", 3), "B": Ion("Fe", 3), "X": OXYGEN}
    assert np.degrees(tilt_angle(tolerance_factor(gadolinium))) == pytest.approx(21, abs=1)


def test_tilted_octahedra_stay_nearly_regular() -> None:
    ions = {"A": Ion("Gd", 3), "B": Ion("Fe", 3), "X": OXYGEN}
    for prototype in (TETRAGONAL, ORTHORHOMBIC):
        crystal, placed = prototype.build(ions)
        pairs = find_pairs(crystal.lattice, crystal.fractional_positions, 3.0)
        iron = placed.index(ions["B"])
        bonds = np.sort(pairs.distance[pairs.first == iron])[:6]
        np.testing.assert_allclose(bonds, 0.645 + 1.40, rtol=0.06)


def test_oxides_are_neutral_and_their_bonds_near_the_radii() -> None:
    for prototype, ions in list(list_oxides())[::25]:
        crystal, placed = prototype.build(ions)
        assert sum(ion.charge for ion in placed) == 0
        relaxed, _ = relax_size(crystal, placed)
        pairs = find_pairs(relaxed.lattice, relaxed.fractional_positions, 4.5)
        for role, neighbours in prototype.coordination.items():
            site = placed.index(ions[role])
            to_anion = np.array([placed[other] == ions["X"] for other in pairs.second])
            bonds = np.sort(pairs.distance[(pairs.first == site) & to_anion])[:neighbours]
            expected = ions[role].radius(neighbours) + ions["X"].radius(6)
            assert bonds.mean() == pytest.approx(expected, rel=0.16), (prototype.name, ions)


@pytest.mark.parametrize("cation", ["Mg", "Ca", "Ba"])
def test_rock_salt_rests_at_the_sum_of_radii(cation: str) -> None:
    """How the strength of the repulsion is fixed; so the sums over the crystal must be right."""
    ions = {"A": Ion(cation, 2), "X": OXYGEN}
    crystal, placed = ROCK_SALT.build(ions)
    relaxed, energy = relax_size(crystal, placed)
    pairs = find_pairs(relaxed.lattice, relaxed.fractional_positions, 4.0)
    assert pairs.distance.min() == pytest.approx(ions["A"].radius(6) + 1.40, rel=1e-4)
    assert energy == pytest.approx(ionic_energy_per_atom(relaxed, placed), abs=1e-4)


def test_the_relaxed_size_is_a_minimum() -> None:
    crystal, placed = SPINEL.build({"A": Ion("Mg", 2), "B": Ion("Al", 3), "X": OXYGEN})
    energy = measure_energy(crystal, placed)
    factor = energy.find_minimum()
    for other in (0.99, 1.01):
        assert energy.at(factor * other) > energy.at(factor)
    slope = (energy.at(factor * 1.0001) - energy.at(factor * 0.9999)) / 0.0002
    assert abs(slope) < 1e-3 * abs(energy.at(factor))


def test_energy_does_not_depend_on_the_words_for_the_crystal() -> None:
    crystal, placed = SPINEL.build({"A": Ion("Mg", 2), "B": Ion("Al", 3), "X": OXYGEN})
    expected = ionic_energy_per_atom(crystal, placed)
    order = np.random.default_rng(0).permutation(crystal.n_atoms)
    other = Crystal(
        crystal.lattice, crystal.fractional_positions[order] + 3, crystal.atomic_numbers[order]
    )
    assert ionic_energy_per_atom(other, [placed[i] for i in order]) == pytest.approx(expected)
    double = crystal.repeated(1, 2, 1)
    assert ionic_energy_per_atom(double, placed * 2) == pytest.approx(expected, rel=1e-9)
    swapped = [placed[-1], *placed[1:-1], placed[0]]
    assert ionic_energy_per_atom(crystal, swapped) != pytest.approx(expected, rel=1e-3)


def test_only_unlike_ions_repel() -> None:
    assert born_repulsion(Ion("Mg", 2), Ion("Ti", 4)) is None
    assert born_repulsion(OXYGEN, OXYGEN) is None
    law = born_repulsion(Ion("Mg", 2), OXYGEN)
    assert law is not None
    assert law.exponent == 7.0
    assert law == born_repulsion(OXYGEN, Ion("Mg", 2))


def test_a_crystal_of_like_ions_has_no_minimum() -> None:
    crystal = Crystal(4 * np.eye(3), [[0, 0, 0], [0.02, 0, 0], [0.5, 0.5, 0.5]], [12, 12, 8])
    ions = [Ion("Na", 1), Ion("Na", 1), OXYGEN]
    with pytest.raises(BadCrystal, match=r"no minimum.*which ions stand next"):
        relax_size(crystal, ions)


@pytest.mark.filterwarnings("ignore")  # pymatgen's own
def test_radii_are_shannons() -> None:
    """Against the table in pymatgen, which was typed in by others."""
    from pymatgen.core import Element

    numerals = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9,
                "X": 10, "XI": 11, "XII": 12, "XIV": 14}  # fmt: skip
    compared = 0
    for (element, charge), radii in _read_radii().items():
        table = Element(element).data["Shannon radii"][str(charge)]
        theirs = {numerals[n]: spins for n, spins in table.items() if n in numerals}
        for coordination, radius in radii.items():
            choices = [entry["ionic_radius"] for entry in theirs[coordination].values()]
            low_spin = (element, charge, coordination) in (("Co", 3, 6), ("Ni", 3, 6))
            assert radius == (min(choices) if low_spin else max(choices))
            compared += 1
    assert compared > 350
    assert Ion("O", -2).radius(6) == 1.40
    assert Ion("Na", 1).radius(6) == 1.02


def test_ions_that_are_not_there() -> None:
    with pytest.raises(UnknownName, match=r"unknown ion 'Na\+3'"):
        find_ion("Na", 3)
    assert [ion.element for ion in list_cations(["Mg", "Ba"], 2, 4, (0.0, 2.0))] == ["Mg"]


def test_radii_that_do_not_fit_are_refused() -> None:
    ions = {"A": Ion("Li", 1), "B": Ion("La", 3), "X": OXYGEN}
    assert not LAYERED_ROCK_SALT.fits(ions)
    with pytest.raises(BadCrystal, match=r"Li\+1, La\+3, O-2 do not fit.*layered rock salt"):
        LAYERED_ROCK_SALT.build(ions)
    assert DELAFOSSITE.fits({"A": Ion("Cu", 1), "B": Ion("La", 3), "X": OXYGEN})


@pytest.mark.parametrize(
    ("point", "multiplicity"),
    [
        ((0.125, 0.125, 0.125), 8),
        ((0.5, 0.5, 0.5), 16),
        ((0.26, 0.26, 0.26), 32),
        ((0.33, 0.125, 0.125), 48),
        ((0.11, 0.22, 0.35), 192),
    ],
)
def test_orbits_have_the_multiplicity_of_the_tables(point: tuple, multiplicity: int) -> None:
    """Fd-3m; the primitive cell has a quarter of the sites of the conventional one."""
    assert len(find_orbit(point, SPINEL.generators, "F")) == multiplicity // 4


def test_calcium_titanate_is_about_as_large_as_measured(ionic: Dataset) -> None:
    """3.84 Å is the edge of the pseudo-cube in measured CaTiO₃: a model, but a sane one."""
    crystal = ionic.crystals[ionic.ids.tolist().index("CaTiO3_tetragonal-perovskite")]
    assert (crystal.volume / 2) ** (1 / 3) == pytest.approx(3.84, rel=0.02)
