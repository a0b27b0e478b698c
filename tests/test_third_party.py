"""A package whose plug-ins are broken breaks nothing but them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit import catalog, third_party
from sslkit.errors import UsageError
from sslkit.stages.doctor import run

Command = Callable[..., Any]

_SOUND = """
from dataclasses import dataclass
from sslkit.domains import genome
VERSION, GIVES, ENDINGS = 1, {"tokens"}, (".mine",)
Settings, Domain, counting = genome.Settings, genome.Domain, genome.counting
"""
#: What stands in the file of a domain, and a word of the reason why it cannot be used.
BROKEN = {
    "no-import": ("import no_such_package", "no_such_package"),
    "no-syntax": ("def", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "SystemExit"),
    "no-version": (_SOUND + "del VERSION", "VERSION"),
    "no-gives": (_SOUND + "GIVES = 'tokens'", "GIVES"),
    "no-endings": (_SOUND + "ENDINGS = '.mine'", "ENDINGS"),
    "no-settings": (_SOUND + "del Settings", "Settings"),
    "open-settings": (_SOUND + "@dataclass\nclass Settings:\n    k: int", "defaults"),
    "odd-settings": (_SOUND + "@dataclass\nclass Settings:\n    k: list[int] | None = None", "k"),
    "no-domain": (_SOUND + "del Domain, counting", "Domain"),
    "no-methods": (_SOUND + "class Domain:\n    pass", "read, record"),
    "no-counting": (_SOUND + "def counting(settings, on_error):\n    raise OSError", "counting"),
    "odd+name": (_SOUND, "letters"),
}


def test_broken_plug_ins_are_left_out_and_told_once(
    install: Any, command: Command, tiny_genome: Path
) -> None:
    install("theirs", {f"domains:{name}": text for name, (text, _) in BROKEN.items()})
    done = command("build-vocab", "corpus", "--k", "3")
    for name in BROKEN:
        assert done.err.count(f"domain {name} of package theirs") == 1
    assert command("inspect", "corpus", "--json").json["files"][0]["file"] == "corpus/genes.fa"
    with pytest.warns(third_party.PluginWarning):
        assert set(catalog.loadable("domain")).isdisjoint(BROKEN)
    assert [finding.state for finding in run._plugins()] == ["warning"] * len(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plug_in_is_refused_where_it_is_named(
    install: Any, command: Command, tiny_genome: Path, name: str
) -> None:
    text, reason = BROKEN[name]
    install("theirs", {f"domains:{name}": text})
    with pytest.raises(UsageError) as caught:
        catalog.load("domain", name)
    assert reason in caught.value.why
    assert "package theirs" in command("build-vocab", "corpus", "--domain", name, check=2).err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{}", _SOUND),
        ("{}:Domain", _SOUND + "class Domain(genome.Domain):\n    pass"),
        ("{}:plugin", f"from types import SimpleNamespace\n{_SOUND}\n"
         "plugin = SimpleNamespace(**globals())\ndel VERSION"),
        ("{}:Inner.plugin", f"import sys\n{_SOUND}\n"
         "class Inner:\n    plugin = sys.modules[__name__]"),
    ],
)  # fmt: skip
def test_an_entry_point_may_be_a_module_or_a_part_of_one(
    install: Any, command: Command, tmp_path: Path, value: str, text: str
) -> None:
    install("mine", {"domains:mine": text}, {"domains:mine": value})
    (tmp_path / "some.mine").write_text(">a\nACGTACGTACGT\n")
    assert command("build-vocab", "some.mine", "--set", "k=2", "--json").json["vocab"]
    assert not catalog.left_out("domain")


def test_names_that_are_taken(install: Any, recwarn: pytest.WarningsRecorder) -> None:
    install("first", {"domains:genome": _SOUND, "domains:mine": _SOUND})
    install("second", {"domains:mine": _SOUND})
    assert catalog.load("domain", "genome").__name__ == "sslkit.domains.genome"
    assert catalog.load("domain", "mine").__name__ == "first_1"
    catalog.loadable("domain")
    texts = [str(w.message) for w in recwarn if w.category is third_party.PluginWarning]
    assert len(texts) == 2
    assert "genome of package first" in texts[0]
    assert "mine of package second" in texts[1]


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("objective", "NEEDS = {'tokens'}\nclass Objective:\n    head = count = print", "losses"),
        ("objective", "NEEDS = 'tokens'", "NEEDS"),
        ("objective", "NEEDS, BASELINE, UNIT = {'tokens'}, 'x', 3", "UNIT"),
        ("model", "class Model:\n    forward = print", "TAKES"),
        ("model", "TAKES = {'tokens'}\ndef Model(*_):\n    pass", "class Model"),
        ("schedule", "class Schedule:\n    factor = print", "results"),
        ("optimizer", "class Optimizer:\n    step = print", "zero_grad"),
        ("adaptation", "class Adaptation:\n    wrap = rates = print", "prepare"),
        ("task", "DOMAIN, KIND = '', 'strange'", "KIND"),
        ("task", "DOMAIN, KIND, METRICS = '', 'binary', 'auc'", "METRICS"),
        ("task", "DOMAIN, KIND, METRICS = '', 'binary', ['auc']\nclass Task:\n    read = print",
         "encode_labels"),
    ],
)  # fmt: skip
def test_every_kind_has_a_contract(install: Any, kind: str, text: str, reason: str) -> None:
    head = "from dataclasses import dataclass\n@dataclass\nclass Settings:\n    pass\nVERSION = 1\n"
    install("theirs", {f"{catalog.FOLDERS[kind]}:mine": head + text})
    with pytest.raises(UsageError) as caught:
        catalog.load(kind, "mine")
    assert reason in caught.value.why
