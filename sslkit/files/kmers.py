"""Sequences that were written as overlapping k-mers with blanks between, as tables of DNABERT.

Joined, each letter would stand k times. Blocks of ten letters with blanks between do not overlap
and are sequences as they stand.
"""

from collections.abc import Sequence

#: Letters that agree by chance in one of 65,000 pairs of blocks, or fewer.
_SURELY = 8
_MOST = 1 << 10


def problem_of_text(text: bytes) -> str:
    """The same of a stretch of a text, whose ends may be cut, by its first thousand letters."""
    if b" " not in text and b"\t" not in text:
        return ""
    pieces = text[:_MOST].split()
    return problem(pieces) or problem(pieces[1:-1])


def problem(pieces: Sequence[str] | Sequence[bytes]) -> str:
    """Why pieces of a sequence cannot be joined: all overlap their neighbours by all but a letter.

    Returns:
        what is wrong, and what to do; "" where they can.
    """
    if len(pieces) < 2 or (k := len(pieces[0])) < 2 or (len(pieces) - 1) * (k - 1) < _SURELY:
        return ""
    first = pieces[0]
    before = first
    are_equal = True
    for piece in pieces[1:]:
        if len(piece) != k or piece[:-1] != before[1:]:
            return ""
        are_equal = are_equal and piece == first
        before = piece
    # Blocks of one letter, as of unknown bases, overlap in this way too.
    if are_equal:
        return ""
    return (
        f"it stands as {len(pieces)} k-mers of {k} letters, which would say each letter {k} times; "
        "write the sequence itself: the first k-mer, and the last letter of each other one"
    )
