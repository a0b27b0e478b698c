"""slurm: a job script that runs a command, and queues it again when its time is up.

The story: what was asked is checked against what the command can do; a few lines for the
scheduler, the command, and a shell that hands on signals and asks for the exit code.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from sslkit.artifacts import destination, kinds
from sslkit.console import Console
from sslkit.errors import RequeueError, UsageError
from sslkit.files import atomic
from sslkit.options import Common

#: Commands whose processes work on one thing, and commands that take one --shard of several.
_TOGETHER, _SHARDED = ("pretrain", "finetune"), ("build-vocab",)
#: Days, then two or three fields; or one field of minutes, or two with seconds, or three.
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_WORD, _MEMORY = re.compile(r"[\w.,+@%-]+"), re.compile(r"\d+[KMGT]?")

_TOGETHER_LINES = """
# A task of srun for each process. Under torchrun the exit code would be 1 instead of {requeue}, and
# what has not ended 30 seconds after a signal would be killed.
export MASTER_ADDR MASTER_PORT
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000))
work='export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS; exec "$@"'
command=(srun --kill-on-bad-exit=0 --wait=60 --cpus-per-task="$SLURM_CPUS_PER_TASK"
    bash -c "$work" sslkit "${{command[@]}}")
"""

_END = """
# B: above sends USR1 to this shell alone: also where there is no srun whose tasks would get it.
# The shell hands it on; srun hands it on to its tasks. Bash runs a trap when a command in the
# foreground has ended, which would be too late, so the work runs in the background; a trap ends
# wait before the work has ended, so it is waited for again.
first= again=yes work=
hand_on() {{
    first=${{first:-$1}} again=yes
    kill -s "$1" "$work" 2>/dev/null
}}
trap 'hand_on USR1' USR1
trap 'hand_on TERM' TERM
"${{command[@]}}" &
work=$!
# What came before there was anyone to hand it to.
if [[ $first ]]; then
    hand_on "$first"
fi
while [[ $again ]]; do
    again=
    wait "$work"
    code=$?
done

# {requeue}: the state is kept, and the same command goes on from it. After TERM, which is how
# scancel ends a job, nobody wants it to.
if ((code == {requeue})) && [[ $first == TERM ]]; then
    code=143
fi
if ((code == {requeue})); then
    scontrol requeue "$SLURM_JOB_ID" || echo "not queued again: sbatch this file" >&2
fi
exit "$code"
"""


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of slurm; the command line holds their meaning and defaults.

    Attributes:
        threads: what the command itself says.
    """

    command: list[str]
    time: str
    notice: int
    mem: str | None
    cpus: int | None
    gpus: int
    nodes: int
    processes: int | None
    partition: str | None
    account: str | None
    name: str | None
    array: int | None


def run(options: Options, console: Console) -> None:
    """Write a job script; see the command's help.

    Raises:
        UsageError: what was asked for does not go together.
    """
    if options.out is not None:
        destination.check(options.out, kinds.SCRIPT, options)
    text = script(options)
    if options.out is None:
        console.result({"script": text}, text.rstrip("\n"), exact=True)
        return
    if options.out.exists() and not options.force:
        raise UsageError(f"{options.out} is there", do="give another --out, or --force")
    atomic.write_text(options.out, text)
    console.say(f"wrote {options.out}: sbatch {shlex.quote(str(options.out))}")
    console.result({"out": str(options.out)})


def script(options: Options) -> str:
    """The job script.

    Raises:
        UsageError: what was asked for does not go together.
    """
    _check(options)
    each = _each(options)
    command = [sys.executable, "-m", "sslkit", *options.command]
    words = " ".join(map(shlex.quote, command))
    if options.array:
        words += f' --shard "$SLURM_ARRAY_TASK_ID/{options.array}"'
    lines = ["#!/bin/bash", kinds.SCRIPT_MARK]
    lines += [f"#SBATCH --{line}" for line in _asked(options, each)]
    lines += ["", "set -u -o pipefail"]
    lines += ['export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"', f"command=({words})"]
    text = "\n".join(lines) + "\n"
    if options.nodes * each > 1:
        text += _TOGETHER_LINES.format(requeue=RequeueError.exit_code)
    return text + _END.format(requeue=RequeueError.exit_code)


def _asked(options: Options, each: int) -> Iterator[str]:
    """What the scheduler is told."""
    name = options.name or f"sslkit-{options.command[0]}"
    yield f"job-name={name}"
    yield f"time={options.time}"
    yield f"nodes={options.nodes}"
    yield f"ntasks-per-node={each}"
    yield f"cpus-per-task={options.cpus or options.threads or 1}"
    for word, value in (
        ("mem", options.mem),
        ("gpus-per-node", options.gpus or None),
        ("partition", options.partition),
        ("account", options.account),
        ("array", f"1-{options.array}" if options.array else None),
    ):
        if value is not None:
            yield f"{word}={value}"
    yield f"output={name}-{'%A_%a' if options.array else '%j'}.log"
    yield "open-mode=append"
    yield "requeue"
    yield f"signal=B:USR1@{options.notice}"


def _each(options: Options) -> int:
    """Processes on a node."""
    together = options.command[0] in _TOGETHER
    return options.processes or (max(1, options.gpus) if together else 1)


def _check(options: Options) -> None:
    command, each = options.command[0], _each(options)
    for flag in ("name", "partition", "account"):
        value = getattr(options, flag)
        if value is not None and not _WORD.fullmatch(value):
            raise UsageError(
                f"--{flag} {value!r} is no word that SLURM takes",
                do="use letters, digits and any of . , _ + @ % -",
            )
    if options.mem is not None and not _MEMORY.fullmatch(options.mem):
        raise UsageError(f"--mem {options.mem!r} is no memory that SLURM takes", do="write 16G")
    if _seconds(options.time) <= options.notice:
        raise UsageError(
            f"--time {options.time} is over before --notice, {options.notice} seconds",
            do="give more time, or a shorter notice",
        )
    if options.nodes * each > 1 and command not in _TOGETHER:
        raise UsageError(
            f"{command} is one process", do=f"several work together in {' and '.join(_TOGETHER)}"
        )
    if options.gpus and each > options.gpus:
        raise UsageError(
            f"{each} processes cannot share {options.gpus} GPU(s)",
            do="give each a GPU of its own, with --gpus",
        )
    if options.array and command not in _SHARDED:
        raise UsageError(
            f"{command} has no --shard for --array", do=f"arrays go with {', '.join(_SHARDED)}"
        )
    if options.array and any(word.partition("=")[0] == "--shard" for word in options.command):
        raise UsageError("--array gives every job its --shard", do="leave --shard out")
    if options.cpus and options.threads and options.cpus != options.threads:
        raise UsageError(
            f"--threads {options.threads} of {command} and --cpus {options.cpus} do not agree",
            do="leave one out: each follows the other",
        )


def _seconds(time: str) -> int:
    """A time limit as SLURM reads it.

    Raises:
        UsageError: it is none.
    """
    match = _TIME.fullmatch(time)
    if match is None:
        raise UsageError(
            f"--time {time!r} is no time that SLURM takes",
            do="write minutes, MM:SS, H:MM:SS, D-H, D-HH:MM or D-HH:MM:SS",
        )
    days, *fields = match.groups()
    given = [int(field) for field in fields if field is not None]
    if days is None and len(given) < 3:
        given = [0, *given]
    hours, minutes, seconds = [*given, 0, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
