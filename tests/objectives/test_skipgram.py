"""Skip-gram against loops over pairs, and from the command line to vectors that say something."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit import rng
from sslkit.artifacts import checkpoint
from sslkit.contracts.encoder import States
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.errors import UsageError
from sslkit.models import skipgram as tables
from sslkit.models import transformer
from sslkit.objectives.skipgram import Objective, Settings
from sslkit.types import Arrays, Batch

COUNTS = np.arange(1, 21) * 50
LENGTHS = [70, 40, 3, 0]


def tensors(arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def windows(seed: int = 1) -> Arrays:
    """Rows of tokens, some of which are unknown, and padding."""
    tokens = np.random.default_rng(seed).integers(0, 22, (len(LENGTHS), 70))
    for row, length in enumerate(LENGTHS):
        tokens[row, length:] = 20
    return {"tokens": tokens, "length": np.array(LENGTHS)}


def draws(rows: int = len(LENGTHS)) -> rng.Counter:
    return rng.Counter(1, 2, np.arange(rows))


def parts(spec: Spec, **chosen: Any) -> tuple[Objective, tables.Model, torch.nn.Module]:
    objective = Objective(Settings(window=3, **chosen), spec, COUNTS)
    encoder = tables.Model(tables.Settings(width=8), spec).double()
    head = objective.head(8).double()
    torch.manual_seed(0)
    for parameter in (*encoder.parameters(), *head.parameters()):
        torch.nn.init.normal_(parameter)
    return objective, encoder, head


def neighbours(row: list[int], reach: int, window: int) -> Iterator[tuple[int, int, float]]:
    """Positions of the pairs of a row, and the weight of each."""
    for one, token in enumerate(row):
        for other, context in enumerate(row):
            distance = abs(one - other) - reach
            if token < 20 and context < 20 and 0 < distance <= window:
                yield one, other, (window - distance + 1) / window


def softplus(x: float) -> float:
    return math.log1p(math.exp(-abs(x))) + max(x, 0.0)


@pytest.mark.parametrize("reach", [0, 2])
def test_losses_of_windows_are_those_of_loops_over_pairs(reach: int) -> None:
    objective, encoder, head = parts(
        {"tokens": Ids(("length",), 20, overlap=reach)}, subsample=0.05
    )
    batch = objective.prepare(windows(), draws())
    found = objective.losses(encoder, head, tensors(batch))["skipgram"]
    centre, context = encoder.table.weight.detach(), head.get_parameter("weight").detach()
    wanted, terms = 0.0, 0.0
    for number, row in enumerate(batch["tokens"].tolist()):
        for one, other, weight in neighbours(row, reach, 3):
            terms += weight
            wanted += weight * softplus(-float(centre[row[one]] @ context[row[other]]))
            drawn = batch["negatives"][number, one // 16]
            for negative in drawn:
                score = float(centre[row[one]] @ context[negative])
                wanted += weight * 5 / len(drawn) * softplus(score)
    assert objective.count(batch)["skipgram"] == pytest.approx(terms)
    assert float(found.detach()) == pytest.approx(wanted)


def test_tokens_are_thinned_out_as_word2vec_does_and_what_is_left_moves_together() -> None:
    objective = Objective(Settings(subsample=0.02), {"tokens": Ids(("length",), 20)}, COUNTS)
    rows = 400
    tokens = np.random.default_rng(0).integers(0, 20, (rows, 64))
    batch = {"tokens": tokens, "length": np.full(rows, 64)}
    left = objective.prepare(batch, draws(rows))["tokens"]
    for row, kept in zip(tokens.tolist(), left.tolist(), strict=True):
        remaining = iter(row)
        assert all(token in remaining for token in kept if token < 20)
        assert kept == sorted(kept, key=lambda token: token == 20)
    share = (COUNTS + 1) / (COUNTS + 1).sum()
    wanted = np.minimum(1, np.sqrt(0.02 / share) + 0.02 / share)
    before, after = (np.bincount(t[t < 20], minlength=20) for t in (tokens, left))
    assert after / before == pytest.approx(wanted, abs=0.06)


def test_overlapping_tokens_keep_their_distances() -> None:
    objective = Objective(
        Settings(subsample=0.02), {"tokens": Ids(("length",), 20, overlap=1)}, COUNTS
    )
    given = windows()
    left = objective.prepare(given, draws())["tokens"][:, :70]
    assert ((left == given["tokens"]) | (left == 20)).all()


def test_negatives_follow_the_counts_to_the_power_of_three_quarters() -> None:
    objective = Objective(Settings(), {"tokens": Ids(("length",), 20)}, COUNTS)
    rows = 2000
    batch = {"tokens": np.zeros((rows, 16), np.int64), "length": np.full(rows, 16)}
    drawn = objective.prepare(batch, draws(rows))["negatives"]
    wanted = COUNTS**0.75 / (COUNTS**0.75).sum()
    assert np.bincount(drawn.ravel()) / drawn.size == pytest.approx(wanted, abs=0.006)


def test_parts_of_a_batch_add_up_to_it() -> None:
    objective, encoder, head = parts({"tokens": Ids(("length",), 20)})
    whole, given = objective.prepare(windows(), draws()), windows()
    total = float(objective.losses(encoder, head, tensors(whole))["skipgram"].detach())
    count = objective.count(whole)["skipgram"]
    for row in range(len(LENGTHS)):
        some = {name: array[row : row + 1] for name, array in given.items()}
        part = objective.prepare(some, rng.Counter(1, 2, np.array([row])))
        total -= float(objective.losses(encoder, head, tensors(part))["skipgram"].detach())
        count -= objective.count(part)["skipgram"]
    assert (total, count) == pytest.approx((0, 0), abs=1e-8)


def test_a_batch_without_tokens_has_no_terms() -> None:
    objective, encoder, head = parts({"tokens": Ids(("length",), 20)})
    batch = objective.prepare(
        {"tokens": np.zeros((2, 0), np.int64), "length": np.zeros(2)}, draws(2)
    )
    assert objective.count(batch) == {"skipgram": 0}
    loss = objective.losses(encoder, head, tensors(batch))["skipgram"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert math.isnan(objective.baseline([batch]))


def test_an_encoder_with_layers_gives_its_states_as_centres() -> None:
    objective = Objective(Settings(window=2), {"tokens": Ids(("length",), 20)}, COUNTS)
    shape = transformer.Settings(blocks=1, width=8, heads=2)
    encoder, head = transformer.Model(shape, {"tokens": Ids(("length",), 20)}), objective.head(8)
    torch.nn.init.normal_(head.get_parameter("weight"))
    batch = tensors(objective.prepare(windows(), draws()))
    objective.losses(encoder, head, batch)["skipgram"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert not objective.is_counted(encoder)
    forced = Objective(Settings(algorithm="counted"), {"tokens": Ids(("length",), 20)}, COUNTS)
    with pytest.raises(UsageError, match="table"):
        forced.is_counted(encoder)


def test_an_encoder_reads_to_the_last_token_that_was_not_thinned_out() -> None:
    spec = {"tokens": Ids(("length",), 20, overlap=2)}
    objective = Objective(Settings(subsample=0.01), spec, COUNTS)
    batch = objective.prepare(windows(), draws())
    real = batch["tokens"] != token_ids(spec).pad
    assert (real.sum(1)[:2] < LENGTHS[:2]).all()
    encoder = Reader(spec)
    objective.losses(encoder, objective.head(8), tensors(batch))
    for row, length in zip(real, encoder.length.tolist(), strict=True):
        assert not row[length:].any()
        assert length == 0 or row[length - 1]


class Reader(transformer.Model):
    """Notes how far it was asked to read."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(transformer.Settings(blocks=1, width=8, heads=2), spec)

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        self.length = batch["length"]
        return super().forward(batch, layer=layer)


def test_the_vocabulary_and_the_setting_choose_the_algorithm() -> None:
    for size, algorithm, counted in (
        (8192, "auto", True),
        (8193, "auto", False),
        (20, "sampled", False),
        (8193, "counted", True),
    ):
        spec = {"tokens": Ids(("length",), size)}
        settings = replace(Settings(), algorithm=algorithm)
        encoder = tables.Model(tables.Settings(width=1), spec)
        assert Objective(settings, spec).is_counted(encoder) == counted


@pytest.mark.parametrize("classes", [np.arange(20), np.arange(20) % 13], ids=["own", "shared"])
def test_the_counted_loss_is_the_mean_over_all_draws(classes: np.ndarray) -> None:
    objective, encoder, head = parts({"tokens": Ids(("length",), 20)}, subsample=0.02)
    size = int(classes.max()) + 1
    pairs = np.random.default_rng(4).integers(0, 5, (size, size))
    batch = objective.counted(pairs, classes, slice(None))
    found = float(objective.losses(encoder, head, tensors(batch))["skipgram"].detach())
    centre, context = encoder.table.weight.detach(), head.get_parameter("weight").detach()
    noise = COUNTS**0.75 / (COUNTS**0.75).sum()
    share = (COUNTS + 1) / (COUNTS + 1).sum()
    read = np.minimum(1, np.sqrt(0.02 / share) + 0.02 / share)
    kept = [np.average(read[classes == c], weights=COUNTS[classes == c]) for c in range(size)]
    first = [int(np.flatnonzero(classes == c)[0]) for c in range(size)]
    wanted, terms = 0.0, 0.0
    for one in range(size):
        for other in range(size):
            weight = pairs[one, other] / 3 * kept[one] * kept[other]
            terms += weight
            wanted += weight * softplus(-float(centre[first[one]] @ context[other]))
            for token in range(20):
                score = float(centre[first[one]] @ context[classes[token]])
                wanted += weight * 5 * noise[token] * softplus(score)
    assert objective.count(batch)["skipgram"] == pytest.approx(terms, rel=1e-5)
    assert found == pytest.approx(wanted, rel=1e-5)
    halves = [objective.counted(pairs, classes, slice(n, None, 2)) for n in (0, 1)]
    each = [objective.losses(encoder, head, tensors(half))["skipgram"] for half in halves]
    assert float(sum(each).detach()) == pytest.approx(found, rel=1e-5)


def test_gradients_of_counted_pairs_against_finite_differences() -> None:
    objective, encoder, head = parts({"tokens": Ids(("length",), 20)})
    pairs = np.random.default_rng(4).integers(0, 5, (20, 20))
    batch = tensors(objective.counted(pairs, np.arange(20), slice(None)))

    def loss() -> torch.Tensor:
        return objective.losses(encoder, head, batch)["skipgram"]

    loss().backward()
    for weight in (encoder.table.weight, head.get_parameter("weight")):
        assert weight.grad is not None
        for row, column in ((0, 0), (7, 3), (19, 7)):
            with torch.no_grad():
                weight[row, column] += 1e-6
                above = float(loss())
                weight[row, column] -= 2e-6
                slope = (above - float(loss())) / 2e-6
                weight[row, column] += 1e-6
            assert float(weight.grad[row, column]) == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_the_start_is_far_better_than_the_floor_where_there_is_something_to_learn() -> None:
    objective, encoder, head = parts({"tokens": Ids(("length",), 20)})
    # Tokens go together with those of their own parity.
    pairs = np.where(np.add.outer(np.arange(20), np.arange(20)) % 2, 1, 200)
    batch = objective.counted(pairs, np.arange(20), slice(None))
    objective.begin(encoder.float(), head.float(), batch)
    loss = float(objective.losses(encoder, head, tensors(batch))["skipgram"].detach())
    assert loss / objective.count(batch)["skipgram"] < objective.baseline([batch]) - 0.3


def test_the_floor_is_that_of_scores_by_counts() -> None:
    objective, _, _ = parts({"tokens": Ids(("length",), 20)}, subsample=0.0)
    pairs = np.outer(COUNTS, COUNTS)
    batch = objective.counted(pairs, np.arange(20), slice(None))
    # Where tokens stand together by chance no score does better than the counts.
    assert objective.baseline([batch]) == pytest.approx(best(batch), rel=1e-4)


def best(batch: Arrays) -> float:
    drawn = np.outer(batch["mass"], batch["noise"])
    score = np.log(batch["pairs"] / drawn)
    loss = batch["pairs"] * np.logaddexp(0, -score) + drawn * np.logaddexp(0, score)
    return float(loss.sum() / batch["terms"].sum())


def test_settings_are_checked() -> None:
    for wrong in ({"window": 0}, {"negatives": 0}, {"subsample": -1.0}, {"weight": 0.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Settings(**wrong)


WORDS = ("pretrain", "--model", "skipgram", "--objective", "skipgram", "--threads", "1", "--set",
         "width=8", "--precision", "fp32")  # fmt: skip


def trained(folder: Path) -> torch.Tensor:
    return checkpoint.load(folder / "pretrained").tensors["encoder"]["table.weight"]


@pytest.mark.usefixtures("tiny_vocab")
def test_pretrain_embed_probe_and_finetune(
    command: Callable[..., Any], tmp_path: Path, tiny_labels: Path
) -> None:
    done = command(*WORDS, "--set", "tie_reverse_complement=true", "--json")
    result = json.loads(done.out)
    assert result["heldout_loss"] < 5
    assert trained(tmp_path).shape == (32 + 4, 8)
    command("embed", "corpus/genes.fa")
    # The reverse complement of a record has the same tokens, by class, in the other order.
    twins = tmp_path / "twins.fa"
    one = "ACGGTTACGATTTACAGGAC"
    twins.write_text(f">a\n{one}\n>b\n{one.translate(str.maketrans('ACGT', 'TGCA'))[::-1]}\n")
    command("embed", "twins.fa", "-o", "twins.parquet")
    command("probe", "--task", "promoter")
    command("finetune", "--task", "promoter", "--freeze", "0", "--steps", "2")


@pytest.mark.usefixtures("tiny_vocab")
@pytest.mark.parametrize("algorithm", ["counted", "sampled"])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    command: Callable[..., Any], tmp_path: Path, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*WORDS, "--set", f"algorithm={algorithm}", "--steps", "6", "--checkpoint-every", "0")
    command(*words)
    whole = (tmp_path / "pretrained" / checkpoint.NAME).read_bytes()
    shutil.rmtree(tmp_path / "pretrained")
    draw = Objective.count
    calls = 0

    def stopping(self: Objective, batch: Arrays) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return draw(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Objective, "count", stopping)
        command(*words, check=None)
    assert not (tmp_path / "pretrained" / checkpoint.NAME).exists()
    assert (tmp_path / "pretrained" / "state.pt").exists()
    command(*words)
    assert (tmp_path / "pretrained" / checkpoint.NAME).read_bytes() == whole
