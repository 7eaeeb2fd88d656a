"""Where checkpoints are shared: a git remote for the records, an address for the bytes."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import unquote

from pydantic import Field

from churnflow.domain.base import Frozen
from churnflow.domain.leaked import leaks_in
from churnflow.domain.secrets import holds_password

# What fsspec can read and write whole files of. A chain of them, `a::b`, would let an address choose code of its own.
PROTOCOLS: Final = ("file", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "sftp")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEFAULT: Final = "origin"
# The address of a bucket has no user: what stands before an @ is taken for the name of a key.
_WITHOUT_USER: Final = ("s3", "s3a", "gs", "gcs")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


class Remotes(Frozen):
    """The address of the bytes by the name of the git remote that has the records."""

    form: Literal["churnflow/remotes@1"] = Field(default="churnflow/remotes@1", alias="schema")
    urls: dict[Annotated[str, Field(pattern=rf"^{NAME.pattern}$")], str] = {}

    def default(self) -> str | None:
        """Return the name that is meant where none is given: the only one, or `origin`; None if neither is there."""
        if len(self.urls) == 1:
            return next(iter(self.urls))
        return DEFAULT if DEFAULT in self.urls else None


def split_url(url: str) -> tuple[str, str]:
    """Return protocol and path of an address; a path alone is a `file`."""
    found = _SCHEME.fullmatch(url)
    return (found[1].lower(), found[2]) if found else ("file", url)


def why_refused(url: str) -> str | None:
    """Return why an address can not be one of the bytes, None if it can."""
    protocol, path = split_url(url)
    host = path.partition("/")[0]
    if url.startswith("-") or not url.isprintable() or not path.strip("/ "):
        return "it is no address"
    if "::" in url:
        return "a chain of file systems is not followed"
    if protocol not in PROTOCOLS:
        return f"{protocol}:// is not one of {', '.join(PROTOCOLS)}"
    if _holds_secret(url, protocol, host):
        return "it holds a secret, or parameters that may be one; those belong into the environment"
    return None


def _holds_secret(url: str, protocol: str, host: str) -> bool:
    """Tell whether an address has a password, the name of a key, a token, or a parameter that could be one."""
    if holds_password(url) or any(leaks_in("", form.encode(errors="replace")) for form in (url, unquote(url))):
        return True
    user, at, _ = host.rpartition("@")
    return protocol != "file" and ("?" in url or (bool(at) and (":" in user or protocol in _WITHOUT_USER)))
