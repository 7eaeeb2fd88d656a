"""One item becomes one entry: a step is run or reused, a checkpoint saved, an approval asked for, a gate decided."""

import math
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from inspect import unwrap
from itertools import dropwhile
from typing import Any, Final, assert_never, cast

from churnflow.domain.contract import Evidence, Released
from churnflow.domain.evidence import Artifact, Check, Confidence, Issue, Measure, StepResult
from churnflow.domain.failures import place_of
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Reuse, Run, StepRecord
from churnflow.domain.ledger import as_of, open_issues
from churnflow.domain.release import Release
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Item, Step
from churnflow.engine.approvals import briefed, collect, refuse_without_role, unproven
from churnflow.engine.bind import Filling, Parameter, Source, fill, missing, parameters, typed_value
from churnflow.engine.check import nearest
from churnflow.engine.claims import past_runs, track_record
from churnflow.engine.judge import (
    NOT_TOLD,
    approvals_before,
    build_confidence,
    final_confidence,
    initial_confidence,
    raised_confidence,
    said,
    step_confidence,
    verdict,
)
from churnflow.engine.keep import keep_checkpoint
from churnflow.engine.keys import RELEASE, gate_subject, holds, step_key, subject
from churnflow.engine.objections import objections
from churnflow.engine.past_artifacts import artifacts_of
from churnflow.engine.ports import Brief, Ports
from churnflow.engine.refs import named_release
from churnflow.engine.reviewers import FIRST_REVIEWER
from churnflow.errors import (
    ChurnflowError,
    ConflictError,
    IntegrityError,
    UntrustedError,
    UsageError,
    WaitingError,
)

# These name no release before the first; any other reference means one that must be there.
_BEFORE_THE_FIRST: Final = ("served", "served~0")


def perform(phase: str, item: Item, run: Run, ports: Ports) -> ItemEntry:
    """Do one item and return its entry. Raises WaitingError when an approval can not be asked for here and now.

    Only what stands before the item counts: entries of later items are of an earlier pass.
    """
    last, whole = run.latest(item.name), run
    run = run.before(item.name)
    match item:
        case Step():
            # One that did not pass is measured again when it is asked for again: it may have been the moment.
            return _step(phase, item, run, ports, reuse=last is None or last.passed)
        case CheckpointRequest():
            return _checkpoint(phase, item, run, ports)
        case ApprovalRequest():
            return ask(phase, item, whole, ports)
        case Gate():
            return _decision(phase, item, run, ports)
        case _ as never:
            assert_never(never)


def ask(phase: str, request: ApprovalRequest, run: Run, ports: Ports) -> Approval:
    """Put an approval to the reviewer; earlier answers to the same stay beside it where several are demanded.

    Raises WaitingError when nobody can answer here and now, RefusedError for a signed answer that does not count.
    """
    whole, run = run, run.before(request.name)
    brief = _brief(request, run, ports)
    refuse_without_role(request, brief.signs_as)
    answer = ports.reviewer.review(brief, phase)
    if answer is None or (brief.only_signed and answer.answer != "reject" and not answer.signed):
        raise _waiting(brief)
    since = run.entries[-1].at if run.entries else run.started_at
    notes = tuple(line.strip() for note in answer.notes for line in note.splitlines() if line.strip())
    waited = max(answer.waited, (answer.at - since).total_seconds())
    return collect(whole, request, answer.model_copy(update={"waited": waited, "notes": notes}), ports)


def _waiting(brief: Brief) -> WaitingError:
    name = brief.request.name
    message = f"the approval {name!r} waits for a reviewer"
    hint = f"`churnflow approve {name}` at a terminal, or with --answers FILE"
    if brief.policy.grade != "unsigned":
        message = f"the approval {name!r} waits: it needs {brief.policy.in_words()}"
        hint = f"`churnflow approve {name} --key FILE` signs it; --statement --reviewer NAME has it signed elsewhere"
        if brief.lists is None:
            message += ", and nobody is listed as a reviewer"
            hint = f"`{FIRST_REVIEWER}` begins the list; then {hint}"
    return WaitingError(message, hint=hint, approval=name, questions=brief.questions)


def _brief(request: ApprovalRequest, run: Run, ports: Ports) -> Brief:
    run = as_of(run, ports.clock.now())
    previous = ports.checkpoints.head(run.id) if any(isinstance(entry, Mark) for entry in run.entries) else None
    changes = ports.checkpoints.changes(previous) if previous else ()
    asked = tuple(line.claim for record in run.steps() for line in record.findings if line.state == "ask")
    lists, listed = briefed(request, ports)
    return Brief(
        request=request,
        run=run,
        subject=subject(run, request),
        questions=(*request.questions, *(asked if _reviews(run, request) else ())),
        previous=previous,
        changed_files=tuple(change.path for change in changes),
        issues=open_issues(run),
        standings=track_record(run, ports.checkpoints)[1],
        scores=_scores(run, ports),
        outlook=_outlook(request, run, ports),
        policy=request.policy,
        signs_as=ports.signer.signs_as(listed) if ports.signer and listed else None,
        lists=lists,
    )


def _scores(run: Run, ports: Ports) -> dict[str, Confidence]:
    scores = {
        "initial": initial_confidence(run, past_runs(run, ports.checkpoints)),
        "build": build_confidence(run),
        "final": final_confidence(run),
    }
    return {name: score for name, score in scores.items() if score is not None}


def _outlook(request: ApprovalRequest, run: Run, ports: Ports) -> Decision | None:
    """Return what the next gate would decide were `request` approved, None while a step comes before that gate."""
    after = dropwhile(lambda placed: placed[1].name != request.name, run.declared.placed_items())
    phase, ahead = next(((phase, item) for phase, item in after if isinstance(item, Step | Gate)), ("", None))
    return _decision(phase, ahead, run, ports, approved=request.name) if isinstance(ahead, Gate) else None


def _reviews(run: Run, request: ApprovalRequest) -> bool:
    """Tell whether `request` is the first approval after the checklist, which is the one that answers it."""
    seen = False
    for item in run.declared.items():
        if isinstance(item, Step):
            record = run.latest(item.name)
            seen = seen or (isinstance(record, StepRecord) and bool(record.findings))
        elif isinstance(item, ApprovalRequest) and seen:
            return item.name == request.name
    return False


def _checkpoint(phase: str, request: CheckpointRequest, run: Run, ports: Ports) -> Mark:
    if ports.workflow_sha256(run.workflow_path) != run.workflow_sha256:
        message = f"the workflow {run.workflow_path} changed under the run {run.id}; no checkpoint is made"
        raise ConflictError(message, hint="bring the file back and go on, or `churnflow run` begins a new run with it")
    mark = Mark(name=request.name, phase=phase, key=subject(run, request), at=ports.clock.now())
    return keep_checkpoint(run, mark, ports)


def _decision(phase: str, gate: Gate, run: Run, ports: Ports, approved: str | None = None) -> Decision:
    """Return what the gate decides now; the approval called `approved` counts as given."""
    run = as_of(run, ports.clock.now())
    asked = [request for request in approvals_before(run, gate) if request.name != approved]
    stale = [request.name for request in asked if not _given(run, request, ports)]
    decided, confidence, reasons, action = verdict(run, gate, stale, unproven(run, gate, ports, approved))
    reasons += objections(run, gate, ports)
    return Decision(
        name=gate.name,
        phase=phase,
        passed=decided == "ship",
        key=gate_subject(run, gate),
        at=ports.clock.now(),
        verdict=decided,
        confidence=confidence,
        bands=(gate.fix, gate.ship),
        reasons=tuple(reasons),
        next_action=action,
        by=ports.author,
        said=said(run, gate, decided),
    )


def _given(run: Run, request: ApprovalRequest, ports: Ports) -> bool:
    entry = run.latest(request.name)
    return entry is not None and entry.passed and holds(run, request, entry, ports)


def _step(phase: str, step: Step, run: Run, ports: Ports, *, reuse: bool) -> StepRecord:
    began = ports.clock.stopwatch()
    call = _Call(phase, step, run, ports)
    try:
        call.prepare()
        record = (call.reused() if reuse else None) or call.made()
    except (ConflictError, IntegrityError, UntrustedError):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a step raises is evidence, not the engine's crash
        record = call.failed(error)
    seconds = 0.0 if record.reused else round(ports.clock.stopwatch() - began, 3)
    return record.model_copy(update={"seconds": seconds})


class _Call:
    """One call of a step function, from its declaration to its record."""

    def __init__(self, phase: str, step: Step, run: Run, ports: Ports) -> None:
        self._phase = phase
        self._step = step
        self._run = run
        self._ports = ports
        self._key = "0" * 64
        self._inputs: tuple[Artifact, ...] = ()
        self._releases: dict[str, Release] = {}
        self._evidence: str | None = None
        self._known: dict[str, Parameter] = {}
        self._filling = Filling({})
        self._function: Callable[..., object] | None = None

    def reused(self) -> StepRecord | None:
        """Return the record of an equal call that was made before, judged anew; None if there is none."""
        found = self._ports.journal.reusable(self._key)
        if found is None:
            return None
        run_id, record = found
        for artifact in record.outputs:
            try:
                self._ports.store.verify(artifact)
            except ChurnflowError:
                return None
        update = {"reused": Reuse(run=run_id, at=record.at), "at": self._ports.clock.now(), "phase": self._phase}
        return self._judged(record.model_copy(update={**update, "name": self._step.name}))

    def made(self) -> StepRecord:
        """Call the function and store what it returns."""
        function = self._function or self._ports.catalog.function(self._step.uses)
        arguments = self._arguments()
        # What a step prints is no part of the command's answer.
        with redirect_stdout(sys.stderr):
            result = function(**arguments)
        if not isinstance(result, StepResult):
            message = f"{self._step.uses} returned {type(result).__name__}, not a StepResult"
            raise UsageError(message, hint="return churnflow.StepResult(outputs=..., metrics=...)")
        metrics, lost = _finite(result.metrics)
        outputs = self._stored(result.outputs)
        return self._judged(
            self._record(
                outputs=outputs,
                metrics=metrics,
                facts={name: str(text) for name, text in result.facts.items()},
                issues=(*result.issues, *lost),
                findings=tuple(result.findings),
                stated=result.confidence,
            )
        )

    def failed(self, error: BaseException) -> StepRecord:
        """Turn what the function raised into a record with a critical issue."""
        if isinstance(error, ChurnflowError):
            text, hint = str(error), error.hint
        else:
            # What a library says may quote a cell of the data: it is shown to whoever watches, and kept nowhere.
            self._ports.listener.raised(self._step, error)
            text = place_of(error, self._code_file())
            hint = f"the traceback is in {self._ports.keep_traceback(error)}"
        issue = Issue(text=text, severity="critical")
        confidence = raised_confidence(text)
        return self._record(passed=False, raised=True, issues=(issue,), facts={"hint": hint}, confidence=confidence)

    def _code_file(self) -> str:
        code = getattr(unwrap(self._function), "__code__", None) if self._function else None
        return str(getattr(code, "co_filename", ""))

    def prepare(self) -> None:
        """Find out what fills the parameters, and from that the key."""
        self._function = self._ports.catalog.function(self._step.uses)
        self._known = parameters(self._function)
        artifacts = self._run.artifacts()
        self._filling = fill(self._step, self._known, artifacts)
        for name in missing(self._known, self._filling):
            message = f"{self._step.uses} needs {name!r}, which no earlier step produced"
            raise UsageError(message, hint=nearest(name, artifacts))
        files = [self._file(relative) for relative in self._filling.named("file").values()]
        used = [self._artifact(name, artifacts) for name in self._filling.named("artifact").values()]
        self._releases = self._named_releases()
        bundles = [
            release.artifact.model_copy(update={"name": f"{RELEASE}{release.version}"})
            for release in self._releases.values()
        ]
        self._inputs = (*files, *used, *bundles)
        self._evidence = subject(self._run, self._step) if self._filling.named("evidence") else None
        self._key = step_key(self._step, self._inputs, self._evidence, self._ports)

    def _file(self, relative: str) -> Artifact:
        return self._ports.store.put_file(relative, self._ports.files.resolve(relative))

    def _named_releases(self) -> dict[str, Release]:
        """Return the release that each parameter names; before the first, `served` names none.

        Raises UsageError for a version, or a number of releases back, that there never was.
        """
        found = {name: named_release(ref, self._ports) for name, ref in self._filling.named("release").items()}
        for name, ref in self._filling.named("release").items():
            if found[name] is None and ref not in _BEFORE_THE_FIRST:
                versions = dict.fromkeys(release.version for release in self._ports.pointer.past())
                message = f"no release is called {ref!r}"
                raise UsageError(message, hint=nearest(ref, versions))
        return {name: release for name, release in found.items() if release is not None}

    def _unpacked(self, name: str) -> Released:
        release = self._releases.get(name)
        if release is None:
            return Released("", {})
        files = cast("Mapping[str, bytes]", self._ports.store.get(release.artifact))
        return Released(release.version, files, artifacts_of(release, self._ports))

    def _artifact(self, name: str, artifacts: Mapping[str, Artifact]) -> Artifact:
        if name not in artifacts:
            message = f"no earlier step produced {name!r}"
            raise UsageError(message, hint=nearest(name, artifacts))
        return artifacts[name]

    def _arguments(self) -> dict[str, Any]:
        artifacts = self._run.artifacts()
        make: Mapping[Source, Callable[[str, Any], Any]] = {
            "value": lambda name, value: typed_value(self._known[name], value),
            "file": lambda _, relative: self._ports.files.resolve(relative),
            "release": lambda name, _: self._unpacked(name),
            "artifact": lambda _, artifact: self._ports.store.get(artifacts[artifact]),
            "evidence": lambda *_: Evidence(requirements=self._run.declared.requirements, steps=self._run.steps()),
            "progress": lambda *_: self._ports.listener.progress(self._step),
            "pseudonyms": lambda *_: self._ports.pseudonym,
            "default": lambda _, default: default,
        }
        return {name: make[source](name, detail) for name, (source, detail) in self._filling.sources.items()}

    def _stored(self, outputs: Mapping[str, object]) -> tuple[Artifact, ...]:
        absent = [name for name in self._step.produces if name not in outputs]
        if absent:
            message = f"{self._step.uses} did not return the output {absent[0]!r}"
            raise UsageError(message, hint=nearest(absent[0], outputs))
        return tuple(self._ports.store.put(name, outputs[name], codec) for name, codec in self._step.produces.items())

    def _record(self, **measured: Any) -> StepRecord:
        return StepRecord(
            **{
                "name": self._step.name,
                "phase": self._phase,
                "passed": True,
                "key": self._key,
                "at": self._ports.clock.now(),
                "uses": self._step.uses,
                "params": self._step.params,
                "inputs": self._inputs,
                "evidence": self._evidence,
                "confidence": raised_confidence("not judged"),
                **measured,
            }
        )

    def _judged(self, record: StepRecord) -> StepRecord:
        checks = tuple(rule.judge(record.metrics) for rule in self._step.checks)
        untold = record.facts.get(NOT_TOLD, "")
        confidence = step_confidence(checks, self._limits(record), record.issues, record.findings, untold)
        passed = all(check.passed for check in checks)
        return record.model_copy(update={"checks": checks, "confidence": confidence, "passed": passed})

    def _limits(self, record: StepRecord) -> list[Check]:
        """Test what the business and gates require of this step's metrics; it counts for the score, not for passing."""
        dotted = {f"{self._step.name}.{name}": measure for name, measure in record.metrics.items()}
        rules = self._run.declared.limits()
        return [rule.judge(dotted) for rule in rules if rule.metric.partition(".")[0] == self._step.name]


def _finite(metrics: Mapping[str, float | Measure]) -> tuple[dict[str, Measure], list[Issue]]:
    """Return the metrics as measures; one that is not a finite number counts as not measured, and is named."""
    kept: dict[str, Measure] = {}
    lost: list[Issue] = []
    for name, value in metrics.items():
        if isinstance(value, Measure):
            kept[name] = value
        elif math.isfinite(value):
            kept[name] = Measure(value=float(value))
        else:
            lost.append(Issue(text=f"the metric {name} is not a finite number", severity="warning"))
    return kept, lost
