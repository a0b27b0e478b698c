"""probe --task contacts: made-up hairpins, whose two strands change together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.domains import protein
from sslkit.models import gru, transformer
from sslkit.stages.probe import contact_plot
from sslkit.supervision import pair
from sslkit.tasks import contacts as task
from sslkit.vocab.vocabulary import Vocabulary

if "tokens" not in protein.GIVES:
    pytest.skip("domain protein gives no tokens", allow_module_level=True)

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
NAMES = ["ALA", "CYS", "ASP", "GLU", "PHE", "GLY", "HIS", "ILE", "LYS", "LEU", "MET", "ASN",
         "PRO", "GLN", "ARG", "SER", "THR", "VAL", "TRP", "TYR"]  # fmt: skip
LENGTH = 40


def write_family(folder: Path, name: str, seed: int) -> None:
    """An alignment with a gap column here and there, and the structure of its fourth sequence."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 20, (120, LENGTH))
    follows = rng.uniform(size=(120, LENGTH // 2)) < 0.7
    mirrored = (states[:, : LENGTH // 2][:, ::-1] + 3) % 20
    states[:, LENGTH // 2 :] = np.where(follows, mirrored, states[:, LENGTH // 2 :])
    rows = np.array(list(LETTERS))[states]
    rows[5:20, 10] = "-"
    rows = np.insert(rows, 30, "-", axis=1)
    rows[7, 30] = "A"
    text = "".join(f">{name}{n}\n{''.join(row)}\n" for n, row in enumerate(rows))
    (folder / f"{name}.afa").write_text(text)
    lines = ""
    for at, state in enumerate(states[3]):
        x, y = 3.4 * min(at, LENGTH - 1 - at), 5.0 * (at >= LENGTH // 2)
        for atom in ("CA", "CB"):
            lines += (
                f"ATOM  {at:>5}  {atom:<3} {NAMES[state]} A{at + 1:>4}    "
                f"{x:8.3f}{y:8.3f}{0.0:8.3f}  1.00 20.00           C\n"
            )
    (folder / f"{name}.pdb").write_text(lines + "END\n")


def write_model(
    folder: Path, module: Any = transformer, k: int = 1, context: int = 64, *, aligned: bool = False
) -> None:
    reading = protein.Settings(k=k, aligned=aligned)
    tokens = list(LETTERS) if k == 1 else [a + b for a in LETTERS for b in LETTERS]
    counts = np.ones(len(tokens), np.int64)
    domain = protein.Domain(reading, Vocabulary(tokens, counts))
    shape = module.Settings(blocks=2, width=16)
    torch.manual_seed(0)
    model = module.Model(shape, domain.spec)
    name = module.__name__.rpartition(".")[2]
    provenance = manifest.make(
        "pretrain",
        {"context": context},
        plugins={
            "domain": manifest.plugin("protein", protein, reading),
            "model": manifest.plugin(name, module, shape),
        },
    )
    tensors = {"encoder": dict(model.state_dict())}
    model_checkpoint = Checkpoint(provenance, tensors, tuple(tokens), torch.tensor(counts))
    checkpoint.save(folder / "pretrained" / checkpoint.NAME, model_checkpoint)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four families with their table, and a small encoder."""
    (tmp_path / "labels").mkdir()
    rows = ["id,alignment,structure,chain"]
    for seed, name in enumerate("abcd"):
        write_family(tmp_path / "labels", name, seed)
        rows.append(f"{name},{name}.afa,{name}.pdb,A")
    (tmp_path / "labels" / "contacts.csv").write_text("\n".join(rows) + "\n")
    write_model(tmp_path)
    return tmp_path


Command = Callable[..., Any]
WORDS = ("probe", "--task", "contacts", "--threads", "1", "--device", "cpu")
QUICK = (*WORDS, "--set", "potts=false")


def test_the_command_as_a_user_runs_it(folder: Path, sslkit: Command) -> None:
    done = sslkit(*WORDS, "--set", "depth=60", "--plot", "contacts.png")
    for name in ("chance", "mutual information, corrected", "Potts model", "attention, pretrained"):
        assert name in done.out
    assert "1 of 4 families judged, seed 1" in done.out
    assert (folder / "contacts.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((folder / "probed" / "contacts" / "probe.json").read_text())
    results = report["results"]
    models = {model["name"]: model for model in results["models"]}
    value = {name: m["metrics"]["long_range_P@L/5"]["value"] for name, m in models.items()}
    assert value["Potts model"] > 0.7
    assert value["mutual information, corrected"] > 0.7
    assert value["chance"] < 0.2
    assert results["families"][0]["residues"] == LENGTH
    assert results["families"][0]["sequences"] == 60
    baselines = [each["baseline"] for each in results["differences"]]
    assert baselines == [name for name in models if name != "attention, pretrained"]
    again = sslkit(*WORDS, "--set", "depth=60", "--json", "-q")
    assert again.json == results


def test_who_is_learned_from_and_who_is_judged(folder: Path, command: Command) -> None:
    one = command(*QUICK, "--json", "-q").json
    assert len(one["families"]) == 1
    assert command(*QUICK, "--json", "-q", "--force").json == one
    assert "holds another run" in command(*QUICK, "--seed", "2", check=2).err
    every = command(*QUICK, "--folds", "2", "-o", "folds", "--json", "-q").json
    assert [set(model["families"]) for model in every["models"]] == [set("abcd")] * 6
    assert every["title"].startswith("contacts: 4 of 4 families judged, seed 1; 2-fold")
    table = (folder / "labels" / "contacts.csv").read_text().splitlines()
    parts = ["split", "train", "test", "train", "test"]
    text = "\n".join(f"{row},{part}" for row, part in zip(table, parts, strict=True))
    (folder / "labels" / "contacts.csv").write_text(text + "\n")
    given = command(*QUICK, "--json", "-q", "--force").json
    assert [family["name"] for family in given["families"]] == ["b", "d"]
    assert "the test part is given" in command(*QUICK, "--folds", "2", check=2).err


def test_maps_of_several_sequences_lie_in_the_columns_of_one(folder: Path) -> None:
    entries = task.Task(task.Settings()).read({"": [folder / "labels" / "contacts.csv"]}, "stop")
    family = pair.family(entries[0], task.Settings(rows=119), 1)
    assert family.rows[0].where.endswith("sequence 4 (a3)")
    assert family.rows[0].places.tolist() == list(range(LENGTH))
    columns = [*range(30), -1, *range(30, LENGTH)]
    inserted = next(row for row in family.rows if row.where.endswith("(a7)"))
    assert inserted.places.tolist() == [c for c in columns if c != 10]
    assert len(inserted.letters) == len(inserted.places)
    assert family.states.shape == (120, LENGTH)
    assert pair.family(entries[0], task.Settings(depth=7), 1).states.shape[0] == 7


def test_rows_in_columns_keep_their_gaps(folder: Path) -> None:
    entries = task.Task(task.Settings()).read({"": [folder / "labels" / "contacts.csv"]}, "stop")
    family = pair.family(entries[0], task.Settings(rows=119), 1, aligned=True)
    plain = pair.family(entries[0], task.Settings(rows=119), 1)
    assert family.length == plain.length == LENGTH
    columns = [*range(30), -1, *range(30, LENGTH)]
    for row, bare in zip(family.rows, plain.rows, strict=True):
        assert row.places.tolist() == columns
        assert row.letters.replace("-", "") == bare.letters
        assert row.source == str(folder / "labels" / "a.afa")
    np.testing.assert_array_equal(family.truth.contact, plain.truth.contact)


def test_factored_attention_finds_what_changes_together(folder: Path, command: Command) -> None:
    alignments = [folder / "labels" / f"{name}.afa" for name in "abcd"]
    command("build-vocab", "--domain", "protein", *alignments)
    (folder / "pretrained/checkpoint.pt").unlink()
    (folder / "pretrained").rmdir()
    shape = ("heads=8", "head_width=8", "site_width=32", "value_width=8", "width=32", "sites=4096")
    command(
        "pretrain", "--model", "factored", "--set", "aligned=true", *chained_sets(shape),
        "--window", "48", "--steps", "150", "--batch-tokens", "6144", "--micro-tokens", "6144",
        "--learning-rate", "1e-2", "--threads", "1", "--device", "cpu", "--precision", "fp32",
    )  # fmt: skip
    one = command(*QUICK, "--folds", "4", "--json", "-q").json
    value = {m["name"]: m["metrics"]["long_range_P@L/5"]["value"] for m in one["models"]}
    assert value["attention, pretrained, all heads alike"] > 0.6
    assert value["attention, pretrained"] > 0.6
    assert value["attention, untrained"] < 0.3
    assert value["chance"] < 0.2
    # Its maps are of columns: more sequences say the same.
    many = command(*QUICK, "--folds", "4", "--set", "rows=3", "--json", "-q", "--force").json
    assert many["models"][-1]["families"] == one["models"][-1]["families"]


def test_an_encoder_of_tokens_reads_rows_in_columns_as_well(folder: Path, command: Command) -> None:
    write_model(folder, aligned=True)
    one = command(*QUICK, "--set", "rows=1", "--folds", "2", "--json", "-q").json
    more = command(*QUICK, "--set", "rows=3", "--folds", "2", "--json", "-q", "--force").json
    assert one["families"] == more["families"]
    assert one["models"][-1]["families"] != more["models"][-1]["families"]
    write_model(folder, aligned=True, context=LENGTH)
    assert "a sequence has 41 columns" in command(*QUICK, "--force", check=2).err


def chained_sets(pairs: tuple[str, ...]) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def test_rows_of_a_picture_are_the_best_pairs(folder: Path) -> None:
    entries = task.Task(task.Settings()).read({"": [folder / "labels" / "contacts.csv"]}, "stop")
    truth = pair.family(entries[0], task.Settings(), 1).truth
    first, second = contact_plot.best(truth.contact.astype(float), truth)
    assert len(first) == LENGTH
    assert (second - first >= 6).all()
    count = int(truth.contact[truth.pairs(6)].sum())
    assert truth.contact[first, second].sum() == min(LENGTH, count)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--pooling", "max"), 2, "--pooling has no meaning for contacts"),
        (("--labels", "labels/none.csv"), 2, "there is no file"),
        (("--set", "strength=-1"), 2, "strength is above 0"),
        (("--set", "strength=1e-9"), 0, "0 of 8 heads"),
    ],
)
def test_what_is_asked_for_in_vain(
    folder: Path, command: Command, words: tuple[str, ...], code: int, message: str
) -> None:
    assert message in command(*QUICK, *words, check=code).err


def test_encoders_and_vocabularies_that_do_not_fit(folder: Path, command: Command) -> None:
    write_model(folder, gru)
    done = command(*QUICK, check=2)
    assert "model gru has no attention maps" in done.err
    assert "pretrain with --model factored or transformer" in done.err
    write_model(folder, k=2)
    assert "build-vocab --domain protein --set k=1" in command(*QUICK, check=2).err
    write_model(folder, context=30)
    done = command(*QUICK, check=2)
    assert "a sequence has 40 residues, and the encoder was trained on 30" in done.err


def test_structures_that_do_not_fit(folder: Path, command: Command) -> None:
    (folder / "labels" / "b.pdb").write_text((folder / "labels" / "a.pdb").read_text())
    done = command(*QUICK, check=3)
    assert "a chain is not of the protein that its sequence says" in done.err
    assert "b.pdb, chain A" in done.err
    assert "b.afa, sequence" in done.err
    done = command(*QUICK, "--on-error", "skip", "--json")
    assert "b is left out" in done.err
    (folder / "labels" / "c.afa").write_text(">x\nMKT\n>y\nMK\n")
    assert "c.afa" in command(*QUICK, "--on-error", "skip", "--force").err
    table = folder / "labels" / "contacts.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    assert "there are 1 families, which are too few" in command(*QUICK, "--force", check=2).err


def test_other_tasks_and_other_commands(folder: Path, command: Command) -> None:
    done = command("finetune", "--task", "contacts", check=2)
    assert "sslkit probe --task contacts" in done.err
    done = command("probe", "--task", "promoter", "--plot", "x.png", check=2)
    assert "--plot draws contacts" in done.err
