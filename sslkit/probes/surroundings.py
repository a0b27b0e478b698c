"""What stands at a unit and around it, one-hot: the baseline of all that speaks of units.

A linear model of it is the directional information of Garnier, Osguthorpe & Robson 1978: each
unit in the neighbourhood votes for itself.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sslkit.types import Array

#: Units of which features are made at once: bounds memory for long records.
_BLOCK = 8192


def windows(
    places: Callable[[Sequence[Array]], npt.NDArray[np.float32]], units: Array, around: int
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Features of all units of a record, in blocks: the first unit of each, and [units, features].

    Every one of the ``around`` places has the columns of a unit, and one that is 1 beyond the
    ends of the record.

    Args:
        places: one-hot columns of records of one length, end to end, as a domain gives them.
        units: of the record, [units].
        around: an odd number, the unit itself included.
    """
    half = around // 2
    for start in range(0, len(units), _BLOCK):
        stop = min(start + _BLOCK, len(units))
        first, last = max(0, start - half), min(len(units), stop + half)
        hot = places([units[first:last]]).reshape(last - first, -1)
        width = hot.shape[1] + 1
        padded = np.zeros((stop - start + 2 * half, width), np.float32)
        at = first - (start - half)
        padded[:, -1] = 1
        padded[at : at + len(hot), -1] = 0
        padded[at : at + len(hot), :-1] = hot
        found = np.empty((stop - start, around, width), np.float32)
        for place in range(around):
            found[:, place] = padded[place : place + stop - start]
        yield start, found.reshape(stop - start, -1)
