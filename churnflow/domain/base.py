"""The base of every value: frozen models, names, scores, and the canonical bytes that digests are taken of."""

import hashlib
import json
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _refuse_by_git(name: str) -> str:
    """Refuse what fits the form of a name, and what git takes for no part of a ref, or for its own lock."""
    if ".." in name or name.endswith((".", ".lock")):
        message = f"{name!r} is no name: git refuses '..', and '.' or '.lock' at the end"
        raise ValueError(message)
    return name


# What a user names: it becomes part of a path, of a tag and of a command, and is nothing else in any of them.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$"), AfterValidator(_refuse_by_git)]
Score = Annotated[int, Field(ge=0, le=100)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = AwareDatetime


class Frozen(BaseModel):
    """An immutable value that refuses unknown fields and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False, defer_build=True)


def canonical_json(value: object) -> bytes:
    """Return the one byte string that stands for `value`: sorted keys, no blanks, UTF-8, no NaN.

    Raises ValueError for a non-finite number, TypeError for what JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: object) -> str:
    """Return the sha256, in hex, of the canonical JSON of `value` (a model, or what JSON can hold)."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(canonical_json(value)).hexdigest()


def stamp(moment: datetime) -> str:
    """Return `moment` in UTC to the second, as reports and screens print it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
