"""Amounts of memory."""

import pytest

from sslkit.errors import UsageError
from sslkit.machine import sizes


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512M", 512 << 20), ("4G", 4 << 30), ("4GiB", 4 << 30), ("1.5 gb", 3 << 29), ("999", 999)],
)
def test_reads_amounts(text, amount):
    assert sizes.parse(text) == amount


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "4X", "4 4G"])
def test_refuses_what_is_none(text):
    with pytest.raises(UsageError, match="not an amount"):
        sizes.parse(text)


def test_shows_amounts():
    assert [sizes.show(n) for n in (812, 96 << 10, 7 << 29)] == ["812 B", "96 KiB", "3.5 GiB"]
