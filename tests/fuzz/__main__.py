"""`python -m tests.fuzz TARGET SECONDS`: a run guided by coverage (needs atheris).

Findings are kept in corpus/TARGET, where the normal tests try them from then on. Inputs with new
coverage are kept in .fuzz/TARGET, where the next run starts.
"""

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["app"]):
    from .targets import ALL


def main(name: str, seconds: str) -> None:
    """Fuzz, and end the process: with 0 after this number of seconds, else after a finding."""
    target = ALL[name]
    learned = Path(".fuzz") / name
    learned.mkdir(parents=True, exist_ok=True)
    target.folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (learned / f"seed-{number}").write_bytes(seed)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return bytes(atheris.Mutate(data, max_size))
        return target.mutate(data, random)[:max_size]

    options = [
        f"-max_total_time={seconds}", "-timeout=10", "-max_len=8192", "-rss_limit_mb=1500",
        f"-artifact_prefix={target.folder}/", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *options, str(learned), str(target.folder)],
        target.check,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
