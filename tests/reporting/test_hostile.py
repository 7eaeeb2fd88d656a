"""A report of texts that attack whoever reads it: in Markdown, on a git host, and as a page."""

from markdown_it import MarkdownIt

from churnflow.domain.evidence import Check, Confidence, Finding, Issue, Measure
from churnflow.reporting.document import ReportInput
from churnflow.reporting.html import html
from churnflow.reporting.markdown import markdown
from tests.reporting.records import approval, artifact, begun, decision, document, kept, mark, scope, step

HOSTILE = "<script>alert(1)</script> | [x](javascript:alert(1)) `a`\n# heading <img src=x onerror=alert(1)>"


def hostile() -> ReportInput:
    """Return a run in which every text that people or data can choose is an attack."""
    check = Check(claim="folds >= 3", observed=5, passed=True)
    record = step(
        "train",
        5,
        {HOSTILE: Measure(value=1.0)},
        issues=(Issue(text=HOSTILE, severity="critical"),),
        facts={HOSTILE: HOSTILE},
        params={"models": [HOSTILE], "x": HOSTILE},
        outputs=(artifact(HOSTILE),),
        inputs=(artifact(HOSTILE, "file"),),
        uses=HOSTILE,
        checks=(check.model_copy(update={"claim": HOSTILE}),),
        stated=Confidence(score=1, because=HOSTILE),
    )
    people = {"reviewer": HOSTILE, "how": HOSTILE, "notes": (HOSTILE, f"!{HOSTILE}"), "answers": {HOSTILE: HOSTILE}}
    line = Finding(topic=HOSTILE, claim=HOSTILE, state="fail", evidence=HOSTILE)
    lines = (line, line.model_copy(update={"state": "ask"}))
    found = step("review", 8, findings=lines, confidence=Confidence(score=5, because=HOSTILE))
    end = decision(11, "fix", Confidence(score=70, because=HOSTILE), HOSTILE, next_action=HOSTILE)
    refused = approval("plan", 1.5, "reject", **people)
    entries = (scope(), refused, approval("plan", 2, **people), mark("planned", 3), record, found, end)
    run = begun(*entries, task=HOSTILE, description=HOSTILE, using=HOSTILE, risks={HOSTILE: HOSTILE})
    back = kept(1, run, restores="churnflow/260302-a1b2/01-planned", reason=HOSTILE, data={HOSTILE: artifact("x")})
    return document(run, [back])


def test_hostile_texts_become_neither_html_nor_links_nor_cells() -> None:
    text = markdown(hostile())
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not {kind for kind in kinds if kind.startswith(("html", "link", "image", "fence", "blockquote", "hr", "s_"))}
    headings = {tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"}
    assert "heading" not in {heading.strip() for heading in headings}
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == sum(token.type in {"tr_open", "table_open"} for token in tokens)


def test_hostile_texts_run_nothing_in_the_page() -> None:
    page = html(markdown(hostile()), {})
    body = page.partition("<body>")[2]
    assert "<script" not in page
    assert "<img" not in body
    assert "<a " not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
