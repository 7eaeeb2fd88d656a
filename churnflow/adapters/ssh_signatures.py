"""SSH signatures, made and checked by OpenSSH's own ssh-keygen: from a fixed place, with fixed arguments."""

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from churnflow.domain.reviewers import ListedReviewer, ReviewerList, fingerprint
from churnflow.errors import ConflictError, RefusedError, UsageError

# Where the system's package manager puts programs. PATH is not asked: whoever may write in one of its folders could
# have every signature found good, and neither is git, whose gpg.ssh.program a repository's configuration may set.
SYSTEM_PLACES: Final = (Path("/usr/bin"), Path("/bin"), Path("/usr/local/bin"))
DEADLINE_SECONDS: Final = 20.0
# Of an agent, which may have to ask its owner for a word, or to touch a security key.
AGENT_DEADLINE_SECONDS: Final = 60.0
LONGEST_MESSAGE: Final = 10_000_000

# The one name under which the keys are listed for a check: who they belong to is known already, and no text of the
# user's thus reaches the file or the arguments.
_PRINCIPAL: Final = "reviewer"
_NAMESPACE: Final = re.compile(r"[a-z][a-z-]{0,63}")
_TOO_OLD: Final = re.compile(r"unknown option|illegal option|invalid option|Unsupported operation", re.IGNORECASE)
_PASSED_ON: Final = (
    "HOME",
    "TERM",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "DISPLAY",
    "WAYLAND_DISPLAY",
)
_INSTALL: Final = "install OpenSSH 8.2 or newer from your system, for example: apt install openssh-client"


class SshSignatures:
    """Checks signatures; without a program to do so it raises, and never takes one for good."""

    def __init__(self, places: Sequence[Path] = SYSTEM_PLACES, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Take the folders to look for ssh-keygen in, and how long it may take over a check."""
        self._places = tuple(places)
        self._deadline_seconds = deadline_seconds

    @property
    def program(self) -> Path:
        """The absolute path of ssh-keygen. Raises UsageError where there is none that only the system can change."""
        for place in self._places:
            path = place / "ssh-keygen"
            if path.is_file() and _is_systems(path):
                return path
        looked = ", ".join(map(str, self._places))
        message = f"ssh-keygen is not installed in {looked}, so that no signature can be made or checked"
        raise UsageError(message, hint=_INSTALL)

    def verify(self, message: bytes, signature: str, namespace: str, keys: Sequence[str]) -> bool:
        """Tell whether one of the public `keys` has signed exactly `message` for that namespace.

        Raises UsageError where ssh-keygen is missing or too old, ConflictError where it does not answer.
        """
        if not keys or not _NAMESPACE.fullmatch(namespace) or len(message) > LONGEST_MESSAGE:
            return False
        with tempfile.TemporaryDirectory(prefix="churnflow-sign-") as folder:
            listed, armour = Path(folder, "allowed_signers"), Path(folder, "signature")
            listed.write_text("".join(f'{_PRINCIPAL} namespaces="{namespace}" {key}\n' for key in keys))
            armour.write_text(signature)
            options = ("-Y", "verify", "-f", str(listed), "-I", _PRINCIPAL, "-n", namespace, "-s", str(armour))
            done = self.call(options, message, {}, self._deadline_seconds)
        if done.returncode != 0:
            _refuse_too_old(done.stderr)
        return done.returncode == 0 and done.stdout.startswith(
            f'Good "{namespace}" signature for {_PRINCIPAL} '.encode()
        )

    def call(
        self,
        options: Sequence[str],
        message: bytes,
        environment: Mapping[str, str],
        deadline_seconds: float | None = DEADLINE_SECONDS,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ssh-keygen in an environment of its own; without a deadline where it asks a person to type.

        Raises ConflictError when it does not end in time.
        """
        program = str(self.program)
        clean = {"PATH": os.pathsep.join(map(str, SYSTEM_PLACES)), "LC_ALL": "C", **environment}
        try:
            return subprocess.run(
                [program, *options],
                input=message,
                env=clean,
                capture_output=True,
                timeout=deadline_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            what = f"{program} did not answer within {deadline_seconds:g} s"
            raise ConflictError(what, hint="see what holds it, an ssh-agent perhaps, then run the same again") from late


class KeySigner:
    """Signs with a private key in a file, or with the one of a public key that an ssh-agent holds.

    ssh-keygen itself asks for a passphrase, at the terminal; it is never seen here.
    """

    def __init__(
        self, key: Path, signatures: SshSignatures, agent_deadline_seconds: float = AGENT_DEADLINE_SECONDS
    ) -> None:
        """Take the key's file, and how long an ssh-agent may take. Raises UsageError for a file that holds none."""
        self._key = key.absolute()
        self._signatures = signatures
        self._agent_deadline_seconds = agent_deadline_seconds
        if not self._key.is_file():
            message = f"there is no key file {key}"
            raise UsageError(message, hint="name a private key, or the .pub file of a key that your ssh-agent holds")

    def signs_as(self, listed: ReviewerList) -> ListedReviewer:
        """Return whose key it is. Raises RefusedError for a key that is not listed."""
        done = self._signatures.call(("-l", "-E", "sha256", "-f", str(self._key)), b"", {})
        words = done.stdout.decode(errors="replace").split()
        found = words[1] if done.returncode == 0 and len(words) > 1 else ""
        if not found:
            message = f"{self._key} holds no SSH key that can be read"
            raise UsageError(message, hint="name a private key, or the .pub file of a key that your ssh-agent holds")
        reviewer = listed.by_fingerprint(found)
        if reviewer is None:
            message = f"the key {found} is not in the list of reviewers"
            raise RefusedError(message, hint="`churnflow reviewers` lists who may approve; an admin adds a key to it")
        return reviewer

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the signature over `message`.

        Raises RefusedError when ssh-keygen makes none, ConflictError when an ssh-agent does not answer in time.
        """
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        deadline = None if self._asks() else self._agent_deadline_seconds
        options = ("-Y", "sign", "-f", str(self._key), "-n", namespace)
        done = self._signatures.call(options, message, kept, deadline)
        signature = done.stdout.decode(errors="replace")
        if done.returncode != 0 or not signature.startswith("-----BEGIN SSH SIGNATURE-----"):
            _refuse_too_old(done.stderr)
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            why = next((line for line in reversed(lines) if not line.startswith("Signing data")), "no reason given")
            refused = f"ssh-keygen signed nothing with {self._key}: {why.strip()}"
            raise RefusedError(refused, hint="give the passphrase of that key, or a key that your ssh-agent holds")
        return signature

    def _asks(self) -> bool:
        """Tell whether a person may have to type: there is a file of the private key, and it has a passphrase."""
        private = self._key.with_suffix("") if self._key.suffix == ".pub" else self._key
        if not private.is_file():
            return False
        return self._signatures.call(("-y", "-P", "", "-f", str(private)), b"", {}).returncode != 0


def allowed_signers(reviewers: Iterable[ListedReviewer], namespace: str) -> str:
    """Return the keys as `ssh-keygen -Y verify -f` reads them, each under its reviewer's name; times are in UTC."""
    return "".join(f"{one.name} {_restricted(one, namespace)} {one.key}\n" for one in reviewers)


def _restricted(one: ListedReviewer, namespace: str) -> str:
    until = f',valid-before="{one.expires.astimezone(UTC):%Y%m%d%H%M%S}"' if one.expires else ""
    return f'namespaces="{namespace}"{until}'


def public_key(path: Path) -> str:
    """Return the key of a `.pub` file without its comment. Raises UsageError for anything else."""
    try:
        words = path.read_text(errors="replace").split()
    except OSError as error:
        message = f"the public key {path} can not be read: {error.strerror}"
        raise UsageError(message, hint="name a file that ssh-keygen has written: FILE.pub") from None
    if "PRIVATE" in words:
        message = f"{path} is a private key, which belongs to its owner alone"
        raise UsageError(message, hint=f"name the public one: {path}.pub")
    key = " ".join(words[:2])
    try:
        fingerprint(key)
    except (IndexError, ValueError):
        message = f"{path} is no public SSH key"
        raise UsageError(message, hint="name a file that ssh-keygen has written: FILE.pub") from None
    return key


def _is_systems(path: Path) -> bool:
    """Tell whether none but the system's administrator can change the program, its folder, or what it is a link to."""
    real = path.resolve()
    return all(_is_roots(one) for one in (path.parent.resolve(), real.parent, real)) and os.access(real, os.X_OK)


def _is_roots(path: Path) -> bool:
    found = path.stat()
    return found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _refuse_too_old(stderr: bytes) -> None:
    if _TOO_OLD.search(stderr.decode(errors="replace")):
        message = "ssh-keygen is too old: it can not sign or check a statement"
        raise UsageError(message, hint=_INSTALL)
