"""What a report was made from, as the line at its end that `churnflow verify` makes it again by."""

import re
from typing import Final

from pydantic import ValidationError

from churnflow.domain.base import Frozen, Moment, Sha256

_LINE: Final = re.compile(r"made from (?:`|<code>)(run=[^`<\n]*)(?:`|</code>)")


class Source(Frozen):
    """The records behind a report: enough to find them again, and to know that they are the same.

    records: the digest of the run. checkpoint: the newest one that the report lists, with the digest of its record;
    as_of: whether it was written as of that, not of the run as it stood. until: the time of the newest checkpoint of
    any run, after which nothing counts. served, tracked: the digests of the release and of the performance table.
    ended: when the last of the waivers ended that had ended by then.
    """

    run: str
    records: Sha256
    checkpoint: str | None = None
    checkpoint_sha256: Sha256 | None = None
    as_of: bool = False
    until: Moment | None = None
    served: Sha256 | None = None
    tracked: Sha256 | None = None
    ended: Moment | None = None


def line_of(source: Source) -> str:
    """Return the text that names the source: words of `name=value`, without those that say nothing."""
    values = source.model_dump(mode="json", exclude_defaults=True)
    return " ".join(f"{name}={'yes' if value is True else value}" for name, value in values.items())


def source_in(text: str) -> Source | None:
    """Return the source that a Markdown or HTML report names last, None if it names none that can be read."""
    found = _LINE.findall(text)
    if not found:
        return None
    try:
        return Source.model_validate(dict(word.partition("=")[::2] for word in found[-1].split()))
    except ValidationError:
        return None
