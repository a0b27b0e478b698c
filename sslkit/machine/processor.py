"""What libraries must be told about the processor before they are imported.

NumPy sorts numbers with AVX-512 where there is any. On AMD's Zen 4 the instruction that this sort
leans upon (compress-store) runs in microcode, and the sort is four times slower than the one for
AVX2: 63 against 15 ns a key. The result is the same either way.

Threads of torch spin for milliseconds where they wait for each other, which is quick on an idle
machine. Where anything else runs, they spin away the time that the last of them needs.
"""

import os
import re
from importlib.metadata import version
from pathlib import Path

_VARIABLE = "NPY_DISABLE_CPU_FEATURES"
#: Of GNU's OpenMP: how often a thread looks before it sleeps; the library's own number is 300,000.
SPIN, _LOOKS = "GOMP_SPINCOUNT", "1000"
# Models of AMD's family 25 that are Zen 4: Genoa, Raphael, Phoenix, Bergamo and their kin.
_ZEN_4 = (range(0x10, 0x20), range(0x60, 0x80), range(0xA0, 0xB0))


def prefer_fast_sort() -> None:
    """Have NumPy sort with AVX2 on Zen 4; what the user set in the environment stays."""
    first = re.match(r"(\d+)\.(\d+)", version("numpy"))
    # Older releases call the features otherwise and would complain.
    known = first is not None and (int(first[1]), int(first[2])) >= (2, 4)
    if known and _VARIABLE not in os.environ and is_zen_4(_cpuinfo()):
        os.environ[_VARIABLE] = "X86_V4 AVX512_ICL"


def spin_briefly() -> None:
    """Have waiting threads sleep soon; what the user set in the environment stays."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPIN, _LOOKS)


def is_zen_4(cpuinfo: str) -> bool:
    """Whether /proc/cpuinfo tells of a Zen 4."""
    found = dict(re.findall(r"^(vendor_id|cpu family|model)\s*: (\S+)$", cpuinfo, re.MULTILINE))
    model = int(found.get("model", -1))
    return (
        found.get("vendor_id") == "AuthenticAMD"
        and found.get("cpu family") == "25"
        and any(model in models for models in _ZEN_4)
    )


def _cpuinfo() -> str:
    try:
        with Path("/proc/cpuinfo").open("r", encoding="ascii", errors="replace") as stream:
            return stream.read(4096)
    except OSError:
        return ""
