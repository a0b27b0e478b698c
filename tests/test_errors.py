"""Errors say what, where, why and what to do, and survive a process border."""

import pickle

import pytest

from sslkit import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SslkitError, 1),
        (errors.UsageError, 2),
        (errors.DataError, 3),
        (errors.ResourceError, 4),
        (errors.RequeueError, 75),
    ],
)
def test_exit_codes(kind: type[errors.SslkitError], code: int) -> None:
    assert kind("x").exit_code == code


def test_text_holds_the_parts_that_are_there_in_order() -> None:
    error = errors.DataError("it fails", where="a.fa, record 2", do="mend it")
    assert str(error) == "it fails\n  where: a.fa, record 2\n  do: mend it"
    assert str(errors.DataError("it fails")) == "it fails"


def test_pickling() -> None:
    error = errors.ResourceError("full", where="a", why="b", do="c")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.ResourceError
    assert str(again) == str(error)
