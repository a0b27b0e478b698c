"""Labels as classes: which cells hold none, and which spellings are one class."""

import re
from collections.abc import Iterable

#: Cells that hold no label, as pandas, R and spreadsheets write them: exactly these.
MISSING = (
    "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None",
)  # fmt: skip

#: A whole number; one with other decimals may be the name of a class, as 1.10 of enzymes.
_WHOLE = re.compile(r"([+-]?(?:0|[1-9]\d*))(?:\.0*)?")
_TRUTH = {"true": "1", "false": "0"}


def missing(written: str) -> frozenset[str]:
    """The marks of a setting, with commas between them; an empty cell is always one."""
    return frozenset({"", *(mark.strip() for mark in written.split(","))})


def spellings(labels: Iterable[str]) -> dict[str, str]:
    """The class of each label: equal numbers and equal truth values are one class.

    Where all labels are whole numbers, 1, 1.0 and 1.00 are one; where all are true or false, or
    0 or 1, their case and that spelling make no difference. The class is called by its shortest
    spelling, the first one of these in the alphabet.
    """
    written = sorted(set(labels), key=lambda label: (len(label), label))
    keys = [_key(label) for label in written]
    if None in keys:
        return {label: label for label in written}
    is_truth = any(label.lower() in _TRUTH for label in written)
    if is_truth and not {"0", "1"}.issuperset(str(key) for key in keys):
        return {label: label for label in written}
    names: dict[str | None, str] = {}
    return {label: names.setdefault(key, label) for label, key in zip(written, keys, strict=True)}


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Names of classes that differ in nothing but the case of their letters."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(name.casefold(), name), name) for name in names]
    return [(one, other) for one, other in pairs if one != other]


def _key(label: str) -> str | None:
    """What equal labels share; None for one that is neither a whole number nor a truth value."""
    if label.lower() in _TRUTH:
        return _TRUTH[label.lower()]
    whole = _WHOLE.fullmatch(label)
    return str(int(whole[1])) if whole else None
