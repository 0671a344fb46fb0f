"""Exponents of growth are those of the laws they are fitted to."""

import pytest
from benchmarks.growth import fit_all, fit_exponent, rattled_crystal

from xtalgraph.graphs import build_graphs


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_law_with_a_fixed_cost_is_that_of_its_upper_end(exponent):
    sizes = [1, 10, 100, 1000, 10_000, 100_000]
    costs = [0.01 + 1e-2 * size**exponent for size in sizes]
    assert fit_exponent(sizes, costs) == pytest.approx(exponent, abs=0.03)


def test_every_line_of_the_figure_gets_its_own_exponents():
    rows = [
        {"axis": axis, "what": what, "size": size, "seconds": size**power, "MB": float(size)}
        for axis, what, power in (("atoms", "graphs", 1), ("atoms", "step", 2))
        for size in (1, 2, 4, 8)
    ]
    fits = {fit["what"]: fit for fit in fit_all(rows)}
    assert fits["graphs"]["time"] == pytest.approx(1)
    assert fits["step"]["time"] == pytest.approx(2)
    assert fits["step"]["memory"] == pytest.approx(1)


def test_no_atoms_of_the_rattled_crystal_are_alike():
    crystal = rattled_crystal((2, 2, 2))
    assert build_graphs(crystal, deduplicated=True).n_atoms == 8
