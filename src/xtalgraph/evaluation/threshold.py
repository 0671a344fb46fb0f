"""A threshold for two classes, chosen on the validation part and judged on other crystals."""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float64, Int64

from xtalgraph.metrics import MISSING_CLASS, accuracy, balanced_accuracy, best_threshold, f1

CRITERION = "f1"


@dataclass(frozen=True)
class Threshold:
    """The second class is said where its probability is `value` or more; scores with that rule."""

    value: float
    criterion: str  # what it is the best for on the validation part: f1, accuracy, or youden
    accuracy: float  # these three are of the crystals that are judged
    balanced_accuracy: float
    f1: float  # of the second class

    def to_json(self) -> dict[str, object]:
        """Return the fields."""
        return asdict(self)

    def describe(self, positive: str) -> str:
        """Return a sentence that describes the threshold."""
        return (
            f"With {positive} said from a probability of {self.value:.3f}, the best threshold for "
            f"{self.criterion} on the validation part: accuracy {self.accuracy:.4f}, balanced "
            f"accuracy {self.balanced_accuracy:.4f}, F1 {self.f1:.4f}."
        )


def choose_threshold(
    validation_labels: Int64[np.ndarray, "n_kept"],
    validation_probabilities: Float64[np.ndarray, "n_kept n_outputs"],
    labels: Int64[np.ndarray, "n_rows"],
    probabilities: Float64[np.ndarray, "n_rows n_outputs"],
    criterion: str = CRITERION,
) -> Threshold | None:
    """Choose the threshold on the validation part and score the other rows with it.

    None where the validation part has not both classes. `criterion` is one of `best_threshold`.
    """
    known = validation_labels[validation_labels != MISSING_CLASS]
    if len(np.unique(known)) < 2:
        return None
    value = best_threshold(validation_labels, validation_probabilities[:, 1], criterion)
    predicted = (probabilities[:, 1] >= value).astype(np.int64)
    return Threshold(
        value,
        criterion,
        accuracy(labels, predicted),
        balanced_accuracy(labels, predicted),
        f1(labels, predicted),
    )
