"""Whether a plug-in keeps the contract of its kind, as far as that can be seen without using it.

The contracts themselves are in ``contracts``, ``objectives``, ``steering`` and ``modules``.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Collection
from typing import Any

#: The class that the file of each kind of plug-in holds.
CLASSES = {
    "domain": "Domain",
    "objective": "Objective",
    "model": "Model",
    "schedule": "Schedule",
    "optimizer": "Optimizer",
    "adaptation": "Adaptation",
    "task": "Task",
}
_TASKS = ("binary", "multiclass", "regression", "per-token", "contacts")
_STATE = ("state_dict", "load_state_dict", "trace")
_METHODS = {
    "objective": ("head", "prepare", "count", "losses"),
    "model": ("forward",),
    "schedule": ("factor", "results", *_STATE),
    "optimizer": ("step", "zero_grad", *_STATE),
    "adaptation": ("wrap", "rates", "prepare", "penalty", "merge"),
    "task": ("read",),
}
_RECORDS = ("read", "record", "check", "encode", "signature", "batch")
_TOKENS = ("alternative", "units", "length", "features")
#: A name that ``--set NAME.width=8`` and ``--objective NAME+mlm`` can speak of.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def breach(kind: str, name: str, plugin: Any) -> str:
    """The first thing that a plug-in owes to the contract of its kind; "" where it keeps it."""
    if not _NAME.fullmatch(name):
        return f"its name {name!r} is more than letters, digits, - and _"
    if type(getattr(plugin, "VERSION", None)) is not int:
        return "it has no VERSION, a whole number"
    return _of_settings(plugin) or _OF_KIND.get(kind, _of_class)(kind, plugin)


def _of_settings(plugin: Any) -> str:
    settings = getattr(plugin, "Settings", None)
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        return "it has no dataclass Settings"
    try:
        hints = typing.get_type_hints(settings)
        settings()
    except Exception as error:
        return f"its Settings cannot be made of their defaults: {error!r}"
    for field in dataclasses.fields(settings):
        if not _can_be_written(hints[field.name]):
            return f"its setting {field.name} is no bool, int, float, str, Literal, or one or None"
    return ""


def _can_be_written(hint: Any) -> bool:
    """Whether ``--set`` can give a value of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [argument for argument in arguments if argument is not types.NoneType]
        return len(inner) == 1 and len(arguments) == 2 and _can_be_written(inner[0])
    if origin is typing.Literal:
        return all(isinstance(argument, str) for argument in arguments)
    return hint in (bool, int, float, str)


def _of_class(kind: str, plugin: Any, more: tuple[str, ...] = ()) -> str:
    name = CLASSES[kind]
    of_kind = getattr(plugin, name, None)
    if not isinstance(of_kind, type):
        return f"it has no class {name}"
    methods = (*_METHODS.get(kind, ()), *more)
    missing = [method for method in methods if not callable(getattr(of_kind, method, None))]
    return f"its class {name} has no method {', '.join(missing)}" if missing else ""


def _of_domain(kind: str, plugin: Any) -> str:
    if not _are_words(getattr(plugin, "GIVES", None)):
        return "it has no GIVES, names of what its batches hold"
    if "points" in plugin.GIVES:
        return _of_class(kind, plugin, ("batch", "reference"))
    endings = getattr(plugin, "ENDINGS", None)
    if not isinstance(endings, tuple) or not endings or not _are_words(endings):
        return "it has no ENDINGS, a tuple of endings of file names"
    if hasattr(plugin, "counting"):
        try:
            plugin.counting(plugin.Settings(), "stop")
        except Exception as error:
            return f"its counting fails with the defaults: {error!r}"
        # What only counts needs no examples.
        if not hasattr(plugin, "Domain"):
            return ""
    return _of_class(kind, plugin, (*_RECORDS, *(_TOKENS if "tokens" in plugin.GIVES else ())))


def _of_objective(kind: str, plugin: Any) -> str:
    if not _are_words(getattr(plugin, "NEEDS", None)):
        return "it has no NEEDS, names of what batches must hold"
    if not hasattr(plugin, "BASELINE"):
        return _of_class(kind, plugin)
    if not isinstance(getattr(plugin, "UNIT", None), str):
        return "it has no UNIT of its loss"
    if getattr(plugin, "CAUSAL", "") not in (True, False, None):
        return "it has no CAUSAL: True, False or None"
    return _of_class(kind, plugin, ("baseline",))


def _of_model(kind: str, plugin: Any) -> str:
    if not _are_words(getattr(plugin, "TAKES", None)):
        return "it has no TAKES, names of what of a batch it is given"
    return _of_class(kind, plugin)


def _of_task(kind: str, plugin: Any) -> str:
    if not isinstance(getattr(plugin, "DOMAIN", None), str):
        return "it has no DOMAIN, the name of one, or empty for any"
    if getattr(plugin, "KIND", None) not in _TASKS:
        return f"its KIND is none of {', '.join(_TASKS)}"
    metrics = getattr(plugin, "METRICS", ())
    if not metrics or not _are_words(metrics):
        return "it has no METRICS, names of them"
    more = {"contacts": (), "per-token": ("encode_labels", "problem", "written")}
    return _of_class(kind, plugin, more.get(plugin.KIND, ("encode_labels",)))


def _are_words(value: Any) -> bool:
    is_many = isinstance(value, Collection) and not isinstance(value, str | bytes)
    return is_many and all(isinstance(word, str) for word in value)


_OF_KIND = {
    "domain": _of_domain,
    "objective": _of_objective,
    "model": _of_model,
    "task": _of_task,
}
