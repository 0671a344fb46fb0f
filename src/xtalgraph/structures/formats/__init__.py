"""The file formats of crystals, a file each."""
