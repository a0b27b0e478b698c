"""Compiled loops where nothing can be kept on disk; what they count is tested with the stores."""

import numba
import pytest

from sslkit.vocab.kmers import compiled


def abs_(x):
    return abs(x)


def test_without_a_place_to_keep_it_a_loop_is_compiled_anew(monkeypatch):
    made = numba.njit
    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return made(**options)

    monkeypatch.setattr(numba, "njit", njit)
    loop = compiled._compiled(abs_)
    assert loop.py_func is abs_
    assert asked == [True, False]


def test_an_error_of_a_loop_is_not_hidden(monkeypatch):
    def njit(**options):
        raise TypeError("not a function")

    monkeypatch.setattr(numba, "njit", njit)
    with pytest.raises(TypeError, match="not a function"):
        compiled._compiled(len)
