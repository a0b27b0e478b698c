"""What inspect finds out about a table: its columns, and its labels where it has some."""

import io
import math
from collections import Counter
from pathlib import Path
from typing import Any

from sslkit import catalog
from sslkit.contracts.domain import RecordDomain
from sslkit.data import recognition
from sslkit.data.examples import PER_TOKEN
from sslkit.data.repeats import Repeats, hashed
from sslkit.files import classes, ids, kmers, labelled, table
from sslkit.files.columns import Columns
from sslkit.stages.inspect.records import Records

#: More different labels than these are numbers, or no labels at all.
_CLASSES = 1000
#: Domains of which a cell is a text as it stands.
_RUNNING = ("text", "code")
_MISSING = classes.missing(",".join(classes.MISSING))
#: Where no sequence is longer, a label may be as long by chance.
_SHORT = 8


class Labels:
    """Classes or numbers, row by row, or letters, one for each of the sequence's."""

    def __init__(self) -> None:
        self._written: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self._longest, self._beside = 0, True
        self.many = False
        self.missing = self.count = 0
        self.numeric = True
        self._low, self._high, self._sum = math.inf, -math.inf, 0.0

    def add(self, label: str, letters: int) -> None:
        """One label, which is not missing, of a sequence of so many letters."""
        self.count += 1
        units = "".join(label.split())
        self._beside = self._beside and len(units) == letters
        self._longest = max(self._longest, letters)
        if self._beside:
            self.letters.update(units)
        if not self.many:
            self._written[label] += 1
            self.many = len(self._written) > _CLASSES
        try:
            value = float(label)
        except ValueError:
            value = math.nan
        self.numeric = self.numeric and math.isfinite(value)
        if self.numeric:
            self._low, self._high = min(self._low, value), max(self._high, value)
            self._sum += value

    @property
    def classes(self) -> Counter[str]:
        """How many labels there are of each class, however they are spelled."""
        found: Counter[str] = Counter()
        names = classes.spellings(self._written)
        for label, count in self._written.items():
            found[names[label]] += count
        return found

    @property
    def kind(self) -> str:
        """What task they make: binary, multiclass, regression, per-token, or none of these."""
        if self.per_token:
            return PER_TOKEN
        several = self.many or len(self.classes) > 1
        if self.numeric and several and (self.many or not self._whole()):
            return "regression"
        if self.many or len(self.classes) < 2 or len(self.classes) == self.count:
            return ""
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def per_token(self) -> bool:
        """Whether every label is as long as its sequence: a letter speaks of a letter."""
        return self._beside and self._longest > _SHORT

    def _whole(self) -> bool:
        """Whether numbers look like those of classes: whole, and few for the records there are."""
        few = len(self.classes) <= max(2, self.count // 5)
        return few and all(float(name).is_integer() for name in self.classes)

    def describe(self) -> dict[str, Any]:
        """For JSON."""
        told: dict[str, Any] = {"missing": self.missing, "kind": self.kind}
        if self.kind == "regression":
            mean = self._sum / max(self.count, 1)
            return told | {"min": self._low, "mean": mean, "max": self._high}
        if self.per_token:
            return told | {"classes": dict(sorted(self.letters.items()))}
        if self.many:
            return told | {"classes": f"more than {_CLASSES}"}
        return told | {"classes": dict(sorted(self.classes.items()))}


class _Rows:
    """What is told of a table, row by row."""

    def __init__(self, path: Path, columns: Columns, records: Records, domain: str | None) -> None:
        self._path, self._columns, self._records = path, columns, records
        self._asked, self.domain, self._is_text = domain, "", False
        self._reads: RecordDomain | None = None
        self._labels, self._parts = Labels(), Counter[str]()
        self._missing: Counter[str] = Counter()
        self._alike, self._differing = Repeats(), Repeats()
        self._header: list[str] = []
        self._label = self._split = self._sequence = ""
        self._id: str | None = None

    def add(self, row: table.Row) -> None:
        """The next row."""
        records = self._records
        if row.error:
            records.bad(row.id, row.error)
            return
        if not self._header:
            self._begin(list(row.values))
        records.begin(row.id, named=self._id is not None)
        if text := self._text(row):
            records.add(text)
        fingerprint = records.end()
        self._missing.update(name for name, cell in row.values.items() if not cell.strip())
        if self._split:
            self._parts[row.values[self._split].strip()] += 1
        if not self._label:
            return
        label = row.values[self._label].strip()
        if label in _MISSING:
            self._labels.missing += 1
            why = f"its label, in column {self._label!r}, is missing"
            records.refused.add(records.count, records.where, why)
            return
        self._labels.add(label, len(text))
        if fingerprint is not None:
            self._alike.add(fingerprint, records.count)
            self._differing.add(hashed(f"{fingerprint}:{label}".encode()), records.count)

    def _text(self, row: table.Row) -> bytes:
        """What the record says; nothing of one that its domain refuses."""
        if self._is_text:
            return row.text.encode()
        if self._reads is None:
            pieces = row.text.split()
            if problem := kmers.problem(pieces):
                self._records.refused.add(self._records.count, self._records.where, problem)
            return "".join(pieces).encode()
        record = self._reads.record(row.id, row.text, str(self._path), row.number)
        if record.error:
            self._records.refused.add(self._records.count, self._records.where, record.error)
            return b""
        return self._reads.signature(record)

    def _begin(self, header: list[str]) -> None:
        self._header = header
        if self._path.is_file():
            found = table.columns(self._path, self._columns)
        else:
            found = table.meant(self._path, header, self._columns)
        self._label, self._split = found.label or "", found.split or ""
        self._id, self._sequence = found.id, found.sequence
        self.domain = recognition.of_column(self._sequence, self._asked)
        if not self.domain and self._asked in _RUNNING:
            self.domain, self._is_text = self._asked, True
            self._records.take_all()
            return
        if self.domain:
            module = catalog.load("domain", self.domain)
            self._reads = module.Domain(module.Settings())
            self._records.take_all()

    def describe(self) -> dict[str, Any]:
        """For JSON; what is wrong with the file as a whole counts as refused."""
        told: dict[str, Any] = {
            "columns": {name: {"missing": self._missing[name]} for name in self._header},
            "sequence_column": self._sequence or None,
            "id_column": self._id,
            "label_column": self._label or None,
        }
        if self.domain:
            told["domain"] = self.domain
        if self._label:
            told["labels"] = self._labels.describe()
            contrary = self._alike.found().count - self._differing.found().count
            told["labels"]["duplicates_of_another_label"] = max(0, contrary)
            told["labels"]["usable"] = not self._refuse()
        if self._parts and {part.lower() for part in self._parts} <= set(labelled.PART_NAMES):
            told["parts"] = dict(sorted(self._parts.items()))
        return told

    def _refuse(self) -> bool:
        """Whether stages that read labels take nothing of the file, and why."""
        records, labels = self._records, self._labels
        before = records.refused.count
        alike = not labels.many and len(labels.classes) == 1 and not labels.per_token
        if labels.count and alike:
            (name,) = labels.classes
            records.refused.add(0, records.source, f"all {labels.count} labels are {name!r}")
        if (found := records.ids.example) and self._columns.id is not None:
            again, first = found
            where = f"{records.source}, record {again}"
            why = f"its id, in column {self._id!r}, is that of record {first}, too"
            records.refused.add(again, where, why)
        return records.refused.count > before


def inspect(
    stream: io.BufferedReader, path: Path, names: Columns, records: Records, domain: str | None
) -> dict[str, Any]:
    """Read a table to its end; what is to be told of it beyond its sequences.

    Args:
        domain: that was named.

    Raises:
        DataError: it has no row, no column of sequences, or not one that was named.
    """
    columns, note = ids.settle([path], names)
    rows = _Rows(path, columns, records, domain)
    for row in table.parse(stream, path, columns, "skip"):
        rows.add(row)
    told = rows.describe()
    return told | ({"note": note} if note else {})
