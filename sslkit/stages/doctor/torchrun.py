"""What torch can do here, printed as JSON; doctor runs it in processes of their own.

Alone it reports on this machine; under torchrun the processes count how many they are.
"""

import json
import os
from typing import Any

import torch

from sslkit.engine import runtime
from sslkit.engine.distributed import world
from sslkit.machine import allocator
from sslkit.options import thread_count


def facts() -> dict[str, Any]:
    """Version, GPUs, settings, and the seconds of a matrix product in fp32 and bf16."""
    torch.set_num_threads(thread_count(None))
    devices = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "gpus": [
            {
                "name": torch.cuda.get_device_name(number),
                "memory": torch.cuda.get_device_properties(number).total_memory,
            }
            for number in devices
        ],
        "allocator": allocator.settle(),
        "quick_products": runtime.quick_products(),
        "fp32_seconds": runtime.product_seconds(torch.float32),
        "bf16_seconds": runtime.product_seconds(torch.bfloat16),
    }


def main() -> None:
    """Print the facts, or under torchrun the number of processes."""
    if "WORLD_SIZE" not in os.environ:
        print(json.dumps(facts()))
        return
    with world() as processes:
        count = processes.all_reduce({"processes": 1.0})
    if processes.is_main_process:
        print(json.dumps(count))


if __name__ == "__main__":
    main()
