"""The families of models: as their libraries say, blended as declared, and refused where arrays lead astray."""

import numpy as np
import pytest

from churnflow.modelling.columns import Column
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.margins import MEMBERS, sigmoid
from churnflow.modelling.scorer import PortableModel
from tests.customers import make_customers
from tests.models import KINDS, blended, fit_case, packed, small_spline, small_tree


@pytest.mark.parametrize(("case", "unlike"), [("xgboost", 2e-6), ("catboost", 1e-12)])
def test_boosted_trees_are_added_up_as_their_library_does(case: str, unlike: float) -> None:
    frame = make_customers(500)
    model, fitted = fit_case(case, frame, KINDS, "churn")
    matrix = model.encoding.encode(as_columns(frame, model.encoding)).matrix
    np.testing.assert_allclose(model.margin(matrix), fitted.margin(matrix), atol=unlike, rtol=0)
    assert fitted.staged is not None
    assert fitted.rounds == tuple(range(10, 121, 10))
    np.testing.assert_allclose(fitted.staged(matrix)[-1], fitted.margin(matrix), atol=1e-5, rtol=0)


def test_a_blend_is_the_weighted_sum_of_its_members_and_comes_back_whole() -> None:
    frame = make_customers(300)
    model, wanted = blended(frame)
    back = PortableModel.from_bytes(model.to_bytes())
    columns = as_columns(frame, back.encoding)
    np.testing.assert_allclose(back.score(columns), sigmoid(wanted + 0.1), atol=1e-12)
    assert back.to_bytes() == model.to_bytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mix": np.array([1.0])}, "one weight per member"),
        ({"mix": np.array([np.inf] * 8)}, "no kind"),
        ({"families": np.array([99] * 8, "<i4")}, "no kind"),
        ({"families": np.array([0.0] * 8)}, "what it is made of"),
        ({"8.weights": np.array([1.0])}, "no member"),
        ({"weights": np.array([1.0])}, "no member"),
        ({"0.extra": np.array([1.0])}, "arrays of its family"),
    ],
)
def test_a_blend_that_does_not_fit_is_refused(changed: dict[str, np.ndarray], said: str) -> None:
    model, _ = blended(make_customers(120))
    with pytest.raises(ValueError, match=said):
        PortableModel("blend", "blend", model.encoding, {**model.arrays, **changed}, (1.0, 0.0), 0.5, "yes", "no")


def test_the_small_tree_itself_is_accepted() -> None:
    model = PortableModel.from_bytes(packed(small_tree()))
    np.testing.assert_allclose(model.score({"a": [0.5, 0.6]}), sigmoid(np.array([-1.0, 1.0])))


@pytest.mark.parametrize(
    "arrays",
    [
        small_tree(left=np.array([0, -1, -1], "<i4")),
        small_tree(right=np.array([3, -1, -1], "<i4")),
        small_tree(left=np.array([-5, -1, -1], "<i4")),
        small_tree(feature=np.array([1, -1, -1], "<i4")),
        small_tree(feature=np.array([-2, -1, -1], "<i4")),
        small_tree(roots=np.array([3], "<i4")),
        small_tree(roots=np.array([-1], "<i4")),
        small_tree(roots=np.array([], "<i4")),
        small_tree(value=np.array([0.0, np.nan, 1.0])),
        small_tree(value=np.array([0.0, 1.0])),
        small_tree(value=np.array([0.0, 1e40, 1.0])),
        small_tree(bias=np.array([-1e50])),
        small_tree(bias=np.array([0.0, 0.0])),
        small_tree(threshold=np.array([np.inf, 0, 0], "<f4")),
        small_tree(feature=np.array([0, -1, -1], "<f8")),
        small_tree(value=np.array([[0.0], [1.0], [1.0]])),
        small_tree(extra=np.array([0.0])),
        {"bias": np.array([0.0])},
    ],
)
def test_trees_that_lead_astray_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="not a usable model"):
        PortableModel.from_bytes(packed(arrays))


def test_a_tree_too_deep_to_walk_is_refused() -> None:
    nodes = 201
    chain = np.arange(nodes)
    inner = chain < nodes - 1
    arrays = small_tree(
        feature=np.where(inner, 0, -1).astype("<i4"),
        threshold=np.zeros(nodes, "<f4"),
        left=np.where(inner, chain + 1, -1).astype("<i4"),
        right=np.where(inner, chain + 1, -1).astype("<i4"),
        value=np.zeros(nodes),
    )
    with pytest.raises(ValueError, match="deeper"):
        PortableModel.from_bytes(packed(arrays))


def many_trees(trees: int, depth: int) -> dict[str, np.ndarray]:
    """Return trees of equal depth, which send every row along one long branch."""
    inner = np.tile(np.arange(2 * depth + 1) < depth, trees)
    own = np.arange(len(inner))
    last = np.tile(np.arange(2 * depth + 1) == depth, trees)
    return small_tree(
        roots=np.arange(0, len(inner), 2 * depth + 1, dtype="<i4"),
        feature=np.where(inner, 0, -1).astype("<i4"),
        threshold=np.zeros(len(inner), "<f4"),
        left=np.where(inner, own + 1, -1).astype("<i4"),
        right=np.where(inner, own + depth + 1 - last, -1).astype("<i4"),
        value=np.zeros(len(inner)),
    )


def blend_of(family: str, arrays: dict[str, np.ndarray], members: int) -> bytes:
    """Return a model file with one member many times."""
    parts = {f"{number}.{name}": array for number in range(members) for name, array in arrays.items()}
    families = np.full(members, MEMBERS.index(family), "<i4")
    return packed({**parts, "mix": np.full(members, 1 / members), "families": families}, family="blend")


def test_the_largest_models_that_train_writes_are_accepted() -> None:
    PortableModel.from_bytes(blend_of("boosted", many_trees(6_600, 8), 4))
    PortableModel.from_bytes(blend_of("forest", many_trees(100, 20), 32))


@pytest.mark.parametrize(
    "model",
    [
        packed(many_trees(20_000, 60)),
        blend_of("forest", many_trees(600, 60), 30),
        packed(
            small_spline(
                weights=np.zeros(60_000),
                place=np.arange(60_000, dtype="<i4"),
                **{name: np.zeros((60_000, 3)) for name in ("grid", "rank", "table")},
            ),
            family="spline",
            columns=[Column("a", "category", levels=tuple(map(str, range(60_000)))).as_json()],
        ),
        packed(small_tree(roots=np.zeros(2, "<i4"))),
        packed(
            small_spline(place=np.zeros(2, "<i4"), **{n: np.ones((2, 3)) for n in ("grid", "rank", "table")}),
            family="spline",
        ),
        packed(
            {"omega": np.zeros((1, 5000)), "offset": np.zeros(5000), "weights": np.zeros(5000), "bias": np.zeros(1)},
            family="fourier",
        ),
        packed(small_tree(), columns=[Column("a", "category", levels=tuple(map(str, range(200_001)))).as_json()]),
    ],
    ids=["walks", "walks of a blend", "splines", "one tree twice", "one spline twice", "waves", "levels"],
)
def test_a_small_model_that_would_take_all_time_or_memory_is_refused(model: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a usable model|at most 200,000 columns"):
        PortableModel.from_bytes(model)


def test_a_spline_over_nearly_equal_quantiles_stays_in_its_range() -> None:
    arrays = small_spline(grid=np.array([[0.0, 1e-310, 5.0]]), rank=np.array([[0.0, 0.5, 1.0]]))
    model = PortableModel.from_bytes(packed(arrays, family="spline"))
    margins = model.margin(np.array([[0.0], [5e-324], [1e-310], [5.0]]))
    assert np.isfinite(margins).all()
    assert margins[0] == 0.5
    assert margins[3] == 3.5


def test_a_spline_bends_over_the_rank_and_goes_on_straight_beyond_it() -> None:
    model = PortableModel.from_bytes(packed(small_spline(), family="spline"))
    margins = model.margin(np.array([[0.0], [1.0], [5.0], [9.0]]))
    np.testing.assert_allclose(margins, [0.5, 0.5, 3.5, 5.5])


@pytest.mark.parametrize(
    ("family", "arrays"),
    [
        ("linear", {"weights": np.zeros(2), "bias": np.zeros(1)}),
        ("spline", small_spline(weights=np.zeros(2))),
        ("spline", small_spline(place=np.ones(1, "<i4"))),
        ("spline", small_spline(place=np.zeros(2, "<i4"))),
        ("spline", small_spline(table=np.zeros((1, 2)))),
        ("spline", small_spline(rank=np.array([[0.0, 1.0]]))),
        ("spline", small_spline(grid=np.array([[0.0, 2.0, 1.0]]))),
        ("spline", small_spline(rank=np.array([[0.0, 0.5, 1.5]]))),
        ("fourier", {"omega": np.zeros((1, 3)), "offset": np.zeros(3), "weights": np.zeros(2), "bias": np.zeros(1)}),
        ("forest", small_tree()),
        ("summed", small_tree(value=np.array([0.0, 1e40, 1.0]))),
    ],
)
def test_arrays_that_do_not_fit_the_columns_are_refused(family: str, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="not a usable model"):
        PortableModel.from_bytes(packed(arrays, family=family))
