"""The names of the axes, each with one meaning in the whole package.

Signatures use these names in jaxtyping annotations (`Float[Tensor, "n_edges edge_width"]`). They
are checked while the tests run and cost nothing in production. `AXES` is the one list of them; a
test reads every annotation of the package and refuses a name that is not here.
"""

AXES = {
    "n_crystals": "crystals in a store, a table or a batch",
    "n_atoms": "atoms (sites) of one crystal, or of all crystals of a batch one after another",
    "n_edges": "directed edges: every periodic image of a neighbour is an edge of its own",
    "n_targets": "target properties, in the order of the task",
    "n_classes": "classes of a classification",
    "n_outputs": "columns that a network gives: one per target, or one per class",
    "n_members": "networks of an ensemble",
    "n_directions": "directions along which the pooled vectors of crystals are compared",
    "n_elements": "rows of a table of elements",
    "n_components": "components of an element vector (92 in the paper)",
    "n_gaussians": "Gaussians in which a distance is expanded",
    "n_rows": "rows of anything whose meaning the function does not depend on",
    "n_kept": "rows that remain after rows without a label are left out",
    "n_points": "points of a curve",
    "n_offsets": "n_crystals + 1: where each crystal's atoms begin, and where the last ones end",
    "atom_width": "width of an atom vector inside a network",
    "edge_width": "width of an edge vector inside a network",
    "bond_width": "width of a bond vector: its length expanded, and what else is told of it",
    "double_width": "twice the width of what a gated sum gives: gate and message",
    "hidden_width": "width of the layers after pooling",
    "width": "width of a vector whose kind does not matter here",
    "3": "Cartesian or lattice directions",
}
