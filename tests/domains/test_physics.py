"""Points, conditions, observations and references of equations."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import io as matlab

from sslkit.contracts.spec import space
from sslkit.domains import physics
from sslkit.errors import DataError


def domain_of(**settings: object) -> physics.Domain:
    return physics.Domain(physics.Settings(**settings))


@given(rows=st.integers(0, 60), columns=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_hypercube_has_a_point_in_every_slice(rows: int, columns: int, seed: int) -> None:
    found = physics.hypercube(np.random.default_rng(seed), rows, columns)
    assert found.shape == (rows, columns)
    for column in np.floor(found * rows).T:
        assert sorted(column) == list(range(rows))


@pytest.mark.parametrize("equation", ["burgers", "allen-cahn"])
def test_points_hang_on_seed_and_part_alone(equation: str) -> None:
    domain = domain_of(equation=equation, points=50, conditions=20)
    one, again = domain.batch(1, "train"), domain.batch(1, "train")
    assert all((one[name] == again[name]).all() for name in one)
    assert not (one["points"] == domain.batch(2, "train")["points"]).any()
    held = [domain.batch(seed, "heldout")["points"] for seed in (1, 2)]
    assert (held[0] == held[1]).all()
    assert not (held[0] == one["points"]).any()
    for name in ("points", "conditions"):
        assert (np.abs(one[name][:, 0]) <= 1).all()
        assert ((one[name][:, 1] >= 0) & (one[name][:, 1] <= 1)).all()
    assert len(one["points"]) == 50
    assert len(one["conditions"]) == len(one["condition_values"]) == 20
    assert len(one["observations"]) == 0


def test_conditions_of_burgers() -> None:
    made = domain_of(conditions=21).batch(1, "train")
    first = made["conditions"][:, 1] == 0
    assert first.sum() == 11
    x = made["conditions"][first, 0]
    np.testing.assert_allclose(made["condition_values"][first], -np.sin(np.pi * x))
    assert set(made["conditions"][~first, 0]) == {-1.0, 1.0}
    assert not made["condition_values"][~first].any()


def test_conditions_of_allen_cahn() -> None:
    domain = domain_of(equation="allen-cahn", conditions=21)
    made = domain.batch(1, "train")
    assert not made["conditions"][:, 1].any()
    x = made["conditions"][:, 0]
    np.testing.assert_allclose(made["condition_values"], x**2 * np.cos(np.pi * x))
    assert space(domain.spec).periodic == (True, False)


def test_settings() -> None:
    assert physics.Settings().viscosity == pytest.approx(0.01 / np.pi)
    assert physics.Settings(equation="allen-cahn").viscosity == 1e-4
    for bad in ({"viscosity": 0.0}, {"viscosity": float("nan")}, {"points": 0}, {"conditions": 1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            physics.Settings(**bad)


def test_observations(tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_text("t,u,x\n0.5,0.25,-1\n1,-0.5,0\n")
    domain = domain_of(observations=str(path))
    made = domain.batch(1, "train")
    assert made["observations"].tolist() == [[-1, 0.5], [0, 1]]
    assert made["observation_values"].tolist() == [0.25, -0.5]
    assert len(domain.batch(1, "heldout")["observations"]) == 0
    assert domain.files == [path]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,u\n0,0\n", "observations lack t"),
        ("x,t,u\n0,0.5,high\n", "column u holds 'high'"),
        ("x,t,u\n0,0.5,\n", "column u holds ''"),
        ("x,t,u\n0,2,0\n", "1 points lie outside"),
        ("", "empty"),
    ],
)
def test_bad_observations(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as told:
        domain_of(observations=str(path)).batch(1, "train")
    assert str(path) in told.value.where


def test_a_reference_whichever_way_its_grid_lies(tmp_path: Path) -> None:
    x, t = np.linspace(-1, 1, 5), np.linspace(0, 1, 3)
    values = x[:, None] + 10 * t
    for number, held in enumerate((values, values.T)):
        path = tmp_path / f"{number}.mat"
        matlab.savemat(path, {"x": x, "tt": t[:, None], "usol": held})
        found = domain_of(reference=str(path)).reference()
        assert found is not None
        np.testing.assert_array_equal(found.values, values)
        assert found.points[4].tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"x": np.zeros(3)}, "holds something else"),
        ({"x": np.arange(3) / 9, "t": np.arange(2), "u": np.ones((4, 2))}, "do not lie on its"),
        ({"x": np.arange(3) / 9, "t": np.arange(2), "u": np.full((3, 2), np.nan)}, "do not lie"),
        ({"x": np.arange(3), "t": np.arange(2), "u": np.ones((3, 2))}, "outside the space"),
    ],
)
def test_bad_references(tmp_path: Path, held: dict[str, np.ndarray], said: str) -> None:
    path = tmp_path / "bad.mat"
    matlab.savemat(path, held)
    with pytest.raises(DataError, match=said):
        domain_of(reference=str(path)).reference()
    path.write_bytes(b"no matrix at all")
    with pytest.raises(DataError, match="cannot be read"):
        domain_of(reference=str(path)).reference()


def test_the_published_references(shared_data: Path) -> None:
    burgers = domain_of(reference=str(shared_data / "physics" / "burgers_shock.mat")).reference()
    assert burgers is not None
    assert burgers.values.shape == (256, 100)
    np.testing.assert_allclose(burgers.values[:, 0], -np.sin(np.pi * burgers.first), atol=1e-9)
    other = domain_of(
        equation="allen-cahn", reference=str(shared_data / "physics" / "AC.mat")
    ).reference()
    assert other is not None
    assert other.values.shape == (512, 201)
    x = other.first
    np.testing.assert_allclose(other.values[:, 0], x**2 * np.cos(np.pi * x), atol=1e-9)
