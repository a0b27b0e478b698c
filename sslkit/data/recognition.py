"""What kind of corpus some files are."""

from pathlib import Path
from types import ModuleType

from sslkit import catalog
from sslkit.errors import OnError, UsageError
from sslkit.files import folders, pipes, source, table
from sslkit.files.columns import Columns
from sslkit.files.folders import Listing


def endings(module: ModuleType) -> tuple[str, ...]:
    """Of the names of files that a folder stands for where the domain is known."""
    return (*module.ENDINGS, *getattr(module, "SHARED", ()))


def of_column(column: str, domain: str | None = None) -> str:
    """The domain that reads the cells of a column of that name; empty where it tells none.

    Args:
        domain: that was named; one whose columns have names of their own reads any.
    """
    for name, module in _modules(domain).items():
        columns = getattr(module, "COLUMNS", ())
        if columns and (domain or column.lower() in columns):
            return name
    return ""


def recognise(
    paths: list[Path],
    domain: str | None,
    columns: Columns,
    *,
    all_files: bool = False,
    on_error: OnError = "stop",
) -> tuple[str, Listing]:
    """The kind of a corpus and its files.

    Where a column of sequences is named, a folder stands for the tables in it.

    Args:
        all_files, on_error: as ``folders.find`` has them.

    Raises:
        UsageError: nothing found, or several kinds.
        DataError: a link that leads nowhere.
    """

    def find(endings: tuple[str, ...]) -> Listing:
        return folders.find(paths, endings, all_files=all_files, on_error=on_error)

    if columns.sequence is not None:
        listing = find(table.ENDINGS)
        domain = domain or of_column(columns.sequence)
        if not domain:
            raise _not_plain(f"the cells of column {columns.sequence!r} may be anything")
        catalog.check_records(domain, catalog.load("domain", domain), "there is nothing to count")
        return domain, listing
    if domain:
        module = catalog.load("domain", domain)
        catalog.check_records(domain, module, "there is nothing to count")
        return domain, find(endings(module))
    modules = catalog.loadable("domain")
    known = {name: tuple(getattr(module, "ENDINGS", ())) for name, module in modules.items()}
    listing = find(tuple(sorted({end for ends in known.values() for end in ends})))
    kinds: dict[str, list[Path]] = {}
    for path in listing.files:
        for name, ends in known.items():
            if source.plain_name(path).lower().endswith(ends):
                kinds.setdefault(name, []).append(path)
    named = {path for path in map(Path, paths) if path.is_file()}
    for path in sorted(named - {path for held in kinds.values() for path in held}):
        if kind := of_column(_column_of_table(path, columns)):
            kinds.setdefault(kind, []).append(path)
    special = [name for name in kinds if not getattr(modules[name], "COMMON", False)]
    chosen = special or list(kinds)
    if len(chosen) == 1 and named | set(filter(pipes.is_pipe, listing.files)) <= set(
        kinds[chosen[0]]
    ):
        mine = set(kinds[chosen[0]])
        return chosen[0], listing.only([path for path in listing.files if path in mine])
    found = ", ".join(f"{len(held)} of {kind}" for kind, held in kinds.items())
    raise _not_plain(found or f"no known ending, as in {listing.files[0]}")


def _not_plain(why: str) -> UsageError:
    domains = catalog.loadable("domain")
    names = [name for name, module in domains.items() if hasattr(module, "ENDINGS")]
    return UsageError(
        "the kind of the corpus is not plain from its files",
        why=why,
        do=f"name it with --domain; there is: {', '.join(names)}",
    )


def _column_of_table(path: Path, columns: Columns) -> str:
    """The name of the column of sequences of a table; "" of another file.

    Raises:
        DataError: a table that lacks a column.
    """
    with source.open_bytes(path) as stream:
        if not table.starts(stream, path, is_named=columns.are_named):
            return ""
    return table.columns(path, columns).sequence


def _modules(domain: str | None) -> dict[str, ModuleType]:
    """The domain that was named, or all of them."""
    return {domain: catalog.load("domain", domain)} if domain else catalog.loadable("domain")
