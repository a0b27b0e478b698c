"""What kind of corpus some files are."""

from pathlib import Path
from types import ModuleType

from sslkit import catalog
from sslkit.errors import UsageError
from sslkit.files import source, table


def endings(module: ModuleType) -> tuple[str, ...]:
    """Of the names of files that a folder stands for where the domain is known."""
    return (*module.ENDINGS, *getattr(module, "SHARED", ()))


def of_column(column: str, domain: str | None = None) -> str:
    """The domain that reads the cells of a column of that name; empty where it tells none.

    Args:
        domain: that was named; one whose columns have names of their own reads any.
    """
    for name in [domain] if domain else catalog.names("domain"):
        columns = getattr(catalog.load("domain", name), "COLUMNS", ())
        if columns and (domain or column.lower() in columns):
            return name
    return ""


def recognise(paths: list[Path], domain: str | None, column: str | None) -> tuple[str, list[Path]]:
    """The kind of a corpus and its files.

    Raises:
        UsageError: nothing found, or several kinds.
    """
    if column is not None:
        domain = domain or of_column(column)
        if not domain:
            raise UsageError("what a column holds is not plain", do="name it with --domain")
        catalog.check_records(domain, catalog.load("domain", domain), "there is nothing to count")
        return domain, source.find(paths, table.ENDINGS)
    asked = [domain] if domain else catalog.names("domain")
    modules = {name: catalog.load("domain", name) for name in asked}
    if domain:
        catalog.check_records(domain, modules[domain], "there is nothing to count")
    if domain:
        return domain, source.find(paths, endings(modules[domain]))
    known = {name: tuple(getattr(found, "ENDINGS", ())) for name, found in modules.items()}
    files = source.find(paths, tuple(sorted({end for ends in known.values() for end in ends})))
    kinds: dict[str, list[Path]] = {}
    for path in files:
        for name, ends in known.items():
            if source.plain_name(path).lower().endswith(ends):
                kinds.setdefault(name, []).append(path)
    special = [name for name in kinds if not getattr(modules[name], "COMMON", False)]
    chosen = special or list(kinds)
    named = {path for path in map(Path, paths) if path.is_file()}
    if len(chosen) == 1 and named <= set(kinds[chosen[0]]):
        return chosen[0], kinds[chosen[0]]
    found = ", ".join(f"{len(held)} of {kind}" for kind, held in kinds.items())
    raise UsageError(
        "the kind of the corpus is not plain from its files",
        why=found or f"no known ending, as in {files[0]}",
        do=f"name it with --domain; there is: {', '.join(known)}",
    )
