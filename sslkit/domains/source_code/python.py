"""Classes of tokens in Python source, found in its syntax tree; nothing is ever executed.

A tree tells what a name is there for: an annotation, what is defined, called or imported. Classes
are painted onto the bytes of a file, the more telling ones last, and a token has the class of its
first byte.
"""

import ast
import keyword
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslkit.domains.source_code import literals
from sslkit.vocab.lookup import Lookup
from sslkit.vocab.scheme import Slices

#: Names of classes by number. The first four are told without a tree; of the others, the later
#: ones go before the earlier ones. All but annotations hold nothing but names.
CLASSES = (
    *("operator", "number", "string", "name", "keyword", "attribute", "argument", "import"),
    *("call", "definition", "annotation"),
)
NUMBER = {name: number for number, name in enumerate(CLASSES)}
_NAME = NUMBER["name"]
_KEYWORDS = Lookup(keyword.kwlist)
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_BEHIND_NAME = re.compile(rb"[(\[:]")
_Placed = ast.expr | ast.stmt | ast.arg | ast.keyword
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Unit:
    """A function or a class: its name with those around it, and where it stands in bytes."""

    name: str
    line: int
    start: int
    end: int


@dataclass
class Module:
    """What is known of a file.

    Attributes:
        painted: a class for each byte, 0 where the tree tells none.
    """

    painted: bytearray
    functions: list[Unit] = field(default_factory=list)
    classes: list[Unit] = field(default_factory=list)


def parse(text: str) -> Module:
    """Read a file's tree.

    Raises:
        ValueError: it does not parse; the message says where and why.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code's own style
            tree = ast.parse(text)
        source = _Source(text)
        found = Module(bytearray(len(source.data)))
        spans = sorted(_spans(source, tree))
        for number, start, end in spans:
            found.painted[start:end] = bytes([number]) * (end - start)
        _units(source, tree, found)
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        raise ValueError(f"it is no Python: {where}{error.msg}") from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is no Python: it is nested too deeply") from error
    return found


def lexical(words: Slices, python: bool) -> npt.NDArray[np.uint8]:
    """The classes of tokens that need no tree, [tokens]."""
    first = words.buffer[words.starts]
    found = np.where(literals.in_words(first), _NAME, NUMBER["operator"]).astype(np.uint8)
    # What reading leaves of literals.
    found[first == ord("0")] = NUMBER["number"]
    found[(first == ord('"'))] = NUMBER["string"]
    if python:
        # A part of a name is no keyword.
        inside = literals.in_words(words.buffer)
        alone = ~inside[words.starts + words.lengths]
        alone &= ~inside[words.starts - 1] | (words.starts == 0)
        found[alone & (_KEYWORDS.ids(words) >= 0)] = NUMBER["keyword"]
    return found


def classes(kinds: npt.NDArray[np.uint8], painted: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Classes of tokens from those without a tree and those of their first bytes, [tokens]."""
    told = (painted == NUMBER["annotation"]) | ((painted > 0) & (kinds == _NAME))
    return np.where(told, painted, kinds)


class _Source:
    """From lines and columns of a tree to bytes."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self._lines = [0, *(match.end() for match in _LINE_ENDS.finditer(self.data))]

    def start(self, node: _Placed) -> int:
        """The first byte of a node."""
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: _Placed) -> int:
        """The byte behind a node, which trees of parsed text always know."""
        return self._lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def head(self, node: _Function | ast.ClassDef) -> int:
        """The byte behind the name that a definition gives."""
        found = _BEHIND_NAME.search(self.data, self.start(node))
        return found.start() if found else self.end(node)


def _spans(source: _Source, tree: ast.AST) -> Iterator[tuple[int, int, int]]:
    """Class, first byte and the byte behind; beyond annotations only names in them are meant."""
    start, end = source.start, source.end
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                yield NUMBER["attribute"], end(node.value), end(node)
            case ast.keyword(arg=str()):
                yield NUMBER["argument"], start(node), start(node.value)
            case ast.Import() | ast.ImportFrom():
                yield NUMBER["import"], start(node), end(node)
            case ast.Call(func=ast.Name() as called):
                yield NUMBER["call"], start(called), end(called)
            case ast.Call(func=ast.Attribute() as called):
                yield NUMBER["call"], end(called.value), end(called)
            case ast.Name(ctx=ast.Store()) | ast.arg():
                yield NUMBER["definition"], start(node), end(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield NUMBER["definition"], start(node), source.head(node)
        hint = _annotation(node)
        if hint is not None:
            yield NUMBER["annotation"], start(hint), end(hint)


def _annotation(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.arg | ast.AnnAssign):
        return node.annotation
    return node.returns if isinstance(node, _Function) else None


def _units(source: _Source, tree: ast.Module, found: Module) -> None:
    """Functions and methods, and classes, that stand in no function and class of their kind."""
    left: list[tuple[ast.AST, str, bool]] = [(tree, "", True)]
    while left:
        outer, path, outermost = left.pop()
        for node in ast.iter_child_nodes(outer):
            if not isinstance(node, _Function | ast.ClassDef):
                left.append((node, path, outermost))
                continue
            first = node.decorator_list[0] if node.decorator_list else node
            begin = source.start(first) - (1 if node.decorator_list else 0)
            unit = Unit(path + node.name, node.lineno, begin, source.end(node))
            if isinstance(node, ast.ClassDef):
                if outermost:
                    found.classes.append(unit)
                left.append((node, f"{unit.name}.", False))
            else:
                found.functions.append(unit)
    found.functions.sort(key=lambda unit: unit.start)
    found.classes.sort(key=lambda unit: unit.start)
