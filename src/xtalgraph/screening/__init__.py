"""Screening: from candidates by the million to a short list of crystals worth making."""

from xtalgraph.screening.candidates import Candidates, Source
from xtalgraph.screening.cell_sizes import LearnedCells, RadiiCells, learn_cells
from xtalgraph.screening.expression import compile_expression
from xtalgraph.screening.judging import Question
from xtalgraph.screening.known import KnownCrystals
from xtalgraph.screening.perovskite_space import PerovskiteSpace, list_anions, list_elements
from xtalgraph.screening.prototype_space import PrototypeSpace, Substitution, read_prototype
from xtalgraph.screening.read_candidates import DatasetCandidates, read_candidates
from xtalgraph.screening.results import ScreenResult
from xtalgraph.screening.screen import ScreenProgress, screen

__all__ = [
    "Candidates",
    "DatasetCandidates",
    "KnownCrystals",
    "LearnedCells",
    "PerovskiteSpace",
    "PrototypeSpace",
    "Question",
    "RadiiCells",
    "ScreenProgress",
    "ScreenResult",
    "Source",
    "Substitution",
    "compile_expression",
    "learn_cells",
    "list_anions",
    "list_elements",
    "read_candidates",
    "read_prototype",
    "screen",
]
