"""Text in 16 or 32 bits a letter, told by its first bytes; what reads text here reads UTF-8."""

import codecs

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_PARQUET = b"PAR1"
#: So many first bytes are enough.
HEAD = 4096
#: The share of zeros from which on what could be UTF-8 is none, and their number for others.
_SHARE, _LEAST = 1 / 8, 3


def wide(head: bytes) -> str:
    """UTF-16 or UTF-32, with its order of bytes where a mark does not tell it; empty for others.

    Text without a mark is known by its zeros: as that encoding it has none and can be printed.
    """
    if head.startswith(_PARQUET):
        return ""
    if 0 not in head and head[:1] not in {b"\xff", b"\xfe"}:
        return ""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    zeros = [at for at, byte in enumerate(head) if not byte]
    is_utf8 = _decoded(head, "utf-8") is not None
    if len(zeros) < (max(1, len(head) * _SHARE) if is_utf8 else _LEAST):
        return ""
    for name in ("utf-32-le", "utf-32-be"):
        if _is_text(head, name):
            return name.upper()
    # Of letters of ASCII the second byte is 0, or the first one.
    odd = sum(at % 2 for at in zeros)
    is_mixed = 0 < odd < len(zeros) and not is_utf8
    name = "utf-16-le" if 2 * odd >= len(zeros) else "utf-16-be"
    return name.upper() if not is_mixed and _is_text(head, name) else ""


def _decoded(head: bytes, name: str) -> str | None:
    try:
        # The last letter may be cut, but where the file is not longer than its first bytes.
        return codecs.getincrementaldecoder(name)().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError:
        return None


def _is_text(head: bytes, name: str) -> bool:
    text = _decoded(head, name)
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text or "")
