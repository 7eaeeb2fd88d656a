"""What was claimed and what came true: scores that authors gave, and how far each author could be believed."""

from collections.abc import Iterable

from churnflow.domain.base import Frozen, Moment, Score


class Claim(Frozen):
    """A score that somebody gave for something; came_true is None as long as nothing has settled it.

    author: for a final score who had the gate decide, for what a step says of itself the step's function, or whoever
    its fact `author` names, as an agent's step does. settled_by: the evidence that decided it.
    """

    author: str
    run: str
    about: str
    score: Score
    at: Moment
    came_true: bool | None = None
    settled_by: str = ""


class Outcome(Frozen):
    """What was later measured of the release that a run has shipped: whether all requirements held, and by what."""

    run: str
    held: bool
    evidence: str


class Standing(Frozen):
    """How an author's settled claims fared.

    mean_score: of the settled claims, 0-1. came_true: the share of these. brier: the mean squared difference of score
    and outcome (Brier 1950): 0 is perfect, 0.25 what always saying 50 earns.
    """

    author: str
    claims: int
    settled: int
    mean_score: float | None = None
    came_true: float | None = None
    brier: float | None = None


class PastRun(Frozen):
    """What an earlier run of the same workflow came to: its final score, and whether its release was shipped."""

    run: str
    score: Score
    shipped: bool


def standings(claims: Iterable[Claim]) -> tuple[Standing, ...]:
    """Return how each author fared, those with the most settled claims first."""
    by_author: dict[str, list[Claim]] = {}
    for claim in claims:
        by_author.setdefault(claim.author, []).append(claim)
    found = [_standing(author, own) for author, own in by_author.items()]
    return tuple(sorted(found, key=lambda standing: (-standing.settled, standing.author)))


def in_words(standing: Standing) -> str:
    """Return how an author fared in one line: what was said, what came true, and by how much they differ."""
    count = f"{standing.settled} of {standing.claims} settled"
    if standing.mean_score is None or standing.came_true is None or standing.brier is None:
        return count
    apart = round(100 * (standing.mean_score - standing.came_true))
    judged = f"over-confident by {apart} points" if apart > 0 else f"under-confident by {-apart} points"
    return (
        f"{count}; said {standing.mean_score:.0%} on average, {standing.came_true:.0%} came true "
        f"({judged if apart else 'as said'}); Brier score {standing.brier:.2f}"
    )


def _standing(author: str, claims: list[Claim]) -> Standing:
    settled = [(claim.score / 100, float(claim.came_true)) for claim in claims if claim.came_true is not None]
    if not settled:
        return Standing(author=author, claims=len(claims), settled=0)
    count = len(settled)
    return Standing(
        author=author,
        claims=len(claims),
        settled=count,
        mean_score=sum(score for score, _ in settled) / count,
        came_true=sum(outcome for _, outcome in settled) / count,
        brier=sum((score - outcome) ** 2 for score, outcome in settled) / count,
    )
