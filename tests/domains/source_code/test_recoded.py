"""Python files of other encodings are counted as Python itself would read them."""

import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains import code
from sslkit.domains.source_code import recoded
from sslkit.errors import DataError


def tokens(data: bytes, block: int, on_error="stop") -> list[str]:
    reader = code.counting(code.Settings(), on_error).reader("a.py", ())
    found = []
    for part in [*(data[at : at + block] for at in range(0, len(data), block)), None]:
        slices = reader.finish() if part is None else reader.feed(part)
        held = slices.buffer.tobytes()
        places = zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
        found += [held[start : start + size].decode() for start, size in places]
    return found


COOKIES = [
    ("# -*- coding: latin-1 -*-\n", "latin-1"),
    ("#!/bin/sh\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
    ("\n# coding=koi8-r\n", "koi8-r"),
    ("# Größe\n# coding: latin-1\n", "latin-1"),
    ("# coding: utf8\n", "utf-8"),
    ("\ufeff# nothing\n", "utf-8"),
    ("x = 1\n# coding: latin-1\n", "utf-8"),
    ("", "utf-8"),
]


@pytest.mark.parametrize(("cookie", "encoding"), COOKIES)
@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_the_encoding_that_a_file_names(cookie: str, encoding: str, block: int) -> None:
    body = "größe = naïve_x\n" if encoding not in {"koi8-r"} else "длина = размер_x\n"
    names = [word for word in body.replace("_", " _").split() if word != "="]
    expected = [names[0], "=", *names[1:]]
    data = (cookie + body).encode(encoding)
    assert [one for one in tokens(data, block) if one not in ("x", "1") or one in expected][
        -len(expected) :
    ] == expected
    assert recoded.utf8(data, "a.py") == (cookie + body).removeprefix("\ufeff").encode()


@given(
    st.lists(
        st.sampled_from(
            ["# coding: latin-1", "#coding=utf-8", "#", "", " \t", "x", "# encoding: ascii", "\f#"]
        ),
        max_size=4,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_encodings_are_those_that_the_tokenizer_of_python_finds(lines: list[str], end: str) -> None:
    data = end.join(lines).encode()
    wanted, _ = tokenize.detect_encoding(
        io.BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).readline
    )
    known = {"iso8859-1": "iso-8859-1"}
    found = recoded._encoding(data, "a.py")
    assert known.get(found, found) == wanted


@pytest.mark.parametrize("name", ["latin-9000", "rot13", "zlib", "os.path", "hex"])
def test_encodings_that_there_are_not(name: str) -> None:
    data = f"# one\n# coding: {name}\nx = 1\n".encode()
    with pytest.raises(DataError, match="names an encoding that there is not") as caught:
        tokens(data, 7)
    assert "a.py, line 2" in str(caught.value)
    assert tokens(data, 7, "skip") == []


def test_bytes_that_are_no_text_in_the_encoding() -> None:
    with pytest.raises(DataError, match="not ascii text") as caught:
        tokens("# coding: ascii\nö = 1\n".encode(), 4)
    assert "byte 17" in str(caught.value)


def test_a_count_goes_on_in_the_middle_of_a_file(tmp_path: Path) -> None:
    for cookie in ("# coding: latin-1\n# two\n", "# one\n# two\n"):
        data = (cookie + "snake_case = naïve_x\n" * 3).encode(
            "latin-1" if "latin" in cookie else "utf-8"
        )
        whole = tokens(data, 1 << 20)
        for cut in range(0, len(data), 5):
            make = code.counting(code.Settings(), "stop").reader
            first, second = make("a.py", ()), make("a.py", ())
            found = [first.feed(data[:cut])]
            second.restore(first.state())
            found += [second.feed(data[cut - first.pending :]), second.finish()]
            held = [
                one.buffer[start : start + size].tobytes().decode()
                for one in found
                for start, size in zip(one.starts.tolist(), one.lengths.tolist(), strict=True)
            ]
            assert held == whole
