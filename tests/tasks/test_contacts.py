"""Tables of families: files as seen from the table, parts, and what is refused."""

from pathlib import Path

import pytest

from sslkit.errors import DataError
from sslkit.tasks import contacts


def read(path: Path, text: str, **parts: list[Path]) -> list[contacts.Entry]:
    path.write_text(text)
    return contacts.Task(contacts.Settings()).read({"": [path], **parts}, "stop")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "contacts.csv"


def test_files_are_named_as_seen_from_the_table(path: Path) -> None:
    text = "id,alignment,structure,chain\na,x/a.sto,/far/a.cif, B\nb,b.afa,b.pdb,\n"
    first, second = read(path, text)
    folder = path.parent
    assert (first.alignment, first.structure) == (folder / "x" / "a.sto", Path("/far/a.cif"))
    assert (first.name, first.chain, first.part) == ("a", "B", "")
    assert (second.chain, second.structure) == (None, folder / "b.pdb")
    assert second.where == f"{path}, row 2 (b)"


def test_parts_by_column_and_by_file(path: Path) -> None:
    other = path.with_name("other.csv")
    other.write_text("alignment\tstructure\tid\nc.afa\tc.pdb\tc\n".replace("\t", ","))
    text = "id,split,alignment,structure\na,dev,a.afa,a.pdb\nb,test,b.afa,b.pdb\n"
    found = read(path, text, test=[other])
    assert [(e.name, e.part) for e in found] == [("a", "valid"), ("b", "test"), ("c", "test")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,structure\na,a.pdb\n", "lacks 'alignment'"),
        ("id,alignment\na,a.afa\n", "lacks 'structure'"),
        ("id,alignment,structure\na,a.afa,\n", "cannot be used"),
        ("id,alignment,structure,split\na,a.afa,a.pdb,maybe\n", "cannot be used"),
        ("id,alignment,structure\na,a.afa,a.pdb\na,b.afa,b.pdb\n", "'a' stands twice"),
    ],
)
def test_tables_that_cannot_be_used(path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        read(path, text)
    assert str(path) in error.value.where


def test_rows_are_passed_over_where_that_is_asked_for(path: Path) -> None:
    path.write_text("id,alignment,structure\na,a.afa,\nb,b.afa,b.pdb\n")
    (entry,) = contacts.Task(contacts.Settings()).read({"": [path]}, "skip")
    assert entry.name == "b"


@pytest.mark.parametrize("bad", [{"strength": 0.0}, {"rows": 0}, {"depth": 0}])
def test_settings_that_make_no_sense(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        contacts.Settings(**bad)
