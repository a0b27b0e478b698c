"""Items made ahead: the same ones, in the same order, with the same end."""

import threading

import pytest

from sslkit.vocab.ahead import ahead


@pytest.mark.parametrize("items", [[], [0], [None, 0, "a"]])
def test_the_same_items(items):
    assert list(ahead(iter(items))) == items


def test_the_next_one_is_made_meanwhile():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    found = ahead(items())
    assert next(found) == 1
    assert made.wait(timeout=60)
    assert list(found) == [2]


def test_an_error_comes_behind_the_items_before_it():
    def items():
        yield 1
        raise KeyError("lost")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="lost"):
        next(found)
