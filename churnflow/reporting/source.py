"""What a report was made from, as the line at its end that `churnflow verify` makes it again by."""

import re
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator

from churnflow.domain.base import Frozen, Moment, Sha256

_LINE: Final = re.compile(r"made from (?:`|<code>)(run=[^`<\n]*)(?:`|</code>)")
_NONE: Final = "none"
HeadName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}/[0-9]{2,}$")]


class Source(Frozen):
    """The records behind a report: enough to find them again, and to know that they are the same.

    records: the digest of the run. checkpoint: the newest one that the report lists, with the digest of its record;
    as_of: whether it was written as of that, not of the run as it stood; bare: and left out what monitoring measured of
    its release, which is not the same in every clone. served, tracked: the digests of the release and of the
    performance table. ended: when the last of the waivers ended that had ended by then. beside: the newest checkpoint
    then of each other run that it counts, as `RUN/NN`, with one digest of their records. until: in reports older than
    `beside` the time after which no checkpoint counts.
    """

    run: str
    records: Sha256
    checkpoint: str | None = None
    checkpoint_sha256: Sha256 | None = None
    as_of: bool = False
    bare: bool = False
    until: Moment | None = None
    served: Sha256 | None = None
    tracked: Sha256 | None = None
    ended: Moment | None = None
    beside: tuple[HeadName, ...] | None = Field(default=None, exclude_if=lambda beside: beside is None)
    beside_sha256: Sha256 | None = Field(default=None, exclude_if=lambda sha256: sha256 is None)

    @property
    def is_alone(self) -> bool:
        """Whether it tells of a checkpoint from the records of its own run alone, which every clone has."""
        return self.as_of and self.beside is not None

    @field_validator("beside", mode="before")
    @classmethod
    def _of_a_line(cls, given: Any) -> Any:
        return tuple(filter(None, given.removeprefix(_NONE).split(","))) if isinstance(given, str) else given


def line_of(source: Source) -> str:
    """Return the text that names the source: words of `name=value`, without those that say nothing."""
    values = source.model_dump(mode="json", exclude_defaults=True)
    return " ".join(f"{name}={_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value) or _NONE
    return "yes" if value is True else str(value)


def source_in(text: str) -> Source | None:
    """Return the source that a Markdown or HTML report names last, None if it names none that can be read."""
    found = _LINE.findall(text)
    if not found:
        return None
    try:
        return Source.model_validate(dict(word.partition("=")[::2] for word in found[-1].split()))
    except ValidationError:
        return None
