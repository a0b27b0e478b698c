"""The report of contacts: each family by each method, means over families, differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sslkit import tables
from sslkit.console import Console
from sslkit.probes import coevolution, contacts, intervals
from sslkit.probes.contacts import LONG_RANGE, Floats
from sslkit.stages.probe.contact_maps import Family


def results(
    families: Sequence[Family], scores: Mapping[str, Mapping[str, Floats]], judged: str, seed: int,
    how: str,
) -> dict[str, Any]:  # fmt: skip
    """What a manifest keeps, in plain types; NaN as None.

    Args:
        scores: [L, L] by method and family.
        judged: the method that the others are compared with.
    """
    held = [family for family in families if family.entry.name in scores[judged]]
    names = contacts.names()
    found = {
        method: {
            family.entry.name: contacts.precisions(by_family[family.entry.name], family.truth)
            for family in held
        }
        for method, by_family in scores.items()
    }

    def column(method: str, metric: str) -> list[float]:
        return [found[method][family.entry.name][metric] for family in held]

    return {
        "title": f"contacts: {len(held)} of {len(families)} families judged, seed {seed}; {how}\n"
        f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the families",
        "metrics": names,
        "families": [_describe(family) for family in held],
        "models": [
            {
                "name": method,
                "metrics": {
                    name: _plain(contacts.over_families(column(method, name), seed))
                    for name in names
                },
                "families": {
                    name: {metric: _finite(value) for metric, value in of.items()}
                    for name, of in by_family.items()
                },
            }
            for method, by_family in found.items()
        ],
        "differences": [
            {"metric": name, "model": judged, "baseline": method}
            | _plain(
                contacts.over_families(
                    [
                        a - b
                        for a, b in zip(column(judged, name), column(method, name), strict=True)
                    ],
                    seed,
                    signed=True,
                )
            )
            for method in found
            if method != judged
            for name in names[-1:]
        ],
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """The report as tables for a person, or as JSON."""
    console.result(found)
    if console.as_json or console.quiet:
        return
    names, models = found["metrics"], found["models"]
    rows = [[m["name"], *(_cell(m["metrics"][name]) for name in names)] for m in models]
    tables.show(found["title"], ["method", *(f"{name} [95%]" for name in names)], rows)
    for model in models:
        each = (f"{name} {_number(of[names[-1]])}" for name, of in model["families"].items())
        console.say(f"{names[-1]} of {model['name']}: {', '.join(each)}")
    for held in found["differences"]:
        line = f"{held['model']} less {held['baseline']}, {held['metric']}"
        console.say(f"{line}: {_cell(held, '+')}")


def _describe(family: Family) -> dict[str, Any]:
    first, second = family.truth.pairs(LONG_RANGE)
    return {
        "name": family.entry.name,
        "chain": family.chain,
        "sequence": family.rows[0].where,
        "residues": family.length,
        "sequences": len(family.states),
        "effective_sequences": round(float(coevolution.weights(family.states).sum()), 1),
        "long_range_pairs": len(first),
        "long_range_contacts": int(family.truth.contact[first, second].sum()),
    }


def _plain(interval: intervals.Interval) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in asdict(interval).items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"


def _cell(held: Mapping[str, Any], sign: str = "") -> str:
    value, low, high = (_number(held[end], sign) for end in ("value", "low", "high"))
    return value if value == "-" else f"{value} [{low}, {high}]"
