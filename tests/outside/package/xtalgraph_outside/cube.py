"""Files such as `cube 4.1 Na Cl`: a cubic cell in Å, two elements, in the order of CsCl."""

from xtalgraph.structures import Crystal, Format


def read(text, id, rejected):
    """Give the crystal of a text."""
    _, edge, first, second = text.split()
    lattice = [[float(edge) * (i == j) for j in range(3)] for i in range(3)]
    return [Crystal.from_symbols(lattice, [[0, 0, 0], [0.5, 0.5, 0.5]], [first, second], id)]


def write(crystal):
    """Give the text of a crystal."""
    return f"cube {crystal.lattice[0, 0]} {' '.join(crystal.symbols)}\n"


CUBE = Format(
    "cube", read, suffixes=(".cube2",), write=write, sniff=lambda text: text.startswith("cube ")
)
