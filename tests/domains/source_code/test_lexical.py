"""How source code is cut into tokens, compared with regular expressions, whatever the blocks."""

import io
import itertools
import re
import sys
import time
import tokenize
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sslkit.domains import code
from sslkit.domains.source_code import literals as _literals
from sslkit.errors import DataError

NAMES = {"python": "a.py", "hash": "a.sh", "quotes": "a.js", "braces": "a.c"}
BLOCKS = pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1 << 20])


def tokens(data, cuts, name, split="words", on_error="skip"):
    """Tokens of data that comes in pieces, cut at these places."""
    reader = code.counting(code.Settings(split=split), on_error).reader(name, ())
    found = []
    borders = [0, *cuts, len(data)]
    parts = [data[begin:end] for begin, end in itertools.pairwise(borders)]
    for part in [*parts, None]:
        slices = reader.finish() if part is None else reader.feed(part)
        assert slices.starts.dtype == slices.lengths.dtype == np.int64
        held = slices.buffer.tobytes()
        places = zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
        found += [held[start : start + length] for start, length in places]
    return found


def every(data, block):
    return range(block, len(data), block)


# The slow reference: one expression for each language, tried at every byte in turn.
DOUBLE = rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*(?:"|(?=\n)|\\?\Z)'
LONG_DOUBLE = rb'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*(?:"""|\\?\Z)'
SINGLE, LONG_SINGLE = (one.replace(b'"', b"'") for one in (DOUBLE, LONG_DOUBLE))
HASH_COMMENT = rb"#[^\n]*"
SLASH_COMMENT = rb"//[^\n]*|/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/|\Z)"
CHARACTER = rb"'(?:\\[^\n]{1,9}?|[^'\\\n]{1,4}?)'"
LITERALS = {
    "python": (HASH_COMMENT, (LONG_DOUBLE, LONG_SINGLE, DOUBLE, SINGLE)),
    "hash": (HASH_COMMENT, (DOUBLE, SINGLE)),
    "quotes": (SLASH_COMMENT, (DOUBLE, SINGLE, rb"`[^`]*(?:`|\Z)")),
    "braces": (SLASH_COMMENT, (DOUBLE, CHARACTER)),
}
WORD = rb"[A-Za-z0-9_\x80-\xff]"
HEXADECIMAL, OTHER = rb"[0-9][xX]%s*" % WORD, rb"[0-9](?![xX])%s*" % WORD
DIGITS = rb"(?:%s|%s)" % (HEXADECIMAL, OTHER)
NUMBER = rb"(?:%s\.(?=[0-9])|%s(?<=[eE])[+-](?=[0-9]))*%s" % (DIGITS, OTHER, DIGITS)
OPERATOR = (
    rb">>>=|<<=|>>=|>>>|\*\*=|//=|===|!==|\.\.\.|<=>|&&=|\|\|=|\?\?=|->|=>|:=|::|\+\+|--|&&|\|\||"
    rb"<<|>>|<=|>=|==|!=|\+=|-=|\*=|/=|%=|&=|\|=|\^=|@=|\*\*|//|\?\?|\?\.|\.\.|[!-~]"
)


def reference(data, language):
    comment, literals = LITERALS[language]
    literal = b"|".join(literals)
    if language == "python":
        literal = rb"[rRbBuUfF]{0,2}(?:%s)" % literal
    rules = rb"(%s)|(%s)|(%s)|%s+|(?:%s)" % (comment, literal, NUMBER, WORD, OPERATOR)
    return [
        b'"' if match[2] is not None else b"0" if match[3] is not None else match[0]
        for match in re.finditer(rules, data, re.DOTALL)
        if match[1] is None
    ]


# What borders of blocks may tear apart: marks of comments and literals, prefixes, numbers.
MARKS = (
    *("'", '"', '"""', "'''", "\\", "\\'", '\\"', "\n", "\\\n", "\r\n", "#", "//", "/*", "*/"),
    *("/", "*", "`", " ", "\t", "\0", "\x7f", "r", "rb", "Bu", "f", "xf", "a", "word ", "é", "😀"),
    *("1", "0", "e", "E", "e-", "e+", "1e", ".", "1.5", "0x", "0xe+", "+", "-", "=", ">", "<"),
    *("|", "?", "&", ">>>=", "...", "->", "**", "(", ",", "'c'", "'\\n'", "'ab", "'abcd'", "%12"),
)
pieces = st.one_of(
    st.lists(st.sampled_from(MARKS), max_size=40),
    # Few kinds of marks, so that they meet each other often.
    st.lists(st.sampled_from(MARKS), min_size=1, max_size=5, unique=True).flatmap(
        lambda few: st.lists(st.sampled_from(few), max_size=60)
    ),
).map("".join)


@given(text=pieces, language=st.sampled_from(list(NAMES)), cut=st.data())
def test_tokens_are_those_of_the_expressions_however_blocks_are_cut(text, language, cut):
    data = text.encode()
    wanted = reference(data, language)
    assert tokens(data, [], NAMES[language]) == wanted
    assert tokens(data, range(1, len(data)), NAMES[language]) == wanted
    cuts = cut.draw(st.lists(st.integers(0, len(data)), max_size=6).map(sorted))
    assert tokens(data, cuts, NAMES[language]) == wanted


@given(
    data=st.lists(st.sampled_from(list(b"\"'\\/*#`\n 1e.+x>=rb")), max_size=300).map(bytes),
    language=st.sampled_from(list(NAMES)),
    block=st.integers(1, 300),
)
@example(data=b"'\"ab'", language="braces", block=5)
@example(data=b"'\\''", language="braces", block=3)
@example(data=b'"\\""" ""', language="python", block=2)
@example(data=b'""""\\""""""" 1', language="python", block=5)
@example(data=b"/*/ a */ b", language="quotes", block=2)
@example(data=b">>>=", language="braces", block=4)
@example(data=b"1.1.1e-5.1", language="hash", block=3)
def test_bytes_that_mean_something(data, language, block):
    assert tokens(data, every(data, block), NAMES[language]) == reference(data, language)


@pytest.mark.parametrize("block", [1000, 77_777, 1 << 19])
def test_real_code(shared_data, block):
    paths = [*shared_data.glob("text_code/**/*.py"), *shared_data.glob("text_code/**/*.json")]
    assert paths
    data = b"\n".join(path.read_bytes() for path in sorted(paths))[: 1 << 21]
    for language, name in NAMES.items():
        assert tokens(data, every(data, block), name) == reference(data, language)


@given(hops=st.lists(st.integers(1, 9), min_size=1, max_size=200), begin=st.data())
def test_hops_lead_where_steps_do(hops, begin):
    following = [min(place + hop, len(hops)) for place, hop in enumerate(hops)]
    heads = begin.draw(st.sets(st.integers(0, len(hops) - 1)))
    wanted = set(heads)
    for place in range(len(hops)):
        if place in wanted:
            wanted.add(following[place])
    found = _literals.reached(np.array(following), np.array(sorted(heads), np.int64))
    assert found.tolist() == sorted(wanted - {len(hops)})


PYTHON = '''
def f(x: int = 0x1F) -> str:  # a comment "with" quotes
    """Docs with 'quotes' \\""" and ""inner"" quotes."""
    y = rb"raw\\\\" + f'{x}' ; y **= 1.5e-3 + 1e5 - 1_000.25 // 2
    return x.real if x != 3 and y >= 2 else 'it\\'s' + """x""" + \'\'\'a
b\'\'\' + größe[1:2]...
'''


@BLOCKS
def test_python(block):
    data = PYTHON.encode()
    assert [token.decode() for token in tokens(data, every(data, block), "a.py")] == [
        *("def", "f", "(", "x", ":", "int", "=", "0", ")", "->", "str", ":"),
        '"',
        *("y", "=", '"', "+", '"', ";", "y", "**=", "0", "+", "0", "-", "0", "//", "0"),
        *("return", "x", ".", "real", "if", "x", "!=", "0", "and", "y", ">=", "0", "else"),
        *('"', "+", '"', "+", '"', "+", "größe", "[", "0", ":", "0", "]", "..."),
    ]


# The slow reference for parts: letter by letter.
def parts(word):
    kind = ["_" if c == "_" else "9" if c in DIGIT else "A" if c in CAPITAL else "a" for c in word]
    found = []
    for place, letter in enumerate(word):
        before, here = kind[place - 1 : place] or [None], kind[place]
        after = kind[place + 1 : place + 2]
        goes_on = before[0] == here or before[0] == "_" or (before[0], here) == ("A", "a")
        if (before[0], here, after) == ("A", "A", ["a"]):
            goes_on = False
        if found and goes_on:
            found[-1] += letter
        else:
            found.append(letter)
    return found


DIGIT, CAPITAL = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("_HTTPServer2_name", "_HTTP Server 2 _name"),
        ("__init__", "__init __"),
        ("x", "x"),
        ("___", "___"),
        ("utf8", "utf 8"),
        ("Int64Index", "Int 64 Index"),
        ("aB_C9", "a B _C 9"),
        ("größeÜber", "größeÜber"),
        ("XMLé", "XM Lé"),
        ("snake__case_", "snake __case _"),
    ],
)
def test_parts_of_identifiers(word, expected):
    assert parts(word) == expected.split()
    for block in (1, 2, 100):
        data = f"if {word}: {word}".encode()
        found = [one.decode() for one in tokens(data, every(data, block), "a.py", "parts")]
        assert found == ["if", *expected.split(), ":", *expected.split()]


@given(
    words=st.lists(st.text("aBc9_éÄ", min_size=1, max_size=9), max_size=8),
    language=st.sampled_from(list(NAMES)),
    block=st.integers(1, 40),
)
def test_parts_are_those_of_the_slow_reference(words, language, block):
    data = " ".join(words).encode()
    whole = [one.decode() for one in reference(data, language)]
    expected = [part for word in whole for part in (parts(word) if word != "0" else ["0"])]
    found = tokens(data, every(data, block), NAMES[language], "parts")
    assert [one.decode() for one in found] == expected


@given(text=pieces, language=st.sampled_from(list(NAMES)), cut=st.data())
def test_parts_join_to_the_same_text_however_blocks_are_cut(text, language, cut):
    data = text.encode()
    whole = tokens(data, [], NAMES[language], "parts")
    assert b"".join(whole) == b"".join(reference(data, language))
    cuts = cut.draw(st.lists(st.integers(0, len(data)), max_size=6).map(sorted))
    assert tokens(data, cuts, NAMES[language], "parts") == whole


def test_words_that_are_too_long_are_not_saved_by_their_parts():
    data = b"a_" * 40_000 + b" b"
    for block in (1 << 14, 1 << 20):
        with pytest.raises(DataError, match="a token is longer"):
            tokens(data, every(data, block), "a.py", "parts", "stop")


def own_tokens(text):
    """What the tokenizer of Python says, literals and names as they are counted here."""
    kept = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            kept += parts(token.string)
        elif token.type == tokenize.NUMBER:
            kept.append("0")
        elif token.type == tokenize.STRING:
            kept.append('"')
        elif token.type == tokenize.OP:
            kept.append(token.string)
    return kept


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="strings with fields are cut there")
def test_python_is_read_as_its_own_tokenizer_does(shared_data):
    texts = [path.read_text("utf-8") for path in shared_data.glob("text_code/py_click/*.py")]
    texts += [path.read_text("utf-8") for path in Path(_literals.__file__).parent.glob("*.py")]
    texts.append("x = a[::-1], --b, c@d, not(e), lambda *f, **g: f if g else-1\ny = x<-1>>2\n")
    assert len(texts) > 20
    for text in texts:
        found = [one.decode() for one in tokens(text.encode(), [], "a.py", "parts")]
        # A line that goes on is told by a sign, which Python leaves out.
        kept = [one for one in found if one != "\\"]
        assert " ".join(kept).replace("..", ". .") == " ".join(own_tokens(text)).replace(
            "..", ". ."
        )


@BLOCKS
def test_languages_with_braces(block):
    data = b"""/* a "comment" */ int x = a->b++ >>= 'c'; // "more"
    char *s = "a // no comment \\" /*"; fn f<'a>(v: &'a T) { 1.0f /x/ 2 }"""
    assert [token.decode() for token in tokens(data, every(data, block), "a.c")] == [
        *("int", "x", "=", "a", "->", "b", "++", ">>=", '"', ";"),
        *("char", "*", "s", "=", '"', ";", "fn", "f", "<", "'", "a", ">", "("),
        *("v", ":", "&", "'", "a", "T", ")", "{", "0", "/", "x", "/", "0", "}"),
    ]


def test_code_with_an_open_string_at_its_end():
    assert tokens(b"x = 'abc", [3, 6], "a.py") == [b"x", b"=", b'"']
    assert tokens(b'x = """abc\n', [3, 6, 9], "a.py") == [b"x", b"=", b'"']


def test_the_ending_tells_the_language():
    data = b"a//b`c`#'d'"
    assert tokens(data, [], "a.py.gz") == tokens(data, [], "noend")
    assert tokens(data, [], "a.py.gz") == [b"a", b"//", b"b", b"`", b"c", b"`"]
    assert tokens(data, [], "a.C") == [b"a"]
    assert tokens(b"`c`#'d'", [], "a.JS") == [b'"', b"#", b'"']


LONG = 300_000


@pytest.mark.parametrize("block", [1 << 14, 1 << 19])
def test_comments_and_literals_of_any_length(block):
    """Only a token can be too long; what it stands in may be as long as it likes."""
    for name, before, filled, after, inside in (
        ("a.c", b"x /*", b" * /comment\\" * LONG, b"*/ y", []),
        ("a.c", b"x /*", b"*" * LONG, b"/ y", []),
        ("a.c", b"x //", b" 'comment\" " * LONG, b"\n y", []),
        ("a.py", b"x #", b" comment " * LONG, b"\n y", []),
        ("a.js", b'x "', b'//data\\\\ \\" ' * LONG, b'"y', [b'"']),
        ("a.js", b'x "', b"\\" * 2 * LONG, b'"y', [b'"']),
        ("a.js", b"x `", b'//data\n"' * LONG, b"`y", [b'"']),
        ("a.py", b"x '", b'"data\\\\ # ' * LONG, b"'y", [b'"']),
        ("a.py", b'x """', b'data\n"\\"" \'' * LONG, b'"""y', [b'"']),
        ("a.py", b'x """', b'\\"' * LONG, b'"""y', [b'"']),
    ):
        data = before + filled + after
        assert tokens(data, every(data, block), name) == [b"x", *inside, b"y"]
    signs, dots = b"+=->" * LONG, b"a.b" + b".c" * LONG
    assert tokens(signs, every(signs, block), "a.c") == [b"+=", b"->"] * LONG
    assert tokens(dots, every(dots, block), "a.js")[-3:] == [b"c", b".", b"c"]


@pytest.mark.parametrize(
    "unit", [b'"', b"'", b"\\", b"=", b">", b".", b"/*", b"'\\", b'""" ', b"1+"]
)
@pytest.mark.parametrize("name", ["a.py", "a.c"])
def test_no_input_takes_longer_than_its_length_allows(name, unit):
    data = unit * ((1 << 21) // len(unit))
    start = time.process_time()
    tokens(data, every(data, 1 << 19), name)
    assert time.process_time() - start < 10
