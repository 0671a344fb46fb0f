"""Every tolerance in lengths that several rooms share, in Å, with its reason."""

OVERLAP = 0.5
"""Å; two atoms nearer than this are a fault of the file, not a bond (H2 has 0.74 Å)."""

SAME_SHELL = 1e-3
"""Å; neighbours whose distances differ by less belong to one shell, and tie."""

SYMMETRY = 0.01
"""Å; how far atoms may lie from where a symmetry puts them; relaxed cells keep to it."""

EQUAL_DISTANCES = 0.01
"""Å; how far the mean distances of two crystals may differ for one to be a duplicate."""
