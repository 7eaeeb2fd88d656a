"""The same over HTTP, with a server that speaks S3."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Outcome, churnflow, environment
from tests.cli.sharing.conftest import Team, git, store_of, stored

Bucket = Any


@pytest.fixture
def bucket(s3: Mapping[str, str], tmp_path: Path) -> Callable[[str], str]:
    """Return what runs a few lines of boto3 on a new bucket of the server, `bucket`; they may print."""
    name = f"bucket-{abs(hash(tmp_path))}"
    head = f"import boto3\nbucket = boto3.resource('s3').Bucket({name!r})\n"

    def do(code: str) -> str:
        command = [sys.executable, "-W", "ignore", "-c", head + code]
        done = subprocess.run(command, env={**os.environ, **s3}, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    do("bucket.create()")
    do.name = name  # type: ignore[attr-defined]
    return do


@pytest.fixture
def run(s3: Mapping[str, str]) -> Callable[..., Outcome]:
    return lambda folder, *arguments: churnflow(folder, *arguments, env=s3)


@pytest.fixture
def on_s3(team: Team, bucket: Any, run: Callable[..., Outcome]) -> Team:
    """The project, with its artifacts on S3; nothing has been pushed yet."""
    outcome = run(team.project, "remote", "set", f"s3://{bucket.name}/team/churn")
    assert outcome.code == 0, outcome.err
    return team


def colleague(team: Team, bucket: Any, run: Callable[..., Outcome]) -> Path:
    git(team.folder, "clone", "-q", "--no-local", "bare.git", "colleague")
    clone = team.folder / "colleague"
    assert run(clone, "remote", "set", f"s3://{bucket.name}/team/churn").code == 0
    return clone


def test_a_push_and_a_pull_bring_a_clone_all_that_it_needs(
    on_s3: Team, bucket: Any, run: Callable[..., Outcome]
) -> None:
    assert run(on_s3.project, "push").out.startswith("2 objects")
    assert run(on_s3.project, "push").out.startswith("0 objects")
    keys = bucket("for one in bucket.objects.all(): print(one.key)").splitlines()
    assert all(key.startswith("team/churn/sha256/") for key in keys)
    assert len(keys) == 2
    clone = colleague(on_s3, bucket, run)
    assert run(clone, "pull").code == 0
    assert run(clone, "verify").out.startswith("4 checkpoints and 2 artifacts hashed again, all whole")
    assert run(clone, "rollback", "shipped").code == 0


def test_an_object_that_was_swapped_at_the_server_is_refused(
    on_s3: Team, bucket: Any, run: Callable[..., Outcome]
) -> None:
    assert run(on_s3.project, "push").code == 0
    bucket("one = min(bucket.objects.all(), key=lambda one: one.key)\none.put(Body=b'x' * one.size)")
    clone = colleague(on_s3, bucket, run)
    outcome = run(clone, "pull")
    assert (outcome.code, "are not those of sha256" in outcome.error[0]) == (6, True)
    assert list(stored(store_of(clone)).values()) == [True]
    bucket("min(bucket.objects.all(), key=lambda one: one.key).delete()")
    assert run(on_s3.project, "push").out.startswith("1 object ")
    assert run(clone, "pull").code == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "127.0.0.1:1"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}, "credentials"),
    ],
    ids=["no server", "no credentials"],
)
def test_a_server_that_can_not_be_used_is_a_conflict_in_two_lines_and_no_record_goes(
    on_s3: Team, s3: Mapping[str, str], settings: dict[str, str], said: str
) -> None:
    outcome = churnflow(on_s3.project, "push", env={**s3, **settings, "HOME": str(on_s3.folder)})
    assert (outcome.code, len(outcome.error)) == (5, 2)
    assert said in outcome.error[0]
    assert "churnflow" not in git(on_s3.bare, "for-each-ref")


def test_a_bucket_that_is_not_there_is_said(team: Team, run: Callable[..., Outcome]) -> None:
    assert run(team.project, "remote", "set", "s3://nobodys-bucket/x").code == 0
    outcome = run(team.project, "push")
    assert (outcome.code, "does not exist" in outcome.error[0]) == (5, True)


def test_without_the_package_for_s3_it_says_what_to_install(team: Team) -> None:
    code = "import sys; sys.modules['s3fs'] = None\nfrom churnflow.cli.app import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", code, "remote", "set", "s3://bucket/x"]
    done = subprocess.run(command, cwd=team.project, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'churnflow[s3]'" in done.stderr) == (2, True)
