"""Deploying: what is written serves the release elsewhere, holds no secret, and is never written over by mistake."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.cluster import Cluster
from tests.cli.conftest import Cli, digest_served, serving_dir

KUBERNETES = ("deploy", "--target", "kubernetes")


def deployed(here: Cli, *options: str, target: str = "kubernetes") -> Path:
    """Deploy, and return the folder that was written."""
    outcome = here("--json", "deploy", "--target", target, *options)
    assert outcome.code == 0, outcome.err
    return Path(outcome.json["data"]["folder"])


def install(requirements: str, folder: Path) -> None:
    """Bring the pinned packages into a folder as pip's --target does, from where they are installed already."""
    folder.mkdir()
    for name, version in (line.split("==") for line in requirements.splitlines()):
        found = distribution(name)
        assert found.version == version
        tops = {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))


def container(folder: Path, packages: Path, arguments: list[str], state: Path) -> "subprocess.Popen[str]":
    """Start what the image would: its environment and command, with its paths as they are here, no other package."""
    text = (folder / "Dockerfile").read_text().replace("\\\n", "")
    told = dict(re.findall(r'([A-Z_]+)="([^"]*)"', re.search(r"^ENV (.*)$", text, re.MULTILINE)[1]))  # type: ignore[index]
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
    command = arguments or json.loads(re.search(r"^CMD (.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
    places = {
        "/srv/churnflow/packages": str(packages),
        "/srv/churnflow": str(folder),
        "/var/lib/churnflow": str(state),
    }

    def here(word: str) -> str:
        for inside, outside in places.items():
            word = word.replace(inside, outside)
        return word

    # -S: without it the packages of the tests' own environment would be there too.
    assert entry[0] == "python"
    return subprocess.Popen(
        [sys.executable, "-S", *entry[1:], *map(here, command), "--port", "0"],
        env={"PATH": os.environ["PATH"], **{name: here(value) for name, value in told.items()}},
        cwd="/",
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


@contextmanager
def answering(process: "subprocess.Popen[str]") -> Iterator[int]:
    """Give the port that the server listens on, and end it at last as a cluster does."""
    assert process.stderr
    with process:
        lines = [process.stderr.readline(), process.stderr.readline()]
        assert lines[0].startswith("listening on http://0.0.0.0:"), lines
        try:
            yield int(lines[0].rpartition(":")[2])
        finally:
            process.terminate()
        assert process.wait(15) == 0


def ask(port: int, token: str | None, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request(method, path, json.dumps(body) if body else None, headers)
    response = connection.getresponse()
    found = response.status, json.load(response)
    connection.close()
    return found


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_what_is_written_serves_the_release_with_its_pinned_packages_alone(
    released: Path, here: Cli, tmp_path: Path
) -> None:
    token = here("--json", "keys", "add", "shop").json["data"]["token"]
    folder = deployed(here, target="docker")
    install((folder / "requirements.txt").read_text(), tmp_path / "packages")
    state = serving_dir(released)
    before = files(folder)
    with answering(container(folder, tmp_path / "packages", [], state)) as port:
        assert ask(port, None, "GET", "/health")[0] == 200
        assert ask(port, None, "GET", "/ready") == (200, {"status": "ready"})
        assert ask(port, None, "GET", "/api/v1/version")[0] == 401
        status, version = ask(port, token, "GET", "/api/v1/version")
        assert (status, version["version"], version["sha256"]) == (200, "v1.1.0", digest_served(released))
        status, answer = ask(port, token, "POST", "/api/v1/predict", {"tenure": 3, "bill": 20.5})
    assert status == 200
    # As served by the project itself.
    assert answer["predictions"][0]["probability"] == pytest.approx(1 / (1 + pow(2.718281828, -(0.1 + 0.7 * 23.5))))
    assert files(folder) == before, "it must not need to write where a container may not"


def test_an_image_of_another_release_does_not_start_under_the_manifests_of_this_one(
    released: Path, here: Cli, tmp_path: Path
) -> None:
    here("keys", "add", "shop")
    newer = deployed(here, "-o", str(tmp_path / "newer"))
    assert here("rollback", "v1.0.0").code == 0
    older = deployed(here, "-o", str(tmp_path / "older"))
    pointer = tmp_path / "mounted"
    pointer.mkdir()
    named = yaml.safe_load((older / "manifests" / "configmap.yaml").read_text())["data"]
    for name, text in named.items():
        (pointer / name).write_text(text)
    manifest = yaml.safe_load((older / "manifests" / "deployment.yaml").read_text())
    (declared,) = manifest["spec"]["template"]["spec"]["containers"]
    arguments = [word.replace("/etc/churnflow", str(pointer)) for word in declared["args"]]
    install((newer / "requirements.txt").read_text(), tmp_path / "packages")
    state = serving_dir(released)

    with container(newer, tmp_path / "packages", arguments, state) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 6
    assert "the release bundle of v1.0.0 cannot be served" in said
    with answering(container(older, tmp_path / "packages", arguments, state)) as port:
        assert ask(port, None, "GET", "/ready")[0] == 200


def test_no_key_secret_or_address_of_a_log_is_in_any_file_or_line(
    released: Path, here: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURNFLOW_LOG", "postgresql://writer:hidden-word@db/log")
    token = here("--json", "keys", "add", "shop").json["data"]["token"]
    digest = json.loads((serving_dir(released) / "keys.json").read_text())["keys"][0]["sha256"]
    folder = deployed(here)
    secret = (serving_dir(released) / "pseudonym.key").read_bytes()
    said = here(*KUBERNETES).out.encode()
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for hidden in (token.encode(), digest.encode(), secret, b"hidden-word"):
        assert not any(hidden in text for text in (*texts, said))


def test_the_printed_lines_give_a_cluster_its_keys_and_the_address_of_the_log(
    released: Path, here: Cli, cluster: Cluster
) -> None:
    here("keys", "add", "shop")
    data = here("--json", *KUBERNETES, "--name", "scores").json["data"]
    lines = {step["what"]: step["command"] for step in data["commands"]}
    for what in ("keys", "log"):
        environment = {**os.environ, "CHURNFLOW_LOG": "postgresql://db/log"}
        subprocess.run(lines[what], shell=True, check=True, env=environment, capture_output=True)  # noqa: S602
    assert sorted(cluster.get("secrets", "scores-keys")["data"]) == ["keys.json", "pseudonym.key"]
    assert cluster.get("secrets", "scores-log")["data"] == {"url": "cG9zdGdyZXNxbDovL2RiL2xvZw=="}


def test_another_option_writes_a_folder_anew_that_nobody_has_edited(released: Path, here: Cli) -> None:
    folder = deployed(here)
    assert here(*KUBERNETES, "--replicas", "5").code == 0
    assert "replicas: 5" in (folder / "manifests" / "deployment.yaml").read_text()


def test_deploying_again_changes_nothing_and_what_was_edited_is_kept_unless_forced(released: Path, here: Cli) -> None:
    folder = deployed(here)
    assert here("--json", *KUBERNETES).json["data"]["written"] is False
    service = folder / "manifests" / "service.yaml"
    right = service.read_text()
    service.write_text(right.replace("ClusterIP", "NodePort"))
    refused = here(*KUBERNETES)
    assert refused.code == 5
    assert "manifests/service.yaml for one" in refused.error[0]
    assert "NodePort" in service.read_text()
    assert here(*KUBERNETES, "--force").code == 0
    assert service.read_text() == right


def test_a_folder_that_it_has_not_written_is_left_alone_even_by_force(released: Path, here: Cli) -> None:
    mine = released / "mine"
    mine.mkdir()
    (mine / "Dockerfile").write_text("FROM scratch\n")
    refused = here(*KUBERNETES, "-o", "mine", "--force")
    assert (refused.code, refused.error[1]) == (5, "hint: name another folder with -o, or move that one away")
    assert files(mine) == {"Dockerfile"}


def test_git_and_checkpoints_do_not_see_what_is_written_by_default(released: Path, here: Cli) -> None:
    deployed(here)
    listed = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=released, capture_output=True, text=True, check=True
    )
    assert "deploy" not in listed.stdout


def test_everybody_may_read_what_is_written_whatever_the_umask(released: Path, here: Cli) -> None:
    before = os.umask(0o077)
    try:
        folder = deployed(here, target="docker")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o755}


def test_what_is_not_said_is_as_the_last_time_but_for_the_digest_of_an_image(released: Path, here: Cli) -> None:
    digest = "registry.example/team/churn@sha256:" + "0a" * 32
    given = ("--image", digest, "--namespace", "scoring", "--replicas", "3", "--context", "west", "--name", "scores")
    assert here(*KUBERNETES, *given, "-o", "first").code == 0
    data = here("--json", *KUBERNETES, "-o", "second").json["data"]
    kept = {"namespace": "scoring", "replicas": 3, "context": "west", "name": "scores"}
    assert data["place"].items() >= kept.items()
    assert data["image"] == "registry.example/team/churn:v1.1.0"


def test_only_a_release_that_passed_its_gate_is_deployed(shipped: Path, here: Cli) -> None:
    refused = here(*KUBERNETES)
    assert refused.code == 4
    assert refused.error[0].startswith("error: nothing to serve")
    assert not (shipped / "deploy").exists()


def test_a_bundle_that_was_altered_is_not_deployed(released: Path, here: Cli) -> None:
    sha256 = digest_served(released)
    bundle = released / ".git/churnflow/store/sha256" / sha256[:2] / sha256[2:]
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes().replace(b"model.bin", b"model.bun", 1))
    assert here(*KUBERNETES).code == 6
    assert not (released / "deploy").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("kubernetes", "--image", "churn:latest"), "--image must be the name of an image without a tag"),
        (("kubernetes", "--image", "Churn"), "--image must be the name of an image without a tag"),
        (("kubernetes", "--base", "python:latest"), "--base must be an image of a fixed tag or digest"),
        (("kubernetes", "--base", "python"), "--base must be an image of a fixed tag or digest"),
        (("kubernetes", "--name", "No_Good"), "--name "),
        (("kubernetes", "--namespace", "-x"), "--namespace "),
        (("kubernetes", "--context", "-x"), "--context "),
        (("kubernetes", "--replicas", "0"), "--replicas "),
        (("kubernetes", "--replicas", "4", "--max-replicas", "3"), "less than the 4 replicas"),
        (("docker", "--namespace", "scoring"), "--namespace means nothing to the target docker"),
        (("docker", "--replicas", "2"), "--replicas means nothing to the target docker"),
        (("docker", "--apply"), "--apply means nothing to the target docker"),
        (("nomad",), "nomad"),
    ],
)
def test_an_option_that_can_not_be_so_is_named(released: Path, here: Cli, options: tuple[str, ...], says: str) -> None:
    refused = here("deploy", "--target", *options)
    assert refused.code == 2
    assert says in refused.error[0]
    assert len(refused.error) == 2
    assert not (released / "deploy").exists()
