"""How each domain cuts raw bytes into tokens, whatever the blocks."""

import collections
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains import code, lines, molecule, protein, text
from sslkit.errors import DataError


def tokens(module, data, block, name="file", on_error="stop", **values):
    reader = module.counting(module.Settings(**values), on_error).reader(name, ())
    found = []
    for part in [*(data[at : at + block] for at in range(0, len(data), block)), None]:
        slices = reader.finish() if part is None else reader.feed(part)
        held = slices.buffer.tobytes()
        places = zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
        found += [held[start : start + length].decode() for start, length in places]
    return found


BLOCKS = pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1 << 20])


@BLOCKS
def test_words_are_letters_marks_digits_and_underscores_of_any_script(block):
    data = "\ufeffIt's 3.14—naïve_x हिन्दी 中文。日本 ǅ\u0301a\r\nend".encode()
    assert tokens(text, data, block) == [
        *("It", "s", "3", "14", "naïve_x", "हिन्दी", "中文", "日本", "ǅ\u0301a", "end")
    ]
    spaced = tokens(text, data, block, split="spaces")
    assert spaced == data.decode("utf-8-sig").split()


@BLOCKS
def test_lines_and_columns(block):
    data = b"a b\tx\r\n\n c\ty\tz\rlast"
    assert tokens(lines, data, block) == ["a b\tx", " c\ty\tz", "last"]
    assert tokens(lines, data, block, column=1) == ["a b", " c", "last"]
    assert tokens(lines, data, block, column=2) == ["x", "y"]
    assert tokens(lines, data, block, column=3) == ["z"]
    assert tokens(lines, b"a,b\n,d\n", block, column=1, separator="comma") == ["a"]
    with pytest.raises(ValueError, match="numbered from 1"):
        lines.Settings(column=-1)


@BLOCKS
def test_smiles(block):
    data = b"CC(=O)Nc1ccc([nH+])cc1Br name Cl\n\nClC%12[Cl-].C%(123)#C/C=C\\Cl\tx\nB[C@@H]2.b"
    pattern = r"\[[^\]]*\]|Br|Cl|%\d\d|%\(\d+\)|."
    heads = [line.split()[0] for line in data.decode().split("\n") if line]
    found = tokens(molecule, data, block, canonical=False)
    assert found == [t for head in heads for t in re.findall(pattern, head)]


@BLOCKS
@pytest.mark.parametrize("k", [1, 3, 11, 20])
def test_residues(block, k):
    records = ["MKVLEEFPQwyXACDEFGHIKLMNPQRSTVWYU", "ACD*EFGHIKLMNPQRSTVWYACDEF-GHIKLMNP"]
    data = "".join(f">{n} t\n{r[:9]}\n{r[9:]}\n" for n, r in enumerate(records)).encode()
    # An alignment is read as its sequences: gaps are nothing.
    bare = [record.upper().replace("-", "") for record in records]
    windows = [record[at : at + k] for record in bare for at in range(len(record) - k + 1)]
    kept = [window for window in windows if not set(window) & set("X*")]
    assert tokens(protein, data, block, k=k) == kept


def test_a_byte_order_mark_before_the_first_title():
    assert tokens(protein, b"\xef\xbb\xbf>a\nMK\n", 100) == ["M", "K"]


def test_a_letter_that_is_no_residue_stops():
    with pytest.raises(DataError, match="cannot be used") as caught:
        tokens(protein, b">a\nMKV\n>b\nMK7\n", 100)
    assert "record 2 (b)" in caught.value.where


@BLOCKS
def test_nul_bytes_separate_tokens(block):
    for module in (text, lines):
        assert tokens(module, b"ab\0\0cd\0", block, on_error="skip") == ["ab", "cd"]
    counted = tokens(code, b"ab\0\0cd\0", block, "a.c", on_error="skip")
    assert collections.Counter(counted) == {"ab": 1, "cd": 1}
    for module in (text, lines, code):
        with pytest.raises(DataError) as caught:
            tokens(module, b"ab\0\0cd\0", block, "a.c")
        assert caught.value.where == "a.c, byte 3"


# What borders of blocks may tear apart: atoms, bonds, columns, ends of lines.
MARKS = (
    *("[H]", "%12", "Cl", "%(1", "(", ")", "a", "1", ".", "word ", "é", "\\", "'", '"'),
    *(" ", "\t", ",", "\n", "\r\n", "\0"),
)
pieces = st.sampled_from(MARKS)


@given(text=st.lists(pieces, max_size=40).map("".join), block=st.integers(1, 40))
def test_lines_and_molecules_do_not_depend_on_blocks(text, block):
    data = text.encode()
    for column in (0, 1, 2):
        whole = tokens(lines, data, len(data) + 1, column=column, on_error="skip")
        assert tokens(lines, data, block, column=column, on_error="skip") == whole
    whole = tokens(molecule, data, len(data) + 1, canonical=False, on_error="skip")
    assert tokens(molecule, data, block, canonical=False, on_error="skip") == whole


LONG = 300_000


@pytest.mark.parametrize("block", [1 << 14, 1 << 19])
def test_lines_and_columns_of_any_length(block):
    """Only a token can be too long, and a line that RDKit reads."""
    cells = b"a\t" + b"x y " * LONG + b"\tlast\tmore\n" + b"b\t\tz"
    assert tokens(lines, cells, block, column=1) == ["a", "b"]
    assert tokens(lines, cells, block, column=3) == ["last", "z"]
    many = b"\t".join(b"%d" % n for n in range(LONG))
    assert tokens(lines, many, block, column=LONG) == [str(LONG - 1)]
    titled = b"CCl " + b"title " * (LONG // 3) + b"\nBr"
    for canonical in (False, True):
        assert tokens(molecule, titled, block, canonical=canonical) == ["C", "Cl", "Br"]
    beyond = b"Cl[nH]" * LONG
    assert tokens(molecule, beyond, block, canonical=False) == ["Cl", "[nH]"] * LONG
    with pytest.raises(DataError, match="cannot be used"):
        tokens(molecule, beyond, block)
    assert tokens(molecule, beyond + b"\nBr", block, on_error="skip") == ["Br"]
