"""Packages that only some workflows need: which extra brings one that is not installed."""

from importlib.util import find_spec
from typing import Final

from churnflow.errors import UsageError

EXTRAS: Final = {"catboost": "catboost", "distributed": "dask"}


def absent(package: str, what: str, instead: str) -> UsageError | None:
    """Return the error that says how to get a package which `what` needs, None where it is there.

    instead: what to do without it.
    """
    if find_spec(package) is not None:
        return None
    message = f"{what} needs a package that is not installed"
    return UsageError(message, hint=f"pip install 'churnflow[{EXTRAS.get(package, package)}]', or {instead}")


def no_catboost() -> UsageError | None:
    """Return the error of a workflow that wants CatBoost where it is not installed, else None."""
    return absent("catboost", "the model catboost", "take catboost out of models")


def no_dask(cluster: str) -> UsageError | None:
    """Return the error of a workflow that names a Dask scheduler where Dask is not installed, else None."""
    return absent("distributed", f"the cluster {cluster}", "leave cluster out")
