"""All benchmarks in turn; the exit code is 1 when a target is missed."""

import sys

import checkpoints
import demo
import pipeline
import startup
import verdicts


def main() -> int:
    """Run each and return the exit code."""
    held = [benchmark.main() for benchmark in (startup, pipeline, checkpoints, demo, verdicts)]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
