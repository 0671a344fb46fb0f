"""Where the tests find real data: `XTALGRAPH_DATA`, or the folder beside the checkout."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real DFT data; without it the test is skipped, and CI must not skip."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("XTALGRAPH_DATA", default))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the real data; {folder} is not there")
        pytest.skip(f"real data not found: set XTALGRAPH_DATA (looked at {folder})")
    return folder


@pytest.fixture(scope="session")
def oracle_2018(shared_data: Path) -> Path:
    """The networks, element vectors and predictions of the 2018 code."""
    return shared_data.parent / "oracles" / "cgcnn_2018"
