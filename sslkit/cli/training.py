"""Options of pretrain, as types: what is learned, how fast, how it is watched and ended."""

from pathlib import Path
from typing import Annotated

from sslkit.cli.options import option

Objective = Annotated[
    str,
    option(
        "--objective",
        group="Training",
        help="What is predicted; `sslkit show objective`. For physics: residual.",
    ),
]
Model = Annotated[
    str, option("--model", help="The encoder; `sslkit show model`. For physics: field.")
]
Window = Annotated[
    int, option("--window", group="Training", help="Tokens of a training window.", min=8)
]
BatchTokens = Annotated[
    int,
    option(
        "--batch-tokens", group="Training", help="Tokens of a step, all processes together.", min=8
    ),
]
MicroTokens = Annotated[
    int,
    option(
        "--micro-tokens",
        group="Training",
        help="Most tokens in memory at once, per process.",
        min=8,
    ),
]
LearningRate = Annotated[
    float | None,
    option(
        "--learning-rate",
        help="Peak rate. Default: 1e-3, or the objective's or the optimizer's own.",
        min=0,
    ),
]
WeightDecay = Annotated[
    float,
    option("--weight-decay", help="Weight decay of matrices; for physics 0.", min=0),
]
Clip = Annotated[
    float,
    option("--clip", help="Largest norm of the gradient; 0 does not clip; for physics 0.", min=0),
]
Heldout = Annotated[
    float,
    option("--heldout", help="Share of the corpus that is held out.", min=0, max=0.5),
]
Precision = Annotated[
    str,
    option(
        "--precision",
        help="fp32, bf16, fp64, or auto: the faster of fp32 and bf16 here; for physics fp32.",
    ),
]
Shards = Annotated[Path, option("--shards", help="Where encoded corpora are kept and reused.")]
StartFrom = Annotated[
    Path | None,
    option(
        "--start-from",
        help="Checkpoint, or the folder of a run, whose weights come first. Default: random.",
    ),
]
Plot = Annotated[
    bool,
    option("--plot", help="Draw the solution of an equation, as solution.png. Extra: plot."),
]
Parallel = Annotated[
    str,
    option(
        "--parallel",
        help="How several processes share the model: ddp, each holds all of it; fsdp, each "
        "holds a part of weights, gradients and moments, for what one device cannot hold.",
    ),
]
ProbeEvery = Annotated[
    int | None,
    option(
        "--probe-every",
        help="Steps between probes of labelled records with frozen features; needs --task. "
        "Default: no probe.",
        min=1,
    ),
]
Task = Annotated[
    str | None,
    option(
        "--task", group="Evaluation", help="What the labels of the probe mean; `sslkit show task`."
    ),
]
Labels = Annotated[
    list[Path] | None,
    option("--labels", group="Evaluation", help="CSV, TSV or Parquet. Default: labels/<task>.csv."),
]
Valid = Annotated[
    list[Path] | None,
    option(
        "--valid",
        group="Evaluation",
        help="Records that the probe is judged on. Default: made from --labels.",
    ),
]
Test = Annotated[
    list[Path] | None,
    option(
        "--test",
        group="Evaluation",
        help="Test records: not looked at, nor copies of them. Default: those that probe and "
        "finetune make from --labels with the same --seed.",
    ),
]
SequenceColumn = Annotated[
    str | None,
    option(
        "--sequence-column",
        help="Column of tables, of the corpus and of --labels. Default: the vocabulary's for the "
        "corpus, a usual name.",
    ),
]
LabelColumn = Annotated[
    str | None, option("--label-column", help="Column of --labels. Default: a usual name.")
]
IdColumn = Annotated[
    str | None,
    option("--id-column", help="Column of the ids of tables. Default: a usual name, or numbers."),
]
StopWhenGainBelow = Annotated[
    float | None,
    option(
        "--stop-when-gain-below",
        help="End once twice the compute spent so far should bring less: of the probe's score "
        "(0.01: one point of AUC), without a probe of the held-out loss (nats). Judged by the "
        "upper end of a 95% interval, after 9 evaluations or more. Goes best with a constant "
        "rate. Default: all steps.",
    ),
]
