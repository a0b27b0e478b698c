"""slurm: write a job script that runs a command, and queues it again when its time is up.

    sslkit slurm --time 12:00:00 --gpus 2 -- pretrain corpus/ --steps 100000

The options are checked against what the command can do; the script has directives for the
scheduler, the command, and shell code that passes on signals and reads the exit code.
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

#: Commands that run as several processes, and commands that take one --shard of several.
_PARALLEL, _SHARDED = ("pretrain", "finetune"), ("build-vocab",)
#: Days, then two or three fields; or one field of minutes, or two with seconds, or three.
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_WORD, _MEMORY = re.compile(r"[\w.,+@%-]+"), re.compile(r"\d+[KMGT]?")

_PARALLEL_LINES = """
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
# The shell passes it on to srun, and srun to its tasks. Bash runs a trap when a command in the
# foreground has ended, which would be too late, so the work runs in the background; a trap ends
# wait before the work has ended, so the shell waits again.
first= again=yes work=
pass_on() {{
    first=${{first:-$1}} again=yes
    kill -s "$1" "$work" 2>/dev/null
}}
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM
"${{command[@]}}" &
work=$!
# A signal that came before the work was started.
if [[ $first ]]; then
    pass_on "$first"
fi
while [[ $again ]]; do
    again=
    wait "$work"
    code=$?
done

# {requeue}: the state is kept, and the same command continues from it. After TERM, with which
# scancel ends a job, the job must not be queued again.
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
    """Options of slurm; the command line explains them.

    Attributes:
        threads: ``--threads`` of the command itself.
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
        UsageError: options contradict each other, or the command cannot do it.
    """
    if options.out is not None:
        destination.check(options.out, kinds.SCRIPT, options)
    text = script(options)
    if options.out is None:
        console.result({"script": text}, text.rstrip("\n"), exact=True)
        return
    if options.out.exists() and not options.force:
        raise UsageError(f"{options.out} exists", do="give another --out, or --force")
    atomic.write_text(options.out, text)
    console.say(f"wrote {options.out}: sbatch {shlex.quote(str(options.out))}")
    console.result({"out": str(options.out)})


def script(options: Options) -> str:
    """The job script.

    Raises:
        UsageError: options contradict each other, or the command cannot do it.
    """
    _check(options)
    processes = _processes(options)
    command = [sys.executable, "-m", "sslkit", *options.command]
    words = " ".join(map(shlex.quote, command))
    if options.array:
        words += f' --shard "$SLURM_ARRAY_TASK_ID/{options.array}"'
    lines = ["#!/bin/bash", kinds.SCRIPT_MARK]
    lines += [f"#SBATCH --{line}" for line in _directives(options, processes)]
    lines += ["", "set -u -o pipefail"]
    lines += ['export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"', f"command=({words})"]
    text = "\n".join(lines) + "\n"
    if options.nodes * processes > 1:
        text += _PARALLEL_LINES.format(requeue=RequeueError.exit_code)
    return text + _END.format(requeue=RequeueError.exit_code)


def _directives(options: Options, processes: int) -> Iterator[str]:
    """Options of sbatch."""
    name = options.name or f"sslkit-{options.command[0]}"
    yield f"job-name={name}"
    yield f"time={options.time}"
    yield f"nodes={options.nodes}"
    yield f"ntasks-per-node={processes}"
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


def _processes(options: Options) -> int:
    """Processes on each node."""
    is_parallel = options.command[0] in _PARALLEL
    return options.processes or (max(1, options.gpus) if is_parallel else 1)


def _check(options: Options) -> None:
    command, processes = options.command[0], _processes(options)
    for flag in ("name", "partition", "account"):
        value = getattr(options, flag)
        if value is not None and not _WORD.fullmatch(value):
            raise UsageError(
                f"--{flag} {value!r} is no name that SLURM accepts",
                do="use letters, digits and any of . , _ + @ % -",
            )
    if options.mem is not None and not _MEMORY.fullmatch(options.mem):
        raise UsageError(f"--mem {options.mem!r} is no size that SLURM accepts", do="write 16G")
    if _seconds(options.time) <= options.notice:
        raise UsageError(
            f"--time {options.time} is over before --notice, {options.notice} seconds",
            do="give more time, or a shorter notice",
        )
    if options.nodes * processes > 1 and command not in _PARALLEL:
        raise UsageError(
            f"{command} is one process", do=f"several work together in {' and '.join(_PARALLEL)}"
        )
    if options.gpus and processes > options.gpus:
        raise UsageError(
            f"{processes} processes cannot share {options.gpus} GPU(s)",
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
    """The seconds of a time limit as SLURM reads it.

    Raises:
        UsageError: SLURM would not accept it.
    """
    match = _TIME.fullmatch(time)
    if match is None:
        raise UsageError(
            f"--time {time!r} is no time that SLURM accepts",
            do="write minutes, MM:SS, H:MM:SS, D-H, D-HH:MM or D-HH:MM:SS",
        )
    days, *fields = match.groups()
    numbers = [int(field) for field in fields if field is not None]
    if days is None and len(numbers) < 3:
        numbers = [0, *numbers]
    hours, minutes, seconds = [*numbers, 0, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
