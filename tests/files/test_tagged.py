"""Labels of each letter in FASTA, with sequences and masks beside them."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError, UsageError
from sslkit.files import tagged
from sslkit.files.tagged import Beside


def write(folder: Path, name: str, *records: tuple[str, str]) -> Path:
    path = folder / name
    path.write_text("".join(f">{title}\n{letters}\n" for title, letters in records))
    return path


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    texts = write(tmp_path, "sequences.fasta", ("c", "MKW"), ("a", "MKVL"), ("b", "AC"))
    masks = write(tmp_path, "mask.fasta", ("a", "0110"), ("b", "11"), ("c", "000"))
    return Beside(texts, masks, "?")


def test_records_are_joined_by_id_and_what_is_masked_is_hidden(
    tmp_path: Path, beside: Beside
) -> None:
    path = write(
        tmp_path,
        "labels.fasta",
        ("a SET=train VALIDATION=False", "HHEC"),
        ("b SET=train VALIDATION=True", "EC"),
        ("c SET=test VALIDATION=False", "HHH"),
    )
    found = tagged.read({"": [path]}, beside, "stop")
    assert found.ids == ("a", "b", "c")
    assert [record.payload for record in found.records] == ["MKVL", "AC", "MKW"]
    assert found.labels == ("?HE?", "EC", "???")
    assert found.parts == ("train", "valid", "test")
    assert set(found.files) == {path, beside.sequences, beside.mask}
    assert tagged.is_fasta(path)


def test_parts_may_be_left_open_or_be_files(tmp_path: Path, beside: Beside) -> None:
    first = write(tmp_path, "first.fasta", ("a", "HHEC"))
    other = write(tmp_path, "other.fasta", ("b", "EC"))
    assert tagged.read({"": [first, other]}, beside, "stop").parts is None
    assert tagged.read({"": [first], "test": [other]}, beside, "stop").parts == ("train", "test")
    titled = write(tmp_path, "titled.fasta", ("a SET=test", "HHEC"))
    with pytest.raises(UsageError, match="the test part is given twice"):
        tagged.read({"": [titled], "test": [other]}, beside, "stop")


@pytest.mark.parametrize(
    ("title", "label", "why"),
    [
        ("x", "HH", "has no sequence of this id"),
        ("w", "HH", "has no mask of this id"),
        ("a", "HH", "has 4 letters and its label 2"),
        ("b", "HH", "holds '2'; there is 0 and 1"),
    ],
)
def test_what_does_not_fit_stops_or_is_counted(
    tmp_path: Path, title: str, label: str, why: str
) -> None:
    texts = write(tmp_path, "s.fasta", ("a", "MKVL"), ("b", "AC"), ("c", "MK"), ("w", "AC"))
    masks = write(tmp_path, "m.fasta", ("a", "0110"), ("b", "12"), ("c", "11"))
    path = write(tmp_path, "labels.fasta", ("c", "HE"), (title, label))
    with pytest.raises(DataError) as told:
        tagged.read({"": [path]}, Beside(texts, masks, "?"), "stop")
    assert f"labels.fasta, record 2 ({title})" in told.value.where
    assert why in told.value.why
    found = tagged.read({"": [path]}, Beside(texts, masks, "?"), "skip")
    assert (found.ids, found.skipped) == (("c",), 1)


def test_a_title_that_names_no_part_and_ids_that_stand_twice(
    tmp_path: Path, beside: Beside
) -> None:
    path = write(tmp_path, "labels.fasta", ("a SET=some", "HHEC"))
    with pytest.raises(DataError, match="'some' is not a part") as told:
        tagged.read({"": [path]}, beside, "stop")
    assert "record 1 (a)" in told.value.where
    path = write(tmp_path, "labels.fasta", ("a", "HHEC"), ("a", "HHEC"))
    with pytest.raises(DataError, match="the id 'a' stands twice"):
        tagged.read({"": [path]}, beside, "stop")
    twice = write(tmp_path, "twice.fasta", ("a", "MKVL"), ("a", "MKVL"))
    with pytest.raises(DataError, match="the id 'a' stands twice"):
        tagged.read({"": [path]}, Beside(twice, None, "?"), "stop")


@given(st.lists(st.tuples(st.sampled_from("HEC"), st.booleans()), min_size=1))
def test_a_mask_hides_its_letters_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, units: list[tuple[str, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("mask")
    label = "".join(letter for letter, _ in units)
    mask = "".join("1" if shown else "0" for _, shown in units)
    texts = write(folder, "s.fasta", ("a", "M" * len(units)))
    path = write(folder, "l.fasta", ("a", label))
    beside = Beside(texts, write(folder, "m.fasta", ("a", mask)), "?")
    (found,) = tagged.read({"": [path]}, beside, "stop").labels
    assert list(found) == [letter if shown else "?" for letter, shown in units]


def test_the_files_of_flip_as_they_are(shared_data: Path, tmp_path: Path) -> None:
    archive = shared_data / "proteins/flip_secondary_structure/splits.zip"
    if not archive.is_file():
        pytest.skip("FLIP's secondary structure is not in ../shared/data")
    names = ("sampled", "sequences", "mask")
    with zipfile.ZipFile(archive) as held:
        paths = {n: Path(held.extract(f"splits/{n}.fasta", tmp_path)) for n in names}
    found = tagged.read(
        {"": [paths["sampled"]]}, Beside(paths["sequences"], paths["mask"], "?"), "stop"
    )
    parts = found.parts or ()
    assert [parts.count(name) for name in ("train", "valid", "test")] == [9712, 1080, 364]
    texts = [record.payload for record in found.records]
    assert all(len(a) == len(b) for a, b in zip(texts, found.labels, strict=True))
    assert sum(len(label) - label.count("?") for label in found.labels) == 2_658_218


def test_labels_that_are_no_utf8_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "labels.fa").write_bytes(b">a\n\xe9\xea\n")
    (tmp_path / "sequences.fa").write_text(">a\nMK\n")
    beside = Beside(tmp_path / "sequences.fa", None, "?")
    found = tagged.read({"": [tmp_path / "labels.fa"]}, beside, "stop")
    assert found.labels == ("\u00e9\u00ea",)
