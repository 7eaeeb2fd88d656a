"""Records written by hand, from which the reports of these tests are made."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Parent, Restore, tag_of
from churnflow.domain.claims import standings
from churnflow.domain.evidence import Artifact, Confidence, Finding, Issue, Measure
from churnflow.domain.journal import Approval, Decision, Entry, IssueAnswer, Mark, Override, Run, StepRecord
from churnflow.domain.ledger import issue_id
from churnflow.domain.release import Release
from churnflow.domain.workflow import Step, Workflow
from churnflow.engine.claims import claims_of
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence, step_confidence
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.source import Source

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DECLARED = {
    "name": "churn",
    "task": "Predict churn 30 days ahead",
    "description": "Learn from last year's customers.",
    "using": "reviewed checkpoints",
    "risks": {"technical": "late labels", "legal": "age is protected"},
    "requirements": ["train.roc_auc >= 0.8", "train.latency_p95_ms <= 50"],
    "phases": {
        "plan": [
            {"step": "scope", "uses": "churn.scope", "with": {"source": "data/c.csv", "separator": "|"}},
            {"approval": "plan", "questions": ["Is the plan complete?"]},
            {"checkpoint": "planned"},
        ],
        "build": [
            {"step": "ingest", "uses": "churn.ingest", "checks": ["invalid_ratio <= 0.02"]},
            {"step": "train", "uses": "churn.train", "with": {"trials": 24}, "checks": ["folds >= 3"]},
            {"checkpoint": "built"},
        ],
        "review": [
            {"step": "review", "uses": "churn.review"},
            {"approval": "release"},
            {"checkpoint": "reviewed"},
        ],
        "decision": [{"gate": "ship"}, {"checkpoint": "shipped"}],
    },
}
TIED = "tied: forest and xgboost differ by less than noise"


def declared(**more: Any) -> Workflow:
    return Workflow.model_validate({**DECLARED, **more})


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def at(minute: float) -> datetime:
    return BEGAN + timedelta(minutes=minute)


def artifact(name: str, codec: str = "frame", size: int = 1200) -> Artifact:
    return Artifact(name=name, codec=codec, sha256=sha(name), size_bytes=size)


def begun(*entries: Entry, **more: Any) -> Run:
    """Return a run of the declared workflow, or of one that differs from it in `more`, with these entries."""
    return Run(
        id="260302-a1b2",
        workflow_path="workflows/churn.yaml",
        workflow_sha256=sha("workflow"),
        declared=declared(**more),
        started_at=BEGAN,
        entries=entries,
    )


def step(name: str, minute: float, metrics: Mapping[str, Measure] | None = None, **more: Any) -> StepRecord:
    """Return the record of a step, its confidence computed from its checks, requirements and issues."""
    workflow = declared()
    phase, item = next((phase, item) for phase, item in workflow.placed_items() if item.name == name)
    assert isinstance(item, Step)
    found = dict(metrics or {})
    checks = tuple(rule.judge(found) for rule in item.checks)
    dotted = {f"{name}.{key}": value for key, value in found.items()}
    required = [rule.judge(dotted) for rule in workflow.requirements if rule.metric.startswith(f"{name}.")]
    score = step_confidence(checks, required, more.get("issues", ()), more.get("findings", ()))
    values = {"passed": all(check.passed for check in checks), "key": sha(f"{name}{minute}"), "seconds": 1.5}
    values |= {"uses": item.uses, "params": item.params, "checks": checks, "confidence": score, "metrics": found}
    return StepRecord.model_validate({"name": name, "phase": phase, "at": at(minute), **values, **more})


def scope(minute: float = 1, **more: Any) -> StepRecord:
    stated = Confidence(score=80, because="the target is rare")
    facts = {"target": "churned, positive class 'yes'"}
    values: dict[str, Any] = {"stated": stated, "facts": facts, "inputs": (artifact("data/c.csv", "file"),), **more}
    return step("scope", minute, {"rows": Measure(value=7043), "target_ratio": Measure(value=0.26537)}, **values)


def ingest(minute: float = 4, invalid: float = 0.0, **more: Any) -> StepRecord:
    return step("ingest", minute, {"invalid_ratio": Measure(value=invalid, n=7043)}, **more)


def train(minute: float = 5, auc: float = 0.84, **more: Any) -> StepRecord:
    metrics = {
        "roc_auc": Measure(value=auc, low=auc - 0.02, high=auc + 0.02, n=1408),
        "latency_p95_ms": Measure(value=3.25, low=2.875, high=4.25, n=400),
        "folds": Measure(value=5),
    }
    values = {"inputs": (artifact("customers"),), "outputs": (artifact("model", "model", 4096),), "seconds": 95.0}
    return step("train", minute, metrics, **{**values, **more})


def review(minute: float = 7, state: str = "pass", **more: Any) -> StepRecord:
    lines = [
        {"topic": "functionality", "claim": "the steps pass their checks", "state": "pass", "evidence": "2 of 2"},
        {"topic": "quality", "claim": "no feature gives the answer away", "state": state, "evidence": "0 features"},
        {
            "topic": "model quality",
            "claim": "what it relies on makes sense",
            "state": "ask",
            "evidence": "most: tenure",
        },
    ]
    findings = tuple(Finding.model_validate(line) for line in lines)
    metrics = {"findings": Measure(value=3), **more.pop("metrics", {})}
    return step("review", minute, metrics, findings=findings, seconds=0.012, **more)


def assured(minute: float = 7, hold: float = 0.874) -> StepRecord:
    """Return a review that has also measured how likely it is that both requirements hold on the next batch."""
    metrics = {"requirements_hold": Measure(value=hold, n=7043), "requirement_1_takes": Measure(value=1 - hold)}
    metrics["requirement_2_takes"] = Measure(value=0.0)
    facts = {
        "requirement_1": f"train.roc_auc >= 0.8 holds in {hold:.1%} of the batches; drawn from customers",
        "requirement_2": "train.latency_p95_ms <= 50 holds in 100.0% of the batches; drawn from its interval",
    }
    inputs = (artifact("customers"),)
    return review(minute, metrics=metrics, facts=facts, inputs=inputs, evidence=sha("evidence"))


def approval(name: str, minute: float, answer: str = "approve", **more: Any) -> Approval:
    values: dict[str, Any] = {"reviewer": "Ann", "how": "prompt", "waited": 125.0, **more}
    phase = {"plan": "plan", "release": "review"}[name]
    passed = answer != "reject"
    return Approval.model_validate(
        {"name": name, "phase": phase, "passed": passed, "key": sha(name), "at": at(minute), "answer": answer} | values
    )


def mark(name: str, minute: float) -> Mark:
    phase = {"planned": "plan", "built": "build", "reviewed": "review", "shipped": "decision"}[name]
    return Mark(name=name, phase=phase, key=sha(f"{name}{minute}"), at=at(minute))


def decision(minute: float, verdict: str, confidence: Confidence, *reasons: str, **more: Any) -> Decision:
    values: dict[str, Any] = {
        "next_action": "`churnflow serve`",
        "bands": (60, 80),
        "passed": verdict == "ship",
        "by": "Bo",
        **more,
    }
    return Decision.model_validate(
        {
            "name": "ship",
            "phase": "decision",
            "key": sha("ship"),
            "at": at(minute),
            "verdict": verdict,
            "confidence": confidence,
            "reasons": reasons,
            **values,
        }
    )


def waived(source: StepRecord | Approval, issue: Issue, minute: float) -> IssueAnswer:
    return IssueAnswer(
        name=issue_id(source.name, source.key, issue),
        at=at(minute),
        action="waive",
        by="Cleo",
        reason="known since spring",
    )


def release(run: str = "260302-a1b2", minute: float = 12) -> Release:
    return Release(
        version="v1.0.0",
        artifact=artifact("candidate", "release"),
        run=run,
        checkpoint=tag_of(run, 4, "shipped"),
        approval_sha256=sha("release"),
        at=at(minute),
    )


def kept(number: int, run: Run, **more: Any) -> Checkpoint:
    """Return the checkpoint that holds `run`, named as its last entry unless `more` says otherwise."""
    last = run.entries[-1]
    name = more.get("name", last.name)
    tag = tag_of(run.id, number, name)
    values: dict[str, Any] = {
        "name": name,
        "number": number,
        "created_at": getattr(last, "at", BEGAN),
        "phase": getattr(last, "phase", ""),
        "confidence": final_confidence(run) or build_confidence(run) or initial_confidence(run),
        "restore": Restore(command=f"churnflow rollback {tag}", git=f"git checkout {tag}"),
        "run": run,
        "artifacts": tuple(output for record in run.steps() for output in record.outputs),
        "data": {"data/c.csv": artifact("data/c.csv", "file")},
        "code": Code(tree=sha("tree")[:40], head=None, branch="main"),
        "environment": Environment(python="3.11.7", platform="Linux x86_64", packages_sha256=sha("packages")),
        "parent": Parent(tag=f"{tag}-before", sha256=sha(tag)) if number > 1 else None,
    }
    return Checkpoint.model_validate({**values, **more})


def document(run: Run, checkpoints: Sequence[Checkpoint] = (), **more: Any) -> ReportInput:
    """Return what a report of `run` is made from, its scores computed as the program computes them."""
    scores = {"initial": initial_confidence(run), "build": build_confidence(run), "final": final_confidence(run)}
    found = standings(claims_of(run))
    return ReportInput(run=run, checkpoints=checkpoints, **{**scores, "standings": found, **more})


def whole() -> ReportInput:
    """Return a run with everything in it: refused once, reused, waived, shipped, rolled back and come again."""
    plan = (
        scope(),
        approval("plan", 2, "reject", reviewer="Bo", notes=("name the data owner",)),
        approval(
            "plan",
            3,
            "approve-with-notes",
            notes=("! label the export", "fine otherwise"),
            answers={"Is the plan complete?": "yes, it is"},
        ),
        mark("planned", 3.5),
    )
    reuse = {"run": "260301-zzzz", "at": at(-1440)}
    build = (
        Override(name="train", parameter="trials", value=8, at=at(4)),
        ingest(4, reused=reuse, seconds=0.0, outputs=(artifact("customers"),)),
        train(5, auc=0.81, issues=(Issue(text=TIED),)),
        mark("built", 6),
    )
    answers = {"what it relies on makes sense": "yes, tenure always did"}
    checked = (
        assured(7),
        approval("release", 9, how="answers file", waited=0.0, answers=answers),
        waived(approval("plan", 3), Issue(text="label the export", severity="warning"), 9.5),
        mark("reviewed", 10),
    )
    final = final_confidence(begun(*plan, *build, *checked))
    assert final is not None
    reason = f"final confidence {final.score}, band 80-100 (ship): {final.because}"
    decided = (decision(11, "ship", final, reason), mark("shipped", 12))
    stages = [plan, (*plan, *build), (*plan, *build, *checked), (*plan, *build, *checked, *decided)]
    runs = [begun(*entries) for entries in stages]
    checkpoints = [kept(number, run) for number, run in enumerate(runs[:3], start=1)]
    checkpoints.append(kept(4, runs[3], release=release()))
    back = {"restores": checkpoints[1].tag, "reason": "wrong file | try again", "release": release()}
    checkpoints.append(kept(5, runs[3], name="rescue", phase="", created_at=at(20), release=release()))
    checkpoints.append(kept(6, runs[1], created_at=at(21), **back))
    checkpoints.append(kept(7, runs[3], created_at=at(22), restores=checkpoints[3].tag, release=release()))
    rows = (
        PerformanceRow(period="2026-03", requests=12000, avg_latency_ms=3.1, error_rate=0.0004, uptime=0.9999),
        PerformanceRow(
            period="2026-04",
            f1=0.61,
            f1_low=0.58,
            f1_high=0.64,
            requests=9000,
            avg_latency_ms=2.9,
            error_rate=0.0,
            uptime=1.0,
        ),
    )
    plots = {"roc.svg": "True against false positives", "lift.svg": "Churners among the highest scores"}
    made = {"served": release(), "plots": plots, "performance": rows, "source": source(checkpoints[-1])}
    return document(runs[3], checkpoints, **made)


def source(newest: Checkpoint) -> Source:
    """Return what a report says that it was made from."""
    digests = {name: sha(name) for name in ("records", "checkpoint_sha256", "served", "tracked")}
    return Source(run=newest.run.id, checkpoint=newest.tag, until=newest.created_at, **digests)
