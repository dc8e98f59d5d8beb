"""A serving process keeps the memory of freed buffers."""

import subprocess
import sys

BUFFERS = """
from resource import RUSAGE_SELF, getrusage
from app.config.runtime import keep_free_memory

keep_free_memory()

def use(rounds):
    for _ in range(rounds):
        kept = [bytearray(2**18), bytearray(2**18)]
        del kept
use(10)
before = getrusage(RUSAGE_SELF).ru_minflt
use(100)
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


def test_buffers_reuse_memory_that_was_freed() -> None:
    """Without this, each page of each buffer causes a page fault: 128 in each round."""
    printed = subprocess.run([sys.executable, "-c", BUFFERS], stdout=subprocess.PIPE, check=True)

    assert int(printed.stdout) < 1000
