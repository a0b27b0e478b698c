"""Statistics of a table for inspect: its columns, and its labels where it has some."""

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

#: With more different labels these are numbers, or no labels.
_CLASSES = 1000
#: Domains whose cells are plain text.
_PLAIN = ("text", "code")
_MISSING = classes.missing(",".join(classes.MISSING))
#: Where no sequence is longer, labels may have their lengths by chance.
_SHORT = 8


class Labels:
    """Statistics of labels, added row by row: classes, numbers, or a letter for each letter."""

    def __init__(self) -> None:
        self._written: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self._longest, self._fit_letters = 0, True
        self.many = False
        self.missing = self.count = 0
        self.numeric = True
        self._low, self._high, self._sum = math.inf, -math.inf, 0.0

    def add(self, label: str, letters: int) -> None:
        """Add a label that is not missing, of a sequence of so many letters."""
        self.count += 1
        label_letters = "".join(label.split())
        self._fit_letters = self._fit_letters and len(label_letters) == letters
        self._longest = max(self._longest, letters)
        if self._fit_letters:
            self.letters.update(label_letters)
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
        """Number of labels of each class, whatever their spelling."""
        counts: Counter[str] = Counter()
        names = classes.spellings(self._written)
        for label, count in self._written.items():
            counts[names[label]] += count
        return counts

    @property
    def kind(self) -> str:
        """The kind of task: binary, multiclass, regression, per-token, or empty."""
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
        """Whether labels have a letter for each letter of the sequence."""
        return self._fit_letters and self._longest > _SHORT

    def _whole(self) -> bool:
        """Whether numbers look like those of classes: integers, and few of them."""
        few = len(self.classes) <= max(2, self.count // 5)
        return few and all(float(name).is_integer() for name in self.classes)

    def describe(self) -> dict[str, Any]:
        """Statistics for JSON."""
        description: dict[str, Any] = {"missing": self.missing, "kind": self.kind}
        if self.kind == "regression":
            mean = self._sum / max(self.count, 1)
            return description | {"min": self._low, "mean": mean, "max": self._high}
        if self.per_token:
            return description | {"classes": dict(sorted(self.letters.items()))}
        if self.many:
            return description | {"classes": f"more than {_CLASSES}"}
        return description | {"classes": dict(sorted(self.classes.items()))}


class _Rows:
    """Statistics of a table, added row by row."""

    def __init__(self, path: Path, columns: Columns, records: Records, domain: str | None) -> None:
        self._path, self._columns, self._records = path, columns, records
        self._named_domain, self.domain, self._is_text = domain, "", False
        self._reader: RecordDomain | None = None
        self._labels, self._parts = Labels(), Counter[str]()
        self._missing: Counter[str] = Counter()
        self._sequences, self._labelled_sequences = Repeats(), Repeats()
        self._header: list[str] = []
        self._label = self._split = self._sequence = ""
        self._id: str | None = None

    def add(self, row: table.Row) -> None:
        """Add the next row."""
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
            self._sequences.add(fingerprint, records.count)
            self._labelled_sequences.add(hashed(f"{fingerprint}:{label}".encode()), records.count)

    def _text(self, row: table.Row) -> bytes:
        """The bytes of the record; none of one that its domain refuses."""
        if self._is_text:
            return row.text.encode()
        if self._reader is None:
            pieces = row.text.split()
            if problem := kmers.problem(pieces):
                self._records.refused.add(self._records.count, self._records.where, problem)
            return "".join(pieces).encode()
        record = self._reader.record(row.id, row.text, str(self._path), row.number)
        if record.error:
            self._records.refused.add(self._records.count, self._records.where, record.error)
            return b""
        return self._reader.signature(record)

    def _begin(self, header: list[str]) -> None:
        self._header = header
        if self._path.is_file():
            columns = table.columns(self._path, self._columns)
        else:
            columns = table.meant(self._path, header, self._columns)
        self._label, self._split = columns.label or "", columns.split or ""
        self._id, self._sequence = columns.id, columns.sequence
        self.domain = recognition.of_column(self._sequence, self._named_domain)
        if not self.domain and self._named_domain in _PLAIN:
            self.domain, self._is_text = self._named_domain, True
            self._records.accept_all()
            return
        if self.domain:
            module = catalog.load("domain", self.domain)
            self._reader = module.Domain(module.Settings())
            self._records.accept_all()

    def describe(self) -> dict[str, Any]:
        """Statistics for JSON; a fault of the file as a whole counts as refused."""
        description: dict[str, Any] = {
            "columns": {name: {"missing": self._missing[name]} for name in self._header},
            "sequence_column": self._sequence or None,
            "id_column": self._id,
            "label_column": self._label or None,
        }
        if self.domain:
            description["domain"] = self.domain
        if self._label:
            description["labels"] = self._labels.describe()
            duplicates = self._sequences.found().count - self._labelled_sequences.found().count
            description["labels"]["duplicates_of_another_label"] = max(0, duplicates)
            description["labels"]["usable"] = not self._refuse_labels()
        if self._parts and {part.lower() for part in self._parts} <= set(labelled.PART_NAMES):
            description["parts"] = dict(sorted(self._parts.items()))
        return description

    def _refuse_labels(self) -> bool:
        """Refuse the file where stages that read labels cannot use it; whether it was refused."""
        records, labels = self._records, self._labels
        before = records.refused.count
        is_one_class = not labels.many and len(labels.classes) == 1 and not labels.per_token
        if labels.count and is_one_class:
            (name,) = labels.classes
            records.refused.add(0, records.source, f"all {labels.count} labels are {name!r}")
        if (repeated := records.ids.example) and self._columns.id is not None:
            again, first = repeated
            where = f"{records.source}, record {again}"
            why = f"its id, in column {self._id!r}, is that of record {first}, too"
            records.refused.add(again, where, why)
        return records.refused.count > before


def inspect(
    stream: io.BufferedReader, path: Path, names: Columns, records: Records, domain: str | None
) -> dict[str, Any]:
    """Read a table to its end; return its statistics beyond those of its sequences.

    Args:
        domain: the one of ``--domain``.

    Raises:
        DataError: it has no row, no column of sequences, or lacks a column that was named.
    """
    columns, note = ids.settle([path], names)
    rows = _Rows(path, columns, records, domain)
    for row in table.parse(stream, path, columns, "skip"):
        rows.add(row)
    description = rows.describe()
    return description | ({"note": note} if note else {})
