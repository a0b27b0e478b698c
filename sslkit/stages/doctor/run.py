"""doctor: check this machine, this installation and this folder.

    sslkit doctor --full

Packages, processors, memory, folders and plug-ins are checked; with --full also torch, GPUs, and
two processes under torchrun. Each gets a line with ok, warning or problem, and what to do. Torch is
tried in processes of its own, so that a broken one is reported like anything else.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import psutil

from sslkit import catalog
from sslkit.console import Console
from sslkit.errors import SslkitError
from sslkit.files import atomic
from sslkit.machine import limits, processor, sizes
from sslkit.options import processors, thread_count
from sslkit.stages.doctor import folders
from sslkit.stages.doctor.folders import Finding

_TORCH_SECONDS = 300
#: Packages whose versions are shown.
_SHOWN = ("torch", "numpy", "pyarrow")
_LITTLE_MEMORY = 2 * 2**30
_SORT = "NPY_DISABLE_CPU_FEATURES"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of doctor; the command line explains them."""

    full: bool


def run(options: Options, console: Console) -> None:
    """Check everything, and show each finding as a line.

    Raises:
        SslkitError: there is a problem.
    """
    findings: list[Finding] = []
    for finding in _findings(options.full):
        findings.append(finding)
        console.show(finding.line())
    broken = [finding for finding in findings if finding.state == "problem"]
    console.result({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
    if broken:
        raise SslkitError(
            f"{len(broken)} of {len(findings)} things are broken",
            where=", ".join(finding.name for finding in broken),
            why=broken[0].text,
            do=broken[0].do,
        )


def _findings(full: bool) -> Iterator[Finding]:
    # Before anything imports NumPy, as the commands that sort do.
    processor.prefer_fast_sort()
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield from _packages()
    yield _processors()
    yield _memory()
    yield folders.scratch(atomic.scratch())
    yield folders.working(Path.cwd())
    yield _sorting()
    yield from _plugins()
    if full:
        yield from _torch()
    else:
        yield Finding(
            "torch", "ok", "not tried, nor GPUs and torchrun", "sslkit doctor --full tries them"
        )


def _plugins() -> Iterator[Finding]:
    """Plug-ins of other packages; a broken one is left out, and all else works."""
    name, do = "plug-ins", "update that package, or uninstall it"
    broken = [reason for kind in catalog.FOLDERS for reason in catalog.left_out(kind)]
    yield from (Finding(name, "warning", reason, do) for reason in broken)
    if not broken:
        count = sum(len(catalog.others(kind)) for kind in catalog.FOLDERS)
        yield Finding(name, "ok", f"{count} of other packages" if count else "sslkit's own")


def _packages() -> Iterator[Finding]:
    """sslkit, the packages that it needs, and those of extras."""
    try:
        needed = requires("sslkit") or []
        yield Finding("sslkit", "ok", version("sslkit"))
    except PackageNotFoundError:
        do = "pip install -c constraints.txt . in the folder of its source"
        yield Finding("sslkit", "warning", "it runs from its source, not installed", do)
        needed = list(_SHOWN)
    installed, missing = [], []
    for name, extra in map(_requirement, needed):
        installed_version = _version(name)
        if extra == "dev":
            continue
        if extra:
            pip = f"pip install 'sslkit[{extra}]'"
            text = f"{name} {installed_version}"
            text = text if installed_version else f"{name} is not installed; for it: {pip}"
            yield Finding(f"extra {extra}", "ok", text)
        elif not installed_version:
            missing.append(name)
        elif name in _SHOWN:
            installed.append(f"{name} {installed_version}")
    if missing:
        do = f"pip install {' '.join(missing)}"
        yield Finding("packages", "problem", f"missing: {', '.join(missing)}", do)
    else:
        yield Finding("packages", "ok", ", ".join(sorted(installed)))


def _requirement(text: str) -> tuple[str, str]:
    """Name and extra of a line such as ``numba>=0.61; extra == 'fast'``."""
    name = re.match(r"[\w.-]+", text)
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", text)
    return name[0] if name else text, extra[1] if extra else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processors() -> Finding:
    """How many processors the machine has, the process may use, and threads will use."""
    quota, slurm = limits.processors(), os.environ.get("SLURM_CPUS_PER_TASK", "")
    text = f"{os.cpu_count()} in the machine, {processors()} for this process"
    text += f", {quota:g} by its control group" if quota is not None else ""
    text += f", SLURM_CPUS_PER_TASK {slurm}" if slurm else ""
    if slurm and not slurm.isdecimal():
        do = "unset SLURM_CPUS_PER_TASK, or make it a number"
        return Finding("processors", "problem", f"{text}, which is no number", do)
    threads = thread_count(None)
    text += f"; {threads} threads are used"
    allowed = min(processors(), quota or processors())
    if threads > max(1, -(-allowed // 1)):
        do = f"--threads {max(1, int(allowed))}: more of them wait for each other"
        return Finding("processors", "warning", text, do)
    return Finding("processors", "ok", text)


def _memory() -> Finding:
    limit, memory = limits.memory(), psutil.virtual_memory()
    text = f"{sizes.show(memory.available)} free of {sizes.show(memory.total)}"
    text += f", {sizes.show(limit)} by the control group" if limit is not None else ""
    if min(memory.available, limit or memory.available) < _LITTLE_MEMORY:
        do = "give build-vocab a small --mem, and pretrain a small --micro-tokens"
        return Finding("memory", "warning", text, do)
    return Finding("memory", "ok", text)


def _sorting() -> Finding:
    left_out = os.environ.get(_SORT, "")
    text = f"NumPy sorts without {left_out} ({_SORT})" if left_out else "as NumPy chooses"
    return Finding("sorting", "ok", text)


def _torch() -> Iterator[Finding]:
    """Number formats, GPUs and processes; none of these where torch cannot be used."""
    if not _version("torch"):
        return
    alone = [sys.executable, "-m", "sslkit.stages.doctor.torchrun"]
    facts = _output(alone)
    if isinstance(facts, str):
        do = "install it again: pip install --force-reinstall -c constraints.txt torch"
        yield Finding("torch", "problem", f"it cannot be used: {facts}", do)
        return
    fp32, bf16 = facts["fp32_seconds"] * 1e3, facts["bf16_seconds"] * 1e3
    faster = "bf16" if bf16 < fp32 else "fp32"
    text = f"{faster} is faster here (a product takes {fp32:.1f} ms in fp32, {bf16:.1f} in bf16)"
    text += ", fp32 by oneDNN, as exact as others" if facts["quick_products"] else ""
    yield Finding("precision", "ok", text)
    settings = ", ".join(f"{name} {value}" for name, value in facts["allocator"].items())
    text = f"large buffers are kept for the next step: {settings}"
    yield Finding("allocator", "ok", text if settings else "as the system has it")
    spins = os.environ.get(processor.SPIN)
    text = f"{spins} looks, then sleep ({processor.SPIN})" if spins else "as the library has it"
    yield Finding("waiting threads", "ok", text)
    gpus = ", ".join(f"{gpu['name']}, {sizes.show(gpu['memory'])}" for gpu in facts["gpus"])
    none = "none that torch can use: the processors do the work"
    yield Finding("GPU", "ok", gpus or none)
    two = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    joined = _output([*two, *alone[1:]])
    if isinstance(joined, str) or joined.get("processes") != 2:
        do = "use one process; where host names do not resolve, GLOO_SOCKET_IFNAME=lo may help"
        yield Finding("torchrun", "problem", f"two processes cannot work together: {joined}", do)
    else:
        yield Finding("torchrun", "ok", "two processes work together, by gloo")


def _output(words: list[str]) -> dict[str, Any] | str:
    """The JSON that a process prints, or why it prints none."""
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    try:
        process = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_TORCH_SECONDS,
            env=environment,
        )  # fmt: skip
        output: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
        return output
    except subprocess.TimeoutExpired:
        return f"no answer within {_TORCH_SECONDS} s"
    except (OSError, ValueError, IndexError):
        return (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
