"""Entries of files of molecules: however blocks are cut, and wherever reading begins again."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import molecules
from sslkit.files.molecules import Blocks, Cells, Entries, Entry, Lines

BLOCK = "{name}\n  made up\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n{atom}M  END\n"
ATOM = "    0.0000    0.0000    0.0000 C   0  0\n"


def block(name: str, atom: str = ATOM) -> str:
    return BLOCK.format(name=name, atom=atom)


def fed(cut: Entries, data: bytes, size: int) -> list[Entry]:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [entry for part in parts for entry in cut.feed(part)] + cut.finish()


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_hold_smiles_and_a_name(ends: str) -> None:
    text = "\ufeffSMILES Title\nCCO  ethyl alcohol \n\n  C\nN\tammonia\t3"
    found = fed(Lines(), text.replace("\n", ends).encode(), 100)
    assert [(e.number, e.line, e.name, e.text) for e in found] == [
        (1, 2, "ethyl alcohol", "CCO"),
        (2, 4, "2", "C"),
        (3, 5, "ammonia\t3", "N"),
    ]


def test_a_header_is_one_at_the_beginning_only() -> None:
    assert [e.text for e in fed(Lines(), b"C\nsmiles\n", 100)] == ["C", "smiles"]


def test_every_line_is_a_cell() -> None:
    found = fed(Cells(), b"CC O\n\nsmiles\n", 100)
    assert [(e.number, e.line, e.text) for e in found] == [(1, 0, "CC O"), (2, 0, ""),
                                                           (3, 0, "smiles")]  # fmt: skip


def test_blocks_have_titles_and_fields() -> None:
    fields = "> <logP>\n1.5\n\n>  <NOTE>  (2)\ntwo\nlines\n\n> 25 <EMPTY>\n\n"
    text = f"{block('a')}{fields}$$$$\n{block('')}$$$$\n{block('last')}"
    first, second, last = fed(Blocks(), text.encode(), 100)
    assert (first.name, first.text) == ("a", block("a"))
    assert first.fields == {"logP": "1.5", "NOTE": "two\nlines", "EMPTY": ""}
    assert (second.name, second.number, second.line) == ("2", 2, 17)
    assert (last.name, last.error) == ("last", "")


def test_an_entry_that_is_cut_off_is_told() -> None:
    text = f"{block('a')}$$$$\nb\n\n\n  1  0\n{ATOM}$$$$\n{block('c')[:90]}"
    found = fed(Blocks(), text.encode(), 64)
    assert [bool(entry.error) for entry in found] == [False, True, True]
    assert "no line 'M  END'" in found[2].error
    assert found[1].text == ""


def test_what_is_held_of_an_endless_line_or_entry_is_bounded() -> None:
    cut: Entries = Lines()
    for _ in range(8):
        cut.feed(b"C" * (1 << 19))
        assert len(cut._rest) <= 1 << 20
    assert cut.pending == 8 << 19
    (entry,) = cut.feed(b" name\nN\n")[:1]
    # A part of a molecule would be another molecule.
    assert (entry.text, entry.name, bool(entry.error)) == ("", "1", True)
    cut = Blocks()
    line = b"x" * 999 + b"\n"
    for _ in range(20):
        assert not cut.feed(line * 1000)
    assert cut.pending == 20 * 1000 * 1000
    (entry,) = cut.feed(b"$$$$\n")
    assert "takes more than 16 MiB" in entry.error
    assert cut.pending == 0


pieces = st.sampled_from(
    ["C", "smiles", " ", "\t", "\n", "\r\n", "\r", "M  END", "$$$$", "> <a>", "é", "\0", "\ufeff"]
)


@pytest.mark.parametrize("kind", [Lines, Cells, Blocks])
@given(text=st.lists(pieces, max_size=40).map("".join), size=st.integers(1, 20), stop=st.booleans())
def test_blocks_of_bytes_and_stops_change_nothing(
    kind: type[Entries], text: str, size: int, stop: bool
) -> None:
    data = text.encode()
    whole = fed(kind(), data, len(data) + 1)
    cut, found, at = kind(), [], 0
    while at < len(data):
        found += cut.feed(data[at : at + size])
        at = min(at + size, len(data))
        if stop and at < len(data):
            # Another process goes on with what was not finished.
            at -= cut.pending
            other = kind()
            other.restore(cut.state())
            # It needs larger blocks than the entry at hand to get on.
            cut, size = other, size + 1
    assert found + cut.finish() == whole


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("x.smi", b"CCO\n", Lines),
        ("x.SDF", b"", Blocks),
        ("x.mol", b"", Blocks),
        ("stdin", block("a").encode(), Blocks),
        ("stdin", b"CCO\nC\nC\nC\n", Lines),
    ],
)
def test_the_kind_is_told_by_name_or_content(name: str, head: bytes, kind: type[Entries]) -> None:
    assert type(molecules.of(name, head)) is kind


@pytest.mark.parametrize("data", [b"", b"\n \n", b"smiles name\n"])
def test_a_file_without_a_molecule_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="empty"):
        list(molecules.read(io.BytesIO(data), Lines(), Path("x.smi")))
