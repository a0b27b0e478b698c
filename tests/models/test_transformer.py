"""The encoder against one written out in loops; padding, layers, and what is learned."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from states import states
from torch import Tensor
from torch.nn import functional

from sslkit.contracts.encoder import Attentive
from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import transformer
from sslkit.models.transformer import Model, Settings, attention

Floats = npt.NDArray[np.float64]

K = 2
PARTS = np.array([(a, 4 + b) for a, b in itertools.product(range(4), repeat=2)])
SPEC = {"tokens": Ids(("length",), 16, overlap=1, parts=PARTS)}
TOKENS = token_ids(SPEC)
SHAPE = Settings(blocks=3, width=16, heads=2, expansion=3)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(3)
    made = Model(SHAPE, SPEC).double()
    with torch.no_grad():
        for parameter in made.parameters():
            # Large enough that every term of the formula leaves its mark.
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made.eval()


def batch(lengths: list[int], columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, TOKENS.size, (len(lengths), columns), generator=generator)
    for row, length in enumerate(lengths):
        tokens[row, length:] = TOKENS.pad
    return tokens, torch.tensor(lengths)


def layer_norm(x: Floats, weight: Floats) -> Floats:
    return np.asarray((x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight)


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def turned(x: Floats, position: int) -> Floats:
    """Su et al. 2021, eq. 34; pairs are (i, i + K/2)."""
    half = len(x) // 2
    out = x.copy()
    for i in range(half):
        angle = position * 10_000 ** (-2 * i / len(x))
        out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
        out[i + half] = x[i + half] * math.cos(angle) + x[i] * math.sin(angle)
    return out


def reference(
    model: Model, tokens: list[int], layer: int, looks: dict[tuple[int, ...], float] | None = None
) -> Floats:
    """Hidden states of one unpadded record, [tokens, width].

    Args:
        looks: gets the attention by block, head, place and place, 0 for the start.
    """
    held = {name: value.numpy() for name, value in model.state_dict().items()}
    x = [held["start"]]
    for token in tokens:
        vector = held["table.own"][token].copy()
        if token < TOKENS.size:
            for part in PARTS[token]:
                vector += held["table.shared"][part]
        x.append(vector)
    size = SHAPE.width // SHAPE.heads
    for block in range(layer):
        own = {
            name.removeprefix(f"blocks.{block}."): value
            for name, value in held.items()
            if name.startswith(f"blocks.{block}.")
        }
        mixed = [own["qkv.weight"] @ layer_norm(one, own["norm_attention.weight"]) for one in x]
        q, k, v = (
            [[one[at : at + size] for at in range(start, start + SHAPE.width, size)]
             for one in mixed]
            for start in (0, SHAPE.width, 2 * SHAPE.width)
        )  # fmt: skip
        added = []
        for i in range(len(x)):
            heads = []
            for h in range(SHAPE.heads):
                scores = [
                    float(turned(q[i][h], i) @ turned(k[j][h], j)) / math.sqrt(size)
                    for j in range(len(x))
                ]
                weights = [math.exp(s - max(scores)) for s in scores]
                for j, w in enumerate(weights):
                    if looks is not None:
                        looks[block, h, i, j] = w / sum(weights)
                heads.append(sum(w / sum(weights) * v[j][h] for j, w in enumerate(weights)))
            added.append(own["out.weight"] @ np.concatenate(heads))
        x = [one + more for one, more in zip(x, added, strict=True)]
        for i, one in enumerate(x):
            hidden = own["up.weight"] @ layer_norm(one, own["norm_mlp.weight"])
            x[i] = one + own["down.weight"] @ np.array([gelu(value) for value in hidden])
    if layer == SHAPE.blocks:
        x = [layer_norm(one, held["norm.weight"]) for one in x]
    return np.stack(x[1:])


@pytest.mark.parametrize("layer", [0, 1, 2, 3, None])
def test_hidden_states_are_those_of_the_formula(model: Model, layer: int | None) -> None:
    tokens, length = batch([7, 4], 7)
    tokens[0, 2], tokens[0, 3] = TOKENS.mask, TOKENS.unknown
    with torch.no_grad():
        found = states(model, tokens, length, layer).numpy()
    for row, count in enumerate(length.tolist()):
        wanted = reference(model, tokens[row, :count].tolist(), 3 if layer is None else layer)
        # The rotation is kept in float32 whatever the model's type.
        np.testing.assert_allclose(found[row, :count], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [[7, 4], [7], [5, 5], [60, 3, 2, 1]])
def test_attentions_are_those_of_the_formula(model: Model, lengths: list[int]) -> None:
    tokens, length = batch(lengths, max(lengths))
    found = model.attentions({"tokens": tokens, "length": length})
    assert found.shape == (len(lengths), SHAPE.blocks, SHAPE.heads, *[max(lengths)] * 2)
    assert not found.requires_grad
    for row, count in enumerate(lengths[:2]):
        if count > 10:  # The slow way takes long.
            continue
        looks: dict[tuple[int, ...], float] = {}
        reference(model, tokens[row, :count].tolist(), SHAPE.blocks, looks)
        for (block, head, i, j), wanted in looks.items():
            if i and j:
                held = float(found[row, block, head, i - 1, j - 1])
                assert held == pytest.approx(wanted, rel=1e-5, abs=1e-7)


def test_attentions_of_a_causal_encoder_look_back_only() -> None:
    torch.manual_seed(0)
    model = Model(replace(SHAPE, causal=True), SPEC).eval()
    tokens, length = batch([6, 3], 6)
    found = model.attentions({"tokens": tokens, "length": length})
    assert (found[0].triu(1) == 0).all()
    assert (found[0].tril().sum(-1) < 1).all()
    assert isinstance(model, Attentive)


def test_padding_never_matters(model: Model) -> None:
    tokens, length = batch([5, 3, 0, 1], 5)
    with torch.no_grad():
        alone = states(model, tokens[:1], length[:1])
        wide = torch.full((4, 9), TOKENS.pad)
        wide[:, :5] = tokens
        rubbish = wide.clone()
        for row, count in enumerate(length.tolist()):
            rubbish[row, count:] = 7
        for padded in (wide, rubbish):
            found = states(model, padded, length)
            torch.testing.assert_close(found[:1, :5], alone, rtol=1e-6, atol=1e-7)
            torch.testing.assert_close(found[1, :3], states(model, tokens[1:2, :3], length[1:2])[0])
            assert torch.isfinite(found).all()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("columns", [1, 3, 32])
def test_padding_that_is_left_out_changes_nothing(
    causal: bool, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    model = Model(replace(SHAPE, causal=causal), SPEC).double()
    parameters = list(model.parameters())
    lengths = [9, 9, 7, 8, 2, 0, 1, 9]
    tokens, length = batch(lengths, 9)
    real = torch.arange(9) < length[:, None]
    places = torch.tensor([1, 9, 19, 22, 31, 41, 61, 79, 1])
    found = []
    for most in (10**9, -(10**9)):
        monkeypatch.setattr(transformer, "_GROUP_TOKENS", most)
        monkeypatch.setattr(transformer, "_COLUMNS", columns)
        shown = states(model, tokens, length)[real]
        second = states(model, tokens, length, layer=2, start=True)[:, 0]
        some = model.states_at({"tokens": tokens, "length": length}, places)
        loss = (shown**3).sum() + second.sum() + (some**3).sum()
        found.append((shown, second, some, *torch.autograd.grad(loss, parameters)))
    for padded, packed in zip(*found, strict=True):
        torch.testing.assert_close(packed, padded)


def test_a_token_sees_both_sides_and_its_place(model: Model) -> None:
    tokens, length = batch([6], 6)
    with torch.no_grad():
        before = states(model, tokens, length)
        tokens[0, 5] = (tokens[0, 5] + 1) % TOKENS.size
        assert (states(model, tokens, length)[0, 0] - before[0, 0]).abs().max() > 1e-6
        tokens[0, 5] = (tokens[0, 5] - 1) % TOKENS.size
        assert (states(model, tokens.flip(1), length).flip(1) - before).abs().max() > 1e-6


def test_causal_states_are_those_of_the_prefix_alone() -> None:
    torch.manual_seed(3)
    model = Model(replace(SHAPE, causal=True), SPEC).double().eval()
    assert model.causal
    tokens, length = batch([6, 4], 6)
    with torch.no_grad():
        found = states(model, tokens, length, start=True)
        for row, count in enumerate(length.tolist()):
            for seen in range(count + 1):
                alone = states(
                    model, tokens[row : row + 1, :seen], torch.tensor([seen]), start=True
                )
                torch.testing.assert_close(found[row, : seen + 1], alone[0])
        torch.testing.assert_close(states(model, tokens, length), found[:, 1:])


@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_all_ways_of_attention_agree(
    mask: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    held = [torch.randn(3, 2, 10, 8, dtype=dtype, requires_grad=True) for _ in range(3)]
    added = torch.zeros(3, 1, 1, 10, dtype=dtype)
    added[1, ..., 6:] = added[2, ..., 1:] = float("-inf")
    if mask == "causal":
        added = torch.full((1, 1, 10, 10), float("-inf"), dtype=dtype).triu(1)
    for name in ("fused", "plain", "chunks"):
        if name == "fused":
            out = functional.scaled_dot_product_attention(
                held[0], held[1], held[2], None if mask == "none" else added
            )
        else:
            monkeypatch.setattr(transformer, "_PLAIN_TOKENS", 99 if name == "plain" else 0)
            monkeypatch.setattr(transformer, "_CHUNK_QUERIES", 3)
            out = attention(held[0], held[1], held[2], None if mask == "none" else added)
        found = (out, *torch.autograd.grad(out.float().square().sum(), held))
        if name == "fused":
            fused = found
        rough = {"rtol": 0.05, "atol": 0.05} if dtype == torch.bfloat16 else {}
        for one, other in zip(found, fused, strict=True):
            torch.testing.assert_close(one, other, **rough)


@pytest.mark.parametrize("way", ["plain", "chunks"])
def test_the_model_in_bfloat16_is_close_to_float32(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = Model(SHAPE, SPEC).eval()
    tokens, length = batch([9, 4], 9)
    with torch.no_grad():
        wanted = states(model, tokens, length)[1, :4]
    monkeypatch.setattr(transformer, "_PLAIN_TOKENS", 99 if way == "plain" else 0)
    monkeypatch.setattr(transformer, "_CHUNK_QUERIES", 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = states(model, tokens, length)[1, :4].float()
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("causal", [False, True])
def test_states_at_places_are_those_of_the_whole(causal: bool) -> None:
    torch.manual_seed(3)
    shape = replace(SHAPE, causal=causal)
    model = Model(shape, SPEC).double()
    tokens, length = batch([7, 4], 7)
    places = torch.tensor([0, 2, 2, 6, 8, 10, 6])
    given = {"tokens": tokens, "length": length}
    whole = model.with_start(given).flatten(0, 1)[places]
    some = model.states_at(given, places)
    torch.testing.assert_close(some, whole)
    parameters = list(model.parameters())
    wanted = torch.autograd.grad((whole**3).sum(), parameters)
    for one, other in zip(torch.autograd.grad((some**3).sum(), parameters), wanted, strict=True):
        torch.testing.assert_close(one, other)
    assert model.states_at(given, places[:0]).shape == (0, SHAPE.width)


def test_groups_hold_every_parameter_once() -> None:
    for parts in (PARTS, None):
        model = Model(SHAPE, {"tokens": Ids(("length",), 16, parts=parts)})
        groups = model.groups()
        assert [name for name, _ in groups] == [
            "embeddings", "block 1", "block 2", "block 3", "final norm",
        ]  # fmt: skip
        held = [id(p) for _, members in groups for p in members]
        assert sorted(held) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("layer", [0, 1, 2, 3])
def test_gradients_reach_what_a_layer_is_made_of_and_no_more(model: Model, layer: int) -> None:
    tokens, length = batch([6, 4], 6)
    tokens[0, 0] = TOKENS.mask
    # Squared alone, the output of a layer norm is a constant.
    (states(model, tokens, length, layer)[0] ** 3).sum().backward()
    reached = {"embeddings", *(f"block {n}" for n in range(1, layer + 1))}
    if layer == SHAPE.blocks:
        reached.add("final norm")
    for name, members in model.groups():
        for parameter in members:
            if parameter is model.start and layer == 0:
                continue  # It is attended to, and is no token itself.
            moved = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
            assert moved == (name in reached), name


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    model = Model(Settings(blocks=2, width=16, heads=2, dropout=0.5), SPEC)
    tokens, length = batch([6], 6)
    with torch.no_grad():
        assert not torch.equal(states(model.train(), tokens, length), states(model, tokens, length))
        assert torch.equal(states(model.eval(), tokens, length), states(model, tokens, length))


def test_fresh_weights_do_not_depend_on_what_was_drawn_before_the_seed() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(11)
        made.append(Model(SHAPE, SPEC).state_dict())
        torch.rand(5)
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 20, "heads": 3}, "not a multiple of 2 x 3 heads"),
        ({"dropout": 1.0}, "dropout is from 0 to below 1"),
        ({"blocks": 0}, "blocks is at least 1"),
        ({"heads": 0}, "heads is at least 1"),
        ({"expansion": 0}, "expansion is at least 1"),
        ({"width": 0}, "width is at least 1"),
    ],
)
def test_shapes_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)
