"""The course's own modules, which lie outside the package."""

from __future__ import annotations

import sys
from pathlib import Path

COURSE = Path(__file__).resolve().parents[2] / "course"

sys.path[:0] = [str(COURSE), str(COURSE / "source")]
