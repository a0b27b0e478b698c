"""How the tokens of a domain are counted, and how its files are opened for that."""

import dataclasses
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from sslkit import catalog
from sslkit.artifacts.manifest import Manifest
from sslkit.data import recognition
from sslkit.errors import OnError, UsageError
from sslkit.files.columns import Columns
from sslkit.vocab.inputs import Inputs
from sslkit.vocab.scheme import Kmers, Scheme, Strings


def settings(k: int | None, pairs: Sequence[str], name: str, module: ModuleType) -> Any:
    """The domain's settings.

    Args:
        k: letters per token, of ``--k``; None is the domain's default.
        pairs: ``name=value`` of further settings.

    Raises:
        UsageError: the domain has no such setting, or it cannot have this value.
    """
    known = {field.name for field in dataclasses.fields(module.Settings)}
    if k is not None and "k" not in known:
        raise UsageError(f"tokens of {name} have no --k", do="leave it out")
    given = {} if k is None else {"k": k}
    return catalog.settings({name: module}, catalog.parse_pairs(pairs), {name: given})[name]


def scheme_of(manifest: Manifest, module: ModuleType, chosen: Any) -> Scheme:
    """How a domain's tokens are counted.

    Raises:
        UsageError: the domain counts no tokens, or an option does not fit them.
    """
    name = manifest.plugins["domain"]["name"]
    if not hasattr(module, "counting"):
        raise UsageError(
            f"domain {name} counts no tokens, and needs no vocabulary",
            do=f"sslkit pretrain FILES --domain {name}",
        )
    scheme: Scheme = module.counting(chosen, manifest.settings["on_error"])
    if isinstance(scheme, Kmers) and manifest.settings["special"]:
        raise UsageError("--special is for tokens of text", why=f"{name} has k-mers only")
    if manifest.settings["canonical"] and not isinstance(scheme, Kmers):
        raise UsageError(f"tokens of {name} have no reverse complement", do="drop --canonical")
    return scheme


def inputs_of(scheme: Scheme, module: ModuleType, columns: Columns, on_error: OnError) -> Inputs:
    """How files of a domain are opened; of tables the column of sequences is read."""
    domain = getattr(module, "Domain", None)
    return Inputs(
        scheme.fasta,
        scheme.divide,
        columns,
        on_error,
        whole=scheme.whole if isinstance(scheme, Strings) else (),
        own=recognition.endings(module),
        has_tables=domain is not None,
        has_pairs=hasattr(domain, "pairs"),
        # A survey, which finds bad records before they are counted, reads each file once more.
        once=scheme.survey is None or on_error == "stop",
    )


def shown(chosen: Any) -> str:
    """Settings as a line for people."""
    values = dataclasses.asdict(chosen)
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "no settings"
