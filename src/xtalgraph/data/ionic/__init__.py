"""The data set that the package makes itself: crystals from ionic radii, energies from a model."""
