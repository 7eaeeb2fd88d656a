"""Going back where it was deployed: the command for that very release, run by the real kubectl with --apply."""

import json
import shlex
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cluster import Cluster, running_cluster
from tests.cli.conftest import Cli, churnflow, digest_served, serving_dir
from tests.cli.packing import FIRST

KUBERNETES = ("deploy", "--target", "kubernetes", "--image", "registry.example/churn", "--name", "scores")


@dataclass(frozen=True)
class Prepared:
    """A project with v1.0.0 and then v1.1.0 written for a cluster, where v1.1.0 is rolled out; and what is there."""

    root: Path
    objects: dict[tuple[str, str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def prepared(released_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The project and the content of its cluster, to copy and never to change."""
    root = tmp_path_factory.mktemp("both") / "project"
    shutil.copytree(released_once, root)
    with running_cluster(root.parent) as (cluster, environment):
        for version, more in (("v1.0.0", ()), ("v1.1.0", ("--apply",))):
            assert churnflow(root, "rollback", version).code == 0
            outcome = churnflow(root, *KUBERNETES, *more, env=environment)
            assert outcome.code == 0, outcome.err
    return Prepared(root, cluster.objects)


@pytest.fixture
def both(project: Path, prepared: Prepared) -> Path:
    """The project, of the test's own; v1.1.0 is served."""
    shutil.rmtree(project)
    shutil.copytree(prepared.root, project)
    return project


@pytest.fixture
def rolled_out(prepared: Prepared, cluster: Cluster) -> Cluster:
    """The cluster, of the test's own."""
    cluster.objects.update(deepcopy(prepared.objects))
    return cluster


def running(cluster: Cluster) -> tuple[str, str, str]:
    """Return the image of the cluster's pods, and the version and digest in their annotations."""
    template = cluster.get("deployments", "scores")["spec"]["template"]
    told = template["metadata"]["annotations"]
    image = template["spec"]["containers"][0]["image"]
    return image, told["churnflow.dev/release-version"], told["churnflow.dev/release-sha256"]


def with_git_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave git as the only program on the PATH; return the folder that the PATH is then."""
    git = shutil.which("git")
    assert git
    programs = folder / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def served(here: Cli) -> str:
    return str(here("--json", "status").json["data"]["served"]["version"])


def test_apply_brings_the_cluster_back_to_that_very_release_and_undo_to_the_one_before(
    both: Path, here: Cli, rolled_out: Cluster
) -> None:
    newer = digest_served(both)
    assert running(rolled_out) == ("registry.example/churn:v1.1.0", "v1.1.0", newer)

    outcome = here("rollback", "v1.0.0", "--apply")
    assert outcome.code == 0, outcome.err
    assert "kubernetes default/scores: v1.0.0 applied and rolled out" in outcome.out
    older = digest_served(both)
    assert older != newer
    assert running(rolled_out) == ("registry.example/churn:v1.0.0", "v1.0.0", older)
    deployment = rolled_out.get("deployments", "scores")
    assert deployment["metadata"]["annotations"]["churnflow.dev/release-sha256"] == older
    (pointer,) = [each for each in deployment["spec"]["template"]["spec"]["volumes"] if each["name"] == "release"]
    config = rolled_out.get("configmaps", pointer["configMap"]["name"])
    assert json.loads(config["data"]["served.json"])["artifact"]["sha256"] == older

    assert here("undo", "--apply").code == 0
    assert served(here) == "v1.1.0"
    assert running(rolled_out) == ("registry.example/churn:v1.1.0", "v1.1.0", newer)
    assert here("--json", "status").json["data"]["deployed"] == []


def test_what_people_changed_in_the_cluster_by_hand_does_not_outlive_a_rollback(
    both: Path, here: Cli, rolled_out: Cluster
) -> None:
    image = "deployment/scores api=registry.example/churn:hot-fix"
    subprocess.run(["kubectl", "set", "image", *image.split()], check=True, capture_output=True)
    assert running(rolled_out)[0].endswith(":hot-fix")
    assert here("rollback", "v1.0.0", "--apply").code == 0
    assert running(rolled_out)[:2] == ("registry.example/churn:v1.0.0", "v1.0.0")


def test_without_apply_the_command_is_printed_and_does_what_it_says(both: Path, here: Cli, rolled_out: Cluster) -> None:
    changes = len(rolled_out.changes)
    outcome = here("--json", "rollback", "v1.0.0").json
    (told,) = outcome["data"]["deployed"]
    assert told["applied"] is False
    assert (told["was"], told["version"]) == ("v1.1.0", "v1.0.0")
    assert outcome["next"][0]["command"] == told["command"]
    assert len(rolled_out.changes) == changes
    subprocess.run(told["command"], shell=True, check=True, cwd="/", capture_output=True)  # noqa: S602
    assert running(rolled_out)[:2] == ("registry.example/churn:v1.0.0", "v1.0.0")


def test_a_command_that_was_only_printed_stays_in_the_status_until_it_is_known_to_be_done(
    both: Path, here: Cli, rolled_out: Cluster
) -> None:
    here("rollback", "v1.0.0")
    shown = here("status").out
    assert "kubernetes default/scores was to go to v1.0.0; to serve v1.0.0 there: kubectl apply" in shown
    here("undo")
    assert "kubernetes default/scores was to go to v1.1.0; to serve v1.1.0 there: kubectl apply" in here("status").out
    assert here(*KUBERNETES, "--apply").code == 0
    assert "kubernetes" not in here("status").out


def test_going_back_within_the_same_release_leaves_the_cluster_out_of_it(both: Path, here: Cli) -> None:
    outcome = here("--json", "rollback", "HEAD").json
    assert outcome["data"]["served_before"] == outcome["data"]["served_after"] == "v1.1.0"
    assert "deployed" not in outcome["data"]
    assert outcome["next"][0]["command"] == "churnflow undo"
    assert "kubernetes" not in here("status").out


def test_a_dry_run_prints_the_command_and_changes_nothing(both: Path, here: Cli, rolled_out: Cluster) -> None:
    changes = len(rolled_out.changes)
    shown = here("rollback", "v1.0.0", "--dry-run").out
    assert f"--filename={both / 'deploy/kubernetes/v1.0.0/manifests'} && kubectl" in shown
    assert served(here) == "v1.1.0"
    assert len(rolled_out.changes) == changes


def test_a_cluster_that_refuses_leaves_the_project_rolled_back_and_says_so(
    both: Path, here: Cli, rolled_out: Cluster
) -> None:
    rolled_out.refusing = True
    outcome = here("--json", "rollback", "v1.0.0", "--apply")
    rolled_out.refusing = False
    assert outcome.code == 5
    answer = json.loads(outcome.out)
    assert answer["error"]["text"].startswith(
        "the project is rolled back to v1.0.0, and kubernetes default/scores does not have it: kubectl apply ended"
    )
    assert answer["data"]["served_after"] == "v1.0.0"
    assert served(here) == "v1.0.0"
    assert running(rolled_out)[1] == "v1.1.0"
    # The next command of the answer mends it.
    subprocess.run(answer["next"][0]["command"], shell=True, check=True, capture_output=True)  # noqa: S602
    assert running(rolled_out)[1] == "v1.0.0"


def test_a_rollout_that_does_not_end_well_is_a_failure(both: Path, here: Cli, rolled_out: Cluster) -> None:
    rolled_out.stalled = True
    outcome = here("rollback", "v1.0.0", "--apply")
    assert outcome.code == 5
    assert "kubectl rollout ended with 1" in outcome.error[0]
    assert "was last given v1.1.0" in here("status").out


def test_what_kubectl_prints_is_not_in_the_answer(both: Path, cli: Cli, rolled_out: Cluster) -> None:
    outcome = cli("--json", "rollback", "v1.0.0", "--apply")
    assert outcome.json["data"]["deployed"][0]["applied"] is True
    assert "deployment.apps/scores configured" in outcome.err
    assert "successfully rolled out" in outcome.err


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        ("nothing deployed", 2, "nothing was deployed there"),
        ("no kubectl", 2, "kubectl is not installed"),
        ("no manifests", 5, "v1.0.0 is not written for kubernetes default/scores"),
    ],
)
def test_apply_is_refused_before_anything_changes_where_it_can_not_be_done(
    both: Path, here: Cli, monkeypatch: pytest.MonkeyPatch, spoil: str, code: int, says: str
) -> None:
    if spoil == "nothing deployed":
        (serving_dir(both) / "deployed.json").unlink()
    elif spoil == "no manifests":
        (both / "deploy/kubernetes/v1.0.0").rename(both / "elsewhere")
    else:
        with_git_alone(both.parent, monkeypatch)
    refused = here("rollback", "v1.0.0", "--apply")
    assert (refused.code, len(refused.error)) == (code, 2)
    assert says in refused.error[0]
    assert served(here) == "v1.1.0"


def test_a_kubectl_that_can_not_be_run_is_an_error_with_what_to_do(
    both: Path, here: Cli, rolled_out: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = with_git_alone(both.parent, monkeypatch)
    (broken / "kubectl").write_text("no program\n")
    (broken / "kubectl").chmod(0o755)
    outcome = here(*KUBERNETES, "--apply")
    assert (outcome.code, len(outcome.error)) == (5, 2)
    assert "kubectl can not be run" in outcome.error[0]
    assert "`kubectl version`" in outcome.error[1]


def test_a_new_release_says_how_it_comes_to_where_the_last_one_was_deployed(both: Path, here: Cli) -> None:
    (both / "data" / "told.json").write_text(json.dumps({**FIRST, "weight": 0.9}))
    outcome = here("--json", "run", "--new").json
    commands = [step["command"] for step in outcome["next"]]
    assert commands == ["churnflow serve", "churnflow deploy --target kubernetes --name scores --namespace default"]
    assert "kubernetes default/scores was last given v1.1.0; to serve v1.2.0 there: churnflow" in here("status").out
    assert here(*shlex.split(commands[1])[1:]).code == 0
    assert "kubernetes" not in here("status").out


def test_every_place_is_brought_back_and_a_container_by_a_command_to_copy(
    both: Path, here: Cli, cluster: Cluster, tmp_path: Path
) -> None:
    for version in ("v1.0.0", "v1.1.0"):
        assert here("rollback", version).code == 0
        assert here(*KUBERNETES, "--namespace", "staging", "-o", str(tmp_path / version)).code == 0
        assert here("deploy", "--target", "docker").code == 0
    outcome = here("--json", "rollback", "v1.0.0", "--apply").json
    found: list[dict[str, Any]] = outcome["data"]["deployed"]
    assert {(move["target"], move["namespace"], move["applied"]) for move in found} == {
        ("kubernetes", "default", True),
        ("kubernetes", "staging", True),
        ("docker", None, False),
    }
    assert {namespace for namespace, kind, _ in cluster.objects if kind == "deployments"} == {"default", "staging"}
    (command,) = [move["command"] for move in found if move["target"] == "docker"]
    # What runs may finish what it took on; nothing of the line depends on there being such a container.
    assert [step.split()[:2] for step in command.split("; ")] == [["docker", what] for what in ("stop", "rm", "run")]
    words = shlex.split(command)
    assert words[-1] == "versions:v1.0.0"
    assert "--read-only" in words
    assert outcome["next"][0]["command"] == command


def test_the_context_of_kubectl_is_named_so_that_no_other_cluster_is_meant(
    released: Path, here: Cli, cluster: Cluster
) -> None:
    told = here("--json", *KUBERNETES, "--context", "test", "--apply").json["data"]["commands"]
    assert [step["command"].count("--context=test") for step in told if step["what"] == "apply"] == [2]
    refused = here(*KUBERNETES, "--context", "nowhere", "--apply", "-o", "elsewhere")
    assert refused.code == 5
    assert refused.error[0].startswith("error: everything is written, and kubernetes nowhere default/scores does not")
    assert "kubectl --context=nowhere apply" in refused.error[1]


def test_nothing_is_said_of_places_where_nothing_was_ever_deployed(released: Path, here: Cli) -> None:
    outcome = here("--json", "rollback", "v1.0.0").json
    assert "deployed" not in outcome["data"]
    assert [step["command"] for step in outcome["next"]] == ["churnflow undo", "churnflow status"]


def test_a_record_that_was_altered_is_named_with_what_to_do(both: Path, here: Cli) -> None:
    path = serving_dir(both) / "deployed.json"
    path.write_bytes(path.read_bytes().replace(b"v1.0.0", b"v1"))
    refused = here("status")
    assert refused.code == 6
    assert refused.error[0] == f"error: the record of deployments was altered: {path}"
    subprocess.run(refused.error[1].partition(", or ")[2].partition(" and ")[0], shell=True, check=True)  # noqa: S602
    assert here("status").code == 0


def test_a_project_that_was_moved_still_finds_what_it_has_written(both: Path, cli: Cli) -> None:
    elsewhere = both.parent / "elsewhere"
    both.rename(elsewhere)
    both.symlink_to(elsewhere)
    command = cli("--json", "rollback", "v1.0.0").json["data"]["deployed"][0]["command"]
    assert str(elsewhere / "deploy/kubernetes/v1.0.0/manifests") in command
