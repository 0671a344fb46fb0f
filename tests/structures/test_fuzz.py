"""Mutated inputs: a few seconds in every run of the tests, minutes of them in `make full`."""

import subprocess
import sys
import types

import pytest

from tests.structures import fuzz


def test_no_mutated_input_ends_a_reader():
    outcomes, faults = fuzz.run(seed=2, n_inputs=400)
    assert faults == []
    assert outcomes["read"] > 40
    assert outcomes["refused"] > 100


@pytest.mark.full
def test_no_mutated_input_of_a_minute_ends_a_reader():
    outcomes, faults = fuzz.run(seed=3, n_inputs=10**6, seconds=60)
    assert faults == []
    assert sum(outcomes.values()) > 300


def test_an_input_is_made_from_its_seed_and_number_alone():
    seeds = fuzz.make_seeds()
    inputs = [fuzz.make_input(seeds, 1, number) for number in range(30)]
    assert inputs == [fuzz.make_input(fuzz.make_seeds(), 1, number) for number in range(30)]
    assert len(set(inputs)) == 30


@pytest.mark.parametrize(
    ("ending", "fault"),
    [
        ("os.kill(os.getpid(), 11)", "input 7: crash (SIGSEGV)"),
        (
            "print('end 7 cif foreign TypeError: x', flush=True)",
            "input 7: cif: foreign TypeError: x",
        ),
        ("time.sleep(60)", "input 7: hang of more than 1 s"),
    ],
)
def test_the_harness_sees_crashes_hangs_and_foreign_errors(monkeypatch, ending, fault):
    code = f"import os, time\nprint('begin 7', flush=True)\n{ending}"
    real, left = subprocess.Popen, [code, "print('end 8 cif read', flush=True)"]

    def start(command, stdout, stderr):
        return real([sys.executable, "-c", left.pop(0) if left else ""], stdout=stdout)

    monkeypatch.setattr(fuzz, "WALL_SECONDS", 1.0)
    fake = types.SimpleNamespace(Popen=start, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)
    monkeypatch.setattr(fuzz, "subprocess", fake)
    _, faults = fuzz.run(seed=1, n_inputs=9)
    assert faults == [fault]
