"""What is said of vectors that are all but the same."""

from sslkit.artifacts import likeness
from sslkit.console import Console


def warn(what: str, correlation: float | None, console: Console) -> None:
    """Warn where vectors are so alike that they tell their records hardly apart.

    Args:
        what: has the vectors, as the message names it.
        correlation: their mean over all pairs; None where there are no pairs.
    """
    if correlation is not None and correlation > likeness.COLLAPSED:
        console.warn(
            f"the vectors of {what} are all but the same: their mean correlation is "
            f"{correlation:.6f}. The encoder has collapsed, was hardly trained, or the records are "
            "nearly equal; --pooling max, another --layer, or centred vectors may tell them apart"
        )
