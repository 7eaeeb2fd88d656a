"""Numbers, durations and hostile texts as the report writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from churnflow.domain.evidence import Check
from churnflow.reporting.wording import code, flat, measured, number, plain, prose, seconds, table

MARKUP = st.text(alphabet=st.sampled_from(list("\\`*_{}[]()<>#+-.!|~$&;:=\"'/a1 \n\t\u202e\u00e9")), max_size=30)
TEXT = st.one_of(MARKUP, st.text(max_size=30))
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def inline(markdown: str) -> list[Token]:
    """Return what the inline parts of a text come to."""
    return [child for token in PARSER.parse(markdown) for child in token.children or ()]


def words(markdown: str) -> str:
    """Return what a reader sees of a text; fail when anything in it became markup."""
    found = inline(markdown)
    assert {token.type for token in found} <= {"text", "code_inline"}
    return "".join(token.content for token in found)


@given(TEXT)
def test_a_text_of_data_shows_as_it_is_in_a_paragraph(text: str) -> None:
    assert words(plain(text)) == flat(text)
    assert {token.type for token in PARSER.parse(plain(text))} <= {"paragraph_open", "inline", "paragraph_close"}


@given(TEXT.filter(flat))
def test_a_text_of_data_shows_as_it_is_in_a_list(text: str) -> None:
    tokens = PARSER.parse(f"- **Notes:**\n  - {plain(text)}\n- after\n")
    blocks = {"bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"}
    assert {token.type for token in tokens} == {*blocks, "paragraph_open", "inline", "paragraph_close"}
    shown = ["".join(child.content for child in token.children or ()) for token in tokens if token.type == "inline"]
    assert shown == ["Notes:", flat(text), "after"]


@given(TEXT, st.sampled_from([plain, code]))
def test_a_text_of_data_stays_in_its_cell(text: str, written: object) -> None:
    assert callable(written)
    tokens = PARSER.parse("\n".join(table(("a", "b", "c"), [["x", written(text), "y"]])))
    cells = [tokens[place + 1] for place, token in enumerate(tokens) if token.type == "td_open"]
    assert [cell.content for cell in (cells[0], cells[2])] == ["x", "y"]
    assert len(cells) == 3
    children = cells[1].children or []
    assert {child.type for child in children} <= {"text", "code_inline"}
    assert "".join(child.content for child in children) == flat(text)


@given(TEXT)
def test_code_shows_the_whole_text_whatever_marks_it_holds(text: str) -> None:
    assert words(f"a {code(text)} b") == f"a {flat(text)} b"


@pytest.mark.parametrize(
    "text",
    [
        "evaluate.recall >= 0.7 holds by less than its noise [0.6783, 0.7687]",
        "roc_auc <= 0.8, p95 < 50 ms, R&D, 3 of 4 (75%)",
        "observed -0.05 [-1,200, 0.1], n = 1408; wait!",
        "-5.0 points",
    ],
)
def test_what_can_do_no_harm_reads_in_a_pager_as_it_was_written(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    "text", ["[1, 2](http://evil)", "[1, 2]: http://evil", "![1, 2](x.png)", "<b>", "&lt;b&gt;", "1. one", "---", "$x$"]
)
def test_what_looks_harmless_but_acts_is_escaped(text: str) -> None:
    assert plain(text) != text
    assert words(plain(text)) == text


def test_a_command_between_backticks_stays_code_in_a_sentence_of_ours() -> None:
    found = inline(prose("fix *that*, then `churnflow decide`, or ` alone"))
    assert [(token.type, token.content) for token in found if token.content] == [
        ("text", "fix *that*, then "),
        ("code_inline", "churnflow decide"),
        ("text", ", or ` alone"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (7043, "7,043"),
        (0.84318, "0.8432"),
        (0.5, "0.5"),
        (1534.4, "1,534"),
        (-12345.6, "-12,346"),
        (8.22e-05, "8.22e-05"),
        (1e300, "1e+300"),
        (999.96, "1000"),
    ],
)
def test_a_number_has_four_digits_and_is_never_cut_from_a_thousand_on(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0 s"),
        (0.012, "12 ms"),
        (0.44, "0.4 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (3725, "1 h 02 min"),
    ],
)
def test_a_duration_is_written_in_the_units_that_fit_it(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (Check(claim="a >= 1", passed=False), "not measured"),
        (Check(claim="a >= 1", observed=2, passed=True), "2"),
        (Check(claim="a >= 1", observed=2, low=1, high=3, passed=True), "2 [1, 3]"),
    ],
)
def test_what_a_check_observed_stands_with_its_interval(check: Check, text: str) -> None:
    assert measured(check) == text


def test_a_very_long_cell_does_not_widen_the_rows_of_the_others() -> None:
    header, rule, short, long, _ = table(("a", "b"), [["1", "short"], ["2", "long " * 40]])
    assert len(header) == len(rule) == len(short) < 100 < len(long)
