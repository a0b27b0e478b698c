"""The lowest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

_BOUND = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\w.]+)(;.*)?")


def bounds(path: Path = Path("pyproject.toml")) -> Iterator[tuple[str, str]]:
    """Name and lowest version of everything that sslkit and its extras need, tools aside."""
    project = tomllib.loads(path.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    for line in (*project["dependencies"], *(x for n in extras if n != "dev" for x in extras[n])):
        bound = _BOUND.fullmatch(line)
        assert bound is not None, f"{line} is no lower bound"
        yield bound["name"], bound["version"]


if __name__ == "__main__":
    for name, version in bounds():
        print(f"{name}=={version}")
