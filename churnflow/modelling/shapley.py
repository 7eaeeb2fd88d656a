"""What each feature adds to a customer's log odds: Shapley values against a background of training rows; numpy only.

A feature is taken from the customer or from a background row (Lundberg and Lee 2017, "A unified approach to
interpreting model predictions"; interventional: what the model does not use gets 0). All columns that a feature was
encoded into move together. Sums over features and trees are explained exactly; anything else by antithetic sampling of
orders (Strumbelj and Kononenko 2014; Mitchell et al. 2022). Either way the values of a customer add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from churnflow.modelling.columns import Floats
from churnflow.modelling.effort import affordable
from churnflow.modelling.margins import MEMBERS, Arrays, Margin, margin_of
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.tree_shapley import Ints, leaves_of, tree_contributions
from churnflow.modelling.trees import Trees

# Of margins, when values are sampled; each row's values rest on FEWEST to MOST pairs of orders.
EVALUATIONS: Final = 160_000
FEWEST: Final = 2
MOST: Final = 50
ADDITIVE: Final = ("linear", "spline")
TREES: Final = ("boosted", "summed")


@dataclass(frozen=True)
class Contributions:
    """What features add to the log odds of customers, scaled as the model's are, before a curve bends them.

    base: the mean log odds of the background. values: (n, features), which with `base` add up to the log odds of each
    customer. exact: whether they are computed, not sampled.
    """

    features: tuple[str, ...]
    base: float
    values: Floats
    exact: bool

    def reasons(self, row: int, most: int = 3) -> list[tuple[str, float]]:
        """Return the features that move a customer's log odds most, with what they add, the largest first."""
        order = np.argsort(-np.abs(self.values[row]), kind="stable")[:most]
        return [(self.features[place], float(self.values[row, place])) for place in order if self.values[row, place]]


def contributions(model: PortableModel, matrix: Floats, background: Floats, seed: int = 0) -> Contributions:
    """Return what each feature adds to the log odds of the customers of `matrix` (n, width), encoded.

    background: (m, width), encoded customers to compare with, at least one.
    """
    slices = model.encoding.slices()
    game = _Game(matrix, background, tuple(slices.values()))
    base, values, unknown = 0.0, np.zeros((len(matrix), len(slices))), []
    for weight, family, arrays in members(model):
        margin = margin_of(family, arrays, model.encoding.width)
        part = _exact(family, arrays, margin, game)
        if part is None:
            unknown.append((weight, margin))
            continue
        base += weight * float(margin(background).mean())
        values += weight * part
    if unknown:
        most = affordable(model, EVALUATIONS)
        rest, part = _sampled(lambda rows: _mixed(unknown, rows), game, most, np.random.default_rng(seed))
        base, values = base + rest, values + part
    slope, intercept = model.calibration
    return Contributions(tuple(slices), slope * base + intercept, slope * values, not unknown)


@dataclass(frozen=True)
class _Game:
    """Who plays: rows and background, encoded, and the columns of each feature."""

    rows: Floats
    background: Floats
    places: tuple[list[int], ...]


def members(model: PortableModel) -> list[tuple[float, str, Arrays]]:
    """Return what the margin is the weighted sum of: weight, family and arrays of each."""
    if model.family != "blend":
        return [(1.0, model.family, model.arrays)]
    parts: list[dict[str, Any]] = [{} for _ in model.arrays["mix"]]
    for name, array in model.arrays.items():
        number, _, plain = name.partition(".")
        if plain:
            parts[int(number)][plain] = array
    weights = zip(model.arrays["mix"].tolist(), model.arrays["families"].tolist(), parts, strict=True)
    return [(weight, MEMBERS[kind], part) for weight, kind, part in weights]


def _mixed(members: Sequence[tuple[float, Margin]], rows: Floats) -> Floats:
    total = np.zeros(len(rows))
    for weight, margin in members:
        total += weight * margin(rows)
    return total


def _exact(family: str, arrays: Arrays, margin: Margin, game: _Game) -> Floats | None:
    """Return the values (n, features) of a margin whose form allows to compute them, else None."""
    if family in ADDITIVE:
        return _additive(margin, game)
    if family not in TREES:
        return None
    width = game.rows.shape[1]
    players = np.zeros(width, dtype=np.int64)
    for feature, columns in enumerate(game.places):
        players[columns] = feature
    trees = Trees.from_arrays(arrays, width)
    leaves = leaves_of(trees, players)
    if leaves is None:
        return None
    return tree_contributions(trees, leaves, game.rows, game.background, len(game.places))


def _additive(margin: Margin, game: _Game) -> Floats:
    """Explain a sum of functions of one feature each: every one is seen alone, the others held at a background row."""
    held = game.background[0]
    everyone = np.concatenate([game.rows, game.background])
    values = np.zeros((len(game.rows), len(game.places)))
    for feature, columns in enumerate(game.places):
        mixed = np.tile(held, (len(everyone), 1))
        mixed[:, columns] = everyone[:, columns]
        alone = margin(mixed)
        values[:, feature] = alone[: len(game.rows)] - alone[len(game.rows) :].mean()
    return values


def _sampled(margin: Margin, game: _Game, most: int, random: np.random.Generator) -> tuple[float, Floats]:
    """Turn background rows into each row feature by feature, in random orders and in their reverse.

    Up to about `most` margins are computed. The background rows to start from are spread evenly over their margins, and
    the base is the mean of these.
    """
    features = len(game.places)
    pairs = int(np.clip(most // (2 * features * len(game.rows)), FEWEST, MOST))
    ranked = np.argsort(margin(game.background), kind="stable")
    starts = ranked[((np.arange(pairs) + 0.5) * len(ranked) / pairs).astype(np.int64)]
    values = np.zeros((len(game.rows), features))
    for start in starts:
        order = random.permutation(features)
        for way in (order, order[::-1]):
            values += _walk(margin, game, game.background[start], way)
    return float(margin(game.background[starts]).mean()), values / (2 * pairs)


def _walk(margin: Margin, game: _Game, start: Floats, order: Sequence[int] | Ints) -> Floats:
    """Return the change of the margin with each feature that is taken from the rows, in this order, (n, features)."""
    mixed = np.tile(start, (len(game.rows), 1))
    before = margin(mixed)
    values = np.zeros((len(game.rows), len(game.places)))
    for feature in order:
        columns = game.places[feature]
        mixed[:, columns] = game.rows[:, columns]
        after = margin(mixed)
        values[:, feature] = after - before
        before = after
    return values
