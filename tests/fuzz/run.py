"""One target for a while: `python -m tests.fuzz.run TARGET --seconds N --seed S --corpus DIR --findings DIR`.

Under atheris coverage of the model and the store guides it; half of the changes are those of `changes`, the others
libFuzzer's own. Where there is no atheris (it has wheels for some systems only) the changes alone are tried, and that
is said. It ends with 0 when the time is over; else the input that failed lies in the folder of findings.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Any

from pepys.clock import SystemClock
from tests.fuzz.changes import MOST_BYTES, changed


def main() -> None:
    """Fuzz one target until the time is over or something is found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    asked = parser.parse_args()
    for folder in (asked.corpus, asked.findings):
        folder.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here: changes without coverage", flush=True)
        _unguided(asked)
    else:
        _guided(asked)


def _guided(asked: Any) -> None:
    import atheris

    with atheris.instrument_imports(include=["pepys.model", "pepys.store", "pepys.review"]):
        from tests.fuzz.every import EVERY

    target = EVERY[asked.target]
    for number, seed in enumerate(target.seeds):
        (asked.corpus / f"seed-{number}").write_bytes(seed)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        return changed(data, random, most) if random.random() < 0.5 else bytes(atheris.Mutate(data, most))

    options = {
        "max_total_time": asked.seconds, "seed": asked.seed, "rss_limit_mb": target.rss_mb, "timeout": 30,
        "artifact_prefix": f"{asked.findings}/{asked.target}-", "max_len": MOST_BYTES, "verbosity": 0,
        "print_final_stats": 1,
    }  # fmt: skip
    words = [sys.argv[0], str(asked.corpus), *(f"-{name}={value}" for name, value in options.items())]
    atheris.Setup(words, target.run, custom_mutator=mutated)
    atheris.Fuzz()


def _unguided(asked: Any) -> None:
    from tests.fuzz.every import EVERY

    target, random, clock = EVERY[asked.target], Random(asked.seed), SystemClock()
    until_ns = clock.now_ns() + asked.seconds * 10**9
    runs = 0
    while clock.now_ns() < until_ns:
        data = random.choice(target.seeds)
        for _ in range(random.choice((1, 1, 2, 3))):
            data = changed(data, random)
        try:
            target.run(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            traceback.print_exc()
            (asked.findings / f"{asked.target}-crash").write_bytes(data)
            sys.exit(1)
        runs += 1
    print(f"stat::number_of_executed_units: {runs}", flush=True)


if __name__ == "__main__":
    main()
