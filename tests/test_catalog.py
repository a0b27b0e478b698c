"""Plug-ins are found by file, loaded by name, and given checked settings."""

import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, Literal

import pytest

from sslkit import catalog, third_party
from sslkit.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """Of a made-up plug-in."""

    width: int = field(default=8, metadata={"help": "how wide"})
    rate: float = 0.5
    deep: bool = False
    pool: Literal["mean", "max"] = "mean"
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError("width is at least 1")


def module(settings: type[Any] = Settings) -> ModuleType:
    made = ModuleType("made_up")
    vars(made)["Settings"] = settings
    return made


def given(*pairs: str, inherited: dict[str, Any] | None = None) -> Any:
    inherit = {"one": inherited} if inherited else None
    return catalog.settings({"one": module()}, catalog.parse_pairs(pairs), inherit)["one"]


def test_names_and_summaries_need_no_import() -> None:
    assert "genome" in catalog.names("domain")
    assert "mlm" in catalog.names("objective")
    assert not [name for kind in catalog.FOLDERS for name in catalog.names(kind) if name[0] == "_"]
    assert catalog.summary("domain", "genome") == "DNA and RNA as k-mers."
    assert catalog.load("domain", "genome").__name__ == "sslkit.domains.genome"


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        catalog.load("domain", "genom")
    assert "did you mean genome?" in caught.value.do


def test_plug_ins_of_third_parties(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "their_package.theirs", "sslkit.domains")
    monkeypatch.setattr(
        third_party, "entry_points", lambda group: [point] if group == point.group else []
    )
    made = module()
    vars(made).update(VERSION=1, GIVES={"tokens"}, ENDINGS=(".x",), counting=lambda *_: None)
    monkeypatch.setitem(sys.modules, "their_package", ModuleType("their_package"))
    monkeypatch.setitem(sys.modules, "their_package.theirs", made)
    assert {"genome", "theirs"} <= set(catalog.names("domain"))
    assert catalog.summary("domain", "theirs") == "from their_package.theirs"
    assert catalog.load("domain", "theirs") is made


def test_values_take_the_type_of_their_field() -> None:
    assert given("width=16", "rate=1e-3", "deep=yes", "pool=max", "limit=7") == Settings(
        16, 1e-3, True, "max", 7
    )
    assert given("limit=none").limit is None
    assert given("width=1", "width=2").width == 2
    assert given("one.width=3").width == 3
    assert given("rate=0.1", inherited={"width": 5, "rate": 0.9}) == Settings(5, 0.1)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("width", "not of the form name=value"),
        ("=3", "not of the form name=value"),
        ("width=wide", "wants int"),
        ("deep=perhaps", "true or false"),
        ("pool=sum", "there is: mean, max"),
        ("widht=3", "did you mean"),
        ("width=0", "at least 1"),
    ],
)
def test_refusals(pair: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        given(pair)
    assert said in str(caught.value)


def test_a_name_of_two_plug_ins_must_be_qualified() -> None:
    both = {"one": module(), "two": module()}
    with pytest.raises(UsageError, match="several things") as caught:
        catalog.settings(both, {"width": "3"})
    assert "one.width or two.width" in caught.value.do
    made = catalog.settings(both, {"two.width": "3"})
    assert (made["one"].width, made["two"].width) == (8, 3)


def test_an_inherited_setting_that_is_gone_is_named() -> None:
    with pytest.raises(UsageError, match="no setting depth"):
        given(inherited={"depth": 3})


def test_options() -> None:
    first, *_, last = catalog.options(module())
    assert first == catalog.Option("width", "int", "8", "how wide")
    assert (last.type, last.default) == ("int | None", "None")
    (pool,) = (option for option in catalog.options(module()) if option.name == "pool")
    assert pool.type == "mean|max"


def test_fit() -> None:
    catalog.check_fit("objective", "mlm", {"tokens"}, "genome", {"tokens", "strand"})
    with pytest.raises(UsageError) as caught:
        catalog.check_fit("objective", "x", {"views", "tokens"}, "genome", {"tokens"})
    assert "it needs views; genome gives tokens" in caught.value.why
