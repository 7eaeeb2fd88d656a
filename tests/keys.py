"""SSH keys for tests, made by the real ssh-keygen."""

import subprocess
from pathlib import Path


def make_key(folder: Path, name: str, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair in a folder and return the path of the private one."""
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def public(path: Path) -> str:
    """Return the public key beside a private one, without a comment."""
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


def signature(path: Path, message: bytes, namespace: str = "churnflow-approval") -> str:
    """Return a signature as a reviewer makes one with plain ssh-keygen."""
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(path)]
    return subprocess.run(command, input=message, capture_output=True, check=True).stdout.decode()
