"""What the report says of runs that did not go straight: unfinished, refused, failed, stale, rolled back."""

import pytest

from churnflow.domain.evidence import Confidence, Issue, Measure
from churnflow.domain.journal import Run
from churnflow.engine.judge import verdict
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.markdown import markdown
from tests.reporting.records import (
    approval,
    at,
    begun,
    decision,
    document,
    ingest,
    kept,
    mark,
    release,
    review,
    scope,
    step,
    train,
    waived,
    whole,
)


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of any level."""
    lines = text.splitlines()
    first = lines.index(heading) + 1
    rest = [place for place, line in enumerate(lines[first:], first) if line.startswith("#")]
    return "\n".join(lines[first : rest[0] if rest else None])


def chapter(text: str, title: str) -> str:
    """Return a whole chapter of the report."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def built(*more: object, **changes: object) -> Run:
    """Return a run as it stands after its build."""
    entries = (scope(), approval("plan", 2), mark("planned", 3), ingest(), train(), mark("built", 6))
    return begun(*entries, *more, **changes)  # type: ignore[arg-type]


def test_before_the_first_step_the_plan_is_there_and_nothing_is_claimed() -> None:
    text = markdown(document(begun()))
    assert "not decided, next is the step scope; open: 2 notes." in text
    plan = chapter(text, "Plan")
    assert "  - build: ingest, train" in plan
    assert "  - technical: late labels" in plan
    assert "Initial confidence" not in text
    assert "Not begun: next is the step scope." in chapter(text, "Decision")
    assert "not measured" in section(text, "## Task")
    assert "Empty until a release is served." in section(text, "## Performance tracking")
    assert "None yet." in section(text, "## Checkpoints")
    assert "Figures" not in text


def test_an_unfinished_run_says_what_it_waits_for() -> None:
    run = begun(scope())
    text = markdown(document(run))
    assert "not decided, next is the approval plan, confidence 80" in text
    assert "Not begun: next is the approval plan." in chapter(text, "Build")


def test_a_run_whose_items_are_all_done_without_a_gate_says_so() -> None:
    phases = {"plan": [{"step": "scope", "uses": "churn.scope"}]}
    text = markdown(document(begun(scope(), phases=phases, requirements=[], risks={}, description="", using="")))
    assert "not decided, every item is done" in text
    assert "Risks" not in text
    assert "requirement" not in text


def test_an_approval_that_too_few_have_given_says_what_it_lacks() -> None:
    half = approval("plan", 2, passed=False, lacks="needs 2 approvals of grade signed; given by ann")
    text = section(markdown(document(begun(scope(), half))), "### Approval: plan")
    assert "- **Grade:** unsigned" in text
    assert "- **Not given yet:** it needs 2 approvals of grade signed; given by ann" in text


def test_a_rejection_is_shown_with_its_notes_and_the_run_as_refused() -> None:
    run = begun(scope(), approval("plan", 2, "reject", reviewer="Bo", notes=("!! no owner of the data",)))
    text = markdown(document(run))
    assert "not decided, the approval plan was refused, confidence 80; open: 1 critical issue, 2 notes." in text
    shown = section(text, "### Approval: plan")
    assert "- **Answer:** rejected, 2026-03-02 09:02:00 UTC" in shown
    assert "critical, open: no owner of the data" in shown


def test_a_rejection_that_only_a_checkpoint_still_holds_stands_before_the_later_consent() -> None:
    refused = approval("plan", 2, "reject", reviewer="Bo", notes=("no owner",))
    asked = begun(scope(), refused, mark("planned", 3))
    run = begun(scope(), approval("plan", 4), mark("planned", 5))
    text = markdown(document(run, [kept(1, asked), kept(2, run)]))
    assert "- **Before, 2026-03-02 09:02:00 UTC:** rejected by Bo (prompt, unsigned): no owner" in section(
        text, "### Approval: plan"
    )
    assert "- **Before, 2026-03-02 09:03:00 UTC:** kept" not in section(text, "### Approval: plan")


def test_what_a_rollback_left_behind_is_not_taken_for_an_earlier_attempt() -> None:
    abandoned = begun(scope(), train(9), mark("built", 10))
    text = markdown(document(begun(scope(), train(5)), [kept(1, abandoned)]))
    assert "Before" not in section(text, "### Step: train")


def test_earlier_attempts_of_a_step_stay_in_the_report_and_in_its_times() -> None:
    raised = ingest(
        3.5, passed=False, raised=True, issues=(Issue(text="no such file", severity="critical"),), checks=()
    )
    failed = ingest(4, invalid=0.5)
    passed = ingest(4.5)
    run = begun(scope(), approval("plan", 2), mark("planned", 3), raised, failed, passed, ingest(5))
    text = markdown(document(run))
    shown = section(text, "### Step: ingest")
    assert "- **Before, 2026-03-02 09:03:30 UTC:** did not pass (no such file), confidence" in shown
    assert "- **Before, 2026-03-02 09:04:00 UTC:** did not pass (invalid_ratio <= 0.02), confidence 55" in shown
    assert "- **Before, 2026-03-02 09:04:30 UTC:** passed, confidence 100" in shown
    assert "| build | ingest, 4 attempts | 6.0 s  |" in section(text, "## Times")


def test_a_step_that_raised_claims_no_test_and_no_metric() -> None:
    failed = step(
        "train",
        5,
        passed=False,
        raised=True,
        checks=(),
        issues=(Issue(text="ValueError: one class", severity="critical"),),
        facts={"hint": "the traceback is in a log"},
        confidence=Confidence(score=0, because="it did not run to its end"),
    )
    text = markdown(document(begun(scope(), approval("plan", 2), mark("planned", 3), ingest(), failed)))
    assert "the step train did not pass" in text
    shown = section(text, "### Step: train (did not pass)")
    assert "- **Self-tested:** it did not run to its end" in shown
    assert "critical, open: ValueError: one class" in shown
    assert "train.roc_auc" not in shown
    assert "| metric" not in shown


def test_a_check_that_fails_and_a_requirement_that_was_not_measured_are_told_apart() -> None:
    weak = step("train", 5, {"roc_auc": Measure(value=0.7), "folds": Measure(value=2)})
    text = markdown(document(begun(ingest(), weak)))
    rows = section(text, "### Step: train (did not pass)").splitlines()
    assert [row.split("|")[2:4] for row in rows if row.startswith(("| `folds >=", "| `train."))] == [
        [" 2            ", " FAIL   "],
        [" 0.7          ", " FAIL   "],
        [" not measured ", " FAIL   "],
    ]
    states = [row.split("|")[3].strip() for row in section(text, "## Task").splitlines() if row.startswith("| `")]
    assert states == ["NOT MET", "not measured"]


@pytest.mark.parametrize(
    ("auc", "state"),
    [
        (0.84, "met"),
        (0.81, "met, within noise of the limit"),
        (0.79, "NOT MET, within noise of the limit"),
        (0.7, "NOT MET"),
    ],
)
def test_a_requirement_says_whether_its_interval_reaches_across_the_limit(auc: float, state: str) -> None:
    rows = section(markdown(document(begun(train(auc=auc)))), "## Task").splitlines()
    assert next(row.split("|")[3].strip() for row in rows if "roc_auc" in row) == state


def test_a_checkpoint_names_only_the_reviewer_who_was_asked_since_the_one_before() -> None:
    run = built()
    text = markdown(document(run, [kept(1, begun(*run.entries[:3])), kept(2, run)]))
    assert "- **Reviewer:** Ann (prompt, unsigned)" in section(text, "### Checkpoint: planned")
    assert "- **Reviewer:** none was asked since the checkpoint before" in section(text, "### Checkpoint: built")


def test_a_checkpoint_that_git_does_not_hold_is_not_said_to_be_saved() -> None:
    shown = section(markdown(document(built())), "### Checkpoint: built")
    assert "- **State saved:** not found in this repository" in shown
    assert "Rollback" not in shown


def reworked() -> ReportInput:
    """Return a run that the gate sent back, after another decision that had said fix."""
    found = review(state="fail")
    run = built(found, approval("release", 8), mark("reviewed", 9))
    gate = next(item for item in run.declared.items() if item.name == "ship")
    band, confidence, reasons, action = verdict(run, gate, [])  # type: ignore[arg-type]
    earlier = decision(9.5, "fix", Confidence(score=70, because="x"), "one reason", passed=False)
    last = decision(10, band, confidence, *reasons, next_action=action)
    return document(run.add(earlier).add(last), [kept(1, run, release=release(minute=1))])


def test_a_run_sent_back_states_verdict_band_reasons_and_what_to_do() -> None:
    text = markdown(reworked())
    assert "**REWORK**, confidence 59" in text
    shown = chapter(text, "Decision")
    assert "| below 60 | rework                    | confidence 59, verdict |" in shown
    assert "- final confidence 59, band below 60 (rework): capped at 59: the review failed: " in shown
    assert "Next action: rework what the reasons name, then `churnflow plan --new` starts a new run" in shown
    assert "- **Before, 2026-03-02 09:09:30 UTC:** fix with a confidence of 70: one reason" in shown
    assert "Release" not in shown
    assert "| FAIL   | no feature gives the answer away | 0 features |" in text


def test_a_good_score_with_a_critical_issue_shows_band_and_verdict_apart() -> None:
    score = Confidence(score=92, because="x")
    run = begun(decision(10, "fix", score, "critical issue open: plan-1234", next_action="`churnflow issues`"))
    shown = chapter(markdown(document(run)), "Decision")
    assert "| 80-100   | ship                      | confidence 92 |" in shown
    assert "| 60-79    | fix critical issues first | verdict       |" in shown


def test_a_score_that_the_gate_did_not_get_from_the_review_is_shown_as_the_sum_that_it_is() -> None:
    parts = ({"points": 40.0, "text": "a half"}, {"points": 41.5, "text": "the other"})
    run = begun(decision(10, "ship", Confidence.model_validate({"score": 82, "because": "x", "parts": parts})))
    shown = chapter(markdown(document(run)), "Decision")
    assert "| +41.5  | the other" in shown


def test_the_release_is_the_one_that_this_decision_made() -> None:
    score = Confidence(score=92, because="x")
    run = begun(decision(11, "ship", score), mark("shipped", 12))
    older = release(minute=5).model_copy(update={"version": "v0.9.0"})
    foreign = release("260301-zzzz", minute=13).model_copy(update={"version": "v7.0.0"})
    text = markdown(document(run, [kept(1, run, release=older), kept(2, run, release=release())]))
    assert "Release `v1.0.0`: bundle" in text
    second = release().model_copy(update={"version": "v1.1.0", "change": "minor since v1.0.0: the model"})
    text = markdown(document(run, [kept(1, run, release=release()), kept(2, run, release=second)]))
    assert "Release `v1.1.0` (minor since v1.0.0: the model): bundle" in text
    text = markdown(document(run, [kept(1, run, release=older), kept(2, run, release=foreign), kept(3, run)]))
    assert "\nRelease `" not in text


def test_a_rollback_and_its_rescue_stand_among_the_checkpoints_with_reason_and_way_back() -> None:
    lines = section(markdown(whole()), "## Checkpoints").splitlines()
    origins = [line.replace(r"\|", "/").split("|")[5].strip() for line in lines if line.startswith("| 0")]
    assert origins == [
        "plan",
        "build",
        "review",
        "decision",
        "kept before a rollback",
        "rollback to 02-built (wrong file / try again)",
        "rollback to 04-shipped",
    ]
    assert all("`churnflow rollback churnflow/260302-a1b2/0" in line for line in lines if line.startswith("| 0"))
    assert "predictions already returned to callers" in lines[-1]


def test_a_checkpoint_before_anything_was_measured_has_no_score() -> None:
    run = begun(approval("plan", 2), mark("planned", 3))
    text = markdown(document(run, [kept(1, run)]))
    assert "| 01 | planned | 2026-03-02 09:03:00 UTC |            | plan   |" in text


def test_a_waived_issue_names_who_waived_it_and_why_and_is_not_open() -> None:
    text = "age is used | perhaps"
    issue = Issue(text=text, severity="critical")
    noticed = train(issues=(issue,))
    run = built(waived(noticed, issue, 8), review(), risks={})
    entries = [noticed if e.name == "train" else e for e in run.entries]
    shown = markdown(document(run.with_entries(entries)))
    assert r"- train: critical, waived by Cleo (known since spring): age is used \| perhaps" in shown
    assert "no issue is open." in shown


def test_a_review_that_found_nothing_says_none() -> None:
    assert section(markdown(document(built(review(), risks={}))), "### Issues found").strip().startswith("None.")


def test_a_question_that_nobody_has_answered_yet_says_so() -> None:
    assert "most: tenure **Not answered yet.**" in markdown(document(built(review())))


def test_a_final_confidence_is_told_requirement_by_requirement_down_to_the_artifact() -> None:
    text = markdown(whole())
    assert "**Final confidence: 87** (probability that all 2 requirements hold together on the next batch" in text
    assert "| -12.6  | train.roc_auc >= 0.8 holds in 87.4% of the batches; drawn from customers (customers 21eb" in text


def test_what_came_true_of_claims_is_told_by_author_and_left_out_where_nobody_claimed() -> None:
    assert "- churn.scope: 1 of 1 settled; said 80% on average, 100% came true (under-confident by 20" in markdown(
        whole()
    )
    assert "Claims and what came true" not in markdown(document(begun(ingest(), review(state="fail"))))


def test_a_review_without_a_build_states_no_final_confidence() -> None:
    phases = {"review": [{"step": "review", "uses": "churn.review"}]}
    text = markdown(document(begun(review(), phases=phases)))
    assert "### Issues found" in text
    assert "Final confidence" not in text


def test_what_no_longer_holds_is_marked_as_stale() -> None:
    score = Confidence(score=92, because="x")
    entries = (scope(), approval("plan", 2), mark("planned", 3), decision(11, "ship", score))
    text = markdown(document(begun(*entries), stale=frozenset({"plan", "planned", "ship"})))
    stale = "**stale: what it was about has changed since**"
    assert f"**SHIP** ({stale}), confidence" in text
    for place in ("### Approval: plan", "### Checkpoint: planned", "## Decision"):
        assert stale in section(text, place)
    assert stale not in markdown(document(begun(*entries)))


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (release(), "The API serves `v1.0.0`, released 2026-03-02 09:12:00 UTC; nothing has been measured yet."),
        (release("260301-zzzz"), "The API serves `v1.0.0` of another run, `260301-zzzz`, released"),
    ],
)
def test_a_served_release_is_named_until_it_is_measured(served: object, said: str) -> None:
    assert said in section(markdown(document(begun(), served=served)), "## Performance tracking")


def test_an_f1_without_an_interval_stands_alone() -> None:
    row = PerformanceRow(period="May", f1=0.6, requests=1, avg_latency_ms=2, error_rate=0, uptime=1)
    assert "| 0.600 |" in section(markdown(document(begun(), performance=(row,))), "## Performance tracking")


def test_what_a_run_of_monitoring_is_read_for_comes_first() -> None:
    row = PerformanceRow(period="May", f1=0.6, requests=1, avg_latency_ms=2, error_rate=0, uptime=1)
    watched, built = (markdown(document(begun(), performance=(row,), watches=watches)) for watches in (True, False))
    assert watched.index("## Performance tracking") < watched.index("## Plan") < watched.index("## Checkpoints")
    assert built.index("## Plan") < built.index("## Performance tracking") < built.index("## Checkpoints")


def test_blank_notes_and_a_confidence_without_parts_leave_nothing_odd() -> None:
    record = scope(confidence=Confidence(score=85, because="x"), stated=None)
    text = markdown(document(begun(record, approval("plan", 2, notes=("  ", "\u200b")))))
    assert "- **Notes:** none" in section(text, "### Approval: plan")
    assert "Says of itself" not in text
    assert "| points" not in text


def test_times_of_a_reused_step_are_not_counted_twice() -> None:
    reused = ingest(reused={"run": "260301-zzzz", "at": at(0)}, seconds=0.0)
    text = markdown(document(begun(scope(), reused)))
    assert "- **Time:** reused from run `260301-zzzz`, measured 2026-03-02 09:00:00 UTC" in text
    assert "| build | ingest | reused |" in section(text, "## Times")
    assert "| all   |        | 1.5 s  |" in section(text, "## Times")


def test_counts_of_a_kind_that_are_all_zero_are_named_in_one_line() -> None:
    zeros = {f"rejected_{rule}": Measure(value=0) for rule in ("ragged", "no_label", "infinite")}
    told = {"records": Measure(value=0), "rejected_no_time": Measure(value=2), "coerced_blank": Measure(value=0)}
    text = markdown(ReportInput(run=begun(step("ingest", 1, {**zeros, **told}))))
    assert "\nZero: `rejected_ragged`, `rejected_no_label`, `rejected_infinite`.\n" in text
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `re") or "coerced" in line] == [
        "records",
        "rejected_no_time",
        "coerced_blank",
    ]


def test_what_another_step_tells_is_counted_where_it_was_noticed_again() -> None:
    first, again = Issue(text="odd", severity="warning", about="x"), Issue(text="odder", severity="warning", about="x")
    run = begun(step("scope", 1, issues=(first,)), step("ingest", 2, issues=(again, Issue(text="new"))))
    text = markdown(ReportInput(run=run))
    assert "- **Issues noted:** 1\n  - warning, open: odd " in text
    assert "- **Issues noted:** 1, and 1 that another step tells\n  - note, open: new " in text
    assert "odder" not in text


def test_a_risk_is_told_from_the_plan_to_the_step_that_closed_it() -> None:
    risk = {"risk": "late | labels", "severity": "critical", "closed_by": "train.folds >= 3"}
    text = markdown(document(built(review(), risks={"technical": risk})))
    assert r"  - technical: late \| labels (critical, closed by train.folds >= 3)" in text
    told = section(text, "### Issues found").strip().splitlines()[:3]
    assert told[0].startswith("- risks: critical, closed by step train (")
    assert told[1] == "  - noticed by the plan, 2026-03-02 09:00:00 UTC"
    assert told[2].startswith("  - closed by step train (")


def test_a_condition_that_is_open_is_counted_as_one() -> None:
    text = markdown(document(begun(scope(), approval("plan", 2, notes=("? file the consent",)), risks={})))
    assert "open: 1 condition." in text
    assert "promised, open: file the consent" in text
