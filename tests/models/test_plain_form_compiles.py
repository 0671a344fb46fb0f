"""What an accelerator runs, the plain form, is traced whole by torch.compile: the same numbers."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_traced_whole_it_gives_the_same_numbers():
    command = [sys.executable, "-m", "tests.models.plain_form_traced"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    assert set(differences) == {"cgcnn", "residual"}
    assert max(differences.values()) < 1e-5
