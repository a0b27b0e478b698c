"""What NumPy and OpenMP are told."""

import os
import subprocess
import sys

import pytest

from sslkit.machine import processor

INFO = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: Some CPU\n"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "expected"),
    [
        ("AuthenticAMD", 25, 0x11, True),
        ("AuthenticAMD", 25, 0x61, True),
        ("AuthenticAMD", 25, 0x01, False),  # Zen 3
        ("AuthenticAMD", 26, 0x11, False),  # Zen 5
        ("GenuineIntel", 6, 0x6A, False),
    ],
)
def test_recognises_zen_4(vendor, family, model, expected):
    assert processor.is_zen_4(INFO.format(vendor, family, model)) is expected


def test_unknown_processors_are_left_alone():
    assert not processor.is_zen_4("")


def test_the_environment_of_the_user_stays(monkeypatch):
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", "")
    monkeypatch.setattr(processor, "is_zen_4", lambda _: True)
    processor.prefer_fast_sort()
    assert os.environ["NPY_DISABLE_CPU_FEATURES"] == ""


def test_numpy_takes_the_choice_without_a_warning():
    code = (
        "from sslkit.machine import processor; processor.is_zen_4 = lambda _: True\n"
        "processor.prefer_fast_sort(); import numpy"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("given", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_threads_wait_as_the_user_says_or_briefly(given, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(given, "5")
    processor.spin_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == ("5" if given == "GOMP_SPINCOUNT" else None)
    monkeypatch.delenv(given)
    processor.spin_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
