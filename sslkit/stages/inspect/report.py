"""Entries of inspect as text for people, and as an error where a stage would refuse a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from sslkit.data.examples import PER_TOKEN
from sslkit.errors import DataError
from sslkit.escapes import visible
from sslkit.machine import sizes

_CONTENT = {"genome": "DNA", "protein": "protein", "molecule": "molecules", "": "unknown letters"}
_SHOWN_CLASSES = 8

#: What inspect states of one file.
Entry = Mapping[str, Any]


def text(entry: Entry) -> str:
    """The lines of one file."""
    if "error" in entry:
        error = entry["error"]
        details = [f"{name}  {value}" for name, value in error.items() if name != "what"]
        return "\n  ".join(map(visible, [f"{entry['file']}: {error['what']}", *details]))
    packed = f", {entry['compression']}" if entry.get("compression") else ""
    size = f", {sizes.show(entry['bytes'])}" if "bytes" in entry else ""
    if entry["kind"] == "artifact":
        return f"{entry['file']}: a table that a stage of sslkit wrote{size}"
    rows = [*_records(entry), *_composition(entry), *_table(entry), *_refused(entry)]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join(map(visible, [f"{entry['file']}: {_title(entry)}{packed}{size}", *lines]))


def refuse(entries: Sequence[Entry]) -> None:
    """End with an error where a file or a record cannot be used.

    Raises:
        DataError: the first such file, or record, and the number of them.
    """
    broken = [entry["error"] for entry in entries if "error" in entry]
    bad = [entry["refused"] for entry in entries if entry.get("refused", {}).get("count")]
    if broken:
        error = broken[0]
        more = f"; so with {len(broken) - 1} more" if len(broken) > 1 else ""
        raise DataError(
            error["what"] + more,
            where=error.get("where", ""),
            why=error.get("why", ""),
            do=error.get("do", ""),
        )
    if bad:
        count, first = sum(refused["count"] for refused in bad), bad[0]["first"][0]
        records = sum(entry.get("records", 0) for entry in entries)
        raise DataError(
            "a record would be refused" if count == 1 else f"{count} records would be refused",
            where=first["where"],
            why=first["why"],
            do="mend the file"
            if count >= records
            else "mend the file, or pass such records over with --on-error skip, where that helps",
        )


def _title(entry: Entry) -> str:
    domain: str = entry["domain"]
    content = _CONTENT.get(domain, domain)
    if entry.get("rna"):
        content = "RNA"
    if entry["kind"] == entry["domain"]:
        return content
    if entry["kind"] == "BED" and not entry["domain"]:
        return "BED"
    return f"{entry['kind']} of {content}"


def _records(entry: Entry) -> list[tuple[str, str]]:
    lines = entry["kind"] == entry["domain"]
    rows = [("lines" if lines else "records", f"{entry['records']:,}")]
    rows.append(("bytes" if lines else "letters", f"{entry['letters']:,}"))
    if length := entry["length"]:
        statistics = ["min", "median", "mean", "max", *([] if lines else ["n50"])]
        rows.append(("length", ", ".join(f"{name} {_number(length[name])}" for name in statistics)))
    if entry.get("tokens") is not None:
        rows.append(("tokens", f"{entry['tokens']:,}"))
    if problem := entry.get("parse_error"):
        rows.append(("no tree", f"{problem}: its tokens have no classes that need a syntax tree"))
    if pairs := entry.get("pairs"):
        first, second = pairs["words"]
        rows.append(("pairs", f"{pairs['count']:,}, of {first:,} and {second:,} words"))
    rows.append(("empty", f"{entry['empty']:,}"))
    names = {"exact": "duplicates", "reverse_complement": "reverse complements"}
    rows += [(names[kind], _repeats(repeats)) for kind, repeats in entry["duplicates"].items()]
    if not lines:
        rows.append(("ids again", _repeats(entry["duplicate_ids"])))
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _repeats(repeats: Entry) -> str:
    count = f"{'about ' if repeats['estimated'] else ''}{repeats['count']:,}"
    if not repeats["example"]:
        return count
    again, first = repeats["example"]
    return f"{count}, as record {again:,}, which repeats record {first:,}"


def _composition(entry: Entry) -> list[tuple[str, str]]:
    names = {
        "gc": "G+C",
        "n": "N",
        "ambiguous": "ambiguous",
        "gaps": "gaps",
        "lower_case": "lower case",
    }
    return [(label, f"{entry[name]:.2%}") for name, label in names.items() if name in entry]


def _table(entry: Entry) -> list[tuple[str, str]]:
    if "columns" not in entry:
        return []
    columns = [
        name + (f" ({column['missing']:,} missing)" if column["missing"] else "")
        for name, column in entry["columns"].items()
    ]
    rows = [("columns", ", ".join(columns))]
    named = {"sequence": entry["sequence_column"], "label": entry["label_column"]}
    rows.append(("read as", ", ".join(f"{n}: {column}" for n, column in named.items() if column)))
    if labels := entry.get("labels"):
        rows += [("labels", _labels(labels)), ("labels missing", f"{labels['missing']:,}")]
        if labels["duplicates_of_another_label"]:
            count = labels["duplicates_of_another_label"]
            rows.append(("contrary", f"{count:,} duplicates of another label"))
    if note := entry.get("note"):
        rows.append(("ids", note))
    if parts := entry.get("parts"):
        rows.append(("parts", _counts(parts)))
    return rows


def _labels(labels: Entry) -> str:
    if labels["kind"] == "regression":
        return f"numbers, min {labels['min']:g}, mean {labels['mean']:g}, max {labels['max']:g}"
    classes = labels["classes"]
    shown = classes if isinstance(classes, str) else _counts(classes)
    return f"one for each letter, {shown}" if labels["kind"] == PER_TOKEN else shown


def _counts(counts: Mapping[str, int]) -> str:
    shown = [f"{name}: {count:,}" for name, count in counts.items()]
    return ", ".join(shown[:_SHOWN_CLASSES]) + (", ..." if len(shown) > _SHOWN_CLASSES else "")


def _refused(entry: Entry) -> list[tuple[str, str]]:
    refused = entry["refused"]
    rows = [("refused", f"{record['where']}: {record['why']}") for record in refused["first"]]
    if more := refused["count"] - len(rows):
        rows.append(("refused", f"and {more:,} more"))
    return rows
