"""The report as a page: whole in one file, its plots inside, nothing in it that could run or be fetched."""

import re
from html.parser import HTMLParser

import pytest

from churnflow.reporting.html import html
from churnflow.reporting.markdown import markdown
from tests.reporting.records import whole

VOID = {"meta", "br", "img", "hr"}
DRAWN = {"roc.svg": '<svg xmlns="http://www.w3.org/2000/svg"></svg>\n', "lift.svg": "<svg></svg>\n"}


class Reader(HTMLParser):
    """Follows the tags of a page and keeps those that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_the_page_is_well_formed_and_fetches_nothing() -> None:
    reader = read(html(markdown(whole()), DRAWN))
    assert reader.open == []
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "link", "iframe", "img", "object", "form", "a"}
    policy = next(attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert not [attrs for _, attrs in reader.tags if any(name.startswith("on") for name in attrs)]


def test_each_plot_stands_inside_the_page_with_its_caption() -> None:
    page = html(markdown(whole()), DRAWN)
    figures = re.findall(r"<figure>(.*?)</figure>", page, re.DOTALL)
    assert [figure.startswith("<svg") for figure in figures] == [True, True]
    assert figures[0].endswith("<figcaption>True against false positives</figcaption>")


def test_a_plot_that_is_not_at_hand_stays_an_image() -> None:
    page = html(markdown(whole()), {"roc.svg": DRAWN["roc.svg"]})
    assert page.count("<figure>") == 1
    assert '<img src="lift.svg"' in page


@pytest.mark.parametrize(
    ("task", "title"),
    [
        (r"Keep *all* \<b\> & more_of", "Keep <em>all</em> &lt;b&gt; &amp; more_of"),
        ("Predict churn", "Predict churn"),
    ],
)
def test_the_title_is_the_heading(task: str, title: str) -> None:
    page = html(f"# {task}\n", {})
    assert f"<h1>{title}</h1>" in page
    assert f"<title>{re.sub('<.*?>', '', title)}</title>" in page


def test_a_text_without_a_heading_is_still_a_page() -> None:
    assert "<title>Report</title>" in html("nothing\n", {})


def test_results_are_set_apart_by_colour_and_by_word() -> None:
    page = html("|a|\n|-|\n|PASS|\n|FAIL|\n|ASK|\n|met, within noise|\n|NOT MET|\n|passed|\n", {})
    cells = re.findall(r"<td( class=\"\w+\")?>([^<]*)</td>", page)
    assert [cell[0].partition('"')[2].strip('"') for cell in cells] == ["good", "bad", "open", "good", "bad", ""]


def test_html_within_the_markdown_stays_text() -> None:
    page = html("# t\n\n<script>alert(1)</script>\n\na <b onclick=x>b</b>\n", {})
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &lt;b onclick=x&gt;b&lt;/b&gt;" in page
