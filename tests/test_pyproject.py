"""What pyproject.toml says that sslkit needs is what it imports, and what it is tested with."""

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import sslkit

ROOT = Path(__file__).parents[1]
#: Names of packages whose modules are called otherwise.
MODULES = {"biopython": "Bio", "scikit-learn": "sklearn", "backports.zstd": "backports"}
#: Needed by users of the tables, and by nothing in sslkit.
NOT_IMPORTED = {"pandas"}
#: Comes with dask[distributed].
BROUGHT = {"distributed"}


def lowest() -> Any:
    spec = importlib.util.spec_from_file_location("lowest", ROOT / "tests" / "lowest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BOUNDS = dict(lowest().bounds(ROOT / "pyproject.toml"))


def imports() -> tuple[set[str], set[str]]:
    """Modules that are imported, and texts that may name one that is imported late."""
    names, texts = set(), set()
    for path in (ROOT / "sslkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"sslkit"}, texts


def test_all_that_is_imported_is_needed_and_the_other_way_round() -> None:
    needed = {MODULES.get(name, name) for name in BOUNDS}
    names, texts = imports()
    assert names <= needed | BROUGHT
    assert needed - NOT_IMPORTED <= names | texts
    assert not NOT_IMPORTED & names


def test_what_a_package_index_shows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", sslkit.__version__)
    assert project["readme"] == "README.md"
    assert (ROOT / "README.md").is_file()
    assert len(project["description"]) < 120
    assert {"Typing :: Typed", "Intended Audience :: Science/Research"} <= {*project["classifiers"]}
    assert len(set(project["keywords"])) == len(project["keywords"]) > 5
    assert (ROOT / "sslkit" / "py.typed").read_bytes() == b""


def test_the_tested_versions_are_allowed() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    tested = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.MULTILINE))

    def parts(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    assert all(parts(tested[name]) >= parts(version) for name, version in BOUNDS.items())
