"""The house keeps its shape: floors, docstrings, sizes, and what lies at the top."""

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslkit import catalog, conformance
from sslkit.cli.commands import app
from sslkit.options import Common

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sslkit"
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
#: From the ground up; a file imports from its own room and from lower floors only.
FLOORS = (
    ("errors", "limits", "interrupts", "conformance", "escapes"),
    (
        "types",
        "spec",
        "rng",
        "options",
        "sizes",
        "processor",
        "allocator",
        "streams",
        "third_party",
    ),
    (
        "catalog",
        "console",
        "figures",
        "tables",
        "files",
        "modules",
        "bases",
        "contracts",
        "pretexts",
        "steering",
    ),
    ("heads",),
    ("artifacts",),
    ("vocab",),
    ("domains", "objectives", "models", "schedules", "optimizers", "adapt", "tasks", "data"),
    ("engine", "probes"),
    ("analysis",),
    ("stages",),
    ("cli",),
    ("__main__",),
)
LEVELS = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
#: Who imports by name: plug-ins, the stage of a command, what only an extra brings, and what is
#: heavy and seldom asked for.
LATE = {
    "__main__.py", "catalog.py", "cli/launch.py", "domains/_descriptors.py", "domains/_rdkit.py",
    "engine/distributed.py", "engine/sharded.py", "files/structure.py",
    "files/zstd.py", "figures.py", "stages/watching.py", "vocab/cluster.py", "vocab/kmers.py",
    "vocab/tokenizer.py",
}  # fmt: skip
TOP = {
    "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml",
    "sample_data", "sslkit", "tests",
}  # fmt: skip
IGNORED = {"demo", "build", "dist", "__pycache__", "sslkit.egg-info"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

trees = pytest.mark.parametrize("path", FILES, ids=NAMES)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(module: ast.Module) -> Iterator[str]:
    """All of sslkit that a file imports, as ``sslkit.files.atomic``."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("sslkit"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sslkit"):
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@trees
def test_imports_go_down(path: Path) -> None:
    own = room_of(path)
    if own == "__init__":
        assert not list(imported(tree(path)))
        return
    assert own in LEVELS, f"{own} has no floor: give it one in FLOORS"
    for name in imported(tree(path)):
        other = name.split(".")[1]
        assert other == own or LEVELS[other] < LEVELS[own], f"{own} imports {name}"


@trees
def test_imports_stand_at_the_top_and_are_absolute(path: Path) -> None:
    module = tree(path)
    for node in ast.walk(module):
        if isinstance(node, Function):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inner, f"line {inner[0].lineno}: import inside {node.name}"
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
    if str(path.relative_to(PACKAGE)) not in LATE:
        late = [n for n in ast.walk(module) if isinstance(n, ast.Name) and n.id == "importlib"]
        assert not late, f"line {late[0].lineno}: importlib is not used here"


@trees
def test_files_and_functions_are_short(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= LONGEST_FILE, f"{lines} lines: probably two ideas"
    # The functions of cli/ are lists of options and hold no statement but a call.
    limit = 2 * LONGEST_FUNCTION if room_of(path) == "cli" else LONGEST_FUNCTION
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            size = (node.end_lineno or 0) - node.lineno + 1
            assert size <= limit, f"{node.name} has {size} lines: probably two ideas"


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | Function]:
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | Function) and not inner.name.startswith("_"):
            yield inner
            if isinstance(inner, ast.ClassDef):
                yield from public(inner)


@trees
def test_what_is_public_is_explained(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), "the file has no docstring"
    if path.name == "__init__.py":
        assert len(module.body) == 1, "an __init__.py holds a docstring only"
    bare = [f"{n.name}, line {n.lineno}" for n in public(module) if not ast.get_docstring(n)]
    assert not bare, f"no docstring: {'; '.join(bare)}"


@pytest.mark.parametrize(
    "path",
    [
        path
        for top in ("sslkit", "tests", "sample_data")
        for path in sorted((ROOT / top).rglob("*.py"))
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_checker_is_told_to_look_away(path: Path) -> None:
    # What is looked for; nothing is told to look away here.
    pattern = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:|ruff:|mypy:)", re.IGNORECASE)
    found = [line for line in path.read_text("utf-8").splitlines() if pattern.search(line)]
    assert not found


def test_top_level() -> None:
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert there >= TOP
    assert not {name for name in there if not name.startswith("results")} - TOP - IGNORED


def test_no_path_of_a_machine_and_no_index_host() -> None:
    homes = ["/root/", "/home/[a-z]", "/Users/"]
    places = "|".join([*homes, "/work(?=/)", "/opt/", "/mnt/", "/tmp/w"])
    # What is looked for: a plain install names no index.
    pattern = re.compile(rf"(?<![\w.])({places})|(index-url|find-links)|pypi\.\w+|\.whl")
    kinds = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cfg", ""}
    paths = [ROOT / name for name in (*TOP, ".ci", ".gitignore")]
    inside = [p for top in paths for p in ([top] if top.is_file() else top.rglob("*"))]
    for path in inside:
        if path.is_file() and path.suffix in kinds and path != Path(__file__):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                assert not pattern.search(line), f"{path.relative_to(ROOT)}, line {number}: {line}"


@pytest.mark.parametrize("kind", catalog.ROOMS)
def test_every_plug_in_keeps_the_contract(kind: str) -> None:
    assert catalog.names(kind)
    for name in catalog.names(kind):
        module = catalog.load(kind, name)
        assert conformance.breach(kind, name, module) == ""
        assert catalog.summary(kind, name).endswith((".", "?")), name
        for option in catalog.options(module):
            assert option.help, f"{kind} {name} does not explain {option.name}"


def commands() -> dict[str, str]:
    """Stage by command, as ``build_vocab`` by ``build-vocab``."""
    found = {}
    for command in app.registered_commands:
        assert command.name is not None
        assert command.callback is not None
        found[command.name] = command.callback.__name__
    return found


@pytest.mark.parametrize("name", commands())
def test_a_command_has_the_options_of_its_stage(name: str) -> None:
    (command,) = (c for c in app.registered_commands if c.name == name)
    assert command.callback is not None
    given = set(inspect.signature(command.callback).parameters)
    given -= {"context", "config", "json", "quiet"}
    stage = importlib.import_module(f"sslkit.stages.{commands()[name]}")
    wanted = {field.name for field in dataclasses.fields(stage.Options)}
    assert given <= wanted, "the stage does not know these"
    shared = {field.name for field in dataclasses.fields(Common)}
    assert wanted - given <= shared, "the command does not offer these"


def test_commands_stand_in_the_order_of_the_pipeline() -> None:
    order = [
        *("inspect", "build-vocab", "pretrain", "embed", "score", "finetune", "probe", "predict"),
        *("show", "doctor"),
    ]
    assert [name for name in commands() if name in order] == [n for n in order if n in commands()]
    assert set(order) - {"predict", *commands()} == set()
