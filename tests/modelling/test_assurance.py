"""The probability that requirements hold on the next batch: right as often as it says, and by the laws it names."""

import numpy as np
import pytest
from scipy.stats import betabinom, norm
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from churnflow.modelling.assurance import (
    PREDICTED,
    Drawing,
    Exact,
    Gap,
    Labelled,
    Predicted,
    Requirement,
    Share,
    Spread,
    agreement,
    draw,
    gain_over,
    pooled,
    probability,
    value_of,
)
from churnflow.modelling.metrics import Scored

RECALL = Predicted(PREDICTED["recall"])
ROC_AUC = Predicted(PREDICTED["roc_auc"])
NOBODY = Labelled(Scored.at(np.array([0.9, 0.1]), np.array([1, 0]), 0.5), {})


def make_rows(rows: int, seed: int = 0, *, signal: float = 1.5, groups: bool = False) -> Labelled:
    """Make rows of a model whose ROC AUC is norm.cdf(signal / sqrt(2)); one in four churns."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.25).astype(np.int64)
    margin = random.normal(size=rows) + signal * target
    labels = np.where(random.random(rows) < 0.5, "a", "b").astype(np.str_)
    scored = Scored.at(1 / (1 + np.exp(-(margin - 1.5))), target, 0.4)
    return Labelled(scored, {"plan": labels} if groups else {})


def holds(*requirements: Requirement, rows: Labelled = NOBODY, drawing: Drawing | None = None) -> float:
    return probability(requirements, rows, drawing or Drawing(500)).probability


def test_what_it_says_comes_true_as_often() -> None:
    said, held = [], []
    for seed in range(400):
        random = np.random.default_rng(seed)
        sample, batch = make_rows(400, seed), make_rows(200, 10_000 + seed)
        limits = norm.cdf(1.5 / 2**0.5) + random.uniform(-0.1, 0.04), 0.67 + random.uniform(-0.25, 0.1)
        both = [Requirement(">=", limit, known) for limit, known in zip(limits, (ROC_AUC, RECALL), strict=True)]
        said.append(holds(*both, rows=sample, drawing=Drawing(200, 100, seed)))
        held.append(all(value_of(one.known, batch) >= one.limit for one in both))
    scores, outcomes = np.array(said), np.array(held)
    # The standard error of the share that held is 0.025, that of each third 0.04.
    assert scores.mean() == pytest.approx(outcomes.mean(), abs=0.06)
    for low, high in ((0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.01)):
        part = (scores >= low) & (scores < high)
        assert part.sum() > 40
        assert scores[part].mean() == pytest.approx(outcomes[part].mean(), abs=0.12)


def test_a_requirement_at_the_level_of_the_model_is_a_coin_flip() -> None:
    rows = make_rows(4000)
    level = value_of(ROC_AUC, rows)
    assert holds(Requirement(">=", level, ROC_AUC), rows=rows) == pytest.approx(0.5, abs=0.06)
    assert holds(Requirement(">=", level - 0.1, ROC_AUC), rows=rows) > 0.99
    assert holds(Requirement(">=", level + 0.1, ROC_AUC), rows=rows) < 0.01


def test_what_fails_together_counts_once_and_what_does_not_counts_each_time() -> None:
    rows = make_rows(1000)
    at_level = Requirement(">=", value_of(RECALL, rows), RECALL)
    alone = holds(at_level, rows=rows)
    assert holds(at_level, at_level, rows=rows) == alone
    error = Requirement("<=", 0.01, Share(4, 400))
    apart = holds(error, rows=rows)
    assert holds(at_level, error, rows=rows) == pytest.approx(alone * apart, abs=0.06)


def test_what_the_requirements_take_and_the_probability_add_up_to_one() -> None:
    rows = make_rows(600)
    limits = [
        (">=", 0.83, ROC_AUC),
        (">=", 0.6, RECALL),
        ("<=", 0.02, Share(3, 300)),
        ("<=", 5.0, Spread(4, 3, 6, 100)),
    ]
    found = probability([Requirement(*limit) for limit in limits], rows, Drawing(300))
    assert found.probability + sum(line.takes for line in found.prospects) == pytest.approx(1)
    worst = min(found.prospects, key=lambda line: line.holds)
    assert worst.takes == pytest.approx(1 - worst.holds)
    assert all(line.low is not None and line.low <= (line.high or 0) for line in found.prospects)


@pytest.mark.parametrize(("hits", "n", "batch"), [(0, 400, 400), (4, 400, 400), (4, 400, 2000), (1, 40, 100)])
def test_a_share_of_events_follows_the_beta_binomial_of_scipy(hits: int, n: int, batch: int) -> None:
    expected = betabinom.cdf(int(0.01 * batch), batch, hits + 0.5, n - hits + 0.5)
    found = holds(Requirement("<=", 0.01, Share(hits, n)), drawing=Drawing(batch, 20_000))
    assert found == pytest.approx(expected, abs=0.015)


def test_a_number_with_an_interval_is_as_uncertain_as_it_says_and_as_the_batch_adds() -> None:
    drawing = Drawing(400, 20_000)
    assert holds(Requirement("<=", 5.0, Spread(4, 2, 5)), drawing=drawing) == pytest.approx(0.975, abs=0.01)
    assert holds(Requirement(">=", 2.0, Spread(4, 2, 5)), drawing=drawing) == pytest.approx(0.975, abs=0.01)
    as_long = holds(Requirement("<=", 5.0, Spread(4, 2, 5, 400)), drawing=drawing)
    assert as_long == pytest.approx(norm.cdf(1.96 / 2**0.5), abs=0.01)


@pytest.mark.parametrize(("op", "held"), [("<=", 1), (">=", 1), ("==", 1), ("<", 0), (">", 0)])
def test_an_exact_number_holds_or_does_not(op: str, held: int) -> None:
    assert holds(Requirement(op, 3.0, Exact(3.0))) == held


def test_no_test_part_however_perfect_makes_it_certain() -> None:
    perfect = Labelled(Scored.at(np.array([0.9] * 10 + [0.1] * 10), np.array([1] * 10 + [0] * 10), 0.5), {})
    assert value_of(RECALL, perfect) == 1
    assert 0.4 < holds(Requirement(">=", 0.95, RECALL), rows=perfect) < 0.95


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_that_decides_all_alike_makes_no_probability_worse(threshold: float) -> None:
    random = np.random.default_rng(4)
    probabilities = random.beta(2, 6, 400)
    target = (random.random(400) < probabilities).astype(np.int64)
    level = Predicted(gain_over(target.mean()))
    part, alike = (Labelled(Scored.at(probabilities, target, limit), {}) for limit in (0.25, threshold))
    # A gain of half of what the rows show is likely, not certain.
    asked = Requirement(">", value_of(level, part) / 2, level)
    assert holds(asked, rows=alike) == pytest.approx(holds(asked, rows=part), abs=0.08)


def test_a_larger_batch_is_less_noisy() -> None:
    rows = make_rows(5000)
    below = Requirement(">=", value_of(RECALL, rows) - 0.05, RECALL)
    small, large = (holds(below, rows=rows, drawing=Drawing(batch)) for batch in (60, 6000))
    assert small < 0.9
    assert large > 0.97


def test_a_batch_that_does_not_tell_a_metric_does_not_hold_it() -> None:
    rows = make_rows(200)
    assert holds(Requirement(">=", 0.0, ROC_AUC), rows=rows, drawing=Drawing(1)) < 0.2
    one_group = Labelled(rows.scored, {"plan": np.full(200, "a")})
    found = probability([Requirement("<=", 1.0, Gap("plan", "all"))], one_group, Drawing(200))
    assert found.probability == 0
    assert found.prospects[0].low is None


@pytest.mark.parametrize("size", [300, 9000])
def test_batches_are_drawn_as_by_a_bayesian_bootstrap_and_a_poisson_law(size: int) -> None:
    rows, batch, random = make_rows(size), size // 4, np.random.default_rng(5)
    y, p, d = rows.scored.target, rows.scored.probabilities, rows.scored.decisions
    plain = []
    for _ in range(200):
        often = random.poisson(batch * random.dirichlet(np.ones(size)))
        plain.append([roc_auc_score(y, p, sample_weight=often), recall_score(y, d, sample_weight=often)])
    ours = draw([ROC_AUC, RECALL], rows, Drawing(batch, 2000))
    for values, oracle in zip(ours, np.array(plain).T, strict=True):
        assert values.mean() == pytest.approx(oracle.mean(), abs=0.4 * oracle.std())
        assert values.std() == pytest.approx(oracle.std(), rel=0.2)


def test_a_gap_between_groups_is_drawn_over_groups_that_are_large_enough() -> None:
    rows = make_rows(3000, groups=True)
    unfair = rows.scored.decisions & ~((rows.groups["plan"] == "b") & (np.arange(3000) % 2 == 0))
    scored = Scored(rows.scored.probabilities, rows.scored.target, unfair)
    labels = rows.groups["plan"].copy()
    labels[:5] = "c"
    for among in ("positives", "negatives", "all"):
        part = {"positives": scored.target == 1, "negatives": scored.target == 0, "all": scored.target >= 0}[among]
        rates = [scored.decisions[part & (labels == label)].mean() for label in ("a", "b")]
        gap = value_of(Gap("plan", among), Labelled(scored, {"plan": labels}))  # type: ignore[arg-type]
        assert gap == pytest.approx(abs(rates[0] - rates[1]))
    found = Labelled(scored, {"plan": labels})
    assert holds(Requirement("<=", 0.1, Gap("plan", "positives")), rows=found) < 0.01
    assert holds(Requirement("<=", 0.1, Gap("plan", "positives")), rows=found, drawing=Drawing(20)) == 0


def test_metrics_are_those_of_scikit_learn() -> None:
    rows = make_rows(500)
    y, p, d = rows.scored.target, rows.scored.probabilities, rows.scored.decisions
    theirs = {
        "roc_auc": roc_auc_score(y, p),
        "recall": recall_score(y, d),
        "precision": precision_score(y, d),
        "average_precision": average_precision_score(y, p),
        "accuracy": (d == y).mean(),
        "prevalence": y.mean(),
    }
    for name, value in theirs.items():
        assert value_of(Predicted(PREDICTED[name]), rows) == pytest.approx(value), name
    rate = y.mean()
    of_rate = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    log_loss = value_of(Predicted(PREDICTED["log_loss"]), rows)
    assert value_of(Predicted(gain_over(rate)), rows) == pytest.approx(of_rate - log_loss)


@pytest.mark.parametrize("size", [400, 9000])
def test_rows_are_drawn_by_their_weights(size: int) -> None:
    rows = make_rows(size)
    twice = np.where(np.arange(size) % 2 == 0, 2.0, 0.0)
    half = Scored(*(part[::2] for part in (rows.scored.probabilities, rows.scored.target, rows.scored.decisions)))
    weighed = Labelled(rows.scored, {}, twice)
    for known in (ROC_AUC, RECALL):
        assert value_of(known, weighed) == pytest.approx(value_of(known, Labelled(half, {})))
        (drawn,) = draw([known], weighed, Drawing(5000, 300))
        assert drawn.mean() == pytest.approx(value_of(known, weighed), abs=0.02)


def test_rows_out_of_fold_show_the_model_without_what_it_owes_to_being_the_best() -> None:
    seen, tested = make_rows(1200, 1, groups=True), make_rows(300, 2, groups=True)
    corrected, plain = (pooled(seen, tested, optimism) for optimism in (0.02, 0.0))
    assert len(plain) == 1500
    assert plain.groups["plan"].tolist() == [*seen.groups["plan"], *tested.groups["plan"]]
    log_loss, prevalence = (Predicted(PREDICTED[name]) for name in ("log_loss", "prevalence"))
    assert value_of(log_loss, corrected) - value_of(log_loss, plain) == pytest.approx(0.02 * 1200 / 1500)
    assert value_of(prevalence, corrected) == pytest.approx(value_of(prevalence, plain))
    for known in (ROC_AUC, RECALL):
        assert value_of(known, corrected) < value_of(known, plain) - 0.002
    assert corrected.weights is not None
    assert (corrected.weights[1200:] == 1).all()


def test_rows_that_their_model_has_seen_do_not_agree_with_unseen_ones() -> None:
    unseen, others = make_rows(400, 1), make_rows(1600, 2)
    seen = make_rows(1600, 3, signal=4)
    assert agreement(others.scored, unseen.scored) > 0.01
    assert agreement(seen.scored, unseen.scored) < 0.01
    nothing = Scored.at(np.full(9, 0.1), np.zeros(9, dtype=np.int64), 0.5)
    assert agreement(nothing, nothing) == 1


def test_the_same_seed_says_the_same() -> None:
    rows, one = make_rows(300), Requirement(">=", 0.85, ROC_AUC)
    assert holds(one, rows=rows, drawing=Drawing(100, 200, 7)) == holds(one, rows=rows, drawing=Drawing(100, 200, 7))


def test_no_requirement_is_held_by_every_batch() -> None:
    assert holds() == 1
