"""show: list plug-ins, the settings of one, or the manifest of an artifact.

    sslkit show objective mlm
    sslkit show pretrained

Artifacts are described by their manifests, without torch.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sslkit import catalog
from sslkit.artifacts import outline, parquet
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.errors import UsageError
from sslkit.escapes import visible
from sslkit.files import source
from sslkit.vocab.subwords import tokenizer

#: Words that may stand before the path of an artifact.
_ARTIFACTS = ("checkpoint", "vocab", "embeddings", "predictions", "artifact")
_DIGEST_SHOWN = 12
#: What a plug-in's module declares besides its settings, and how it is shown.
_PROMISES = {
    "GIVES": "gives",
    "NEEDS": "needs",
    "TAKES": "takes",
    "OVERLAP_NEEDS": "needs where tokens overlap",
    "METRICS": "metrics",
}
_LOSS = {"UNIT": "loss in", "BASELINE": "baseline"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of show; the command line explains them."""

    what: str | None
    name: str | None


def run(options: Options, console: Console) -> None:
    """Show plug-ins or an artifact; see the command's help.

    Raises:
        UsageError: there is neither a kind of plug-in nor an artifact of this name.
        DataError: the artifact cannot be read.
    """
    what, name = options.what, options.name
    if what in catalog.FOLDERS:
        _kinds([what], console) if name is None else _plugin(what, name, console)
    elif what is None:
        _kinds(list(catalog.FOLDERS), console)
    elif what in _ARTIFACTS and name is not None:
        _artifact(Path(name), console)
    elif Path(what).exists() and name is None:
        _artifact(Path(what), console)
    else:
        raise UsageError(
            f"there is neither a kind of plug-in nor an artifact {what!r}",
            do=f"give one of {', '.join(catalog.FOLDERS)}, or a file or folder that a stage wrote",
        )


def _kinds(kinds: Sequence[str], console: Console) -> None:
    plugins = {kind: {n: catalog.summary(kind, n) for n in catalog.names(kind)} for kind in kinds}
    rows = [(kind, name, text) for kind, names in plugins.items() for name, text in names.items()]
    console.result(plugins, "\n".join(_aligned([("KIND", "NAME", ""), *rows])))


def _plugin(kind: str, name: str, console: Console) -> None:
    module = catalog.load(kind, name)
    options = catalog.options(module)
    promises = {w: sorted(getattr(module, w)) for w in _PROMISES if hasattr(module, w)}
    loss = {w: getattr(module, w) for w in _LOSS if hasattr(module, w)}
    lines = [f"{_PROMISES[word]}: {', '.join(values)}" for word, values in promises.items()]
    lines += [f"{_LOSS[word]}: {value}" for word, value in loss.items()]
    header = ("--set NAME", "TYPE", "DEFAULT", "")
    rows = [(o.name, o.type, o.default, o.help) for o in options]
    parts = [
        f"{kind} {name}, version {module.VERSION}",
        (module.__doc__ or "").strip(),
        "\n".join(lines),
        "\n".join(_aligned([header, *rows])) if rows else "no settings",
    ]
    console.result(
        {"kind": kind, "name": name, "version": module.VERSION}
        | {word.lower(): value for word, value in (promises | loss).items()}
        | {"settings": [dataclasses.asdict(option) for option in options]},
        "\n\n".join(part for part in parts if part),
    )


def _artifact(path: Path, console: Console) -> None:
    path, manifest, content = _opened(path)
    lines = [visible(str(path)), *_aligned(_rows(manifest, content))]
    results = {"path": str(path), "holds": content, "manifest": dataclasses.asdict(manifest)}
    console.result(results, "\n".join(lines))


def _opened(path: Path) -> tuple[Path, Manifest, dict[str, str]]:
    """The file of an artifact, its manifest, and a summary of its content."""
    if path.is_dir():
        path = outline.locate(path)
    elif path.name.endswith(tokenizer.ENDING):
        # The manifest of a tokenizer file is in the table that it belongs to.
        path = path.with_name(path.name.removesuffix(tokenizer.ENDING) + ".parquet")
    with source.reading(path), path.open("rb") as stream:
        is_table = stream.read(4) == b"PAR1"
    if not is_table:
        checkpoint = outline.load(path)
        content = {
            part: f"{len(tensors)} tensors, {sum(t.size for t in tensors.values()):,} numbers"
            for part, tensors in checkpoint.tensors.items()
        }
        if checkpoint.tokens:
            content["vocabulary"] = f"{len(checkpoint.tokens):,} tokens"
        return path, checkpoint.manifest, content
    schema, manifest = parquet.read_manifest(path, "a table")
    columns = ", ".join(f"{field.name} {field.type}" for field in schema)
    content = {"rows": f"{pq.read_metadata(path).num_rows:,}", "columns": columns}
    if "subword" in manifest.settings:
        fits = tokenizer.is_whole(path, manifest)
        content["tokenizer"] = f"{tokenizer.path_of(path)}{'' if fits else ', which does not fit'}"
    return path, manifest, content


def _rows(manifest: Manifest, content: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """A manifest as rows of section, name and value; a section is named once."""
    plugins = {
        kind: f"{entry['name']}, version {entry['version']}"
        + "".join(f", {name}={value}" for name, value in entry["settings"].items())
        for kind, entry in manifest.plugins.items()
    }
    inputs = {
        entry.path: f"{entry.bytes:,} bytes, sha256 {entry.sha256[:_DIGEST_SHOWN]}"
        for entry in manifest.inputs
    }
    parents = {
        name: f"sha256 {digest[:_DIGEST_SHOWN]}" for name, digest in manifest.parents.items()
    }
    sections: dict[str, Mapping[str, Any]] = {
        "made by": {"sslkit": f"{manifest.stage}, artifact format {manifest.format}"},
        "holds": content,
        "plug-ins": plugins,
        "settings": dict(_flat({n: v for n, v in manifest.settings.items() if n != "plugins"})),
        "inputs": inputs,
        "parents": parents,
        "results": dict(_flat(manifest.results)),
        "libraries": manifest.libraries,
    }
    for section, values in sections.items():
        for position, (name, value) in enumerate(values.items()):
            yield (section if position == 0 else "", name, str(value))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _aligned(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of text as lines, every column but the last as wide as its widest cell."""
    cells = [tuple(map(visible, row)) for row in rows]
    widths = [max(map(len, column)) for column in list(zip(*cells, strict=True))[:-1]]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in cells]
