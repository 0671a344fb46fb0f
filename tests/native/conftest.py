"""Every instruction level that this processor has."""

from collections.abc import Iterator

import pytest

from xtalgraph import _native


@pytest.fixture(params=["v2", "v3", "v4", "plain"])
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param not in _native.list_levels():
        pytest.skip(f"this processor has no {request.param}")
    _native.use_level(request.param)
    yield request.param
    _native.use_level("")
