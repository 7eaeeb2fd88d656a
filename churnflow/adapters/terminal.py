"""A terminal that texts from data can be written to: what would act on it is left out."""

import re
from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# Control characters, of which ESC begins the sequences that move, erase and rename, and the marks that turn the
# direction of writing round. (CWE-150)
_ACTING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class PlainConsole(Console):
    """A console of rich whose texts, markup apart, are shown and do nothing: rich itself lets ESC through."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of what is shown, without characters that act on a terminal."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else _ACTING.sub("", text), style, control)
