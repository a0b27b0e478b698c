"""Labels of units, read, checked and drawn from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.console import Console
from sslkit.data import examples as labels
from sslkit.data.examples import Examples
from sslkit.domains import protein
from sslkit.errors import DataError, OnError
from sslkit.supervision import token_draw
from sslkit.supervision.token import Supervision, Tagged
from sslkit.tasks import tagging
from sslkit.types import Labelled, Record, Tags

DOMAIN = protein.Domain(protein.Settings())


def write(folder: Path, *rows: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    return path


def read(path: Path, on_error: OnError = "stop") -> Tagged:
    supervision = Supervision(tagging, tagging.Settings())
    return supervision.read({"": [path]}, DOMAIN, on_error, Console())


def test_labels_stand_beside_the_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(write(tmp_path, "a,MKV,HE?", "b,mkv,EEH", "c,MK V*,HHE"))
    assert [one.tolist() for one in found.targets.values] == [[1, 0, -1], [0, 0, 1], [1, 1, 0]]
    assert [len(one) for one in found.units] == [3, 3, 3]
    assert found.groups.tolist() == [0, 0, 0]
    assert found.targets.counts([0, 1]).tolist() == [3, 2]
    said = capsys.readouterr().err
    assert "3 records, 0 skipped; labels of 8 of 9 units are known; E: 4, H: 4" in said


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("b,MKVL,HEE", "its label has 3 letters, and its sequence 4 units"),
        ("b,MK-V,HE-C", "its label has 4 letters, and its sequence 3 units"),
        ("b,MK7V,HEEC", "'7' at residue 3 is not a letter of a protein"),
    ],
)
def test_a_record_that_does_not_fit_stops_or_is_counted(tmp_path: Path, row: str, why: str) -> None:
    path = write(tmp_path, "a,MKV,HE?", row, "c,MK,HE")
    with pytest.raises(DataError, match="a record cannot be used") as told:
        read(path)
    assert told.value.where == f"{path}, row 2 (b)"
    assert told.value.why == why
    found = read(path, "skip")
    assert found.labelled.ids == ("a", "c")
    assert found.labelled.skipped == 1
    assert len(found.targets.values) == len(found) == 2


def made(values: list[list[int]], groups: list[int]) -> Tagged:
    count = len(values)
    records = tuple(Record(str(n), "", "a.csv", n + 1) for n in range(count))
    held = Labelled(records, ("",) * count, None, (Path("a.csv"),))
    arrays = tuple(np.array(one, np.int32) for one in values)
    nothing = np.zeros(count, np.int64)
    tags = Tags(arrays, ("a", "b"))
    return Examples(held, arrays, tags, nothing, np.array(groups, np.int64))


cells = st.lists(st.integers(-1, 1), min_size=1, max_size=12)


@given(st.lists(st.tuples(cells, st.integers(0, 5)), min_size=2), st.integers(1, 60))
def test_what_is_drawn_is_known_bounded_and_of_the_training_part(
    records: list[tuple[list[int], int]], most: int
) -> None:
    held = made([values for values, _ in records], [group for _, group in records])
    train = np.arange(0, len(records), 2)
    drawn = token_draw.draw(held, train, most, seed=1)
    assert len(drawn) == min(most, held.targets.known(train))
    assert set(drawn.units) <= set(train.tolist())
    for row, units in drawn.units.items():
        assert (held.targets.values[row][units] >= 0).all(), "what is masked is never trained on"
        assert (np.diff(units) > 0).all()
    starts = list(drawn.starts())
    assert [at for _, at, _ in starts] == np.cumsum([0, *map(len, drawn.units.values())])[
        :-1
    ].tolist()
    # Equal records are not on both sides of what the penalty is chosen by.
    sides = {row: at >= drawn.learned for row, at, _ in starts}
    for row, behind in sides.items():
        group = held.groups[row]
        assert {s for r, s in sides.items() if held.groups[r] == group} == {behind}


def test_whole_records_are_drawn_and_other_seeds_draw_others() -> None:
    held = made([[0, 1] * 10] * 50, list(range(50)))
    drawn = [token_draw.draw(held, np.arange(50), 110, seed) for seed in (1, 1, 2)]
    assert sorted(map(len, drawn[0].units.values())) == [10, 20, 20, 20, 20, 20]
    first, again, other = ({r: u.tolist() for r, u in one.units.items()} for one in drawn)
    assert first == again
    assert set(first) != set(other)
    # A fifth of the records is what the penalty is chosen by.
    assert len(drawn[0]) - drawn[0].learned in {10, 20}


def test_a_record_on_both_sides_is_dropped_from_training(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "sequence,label,split\nMKV,HEH,train\nAAA,EEH,train\nMkv,HHH,test\nWWW,EEE,test\n"
    )
    found = labels.divide(read(path), {"test": 0.2}, 1, Console())
    assert found.rows("train").tolist() == [1]
    assert found.rows("test").tolist() == [2, 3]
    assert found.dropped == {"train": 1}
