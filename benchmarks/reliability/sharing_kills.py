"""Kills gc, push and pull with SIGKILL at random moments; prints how often something was lost, half, or did not go on.

`python benchmarks/reliability/sharing_kills.py --kills 200 --seed 5`; a moment is one of the command's own touches of
the outside (a removal, a rename, a process that it starts), so that no kill is spent on the imports.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

STEPS = '''
from pathlib import Path

from churnflow import StepResult


def double(source: Path) -> StepResult:
    """Double what a file says."""
    number = 2 * int(source.read_text())
    parts = {f"part{place}": {"number": number + place} for place in range(8)}
    return StepResult(outputs=parts, metrics={"size": number})
'''
WORKFLOW = """name: small
task: Double a number
phases:
  build:
    - step: double
      uses: steps:double
      with: {source: data/number.txt}
      produces: {part0: json, part1: json, part2: json, part3: json, part4: json, part5: json, part6: json, part7: json}
      checks: [size >= 1]
    - checkpoint: built
"""
KILLED = """
import os, signal, sys
left = int(sys.argv[1])
watched = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "subprocess.Popen", "shutil.move", "shutil.copyfile"}
def hook(event, _):
    global left
    if event in watched:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from churnflow.cli.app import main
main(sys.argv[2:])
"""
COMMANDS = {"gc": (("gc", "--keep-days", "0"), 16), "push": (("push",), 70), "pull": (("pull",), 60)}
SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
PERSON = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program; return how it ended."""
    environment = {**os.environ, **SETTINGS}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def churnflow(folder: Path, *arguments: str) -> int:
    """Run churnflow; return its exit code."""
    return run(folder, sys.executable, "-m", "churnflow", *arguments).returncode


def git(folder: Path, *arguments: str) -> str:
    """Run git as a person does; return what it said."""
    done = run(folder, "git", *PERSON, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build(template: Path) -> None:
    """Make a project with two checkpoints, what gc can free, and a remote; and a clone that has pulled nothing."""
    project = template / "project"
    for name, text in (
        ("steps.py", STEPS),
        ("workflows/small.yaml", WORKFLOW),
        (".gitignore", "/data/\n__pycache__/\n"),
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "data").mkdir()
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "code")
    for number, until in ((4, "built"), (6, "double"), (8, "built")):
        (project / "data" / "number.txt").write_text(f"{number}\n")
        assert churnflow(project, "run", "--new", "--until", until) == 0
    git(template, "init", "-q", "--bare", "-b", "main", "bare.git")
    git(project, "remote", "add", "origin", "../bare.git")
    git(project, "push", "-q", "origin", "main")
    git(template, "clone", "-q", "bare.git", "clone")
    git(template / "clone", "remote", "set-url", "origin", "../bare.git")


def placed(template: Path, place: Path, command: str) -> tuple[Path, Path]:
    """Copy the template; return the work tree in which the command is killed, and the folder of shared bytes."""
    shutil.copytree(template, place)
    shared = place / "bytes"
    for name in ("project", "clone"):
        assert churnflow(place / name, "remote", "set", str(shared)) == 0
    if command == "pull":
        assert churnflow(place / "project", "push") == 0
    then = time.time() - 2 * 86400
    for path in (place / "project" / ".git" / "churnflow").rglob("*"):
        os.utime(path, (then, then))
    return place / ("clone" if command == "pull" else "project"), shared


def spoiled(folder: Path) -> list[str]:
    """Return the objects below a folder that are not what they are named by."""
    return [
        path.name
        for path in (folder / "sha256").glob("*/*")
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name + path.name
    ]


def tried(template: Path, place: Path, command: str, moment: int) -> Counter[str]:
    """Kill one command at one moment, and count what is wrong after it."""
    work, shared = placed(template, place, command)
    arguments, _ = COMMANDS[command]
    ended = run(work, sys.executable, "-c", KILLED, str(moment), *arguments).returncode
    found: Counter[str] = Counter(killed=ended == -signal.SIGKILL, failed=ended not in {0, -signal.SIGKILL})
    found["half"] += len(spoiled(shared)) + len(spoiled(work / ".git" / "churnflow" / "store"))
    has_records = "churnflow" in git(place / "bare.git", "for-each-ref")
    if command == "push" and has_records:
        found["lost"] += churnflow(place / "clone", "pull") != 0
    if command != "pull":
        found["lost"] += churnflow(work, "verify") != 0
    found["stuck"] += churnflow(work, *arguments) != 0
    found["lost"] += churnflow(work, "verify") != 0
    shutil.rmtree(place)
    return found


def main() -> None:
    """Do as many kills as are asked for, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)  # noqa: S311 - chance that can be had again
    total: dict[str, Counter[str]] = {command: Counter() for command in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="churnflow-kills-") as folder:
        build(Path(folder) / "template")
        for number in range(asked.kills):
            command = chance.choice(list(COMMANDS))
            moment = chance.randint(1, COMMANDS[command][1])
            total[command] += Counter(tries=1)
            total[command].update(tried(Path(folder) / "template", Path(folder) / str(number), command, moment))
    print(json.dumps({"seed": asked.seed, **{name: dict(found) for name, found in total.items()}}, indent=1))


if __name__ == "__main__":
    main()
