"""What comes from data is shown at a terminal, and does nothing to it."""

import io

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from churnflow.adapters.terminal import PlainConsole

ERASED = "yes\x1b[2J\x1b]0;approved\x07\x9b1mno\x7f\u202egood\r"


def test_no_text_moves_erases_or_turns_what_a_terminal_shows() -> None:
    shown = io.StringIO()
    console = PlainConsole(file=shown, markup=False, highlight=False, width=60)
    table = Table(box=None, show_header=False)
    table.add_row(Text(ERASED), ERASED)
    for renderable in (ERASED, Text(f"{ERASED}\n\tbelow"), Panel(Text(ERASED)), table):
        console.print(renderable)
    assert shown.getvalue().count("yes[2J]0;approved1mnogood") == 5
    assert {character for character in shown.getvalue() if not character.isprintable()} == {"\n"}


def test_colours_of_the_program_itself_stay() -> None:
    shown = io.StringIO()
    PlainConsole(file=shown, force_terminal=True, color_system="standard").print(Text("\x1b[2Jbad", style="red"))
    assert shown.getvalue() == "\x1b[31m[2Jbad\x1b[0m\n"
