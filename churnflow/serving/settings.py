"""What a server is told when it starts, and tells its worker processes through their environment."""

import ipaddress
import os
from pathlib import Path
from typing import Self

from pydantic import Field

from churnflow.domain.base import Frozen

VARIABLE = "CHURNFLOW_SERVING"
LOG_VARIABLE = "CHURNFLOW_LOG"
# What the writer of the log gets the key of pseudonyms by: a file, or the key itself in hex.
KEY_FILE_VARIABLE = "CHURNFLOW_LOG_KEY_FILE"
KEY_VARIABLE = "CHURNFLOW_LOG_KEY"


class Settings(Frozen):
    """Where the release, the keys and the log are, and how much is taken on.

    pointer and store, or bundle: the release. keys: the file of API keys, None to take requests without one; open_:
    whether requests without a key are answered as long as that file holds none. secret: the file of the key that
    customers are pseudonymised with. log: the URL of the predictions log, None for none. buckets: the file in which
    workers share the rates of keys, None for one process.
    """

    pointer: Path | None = None
    store: Path | None = None
    bundle: Path | None = None
    keys: Path | None = None
    open_: bool = Field(default=True, alias="open")
    secret: Path | None = None
    log: str | None = None
    buckets: Path | None = None

    def put_in_environment(self) -> None:
        """Leave the settings to the processes that this one starts."""
        os.environ[VARIABLE] = self.model_dump_json(by_alias=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Return what `put_in_environment` has left."""
        return cls.model_validate_json(os.environ[VARIABLE])


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
