"""Where things lie in an image and in a written folder, and what they are called in a cluster."""

from typing import Final

from churnflow.domain.deployment import Place

USER: Final = 10001
PORT: Final = 8000
HOME: Final = "/srv/churnflow"
# What no image may hold: keys, the secret of pseudonyms, a log.
STATE: Final = "/var/lib/churnflow"
POINTER: Final = "served.json"
MANIFESTS: Final = "manifests"


def pointer_name(place: Place, version: str) -> str:
    """Return the name of the ConfigMap of a release; each version has its own, so that pods of two can live."""
    return f"{place.name}-{version}"


def keys_secret(place: Place) -> str:
    """Return the name of the Secret that holds keys.json and pseudonym.key."""
    return f"{place.name}-keys"


def log_secret(place: Place) -> str:
    """Return the name of the Secret whose `url` is the predictions log's."""
    return f"{place.name}-log"
