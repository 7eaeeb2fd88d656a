"""What the API writes to its standard error: failures by type and place, for what they say may quote a customer."""

import copy
from typing import Any, Final

from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import DefaultFormatter

from churnflow.domain.failures import Placed


class ServerLog(Placed, DefaultFormatter):
    """Writes the records of the server as it does itself, but for what exceptions say."""


def _configuration() -> dict[str, Any]:
    configuration: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    configuration["formatters"]["default"]["()"] = ServerLog
    return configuration


LOGGING: Final = _configuration()
