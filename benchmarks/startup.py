"""How long the commands that a person types all day take to answer, beside DVC's."""

import sys
from pathlib import Path

from measure import CHURNFLOW, Row, dvc, fresh, run, side_by_side, table
from pipeline import dvc_project, our_project


def main() -> bool:
    """Print the comparison; return whether the targets were held."""
    peer = dvc()
    ours, theirs = fresh("startup"), fresh("startup-dvc")
    our_project(ours)
    dvc_project(theirs, peer)
    run([*CHURNFLOW, "run"], ours)
    run([peer, "repro"], theirs)
    rows = [
        Row("--help | --version", *_pair(ours, theirs, ["--help"], [peer, "--version"]), 1.0),
        Row("status | status", *_pair(ours, theirs, ["status"], [peer, "status"]), 1.0),
    ]
    return table("Start-up", rows)


def _pair(ours: Path, theirs: Path, mine: list[str], command: list[str]) -> tuple[float, float]:
    return side_by_side(lambda _: run([*CHURNFLOW, *mine], ours), lambda _: run(command, theirs))


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
