"""`python -m benchmarks [NAME...]`: run all benchmarks, or those named, and write RESULTS.md."""

from __future__ import annotations

import sys

from benchmarks import capture, commands

BENCHMARKS = {"commands": commands.main, "capture": capture.main}


def main(names: list[str]) -> int:
    """Run them in turn; the exit status is 1 when a bar is missed, 2 for an unknown name."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    held = [BENCHMARKS[name]() for name in names or BENCHMARKS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
