"""Which groups move, and how fast."""

from typing import Any

import pytest

from sslkit.adapt.freeze import Adaptation, Settings
from sslkit.errors import UsageError


def factors(blocks: int, **changed: Any) -> list[float]:
    names = ["embeddings", *(f"block {n}" for n in range(1, blocks + 1)), "final norm"]
    return Adaptation(Settings(**changed)).factors(names)


def test_nothing_is_frozen_by_default() -> None:
    assert factors(3) == [1.0] * 5


@pytest.mark.parametrize("frozen", range(1, 13))
def test_embeddings_and_the_first_blocks_stay(frozen: int) -> None:
    assert factors(12, freeze=frozen) == [0.0] * (frozen + 1) + [1.0] * (12 - frozen + 1)


def test_rates_fall_towards_the_input() -> None:
    found = factors(3, layer_decay=0.5)
    assert found == [0.5**3, 0.5**2, 0.5, 1.0, 1.0]
    assert factors(3, layer_decay=0.5, freeze=2) == [0.0, 0.0, 0.0, 1.0, 1.0]


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(UsageError, match="--freeze 13: the encoder has 12 blocks"):
        factors(12, freeze=13)


@pytest.mark.parametrize("changed", [{"freeze": -1}, {"layer_decay": 0.0}, {"layer_decay": 1.1}])
def test_settings_that_cannot_be(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        factors(2, **changed)
