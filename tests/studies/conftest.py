"""The data set of the tests of evaluation, for those of studies."""

import pytest

from tests.evaluation.conftest import make_dataset
from xtalgraph.data import Dataset


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset()
