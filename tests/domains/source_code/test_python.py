"""Classes of tokens, compared with what trees say of every name."""

import ast
from pathlib import Path

import numpy as np
import pytest

from sslkit.domains import code
from sslkit.domains.source_code import python
from sslkit.vocab.vocabulary import Vocabulary

SAMPLE = '''\
import os.path as p
from a import b as c
@wrap(1)
async def read_it(self, x: int = 3, *rest: "list[str]", key: p.T | None = None) -> dict[str, int]:
    """Docs."""
    y: Final = x.real + rest[0]  # no
    self.value: int
    for not_it, in_ in key.items(size=len(y)):
        print(not_it, in_)
    return lambda z: z
class A_B(C, metaclass=M):
    x = 1
'''
EXPECTED = """
import:keyword os:import .:operator path:import as:keyword p:import
from:keyword a:import import:keyword b:import as:keyword c:import
@:operator wrap:call (:operator 0:number ):operator
async:keyword def:keyword read:definition _it:definition (:operator self:definition ,:operator
x:definition ::operator int:annotation =:operator 0:number ,:operator
*:operator rest:definition ::operator ":annotation ,:operator
key:definition ::operator p:annotation .:annotation T:annotation |:annotation None:annotation
=:operator None:keyword ):operator
->:operator dict:annotation [:annotation str:annotation ,:annotation int:annotation ]:annotation
::operator ":string
y:definition ::operator Final:annotation =:operator x:name .:operator real:attribute +:operator
rest:name [:operator 0:number ]:operator
self:name .:operator value:attribute ::operator int:annotation
for:keyword not:definition _it:definition ,:operator in:definition _:definition in:keyword
key:name .:operator items:call (:operator size:argument =:operator len:call (:operator y:name
):operator ):operator ::operator
print:call (:operator not:name _it:name ,:operator in:name _:name ):operator
return:keyword lambda:keyword z:definition ::operator z:name
class:keyword A:definition _B:definition (:operator C:name ,:operator metaclass:argument =:operator
M:name ):operator ::operator
x:definition =:operator 0:number
"""


def told(text: str, **settings: str) -> list[str]:
    """Tokens with their classes."""
    known = (
        "import os . path as p from a b c @ wrap ( 0 ) async def read _it self , x : int = * rest"
    )
    known += ' " key T | None -> dict [ str ] y Final real + value for not in _ print return lambda'
    known += " items size len z class A _B C metaclass M größe ;"
    tokens = list(dict.fromkeys(known.split()))
    domain = code.Domain(code.Settings(), Vocabulary(tokens, np.ones(len(tokens), np.int64)))
    record = domain.record("a", text, "t.csv", 1)
    assert not record.error
    return [
        f"{tokens[unit & code.MEANING]}:{python.CLASSES[unit >> code.KINDS]}"
        for unit in record.payload.tolist()
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "größe = 'é'; ", "\f", '"""a\f\x0bb\u2028\u0085\n""" ; '])
def test_classes(end: str, before: str) -> None:
    text = (before + SAMPLE.replace("    ", "\t")).replace("\n", end)
    found = told(text)
    assert found[-len(EXPECTED.split()) :] == EXPECTED.split()


def test_annotations_of_real_code(shared_data: Path) -> None:
    """As many annotations as a plain walk finds, with the tokens of their source."""
    for path in sorted(shared_data.glob("text_code/py_click/*.py")):
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        hints = [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        hints += [n.annotation for n in ast.walk(tree) if isinstance(n, ast.arg | ast.AnnAssign)]
        wanted = sorted(ast.get_source_segment(text, one) for one in hints if one is not None)
        module = python.parse(text)
        painted = np.frombuffer(module.painted, np.uint8) == python.NUMBER["annotation"]
        edges = np.flatnonzero(np.diff(painted, prepend=False, append=False))
        data = text.encode()
        found = [data[a:b].decode() for a, b in edges.reshape(-1, 2).tolist()]
        assert sorted(found) == wanted


NESTED = """\
@dec
def one():
    def inner():
        pass
class A:
    @property
    def two(self): return 1
    class B:
        def three(self): pass
if one:
    async def four(): pass
"""


def test_functions_and_classes() -> None:
    module = python.parse(NESTED)
    data = NESTED.encode()
    assert [one.name for one in module.functions] == ["one", "A.two", "A.B.three", "four"]
    assert [one.line for one in module.functions] == [2, 7, 9, 11]
    assert [one.name for one in module.classes] == ["A"]
    assert data[module.functions[0].start : module.functions[0].end].startswith(b"@dec\ndef one")
    assert data[module.functions[0].end :].startswith(b"\nclass A")
    assert data[module.classes[0].start : module.classes[0].end].endswith(b"pass")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n", "line 2: "),
        ("if x:\n\ty\n        z\n", "line 3: "),
        ("print 'x'", "line 1: "),
        ("-" * 200_000 + "1", "nested too deeply"),
        ("(" * 500 + ")" * 500, "no Python"),
        ("x = '", "unterminated"),
        ("1" * 5000, "no Python"),
    ],
)
def test_what_does_not_parse(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        python.parse(text)


def test_nothing_is_executed_and_no_one_is_warned(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "gone"
    python.parse(f"open({str(path)!r}, 'w')\nx = '\\d'\nassert (1, 2)\n")
    assert not path.exists()
    assert not recwarn.list
