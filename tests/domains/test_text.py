"""Rules that split text, against their patterns as another program reads them."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sslkit.domains import lines, text

characters = st.sampled_from("ab7_é日\u0301 \u00a0\u2003\t\r\n\n  .,-\0\x7f🙂\ufeff")
texts = st.text(characters, max_size=40)
SPLITS = ["words", "spaces", "pieces"]


def tokens(scheme: Any, raw: str, block: int) -> list[str]:
    reader = scheme.reader("a.txt", set())
    data = raw.encode()
    fed = [reader.feed(data[at : at + block]) for at in range(0, len(data), block)]
    return [
        slices.buffer[start : start + size].tobytes().decode()
        for slices in [*fed, reader.finish()]
        for start, size in zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
    ]


def matched(pattern: str, raw: str) -> list[str]:
    library = pytest.importorskip("tokenizers")
    split = library.pre_tokenizers.Split(library.Regex(pattern), "removed", invert=True)
    return [token for token, _ in split.pre_tokenize_str(raw)]


@pytest.mark.parametrize("split", SPLITS)
@given(texts, st.integers(1, 50))
@example("a \n b  c\n\nd \0 e", 3)
@example("  a\t b \n", 1)
def test_tokens_are_the_matches_of_the_pattern(split: Any, raw: str, block: int) -> None:
    scheme = text.counting(text.Settings(split=split), "stop")
    assert tokens(scheme, raw, block) == matched(scheme.pattern, raw.removeprefix("\ufeff"))


@given(texts, st.integers(1, 50))
def test_lines_are_the_matches_of_the_pattern(raw: str, block: int) -> None:
    scheme = lines.counting(lines.Settings(), "stop")
    assert tokens(scheme, raw, block) == matched(scheme.pattern, raw.removeprefix("\ufeff"))


@given(texts, st.integers(1, 50))
def test_pieces_lose_nothing(raw: str, block: int) -> None:
    scheme = text.counting(text.Settings(split="pieces"), "stop")
    assert "".join(tokens(scheme, raw, block)) == raw.removeprefix("\ufeff").replace("\0", "")


@given(st.lists(texts, min_size=2, max_size=2))
def test_pieces_may_be_divided_behind_every_line(parts: list[str]) -> None:
    scheme = text.counting(text.Settings(split="pieces"), "stop")
    first, second = parts[0] + "\n", parts[1].removeprefix("\ufeff")
    together = tokens(scheme, first + second, 100)
    assert together == tokens(scheme, first, 100) + tokens(scheme, second, 100)
    assert scheme.divide == b"\n"
