"""Everything about a workflow that can be known wrong before it runs, each with line and remedy."""

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from churnflow.domain.contract import METRICS_ATTRIBUTE, PRECHECK_ATTRIBUTE
from churnflow.domain.release import REFERENCE
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import Gate, Item, Risk, Step
from churnflow.engine.bind import Filling, Parameter, fill, missing, parameters, remedy, typed_value, wrong_value
from churnflow.engine.parse import Parsed, Place, Problem
from churnflow.engine.ports import Files, StepCatalog
from churnflow.errors import ChurnflowError, UntrustedError

Function = Callable[..., object]


def check(parsed: Parsed, catalog: StepCatalog, files: Files, codecs: Collection[str]) -> tuple[Problem, ...]:
    """Return the problems of a parsed workflow in the order of their lines, none if it can be run."""
    checker = _Checker(parsed, catalog, files, codecs)
    return tuple(sorted(checker.problems(), key=lambda problem: problem.line))


def nearest(word: str, known: Collection[str]) -> str:
    """Return a remedy that names the nearest known word, or the known ones."""
    near = get_close_matches(word, list(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(known)}" if known else "there is none at this place"


class _Checker:
    """One pass over the items, that knows what the steps so far produce and report."""

    def __init__(self, parsed: Parsed, catalog: StepCatalog, files: Files, codecs: Collection[str]) -> None:
        self._parsed = parsed
        self._catalog = catalog
        self._files = files
        self._codecs = codecs
        self._artifacts: set[str] = set()
        self._reported: dict[str, tuple[str, ...] | None] = {}

    def problems(self) -> Iterator[Problem]:
        for phase, items in self._parsed.workflow.phases.items():
            for index, item in enumerate(items):
                yield from self._item(item, ("phases", phase, index))
        for index, rule in enumerate(self._parsed.workflow.requirements):
            yield from self._dotted(rule, ("requirements", index))
        for name, risk in self._parsed.workflow.risks.items():
            if isinstance(risk, Risk) and risk.closed_by is not None:
                yield from self._dotted(risk.closed_by, ("risks", name, "closed_by"))

    def _item(self, item: Item, place: Place) -> Iterator[Problem]:
        match item:
            case Step():
                yield from self._step(item, place)
            case Gate():
                if not self._reported:
                    yield self._problem(place, f"the gate {item.name!r} stands before any step", "put steps before it")
                for index, rule in enumerate(item.rules):
                    yield from self._dotted(rule, (*place, "rules", index))
            case _:
                pass

    def _step(self, step: Step, place: Place) -> Iterator[Problem]:
        self._reported[step.name] = None
        try:
            function = self._catalog.function(step.uses)
            yield from self._arguments(step, function, place)
        except UntrustedError:
            pass  # What it takes and measures is known once it may be imported, and a run looks again before it begins.
        except ChurnflowError as error:
            yield self._problem((*place, "uses"), str(error), error.hint)
        else:
            self._reported[step.name] = getattr(function, METRICS_ATTRIBUTE, None)
        for index, rule in enumerate(step.checks):
            yield from self._metric(rule.metric, step.name, (*place, "checks", index))
        for output, codec in step.produces.items():
            if codec not in self._codecs:
                yield self._problem(
                    (*place, "produces", output), f"unknown codec {codec!r}", nearest(codec, self._codecs)
                )
        self._artifacts |= set(step.produces)

    def _arguments(self, step: Step, function: Function, place: Place) -> Iterator[Problem]:
        known = parameters(function)
        for section, names in (("with", step.params), ("needs", step.needs)):
            for name in names:
                if name not in known:
                    what = f"{step.uses} takes no parameter {name!r}"
                    yield self._problem((*place, section, name), what, nearest(name, known))
        for name, artifact in step.needs.items():
            if artifact not in self._artifacts:
                what = f"no earlier step produces {artifact!r}"
                yield self._problem((*place, "needs", name), what, nearest(artifact, self._artifacts))
        filling = fill(step, known, self._artifacts)
        for name in missing(known, filling):
            what = f"{step.uses} needs {name!r}, which no earlier step produces and with: does not give"
            yield self._problem(place, what, nearest(name, self._artifacts))
        wrong = list(self._values(step, known, filling, place))
        yield from wrong or self._foreseen(step, function, filling, place)

    def _foreseen(self, step: Step, function: Function, filling: Filling, place: Place) -> Iterator[Problem]:
        """Ask the step itself what it can tell of its parameters."""
        look = getattr(function, PRECHECK_ATTRIBUTE, None)
        if look is None:
            return
        known = parameters(function)
        given = {
            **filling.named("default"),
            **{name: typed_value(known[name], value) for name, value in filling.named("value").items()},
            **{name: self._files.resolve(relative) for name, relative in filling.named("file").items()},
        }
        try:
            for name, error in look(given):
                yield self._problem((*place, "with", name), f"{step.name}.{name}: {error}", error.hint)
        except ChurnflowError as error:
            yield self._problem((*place, "with"), f"{step.name}: {error}", error.hint)
        except Exception as error:  # noqa: BLE001 - whatever a step's own look raises is a fault of the step
            what = f"{step.uses} could not look at its parameters: {type(error).__name__}: {error}"
            yield self._problem((*place, "uses"), what, "mend what its @precheck names")

    def _values(self, step: Step, known: Mapping[str, Parameter], filling: Filling, place: Place) -> Iterator[Problem]:
        for name, value in filling.named("value").items():
            reason = wrong_value(known[name], value)
            if reason is not None:
                what = f"{step.name}.{reason}"
                yield self._problem((*place, "with", name), what, remedy(known[name], value))
        for name, ref in filling.named("release").items():
            if REFERENCE.fullmatch(ref) is None:
                what = f"parameter {name!r} of {step.uses} names a release, and {ref!r} can be none"
                yield self._problem((*place, "with", name), what, "write served, served~1 or a version such as v1.2.0")
        for name, relative in filling.named("file").items():
            try:
                self._files.resolve(relative)
            except ChurnflowError as error:
                yield self._problem((*place, "with", name), str(error), error.hint)

    def _dotted(self, rule: Rule, place: Place) -> Iterator[Problem]:
        step, dot, metric = rule.metric.partition(".")
        if not dot:
            what = f"the rule {str(rule)!r} does not say which step measures it"
            yield self._problem(place, what, f"write it as STEP.{rule.metric}")
        elif step not in self._reported:
            what = f"the rule {str(rule)!r} names no step before it: {step!r}"
            yield self._problem(place, what, nearest(step, self._reported))
        else:
            yield from self._metric(metric, step, place)

    def _metric(self, metric: str, step: str, place: Place) -> Iterator[Problem]:
        reported = self._reported[step]
        if reported is not None and not any(fnmatchcase(metric, pattern) for pattern in reported):
            yield self._problem(place, f"the step {step!r} never reports {metric!r}", nearest(metric, reported))

    def _problem(self, place: Place, what: str, remedy: str) -> Problem:
        return Problem(line=self._parsed.line(*place), what=what, remedy=remedy)
