"""How much memory reading a compressed file takes: the window that its first frame asks for."""

from pathlib import Path

from sslkit.files import source, zstd

_HEAD = 64
_LZMA2 = 0x21


def memory(path: Path) -> int:
    """Bytes of the window; 0 where it is a few kilobytes, or cannot be told."""
    with source.reading(path), path.open("rb") as stream:
        head = stream.read(_HEAD)
        while zstd.is_skippable(head):
            at = stream.tell() - len(head) + 8 + int.from_bytes(head[4:8], "little")
            stream.seek(at)
            head = stream.read(_HEAD)
    sizes = {"xz": _xz, "zst": _zstd}
    size = sizes.get(source.compression(head[:6]))
    return size(head) if size and len(head) == _HEAD else 0


def _xz(head: bytes) -> int:
    """The dictionary of the first block's LZMA2 filter (.xz file format 1.2.1, 3.1 and 5.3.1)."""
    # 12 bytes of the stream's header; then the block's size, flags, and sizes it may tell.
    flags, place = head[13], 14
    for told in (flags & 0x40, flags & 0x80):
        while told and head[place] & 0x80:
            place += 1
        place += bool(told)
    if head[place] != _LZMA2:
        return 0
    bits = head[place + 2] & 0x3F
    return (2 | bits & 1) << (bits // 2 + 11)


def _zstd(head: bytes) -> int:
    """The window of the first frame (RFC 8878, 3.1.1.1)."""
    descriptor = head[4]
    if descriptor & 0x20:  # all of its content
        start = 5 + (0, 1, 2, 4)[descriptor & 3]
        width = (1, 2, 4, 8)[descriptor >> 6]
        return int.from_bytes(head[start : start + width], "little") + (256 if width == 2 else 0)
    base = 1 << (10 + (head[5] >> 3))
    return base + base // 8 * (head[5] & 7)
