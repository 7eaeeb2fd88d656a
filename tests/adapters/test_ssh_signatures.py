"""The real ssh-keygen: where it is taken from, what its absence means, and keys as people have them."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures, public_key
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.errors import ConflictError, RefusedError, UsageError
from tests.fakes import START
from tests.keys import make_key, public, signature

SPACE = "churnflow-approval"
LIAR = "#!/bin/sh\necho 'Good \"churnflow-approval\" signature for reviewer with ED25519 key SHA256:x'\n"


def listing(key: Path) -> ReviewerList:
    ann = ListedReviewer(name="ann", key=public(key), roles=("admin",), since=START)
    return ReviewerList(project="0" * 32, number=1, previous=None, at=START, by="ann", reviewers=(ann,))


def program(folder: Path, text: str) -> Path:
    folder.mkdir()
    path = folder / "ssh-keygen"
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_every_usual_kind_of_key_signs_and_has_the_fingerprint_that_openssh_prints(tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path, "key", kind=kind)
    reviewer = KeySigner(key, SshSignatures()).signs_as(listing(key))
    printed = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], capture_output=True, text=True, check=True).stdout
    assert reviewer.fingerprint == printed.split()[1]
    assert SshSignatures().verify(b"x", signature(key, b"x"), SPACE, [public_key(tmp_path / "key.pub")])


def test_a_private_key_alone_is_known_without_its_passphrase(tmp_path: Path) -> None:
    key = make_key(tmp_path, "key", passphrase="secret words")
    listed = listing(key)
    (tmp_path / "key.pub").unlink()
    assert KeySigner(key, SshSignatures()).signs_as(listed).name == "ann"


def test_a_program_on_the_path_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, other = make_key(tmp_path, "key"), make_key(tmp_path, "other")
    false = signature(other, b"x")
    program(tmp_path / "bin", LIAR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert not SshSignatures().verify(b"x", false, SPACE, [public(key)])
    assert SshSignatures().program == Path("/usr/bin/ssh-keygen")


def test_without_the_program_nothing_counts_as_checked(tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    missing = SshSignatures((tmp_path,))
    with pytest.raises(UsageError, match="ssh-keygen is not installed in") as caught:
        missing.verify(b"x", signature(key, b"x"), SPACE, [public(key)])
    assert "OpenSSH 8.2 or newer" in caught.value.hint
    with pytest.raises(UsageError, match="ssh-keygen is not installed in"):
        KeySigner(key, missing).sign(b"x", SPACE)


@pytest.mark.parametrize("loose", ["program", "folder", "not executable"])
def test_a_program_that_others_can_change_is_not_used(tmp_path: Path, loose: str) -> None:
    path = program(tmp_path / "bin", LIAR)
    path.parent.chmod(0o777 if loose == "folder" else 0o755)
    path.chmod({"program": 0o775, "not executable": 0o644}.get(loose, 0o755))
    with pytest.raises(UsageError, match="ssh-keygen is not installed in"):
        _ = SshSignatures((path.parent,)).program


@pytest.mark.skipif(os.getuid() != 0, reason="only the administrator can install a program that counts as the system's")
@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("#!/bin/sh\necho 'ssh-keygen: unknown option -- Y' >&2\nexit 1\n", UsageError, "too old"),
        ("#!/bin/sh\nexec sleep 60\n", ConflictError, "did not answer within"),
    ],
)
def test_a_program_that_can_not_check_is_an_error_and_no_yes(
    tmp_path: Path, text: str, error: type[Exception], says: str
) -> None:
    path = program(tmp_path / "bin", text)
    with pytest.raises(error, match=says):
        SshSignatures((path.parent,), deadline_seconds=0.2).verify(b"x", "y", SPACE, ["ssh-ed25519 AAAA"])


def test_an_answer_of_success_without_the_words_of_success_is_a_no(tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    assert not SshSignatures().verify(b"x", signature(key, b"x"), "Not A Namespace", [public(key)])
    assert not SshSignatures().verify(b"x" * 10_000_001, signature(key, b"x"), SPACE, [public(key)])


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a real ssh-agent."""
    socket = tmp_path / "agent.socket"
    running = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield
    running.terminate()
    running.communicate()


@pytest.mark.usefixtures("agent")
def test_a_key_that_an_agent_holds_signs_by_its_public_file(tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    subprocess.run(["ssh-add", "-q", str(key)], check=True)
    key.unlink()
    signer = KeySigner(tmp_path / "key.pub", SshSignatures())
    assert SshSignatures().verify(b"x", signer.sign(b"x", SPACE), SPACE, [public(key)])


@pytest.fixture
def hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have an agent that takes what is said to it and never answers."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "agent.socket"))
        silent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent.socket"))
        yield


@pytest.mark.usefixtures("hung")
@pytest.mark.parametrize("name", ["key", "key.pub", "alone.pub"])
def test_an_agent_that_does_not_answer_is_not_waited_for_without_end(tmp_path: Path, name: str) -> None:
    make_key(tmp_path, "key")
    (tmp_path / "alone.pub").write_bytes((tmp_path / "key.pub").read_bytes())
    signer = KeySigner(tmp_path / name, SshSignatures(), agent_deadline_seconds=0.3)
    with pytest.raises(ConflictError, match=r"did not answer within 0\.3 s"):
        signer.sign(b"x", SPACE)


def test_a_person_who_types_a_passphrase_is_given_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path, "key", passphrase="secret words")
    slow = tmp_path / "ask"
    slow.write_text("#!/bin/sh\nsleep 0.5\necho secret words\n")
    slow.chmod(0o755)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("SSH_ASKPASS", str(slow))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    signer = KeySigner(key, SshSignatures(), agent_deadline_seconds=0.1)
    assert SshSignatures().verify(b"x", signer.sign(b"x", SPACE), SPACE, [public(key)])


def test_a_public_file_alone_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = make_key(tmp_path, "key")
    key.unlink()
    with pytest.raises(RefusedError, match="ssh-keygen signed nothing with"):
        KeySigner(tmp_path / "key.pub", SshSignatures()).sign(b"x", SPACE)


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "there is no key file"), ("hello", "holds no SSH key that can be read")],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    real, path = make_key(tmp_path, "real"), tmp_path / "key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=says):
        KeySigner(path, SshSignatures()).signs_as(listing(real))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "can not be read"),
        ("key", "is a private key"),
        ("text", "is no public SSH key"),
        ("short", "is no pub"),
    ],
)
def test_a_public_key_is_listed_from_its_own_file_alone(tmp_path: Path, name: str, says: str) -> None:
    make_key(tmp_path, "key")
    (tmp_path / "text").write_text("ssh-ed25519 !!!")
    (tmp_path / "short").write_text("ssh-ed25519")
    with pytest.raises(UsageError, match=says):
        public_key(tmp_path / name)
