"""gc: what nothing needs is freed, in all work trees; what anything needs is not, whatever happens meanwhile."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.project import Project
from tests.adapters.faults import in_a_process
from tests.cli.conftest import Cli, churnflow, environment, make_project

ALL = ("gc", "--keep-days", "0")
DEAD = 2**22 + 1  # beyond the highest process id that Linux gives


def shared(project: Path) -> Path:
    return project / ".git" / "churnflow"


def age(project: Path, days: float) -> None:
    """Make everything that churnflow keeps so many days old."""
    then = time.time() - days * 86400
    for path in shared(project).rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)


def kept(project: Path) -> dict[str, bytes]:
    """Return what is kept outside git, but for notes of who holds a lock."""
    found = (path for path in shared(project).rglob("*") if path.is_file() and path.name not in {"lock", "store-lock"})
    return {str(path.relative_to(project)): path.read_bytes() for path in found}


def objects(project: Path) -> set[str]:
    return {path.parent.name + path.name for path in (shared(project) / "store" / "sha256").glob("*/*")}


def set_number(project: Path, number: int) -> None:
    (project / "data" / "number.txt").write_text(f"{number}\n")


@pytest.fixture(scope="session")
def littered_once(shipped_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has shipped twice, with a run between that was left before its checkpoint; two days ago."""
    root = tmp_path_factory.mktemp("littered") / "project"
    shutil.copytree(shipped_once, root)
    set_number(root, 6)
    assert churnflow(root, "run", "--new", "--until", "double", "--answers", "answers.yaml").code == 0
    set_number(root, 8)
    assert churnflow(root, "run", "--new", "--answers", "answers.yaml").code == 0
    age(root, 2)
    return root


@pytest.fixture
def littered(project: Path, littered_once: Path) -> Path:
    """The same, of the test's own."""
    shutil.rmtree(project)
    shutil.copytree(littered_once, project)
    age(project, 2)
    return project


def test_what_only_a_left_run_made_is_freed_and_every_checkpoint_stays_whole(littered: Path, here: Cli) -> None:
    before = objects(littered)
    outcome = here("--json", *ALL)
    assert outcome.code == 0
    freed = {kind: found["count"] for kind, found in outcome.json["data"]["freed"].items()}
    assert freed == {"object": 1, "result": 1, "journal": 2, "monitoring run": 0, "left-over": 0}
    assert len(before - objects(littered)) == 1
    assert outcome.json["data"]["bytes"] > 0
    assert here("verify").code == 0
    assert here("rollback", f"churnflow/{oldest(littered)}/04-shipped").code == 0
    assert (littered / "data" / "number.txt").read_text() == "4\n"
    assert here("undo").code == 0


def oldest(project: Path) -> str:
    """Return the run that shipped first."""
    return git(project, "tag", "-l", "*shipped", "--sort=creatordate").split("/")[1]


def test_a_freed_result_is_computed_again(littered: Path, here: Cli) -> None:
    assert here(*ALL).code == 0
    set_number(littered, 6)
    assert here("run", "--new", "--answers", "answers.yaml").code == 0
    records = {item["name"]: item["record"] for item in here("--json", "status").json["data"]["items"]}
    assert records["double"]["reused"] is None
    assert here("verify").code == 0


@pytest.mark.parametrize("days", [[], ["--keep-days", "3"]], ids=["by default", "for three days"])
def test_what_is_younger_than_asked_stays(littered: Path, here: Cli, days: list[str]) -> None:
    before = kept(littered)
    assert here("gc", *days).out.startswith("freed nothing\n")
    assert kept(littered) == before


def test_an_object_of_this_hour_stays_and_is_told(littered: Path, here: Cli) -> None:
    for path in (shared(littered) / "store").rglob("*"):
        os.utime(path)
    before = objects(littered)
    assert "1 object younger than an hour" in here(*ALL).out
    assert objects(littered) == before


def test_a_dry_run_lists_what_would_go_and_removes_nothing(littered: Path, here: Cli) -> None:
    before = kept(littered)
    told = here("--json", "gc", "--dry-run", "--keep-days", "0").json["data"]["garbage"]
    shown = here("gc", "--dry-run", "--keep-days", "0").out
    assert kept(littered) == before
    assert {Path(one["path"]).exists() for one in told} == {True}
    assert shown.endswith("nothing was removed\nnext: churnflow gc --keep-days 0\n")
    assert here(*ALL).code == 0
    assert {Path(one["path"]).exists() for one in told} == {False}


def test_it_says_what_it_freed_and_what_comes_next(littered: Path, here: Cli) -> None:
    lines = here(*ALL).out.splitlines()
    assert re.fullmatch(
        r"freed 1 object, 1 result kept for reuse, 2 journals of runs that are over: \d+\.\d kB", lines[0]
    )
    assert lines[-1] == "next: churnflow verify"
    assert here(*ALL).out.startswith("freed nothing\n")


def test_an_answer_that_no_checkpoint_holds_keeps_its_journal(littered: Path, here: Cli) -> None:
    assert here("run", "--new").code == 3
    assert here("approve", "plan", "--reject", "--reviewer", "Ann", "--notes", "no").code in {0, 3, 4}
    run = here("--json", "status").json["run"]
    assert here("run", "--new").code == 3
    age(littered, 400)
    assert here(*ALL).code == 0
    assert b'"reject"' in (shared(littered) / "root" / "runs" / run / "journal.jsonl").read_bytes()


def test_a_run_without_checkpoints_goes_with_its_folder(littered: Path, here: Cli) -> None:
    assert here("run", "--new").code == 3
    run = here("--json", "status").json["run"]
    assert here("run", "--new").code == 3
    age(littered, 2)
    assert here(*ALL).code == 0
    assert not (shared(littered) / "root" / "runs" / run).exists()
    assert here("status").code == 0


@pytest.fixture
def beside(littered: Path) -> Path:
    """Another work tree of the repository, with a run that has got to `double` and kept no checkpoint of it."""
    git(littered, "add", "-A")
    git(littered, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "code")
    place = littered.parent / "beside"
    git(littered, "worktree", "add", "-q", str(place))
    (place / "data").mkdir()
    set_number(place, 10)
    assert churnflow(place, "run", "--until", "double", "--answers", "answers.yaml").code == 0
    age(littered, 2)
    return place


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, check=True, env=environment(), capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_a_run_in_another_work_tree_is_at_stays(littered: Path, beside: Path, here: Cli) -> None:
    assert here(*ALL).code == 0
    assert churnflow(beside, "run", "--answers", "answers.yaml").code == 0
    records = {item["name"]: item["record"] for item in churnflow(beside, "--json", "status").json["data"]["items"]}
    assert (records["double"]["metrics"]["size"]["value"], records["double"]["reused"]) == (20, None)
    assert churnflow(beside, "verify").code == 0


def test_while_another_work_tree_builds_nothing_is_freed_and_the_build_loses_nothing(
    littered: Path, beside: Path, here: Cli
) -> None:
    before = kept(littered)
    with Project.open(beside).lock("churnflow build"):
        outcome = here(*ALL)
    assert (outcome.code, kept(littered)) == (5, before)
    assert "wait until it has ended" in outcome.error[1]
    assert here(*ALL).code == 0


def test_while_it_frees_a_build_in_another_work_tree_is_refused_and_told_why(littered: Path, beside: Path) -> None:
    with Project.open(littered).lock("churnflow gc", alone=True):
        outcome = churnflow(beside, "run", "--answers", "answers.yaml")
    assert outcome.code == 5
    assert f"process {os.getpid()}, `churnflow gc`" in outcome.error[0]


def test_the_checkpoints_of_another_project_in_the_repository_stay(littered: Path, here: Cli) -> None:
    inner = make_project(littered / "teams" / "two")
    shutil.rmtree(inner / ".git")
    set_number(inner, 77)
    assert churnflow(inner, "run", "--answers", "answers.yaml").code == 0
    assert churnflow(inner, "run", "--new").code == 3
    age(littered, 2)
    assert here(*ALL).code == 0
    assert churnflow(inner, "verify").code == 0


def test_a_tag_of_the_users_own_keeps_its_checkpoint(littered: Path, here: Cli) -> None:
    run = oldest(littered)
    git(littered, "tag", "mine", f"churnflow/{run}/04-shipped^{{commit}}")
    for tag in git(littered, "tag", "-l", f"churnflow/{run}/*").split():
        git(littered, "tag", "-d", tag)
    git(littered, "update-ref", "-d", f"refs/churnflow/runs/{run}")
    before = objects(littered)
    assert here(*ALL).code == 0
    assert len(before - objects(littered)) == 1
    git(littered, "tag", "-d", "mine")
    shutil.rmtree(shared(littered) / "root" / "runs" / run)
    assert here(*ALL).code == 0
    assert len(before - objects(littered)) == 3


def test_releases_that_were_served_and_deployed_stay(released: Path, here: Cli) -> None:
    served = [json.loads(line) for line in (shared(released) / "root" / "served.jsonl").read_text().splitlines()]
    deployed = "ab" * 32
    place = shared(released) / "store" / "sha256" / "ab" / deployed[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"a bundle of another clone")
    docker = {"target": "docker", "name": "api", "image": "api", "base": "python:3.13-slim"}
    record = {"place": docker, "version": "v1.0.0", "sha256": deployed, "folder": "out", "at": served[0]["at"]}
    (shared(released) / "root" / "serving").mkdir()
    (shared(released) / "root" / "serving" / "deployed.json").write_text(json.dumps({"deployed": [record]}))
    age(released, 400)
    assert here(*ALL).code == 0
    assert {one["artifact"]["sha256"] for one in served} | {deployed} <= objects(released)
    assert len(served) == 2
    assert here("rollback", "v1.0.0").code == 0


def test_files_of_killed_commands_go_and_those_of_living_ones_stay(littered: Path, here: Cli) -> None:
    store = shared(littered) / "store" / "tmp"
    steps, git_objects = shared(littered) / "steps", shared(littered) / f"objects-{DEAD}-ab"
    dead = [store / f".churnflow-{DEAD}-ab.parquet", git_objects, steps / f".churnflow-{DEAD}-cd.tmp"]
    living = store / f".churnflow-{os.getpid()}-ab.tmp"
    git_objects.mkdir()
    for path in (dead[0], git_objects / "pack", dead[2], living, store / "notes.txt"):
        path.write_text("half")
    found = here("--json", *ALL).json["data"]["freed"]["left-over"]
    assert found == {"count": 3, "bytes": 12}
    assert [path.exists() for path in (*dead, living, store / "notes.txt")] == [False, False, False, True, True]


Damage = Callable[[Path], object]


def ref_file(project: Path) -> Path:
    return project / ".git" / "refs" / "churnflow" / "runs" / oldest(project)


def move_back(project: Path) -> None:
    ref = f"refs/churnflow/runs/{oldest(project)}"
    git(project, "update-ref", ref, f"{ref}~1")


def lose_record(project: Path) -> None:
    run = oldest(project)
    oid = git(project, "rev-parse", f"churnflow/{run}/02-built^{{commit}}:checkpoints/{run}/02-built.yaml")
    (project / ".git" / "objects" / oid[:2] / oid[2:]).unlink()


def lose_run(project: Path) -> None:
    ref_file(project).unlink()
    shutil.rmtree(project / ".git" / "refs" / "tags" / "churnflow" / oldest(project))


def state(*names: str) -> Callable[[Path], Path]:
    return lambda project: shared(project).joinpath("root", *names)


def journal_of_oldest(project: Path) -> Path:
    return state("runs", oldest(project), "journal.jsonl")(project)


def gone_work_tree(project: Path) -> Path:
    return project.joinpath(".git", "worktrees", "gone", "churnflow", "root", "served.json")


def spoil(place: Callable[[Path], Path]) -> Damage:
    def damage(project: Path) -> None:
        place(project).parent.mkdir(parents=True, exist_ok=True)
        place(project).write_text("{spoiled\n")

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(spoil(ref_file), id="a ref that is none"),
        pytest.param(lambda project: ref_file(project).write_text("1" * 40 + "\n"), id="a ref to nothing"),
        pytest.param(
            lambda project: git(project, "tag", "-f", f"churnflow/{oldest(project)}/01-plan-approved", "HEAD"),
            id="a tag that was moved",
        ),
        pytest.param(move_back, id="a run that was moved back"),
        pytest.param(lose_record, id="a checkpoint whose record is gone"),
        pytest.param(lose_run, id="a run whose refs are gone"),
        pytest.param(spoil(journal_of_oldest), id="the journal of an old run"),
        pytest.param(spoil(state("served.json")), id="the served release"),
        pytest.param(spoil(state("serving", "deployed.json")), id="what was deployed"),
        pytest.param(spoil(state("monitor", "tracked", f"{'0' * 64}.json")), id="what monitoring found"),
        pytest.param(spoil(gone_work_tree), id="another work tree"),
    ],
)
def test_with_anything_unreadable_it_stops_and_nothing_is_removed(littered: Path, cli: Cli, damage: Damage) -> None:
    git(littered, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "code")
    damage(littered)
    age(littered, 2)
    before = kept(littered)
    outcome = cli(*ALL)
    assert (outcome.code, kept(littered)) == (6, before), outcome.err
    assert len(outcome.error) == 2


NO_PERMISSION = """
from pathlib import Path
from churnflow.adapters.sweeping import find_garbage
from churnflow.project import Project
project = Project.open(Path(sys.argv[1]))
with said():
    find_garbage(project.repository, project.store, 0)
"""


@pytest.mark.parametrize(
    "place", [("refs", "churnflow", "runs"), ("churnflow", "steps"), ("churnflow", "root", "runs")], ids="-".join
)
def test_a_folder_that_may_not_be_entered_stops_it(littered: Path, place: tuple[str, ...]) -> None:
    folder = littered.joinpath(".git", *place)
    folder.chmod(0)
    said = in_a_process(NO_PERMISSION, littered, plain=True)
    folder.chmod(0o755)
    assert said.startswith("6 ")


# Kills itself, as kill -9 does, before it removes for the n-th time.
KILLED = """
import os, signal, sys
left = int(sys.argv[1])
def hook(event, about):
    global left
    if event in ("os.remove", "os.rmdir") and "churnflow" in os.fspath(about[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from churnflow.cli.app import main
main(sys.argv[2:])
"""


def test_killed_before_any_of_its_removals_it_leaves_nothing_half(littered: Path, tmp_path: Path, here: Cli) -> None:
    (shared(littered) / f"objects-{DEAD}-ab").mkdir()
    done, number = -1, 0
    while done != 0:
        copy = tmp_path / str(number)
        shutil.copytree(littered, copy)
        age(copy, 2)
        command = [sys.executable, "-c", KILLED, str(number), *ALL]
        done = subprocess.run(command, cwd=copy, env=environment(), capture_output=True, check=False).returncode
        assert done in {0, -signal.SIGKILL}
        left = here("--json", "-C", str(copy), *ALL).json["data"]["garbage"]
        assert len(left) == (0 if done == 0 else 5 - number)
        assert here("-C", str(copy), "verify").code == 0
        assert objects(copy) == objects(tmp_path / "0")
        number += 1
    assert number == 6


def test_runs_of_monitoring_go_but_for_the_newest(littered: Path, here: Cli) -> None:
    folder = shared(littered) / "root" / "monitor" / "runs"
    source = next((shared(littered) / "root" / "runs").iterdir()) / "journal.jsonl"
    line = json.loads(source.read_text().splitlines()[0])
    line.pop("chain")  # the seal of another file
    for number in range(30):
        path = folder / f"261101-w{number:03d}" / "journal.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(line | {"id": path.parent.name}, separators=(",", ":")) + "\n")
        then = time.time() - (40 - number) * 86400
        os.utime(path, (then, then))
    assert here("--json", "gc").json["data"]["freed"]["monitoring run"]["count"] == 6
    assert min(path.name for path in folder.iterdir()) == "261101-w006"
