"""Labelled records, checked, encoded and divided."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sslkit.console import Console
from sslkit.data import examples
from sslkit.domains import genome
from sslkit.errors import DataError, OnError, UsageError
from sslkit.supervision.record import Records, Supervision
from sslkit.tasks import classification, promoter, regression
from sslkit.types import Record
from sslkit.vocab.vocabulary import Vocabulary

TOKENS = [a + b for a in "ACGT" for b in "ACGT"]
DOMAIN = genome.Domain(genome.Settings(k=2, stride=1), Vocabulary(TOKENS, np.ones(16, np.int64)))


def read(path: Path, task: Any = promoter, on_error: OnError = "stop") -> Records:
    return Supervision(task, task.Settings()).read({"": [path]}, DOMAIN, on_error, Console())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Twelve records in two classes; the second is the first one's reverse complement."""
    rng = np.random.default_rng(0)
    rows = ["a,AACGTTTG,1", "b,caaacgtt,1"]
    rows += [f"r{n},{''.join(rng.choice(list('ACGT'), 8))},{n % 2}" for n in range(10)]
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    return file


def test_records_are_encoded_and_grouped(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(path)
    assert len(found) == 12
    assert found.units[0].tolist() == [0, 0, 1, 2, 3, 3, 3, 2]
    assert found.targets.classes == ("0", "1")
    assert found.strata.tolist() == [1, 1, *[n % 2 for n in range(10)]]
    assert found.groups[0] == found.groups[1]
    assert len(set(found.groups.tolist())) == 11
    assert "12 records, 0 skipped; 0: 5, 1: 7" in capsys.readouterr().err


def test_a_sequence_is_held_once(path: Path) -> None:
    size = 1 << 22
    with path.open("a") as stream:
        stream.write(f"long,{'ACGT' * (size // 4)},1\n")
    tracemalloc.start()
    found = read(path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.units[-1]) == size
    assert [record.payload for record in found.labelled.records] == [""] * 13
    # A byte a base stays, and no more than two are there besides while it is read.
    assert held < 1.25 * size
    assert peak < 3.5 * size


def test_bad_records_stop_or_are_counted(path: Path) -> None:
    with path.open("a") as stream:
        stream.write("p,MKVL,1\ns,A,0\nx,ACGTT,0\n")
    with pytest.raises(DataError, match="a record cannot be used") as told:
        read(path)
    assert "row 13 (p)" in told.value.where
    assert "not a letter of DNA" in told.value.why
    found = read(path, on_error="skip")
    assert len(found) == 13
    assert found.labelled.skipped == 2
    assert found.labelled.ids[-1] == "x"
    assert len(found.targets.values) == len(found.groups) == len(found.strata) == 13


def test_a_record_shorter_than_a_token_says_so(path: Path) -> None:
    path.write_text("id,sequence,label\na,ACG,1\nb,A,0\n")
    with pytest.raises(DataError) as told:
        read(path)
    assert told.value.why == "it is 1 long, and one token takes 2"


def test_nothing_that_can_be_used(path: Path) -> None:
    path.write_text("id,sequence,label\na,MKVL,1\nb,A,0\n")
    with pytest.raises(DataError, match="no record can be used"):
        read(path, on_error="skip")


def test_numbers_are_divided_by_quantile(path: Path) -> None:
    found = read(path, regression)
    assert found.targets.classes == ()
    assert found.targets.values.dtype == np.float64
    assert found.strata.max() == 9


def test_tasks_of_another_domain() -> None:
    assert examples.task_module("promoter", "genome") is promoter
    assert examples.task_module("classification", "protein") is classification
    with pytest.raises(UsageError, match="task promoter is about genome") as told:
        examples.task_module("promoter", "protein")
    assert "domain protein" in told.value.why


def test_division_says_what_it_did(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(path)
    split = examples.divide(found, {"valid": 0.2, "test": 0.2}, 1, Console())
    said = capsys.readouterr().err
    sizes = ", ".join(f"{name} {len(split.rows(name))}" for name in ("train", "valid", "test"))
    assert f"split (made valid and test): {sizes}; 2 records have duplicates" in said
    assert split.part[0] == split.part[1]


class Kin(genome.Domain):
    """Records that begin alike are of one family."""

    def family(self, record: Record) -> bytes:
        return bytes(record.payload[:1]).upper()


def test_families_stay_on_one_side(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    rows = [f"r{n},{'ACGT'[n % 4]}{''.join(rng.choice(list('ACGT'), 9))},{n // 4 % 2}"
            for n in range(40)]  # fmt: skip
    path.write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    domain = Kin(DOMAIN.settings, Vocabulary(TOKENS, np.ones(16, np.int64)))
    supervision, files = Supervision(promoter, promoter.Settings()), {"": [path]}
    found = supervision.read(files, domain, "stop", Console())
    assert found.families is not None
    assert found.families.tolist() == [n % 4 for n in range(40)]
    assert found.together is found.families
    split = examples.divide(found, {"test": 0.3}, 1, Console())
    assert "4 families of look-alikes" in capsys.readouterr().err
    sides = [set(found.families[split.rows(name)]) for name in ("train", "test")]
    assert all(sides)
    assert not sides[0] & sides[1]
    plain = supervision.read(files, domain, "stop", Console(), families=False)
    assert plain.families is None
    assert plain.together is plain.groups
    examples.divide(plain, {"test": 0.3}, 1, Console())
    assert "look-alikes" not in capsys.readouterr().err
    assert read(path).families is None


@pytest.mark.parametrize(
    ("name", "taken", "why"),
    [
        ("tagging", (examples.RECORD,), "it is about each of their letters"),
        ("contacts", (examples.RECORD, examples.TOKEN), "it is about the pairs of their residues"),
        ("contacts", (examples.TOKEN,), "it is about the pairs of their residues"),
        ("promoter", (examples.PAIR,), "it is about whole records"),
    ],
)
def test_a_task_of_another_kind_is_refused(name: str, taken: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=f"task {name} has no labels of") as told:
        examples.task_module(name, "genome", taken)
    assert told.value.why == why
    assert f"sslkit probe --task {name}" in told.value.do


def test_a_task_of_the_kind_that_is_asked_for_is_found() -> None:
    assert examples.task_module("tagging", "genome", (examples.TOKEN,)).KIND == "per-token"
    assert examples.task_module("promoter", "genome").KIND == "binary"
