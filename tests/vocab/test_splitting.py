"""Blocks cut anywhere, bytes that are no UTF-8, tokens too long, readers stopped anywhere."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains import code, lines, molecule, text
from sslkit.errors import DataError
from sslkit.vocab import splitting

broken = st.lists(
    st.sampled_from([b"ab", b" ", b"\n", b"\0", "é中😀".encode()])
    | st.sampled_from([b"\xff", b"\xe4\xb8", b"\xf0\x9f\x98", b"\x80\x80", b"\xed\xa0\x80"]),
    max_size=30,
).map(b"".join)


def spelled(slices):
    held = slices.buffer.tobytes()
    places = zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
    return [held[start : start + length] for start, length in places]


def read(module, data, blocks, stops=(), **values):
    """All tokens and the tally; behind each block of ``stops`` another reader goes on."""
    reader = module.counting(module.Settings(**values), "skip").reader("f.py", ())
    found, at, number = [], 0, 0
    while at < len(data):
        block = data[at : at + blocks]
        found += spelled(reader.feed(block))
        at += len(block)
        if number in stops:
            state, at = reader.state(), at - reader.pending
            reader = module.counting(module.Settings(**values), "skip").reader("f.py", ())
            reader.restore(state)
            # What was pending is fed again, so a block must reach beyond it.
            found += spelled(reader.feed(data[at : at + len(block) + 200]))
            at += len(block) + 200
        number += 1
    return found + spelled(reader.finish()), dict(reader.tally)


@given(data=broken, block=st.integers(1, 30), stops=st.sets(st.integers(0, 9), max_size=2))
def test_bytes_that_are_no_utf8_separate_and_are_counted_once(data, block, stops):
    plain = data.decode("utf-8", "replace").encode()
    found, tally = read(text, data, block, stops)
    assert found == [word.encode() for word in re.findall(r"\w+", data.decode("utf-8", "replace"))]
    valid = data.decode("utf-8", "ignore").replace("\0", "").encode()
    assert tally.get("invalid_bytes", 0) == len(data) - len(valid)
    assert bool(tally) == (plain != data or b"\0" in data)
    for module in (code, lines, molecule):
        assert read(module, data, block, stops) == read(module, data, len(data) + 1)


@given(data=broken, block=st.integers(1, 30))
def test_stopping_names_the_first_bad_byte(data, block):
    reader = text.counting(text.Settings(), "stop").reader("f", ())
    # What is no UTF-8 becomes a lone surrogate, which no other byte does.
    escaped = data.decode("utf-8", "surrogateescape")
    bad = re.search("[\udc80-\udcff\0]", escaped)
    if bad is None:
        read_all(reader, data, block)
        return
    with pytest.raises(DataError, match=r"not UTF-8|not text") as caught:
        read_all(reader, data, block)
    assert caught.value.where == f"f, byte {len(escaped[: bad.start()].encode()) + 1}"


def read_all(reader, data, block):
    for at in range(0, len(data), block):
        reader.feed(data[at : at + block])
    reader.finish()


def test_a_file_of_noise_takes_no_longer_than_its_length():
    """Each bad byte is an error of its own; handling one must not copy what follows."""
    noise = np.random.default_rng(1).integers(0, 256, 1 << 21, dtype=np.uint8).tobytes()
    start = time.process_time()
    _, tally = read(text, noise, 1 << 19)
    assert tally["invalid_bytes"] > 1 << 19
    assert time.process_time() - start < 10


@pytest.mark.parametrize("block", [1000, 50_000, 1 << 19])
def test_tokens_too_long_are_skipped_wherever_the_blocks_end(block):
    longest = splitting.LONGEST
    fits, long = b"f" * longest, "é".encode() * longest
    data = b" ".join([b"a", fits, fits + b"f", long, b"b", long * 3, b"c"])
    found, tally = read(text, data, block)
    assert found == [b"a", fits, b"b", b"c"]
    assert tally == {"too_long_tokens": 3}
    reader = text.counting(text.Settings(), "stop").reader("f", ())
    with pytest.raises(DataError, match="longer than") as caught:
        read_all(reader, data, block)
    assert caught.value.where == f"f, byte {longest + 4}"


def test_what_is_held_of_a_long_token_does_not_grow():
    reader = text.counting(text.Settings(), "skip").reader("f", ())
    for _ in range(40):
        reader.feed(b"x" * (1 << 18))
        assert len(reader._rest) <= 2 * splitting.LONGEST
    assert reader.pending == 40 << 18
    assert spelled(reader.feed(b" y ")) == [b"y"]
    assert reader.tally == {"too_long_tokens": 1}


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_a_mark_of_the_byte_order_is_no_part_of_a_word(block):
    found, _ = read(text, b"\xef\xbb\xbfword \xef\xbb\xbfword", block, split="spaces")
    assert found == [b"word", b"\xef\xbb\xbfword"]
