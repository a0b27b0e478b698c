"""Curves of several runs against slow obvious references."""

import numpy as np

from sslkit.analysis import curves


def rows(limit: float, scale: float, count: int, unit: float) -> list[dict[str, float]]:
    return [
        {"step": n, "flops": n * unit, "tokens": float(n), "heldout_loss": limit + scale / n}
        for n in range(1, count + 1)
    ]


def test_a_curve_of_a_run_holds_all_points_and_a_law_of_most() -> None:
    found = curves.of_run("a", rows(1, 2, 30, 10.0), "heldout_loss", "flops")
    assert found is not None
    assert found.law is not None
    assert (len(found.spent), found.law.points) == (30, 28)
    assert found.gain is not None
    assert abs(found.gain.value - (2 / 30 - 2 / 60)) < 1e-4
    assert curves.of_run("a", rows(1, 2, 30, 10.0), "probe_auc", "flops") is None
    few = curves.of_run("a", rows(1, 2, 3, 10.0), "heldout_loss", "flops")
    assert few is not None
    assert few.law is few.gain is None


def test_the_envelope_is_what_no_cheaper_point_beats() -> None:
    made = [
        curves.of_run(name, rows(limit, scale, 20, unit), "heldout_loss", "flops")
        for name, limit, scale, unit in (("s", 3.0, 1.0, 1.0), ("m", 2.5, 2.0, 3.0))
    ]
    held = [one for one in made if one is not None]
    best = curves.envelope(held)
    points = [
        (s, v) for one in held for s, v in zip(one.spent, one.value, strict=True)
        if s >= 0.1 * one.spent[-1]
    ]  # fmt: skip
    wanted = sorted((s, v) for s, v in points if not any(t <= s and w < v for t, w in points))
    assert list(zip(best.spent, best.value, strict=True)) == wanted
    assert np.all(np.diff(best.value) < 0)


def test_ends_against_sizes() -> None:
    made = [
        curves.of_run(str(size), rows(1, 4 / size, 5, 1.0), "heldout_loss", "flops")
        for size in (4, 1, 2, 8)
    ]
    found = curves.of_ends([one for one in made if one is not None], [4.0, 1.0, 2.0, 8.0])
    assert found.spent.tolist() == [1, 2, 4, 8]
    assert np.all(np.diff(found.value) < 0)
    assert found.law is not None
    assert abs(found.law.exponent.value - 1) < 1e-2
