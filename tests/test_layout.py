"""The layout holds: layers, docstrings, sizes, and what lies at the top."""

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
#: From the bottom up; a file imports from its own package and from layers below only.
LAYERS = (
    ("__version__", "errors", "escapes", "conformance", "types", "rng"),
    ("machine", "console", "tables", "figures", "third_party"),
    ("contracts",),
    ("catalog", "options", "files"),
    ("artifacts",),
    ("vocab",),
    ("domains", "objectives", "models", "schedules", "optimizers", "adapt", "tasks"),
    ("engine",),
    ("data",),
    ("inference", "probes"),
    ("supervision",),
    ("analysis", "api"),
    ("stages",),
    ("cli",),
    ("__main__",),
)
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
#: Who imports by name: plug-ins, the stage of a command, what only an extra brings, and what is
#: heavy and seldom asked for.
LATE = {
    "__init__.py", "__main__.py", "catalog.py", "cli/execute.py", "cli/launch.py",
    "domains/chemistry/descriptors.py",
    "domains/chemistry/rdkit.py", "engine/distributed.py", "engine/sharded.py",
    "files/structure.py", "files/zstd.py", "figures.py", "stages/pretrain/early_stopping.py",
    "vocab/cluster.py", "vocab/kmers/kmers.py",
}  # fmt: skip
TOP = {
    "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml",
    "sample_data", "sslkit", "tests",
}  # fmt: skip
IGNORED = {"demo", "build", "dist", "__pycache__", "sslkit.egg-info"}
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in zip(NAMES, FILES, strict=True)}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def imported(module: ast.Module) -> Iterator[str]:
    """All of sslkit that a file imports, as ``sslkit.files.atomic``."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("sslkit"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sslkit"):
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(name: str) -> str:
    """The package or file of the top level to which a file belongs."""
    return name.split("/", maxsplit=1)[0].removesuffix(".py")


def test_imports_go_down() -> None:
    wrong = []
    for name, module in TREES.items():
        own = package_of(name)
        if own == "__init__":
            # It promises what programs use, and loads it when it is asked for.
            wrong += [f"{name}: {o}" for o in imported(module) if not o.startswith("sslkit.api.")]
            continue
        assert own in LEVELS, f"{own} has no layer: give it one in LAYERS"
        for other in imported(module):
            package = other.split(".")[1]
            if package != own and LEVELS[package] >= LEVELS[own]:
                wrong.append(f"{name} imports {other}")
    assert not wrong


def test_no_command_imports_another() -> None:
    wrong = []
    for name, module in TREES.items():
        parts = name.split("/")
        if parts[0] == "stages" and len(parts) == 3:
            wrong += [
                f"{name} imports {other}"
                for other in imported(module)
                if other.startswith("sslkit.stages.") and other.split(".")[2] != parts[1]
            ]
    assert not wrong


def test_imports_stand_at_the_top_and_are_absolute() -> None:
    wrong = []
    for name, module in TREES.items():
        for node in ast.walk(module):
            if isinstance(node, Function):
                inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                wrong += [f"{name}, line {n.lineno}: import inside {node.name}" for n in inner]
            if isinstance(node, ast.ImportFrom) and node.level:
                wrong.append(f"{name}, line {node.lineno}: relative import")
            if isinstance(node, ast.Name) and node.id == "importlib" and name not in LATE:
                wrong.append(f"{name}, line {node.lineno}: importlib is not used here")
    assert not wrong


def test_files_and_functions_are_short() -> None:
    wrong = []
    for (name, module), path in zip(TREES.items(), FILES, strict=True):
        lines = path.read_text("utf-8").count("\n")
        if lines > LONGEST_FILE:
            wrong.append(f"{name} has {lines} lines: probably two ideas")
        # The functions of cli/ are lists of options and hold no statement but a call.
        limit = 2 * LONGEST_FUNCTION if package_of(name) == "cli" else LONGEST_FUNCTION
        for node in ast.walk(module):
            if isinstance(node, Function):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > limit:
                    wrong.append(f"{name}: {node.name} has {size} lines: probably two ideas")
    assert not wrong


def public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | Function]:
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | Function) and not inner.name.startswith("_"):
            yield inner
            if isinstance(inner, ast.ClassDef):
                yield from public(inner)


def test_what_is_public_is_explained() -> None:
    wrong = []
    for name, module in TREES.items():
        if not ast.get_docstring(module):
            wrong.append(f"{name} has no docstring")
        if name.endswith("/__init__.py") and len(module.body) != 1:
            wrong.append(f"{name}: an __init__.py holds a docstring only")
        bare = [node for node in public(module) if not ast.get_docstring(node)]
        wrong += [f"{name}, line {node.lineno}: {node.name} has no docstring" for node in bare]
    assert not wrong


def test_no_checker_is_told_to_look_away() -> None:
    # What is looked for; nothing is told to look away here.
    pattern = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:|ruff:|mypy:)", re.IGNORECASE)
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for top in ("sslkit", "tests", "sample_data")
        for path in (ROOT / top).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if pattern.search(line)
    ]
    assert not wrong


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


@pytest.mark.parametrize("kind", catalog.FOLDERS)
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
    places = {"plan": "pretrain.plan", "merge_vocab": "build_vocab.merge"}
    place = places.get(commands()[name], f"{commands()[name]}.run")
    stage = importlib.import_module(f"sslkit.stages.{place}")
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
