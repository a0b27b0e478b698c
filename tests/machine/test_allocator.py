"""The allocator is settled, and says how far a heap grows."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.machine import allocator

pytestmark = pytest.mark.skipif(not allocator.heap()[0], reason="there is no glibc from 2.33 on")

MIB = 2**20
PRINTS = """
import json, os, sys
from sslkit.machine import allocator
before = os.environ.get("GLIBC_TUNABLES", "")
allocator.begin_anew()
print(json.dumps([os.getpid(), sys.argv[1:], os.environ["GLIBC_TUNABLES"], sys.stdin.read()]))
sys.exit(7)
"""


def grown(course: list[int]) -> int:
    return allocator.growth([course])[0]


def test_what_is_freed_is_used_again() -> None:
    assert 2 * MIB <= grown([MIB, MIB]) < 2.5 * MIB
    assert MIB <= grown([MIB, -1, MIB, -2, MIB]) < 1.5 * MIB


def test_small_objects_that_stay_make_no_holes() -> None:
    # Two large tensors that take turns, and a small one after each.
    course = []
    for turn in range(200):
        course += [MIB, 40, *([-1 - 2 * (turn - 1)] if turn else [])]
    assert 2 * MIB <= grown(course) < 4 * MIB


@given(
    st.lists(st.tuples(st.integers(0, 4 * MIB), st.integers(0, 5)), max_size=30),
)
@settings(max_examples=10)
def test_a_heap_holds_at_least_what_is_alive(steps: list[tuple[int, int]]) -> None:
    course, held, alive, most = [], [], 0, 0
    for taken, (size, freed) in enumerate(steps):
        course.append(size)
        held.append((taken, size))
        alive += size
        most = max(most, alive)
        if freed < len(held):
            gone, its = held.pop(freed)
            course.append(-1 - gone)
            alive -= its
    assert most <= grown(course) + MIB


def test_what_the_system_refuses_is_said() -> None:
    assert allocator.growth([[2**60], [MIB]])[0] == -1


@pytest.mark.parametrize("asked", ["", "glibc.malloc.check=0"])
def test_a_process_begins_anew_as_it_was_called(asked: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    if asked:
        environment["GLIBC_TUNABLES"] = asked
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTS, "a b", "--c"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate("given")
    wanted = f"{asked}:glibc.malloc.tcache_count=0".lstrip(":")
    assert json.loads(out) == [process.pid, ["a b", "--c"], wanted, "given"]
    assert process.returncode == 7
