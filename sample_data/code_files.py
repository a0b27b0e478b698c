"""A small package of Python, whose annotations can be learnt from names and from use.

A parameter's name tells its type, alone (``size`` is an int) or by its last part (``user_names``
is a list of str), and what the body does with it goes with the type. Written by ``make.py``.
"""

import random

SEED = 20
MODULES = 8
FUNCTIONS = 12
#: Letters of a line.
LONGEST = 100

#: Last parts of names, their types, and what a body does with such a value.
KINDS = (
    (("size", "count", "width", "limit"), "int", ("{0} + 1", "{0} * 2", "{0} - step")),
    (("name", "title", "label", "path"), "str", ("{0}.strip()", "{0}.lower()", "{0} + suffix")),
    (("ratio", "score", "weight"), "float", ("{0} / 2.0", "round({0}, 3)", "1.0 - {0}")),
    (("names", "titles", "labels"), "list[str]", ("sorted({0})", "[*{0}, suffix]", "{0}[1:]")),
    (("sizes", "counts"), "list[int]", ("[one + 1 for one in {0}]", "{0}[::-1]", "{0} * 2")),
    (("enabled", "quiet", "strict"), "bool", ("not {0}", "{0} and ready", "{0} or ready")),
    (("totals",), "dict[str, int]", ("dict({0})", "{0} | extra", "{0}.copy()")),
)
OWNERS = ("user", "file", "page", "node")
OTHERS = ("table", "item", "old", "new")
VERBS = ("get", "read", "make", "merge", "update", "check", "format", "split")
OPTIONAL = 0.2


def files() -> dict[str, str]:
    """The text of every file by its name."""
    draw = random.Random(f"{SEED} code").random

    def one(items: tuple[str, ...]) -> str:
        return items[int(draw() * len(items))]

    def function() -> list[str]:
        (names, kind, uses), (others, other, _) = (KINDS[int(draw() * len(KINDS))] for _ in "12")
        value = f"{one(OWNERS)}_{one(names)}" if draw() < 0.7 else one(names)
        second = f"{one(OTHERS)}_{one(others)}"
        if draw() < OPTIONAL:
            other, second = f"{other} | None", f"{second}: {other} | None = None"
        else:
            second = f"{second}: {other}"
        used, verb = second.partition(":")[0], one(VERBS)
        return [
            f"def {verb}_{value}({value}: {kind}, {second}) -> {kind}:",
            f'    """Do something with the {value.replace("_", " ")}."""',
            f"    print({used})  # {one(OWNERS)}",
            f"    result: {kind} = {one(uses).format(value)}",
            "    return result",
        ]

    found = {}
    for number in range(1, MODULES + 1):
        lines = [
            '"""Made-up functions."""',
            "",
            'suffix = "x"',
            "step, ready = 3, True",
            'extra = {"x": 1}',
        ]
        bodies: dict[str, list[str]] = {}
        while len(bodies) < FUNCTIONS:
            body = function()
            if len(body[0]) <= LONGEST:
                bodies.setdefault(body[0].partition("(")[0], body)
        for body in bodies.values():
            lines += ["", "", *body]
        found[f"code/module_{number}.py"] = "\n".join(lines) + "\n"
    return found
