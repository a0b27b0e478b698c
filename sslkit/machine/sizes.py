"""Amounts of memory as people write them: 512M, 4G, 4GiB."""

import re

from sslkit.errors import UsageError

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def parse(text: str) -> int:
    """Bytes; K, M, G and T are powers of 1024, with or without ``B`` or ``iB`` behind them.

    Raises:
        UsageError: not an amount of memory.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"{text!r} is not an amount of memory", do="write 512M, 4G or 1.5GiB")
    return int(float(match[1]) * 1024 ** _UNITS[match[2].upper()])


def show(amount: float) -> str:
    """Bytes in a few characters: 812 B, 96 KiB, 3.5 GiB."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if amount >= 1024**power:
            value = amount / 1024**power
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{amount:.0f} B"
