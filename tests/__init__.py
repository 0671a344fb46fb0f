"""The tests; `tests.zoo` holds the crystals that all of them share."""
