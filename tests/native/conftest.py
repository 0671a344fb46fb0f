"""Every instruction level that this processor has."""

from collections.abc import Iterator

import pytest

from xtalgraph import _native


@pytest.fixture(params=_native.list_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    _native.use_level(request.param)
    yield request.param
    _native.use_level("")
