"""Which column the ids stand in, where nobody said it."""

from pathlib import Path

from sslkit.files import ids, table
from sslkit.files.columns import Columns


def names(path: Path, columns: Columns) -> list[str]:
    return [row.id for row in table.read(path, columns)]


def write(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_guessed_column_that_repeats_gives_way_to_another_or_to_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "name,accession,seq\nx,p1,A\nx,p2,C\n")
    found, note = ids.settle([path], Columns())
    assert names(path, found) == ["p1", "p2"]
    assert "'x' more than once" in note
    path = write(tmp_path, "name,accession,seq\nx,p1,A\nx,p1,C\n")
    found, note = ids.settle([path], Columns())
    assert names(path, found) == ["1", "2"]
    assert "numbered" in note


def test_a_guessed_column_with_an_empty_cell_gives_way(tmp_path: Path) -> None:
    path = write(tmp_path, "name,seq\nx,A\n,C\n")
    assert names(path, ids.settle([path], Columns())[0]) == ["1", "2"]


def test_a_column_that_is_unique_or_named_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "name,seq\nx,A\ny,C\n")
    assert ids.settle([path], Columns()) == (Columns(), "")
    path = write(tmp_path, "name,seq\nx,A\nx,C\n")
    assert ids.settle([path], Columns(id="name")) == (Columns(id="name"), "")


def test_names_of_rows_are_ids_unless_two_tables_share_them(tmp_path: Path) -> None:
    one = write(tmp_path, "seq\ty\nr1\tA\t0\nr2\tC\t1\n", "one.tsv")
    two = write(tmp_path, "seq\ty\nr1\tG\t0\nr2\tT\t1\n", "two.tsv")
    assert names(one, ids.settle([one], Columns())[0]) == ["r1", "r2"]
    found, note = ids.settle([one, two], Columns())
    assert names(two, found) == ["1", "2"]
    assert note
