"""What inspect found, as a person reads it, and as an error where a stage would refuse it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sslkit.data.examples import PER_TOKEN
from sslkit.errors import DataError
from sslkit.escapes import visible
from sslkit.machine import sizes

_CONTENT = {"genome": "DNA", "protein": "protein", "molecule": "molecules", "": "unknown letters"}
_SHOWN_CLASSES = 8

Found = Mapping[str, Any]


def text(found: Found) -> str:
    """What is known of one file."""
    if "error" in found:
        error = found["error"]
        details = [f"{name}  {told}" for name, told in error.items() if name != "what"]
        return "\n  ".join(map(visible, [f"{found['file']}: {error['what']}", *details]))
    packed = f", {found['compression']}" if found.get("compression") else ""
    size = f", {sizes.show(found['bytes'])}" if "bytes" in found else ""
    if found["kind"] == "artifact":
        return f"{found['file']}: a table that a stage of sslkit wrote{size}"
    rows = [*_records(found), *_composition(found), *_table(found), *_refused(found)]
    wide = max(len(name) for name, _ in rows)
    lines = [f"  {name.ljust(wide)}  {told}" for name, told in rows]
    return "\n".join(map(visible, [f"{found['file']}: {_title(found)}{packed}{size}", *lines]))


def refuse(found: Sequence[Found]) -> None:
    """End with an error where something cannot be used.

    Raises:
        DataError: it names the first such file, or record, and how many there are.
    """
    broken = [entry["error"] for entry in found if "error" in entry]
    bad = [entry["refused"] for entry in found if entry.get("refused", {}).get("count")]
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
        records = sum(entry.get("records", 0) for entry in found)
        raise DataError(
            "a record would be refused" if count == 1 else f"{count} records would be refused",
            where=first["where"],
            why=first["why"],
            do="mend the file"
            if count >= records
            else "mend the file, or pass such records over with --on-error skip, where that helps",
        )


def _title(found: Found) -> str:
    domain: str = found["domain"]
    content = _CONTENT.get(domain, domain)
    if found.get("rna"):
        content = "RNA"
    if found["kind"] == found["domain"]:
        return content
    if found["kind"] == "BED" and not found["domain"]:
        return "BED"
    return f"{found['kind']} of {content}"


def _records(found: Found) -> list[tuple[str, str]]:
    lines = found["kind"] == found["domain"]
    rows = [("lines" if lines else "records", f"{found['records']:,}")]
    rows.append(("bytes" if lines else "letters", f"{found['letters']:,}"))
    if length := found["length"]:
        kept = ["min", "median", "mean", "max", *([] if lines else ["n50"])]
        rows.append(("length", ", ".join(f"{name} {_number(length[name])}" for name in kept)))
    if found.get("tokens") is not None:
        rows.append(("tokens", f"{found['tokens']:,}"))
    if problem := found.get("parse_error"):
        rows.append(("no tree", f"{problem}: its tokens have no classes that a tree tells"))
    if pairs := found.get("pairs"):
        one, other = pairs["words"]
        rows.append(("pairs", f"{pairs['count']:,}, of {one:,} and {other:,} words"))
    rows.append(("empty", f"{found['empty']:,}"))
    names = {"exact": "duplicates", "reverse_complement": "reverse complements"}
    rows += [(names[kind], _repeats(held)) for kind, held in found["duplicates"].items()]
    if not lines:
        rows.append(("ids again", _repeats(found["duplicate_ids"])))
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _repeats(held: Found) -> str:
    count = f"{'about ' if held['estimated'] else ''}{held['count']:,}"
    if not held["example"]:
        return count
    again, first = held["example"]
    return f"{count}, as record {again:,}, which repeats record {first:,}"


def _composition(found: Found) -> list[tuple[str, str]]:
    names = {
        "gc": "G+C",
        "n": "N",
        "ambiguous": "ambiguous",
        "gaps": "gaps",
        "lower_case": "lower case",
    }
    return [(told, f"{found[name]:.2%}") for name, told in names.items() if name in found]


def _table(found: Found) -> list[tuple[str, str]]:
    if "columns" not in found:
        return []
    columns = [
        name + (f" ({held['missing']:,} missing)" if held["missing"] else "")
        for name, held in found["columns"].items()
    ]
    rows = [("columns", ", ".join(columns))]
    named = {"sequence": found["sequence_column"], "label": found["label_column"]}
    rows.append(("read as", ", ".join(f"{n}: {column}" for n, column in named.items() if column)))
    if labels := found.get("labels"):
        rows += [("labels", _labels(labels)), ("labels missing", f"{labels['missing']:,}")]
        if labels["duplicates_of_another_label"]:
            contrary = f"{labels['duplicates_of_another_label']:,} duplicates of another label"
            rows.append(("contrary", contrary))
    if note := found.get("note"):
        rows.append(("ids", note))
    if parts := found.get("parts"):
        rows.append(("parts", _counts(parts)))
    return rows


def _labels(labels: Found) -> str:
    if labels["kind"] == "regression":
        return f"numbers, min {labels['min']:g}, mean {labels['mean']:g}, max {labels['max']:g}"
    classes = labels["classes"]
    told = classes if isinstance(classes, str) else _counts(classes)
    return f"one for each letter, {told}" if labels["kind"] == PER_TOKEN else told


def _counts(held: Mapping[str, int]) -> str:
    told = [f"{name}: {count:,}" for name, count in held.items()]
    return ", ".join(told[:_SHOWN_CLASSES]) + (", ..." if len(told) > _SHOWN_CLASSES else "")


def _refused(found: Found) -> list[tuple[str, str]]:
    refused = found["refused"]
    rows = [("refused", f"{entry['where']}: {entry['why']}") for entry in refused["first"]]
    if more := refused["count"] - len(rows):
        rows.append(("refused", f"and {more:,} more"))
    return rows
