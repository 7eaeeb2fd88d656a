"""The stored model: as its library says for every kind of model, bytes for bytes, and safe against foreign bytes."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from churnflow.modelling.calibration import apply
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.margins import log_odds, sigmoid
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.tree_models import FOREST_TREES
from tests.customers import make_customers, read_telco
from tests.models import CASES, KINDS, fit_case, packed, small_tree


def odd_customers(frame: pd.DataFrame, kinds: dict[str, str]) -> pd.DataFrame:
    """Spoil a third of the values: missing, unseen, far outside."""
    random = np.random.default_rng(5)
    spoiled = frame.copy()
    for name, kind in kinds.items():
        hit = random.random(len(frame)) < 0.3
        odd = [np.nan, -1e9, 1e308, 0.0] if kind == "number" else [None, "never seen", ""]
        column = spoiled[name].astype("object").to_numpy(copy=True)
        column[hit] = [odd[pick] for pick in random.integers(0, len(odd), hit.sum())]
        spoiled[name] = pd.Series(column, index=frame.index).astype("float64" if kind == "number" else "str")
    return spoiled


@pytest.mark.parametrize("case", CASES)
def test_the_stored_model_scores_real_customers_as_its_library_does(case: str) -> None:
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    train = frame.iloc[::3]
    model, fitted = fit_case(case, train, kinds, "churn")
    stored = PortableModel.from_bytes(model.to_bytes())
    for rows in (frame, odd_customers(frame.iloc[:1500], kinds)):
        columns = as_columns(rows, stored.encoding)
        library = apply(stored.calibration, fitted.margin(stored.encoding.encode(columns).matrix))
        assert np.abs(stored.score(columns) - library).max() <= 1e-6


def test_linear_and_forest_equal_predict_proba() -> None:
    frame = make_customers(500)
    linear, _ = fit_case("logistic_regression", frame, KINDS, "churn")
    matrix = linear.encoding.encode(as_columns(frame, linear.encoding)).matrix
    oracle = LogisticRegression(C=1.0, max_iter=1000, tol=1e-9).fit(matrix, frame["churn"])
    np.testing.assert_allclose(linear.probability(matrix), oracle.predict_proba(matrix)[:, 1], atol=1e-5)
    forest, _ = fit_case("random_forest", frame, KINDS, "churn")
    matrix = forest.encoding.encode(as_columns(frame, forest.encoding)).matrix
    grown = RandomForestClassifier(FOREST_TREES, **CASES["random_forest"], random_state=3).fit(matrix, frame["churn"])
    surest = 0.5 / 500
    bounded = surest + (1 - 2 * surest) * grown.predict_proba(matrix)[:, 1]
    np.testing.assert_allclose(forest.probability(matrix), bounded, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_a_customer_scores_the_same_alone_as_among_many(case: str) -> None:
    frame = make_customers(300)
    model, _ = fit_case(case, frame, KINDS, "churn")
    columns = as_columns(frame, model.encoding)
    whole = model.score(columns)
    assert whole.shape == (300,)
    assert ((whole >= 0) & (whole <= 1)).all()
    alone = [model.score({name: [values[row]] for name, values in columns.items()})[0] for row in range(40)]
    np.testing.assert_allclose(alone, whole[:40], atol=1e-12)
    assert model.score({name: [] for name in columns}).shape == (0,)


@pytest.mark.parametrize("case", CASES)
def test_equal_models_make_equal_bytes_and_come_back_whole(case: str) -> None:
    frame = make_customers(300)
    first, _ = fit_case(case, frame, KINDS, "churn")
    second, _ = fit_case(case, frame, KINDS, "churn")
    assert first.to_bytes() == second.to_bytes()
    back = PortableModel.from_bytes(first.to_bytes())
    assert back.to_bytes() == first.to_bytes()
    assert (back.threshold, back.positive, back.negative, back.name) == (0.4, "yes", "no", case)
    assert back.encoding == first.encoding
    with pytest.raises(ValueError, match="read-only"):
        back.arrays["bias"][0] = 1


def test_sigmoid_and_log_odds_survive_extremes() -> None:
    margins = np.array([-1e308, -800.0, 0.0, 800.0, 1e308])
    np.testing.assert_array_equal(sigmoid(margins)[[0, 2, 4]], [0.0, 0.5, 1.0])
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "churnflow/model@9"},
        {"family": "neural"},
        {"family": ["boosted"]},
        {"columns": []},
        {"columns": "a"},
        {"columns": [3]},
        {"columns": [{"name": "a", "kind": "number", "indicator": False}]},
        {"columns": [{**Column("a", "number").as_json(), "scale": 0.0}]},
        {"columns": [{**Column("a", "number").as_json(), "mean": 1e300}]},
        {"columns": [{**Column("a", "number").as_json(), "mean": True}]},
        {"columns": [{**Column("a", "number").as_json(), "kind": "date"}]},
        {"columns": [{**Column("a", "number").as_json(), "low": True}]},
        {"columns": [{**Column("a", "category").as_json(), "levels": ["x", "x"]}]},
        {"columns": [{**Column("a", "category").as_json(), "levels": [1]}]},
        {"columns": [{**Column("a", "category").as_json(), "indicator": 1}]},
        {"calibration": [1.0]},
        {"calibration": ["1", 0]},
        {"calibration": [1e99, 0]},
        {"threshold": 1.5},
        {"threshold": None},
        {"positive": "no"},
        {"name": 4},
    ],
)
def test_a_header_that_does_not_fit_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"model|encoding"):
        PortableModel.from_bytes(packed(small_tree(), **changed))


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def test_a_pickle_a_bomb_and_a_lying_header_are_refused() -> None:
    with zipfile.ZipFile(io.BytesIO(packed(small_tree()))) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    lying = npy(np.zeros(3)).replace(b"(3,)", b"(9999999999,)".ljust(4))
    bad = [
        b"",
        b"PK",
        b"\x80\x04\x95pickle",
        zipped(good, zipfile.ZIP_DEFLATED),
        zipped({**good, "value.npy": npy(np.array([print], dtype=object))}),
        zipped({**good, "value.npy": lying}),
        zipped({**good, "value.npy": b"\x93NUMPY\x01\x00"}),
        zipped({**good, "value.npy": npy(np.asfortranarray(np.zeros((2, 2))))}),
        zipped({**good, "run.py": b"1"}),
        zipped({**good, "model.json": b"[" * 100_000}),
        zipped({**good, "model.json": b"[]"}),
        zipped({name: data for name, data in good.items() if name != "model.json"}),
        zipped({**good, **{f"a{number}.npy": good["bias.npy"] for number in range(20)}}),
    ]
    for data in bad:
        with pytest.raises(ValueError, match="not a usable model"):
            PortableModel.from_bytes(data)


def test_no_altered_byte_and_no_cut_crashes_or_goes_unbounded() -> None:
    good = packed(small_tree())
    random = np.random.default_rng(0)
    for _ in range(1500):
        data = bytearray(good)
        if random.random() < 0.3:
            del data[int(random.integers(len(data))) :]
        for _ in range(int(random.integers(1, 4))):
            if data:
                data[int(random.integers(len(data)))] = int(random.integers(256))
        try:
            model = PortableModel.from_bytes(bytes(data))
            columns = {column.name: [1.0 if column.kind == "number" else "x"] for column in model.encoding.columns}
            assert 0 <= model.score(columns)[0] <= 1
        except ValueError:
            continue


def test_scoring_needs_no_library_of_training() -> None:
    code = "import sys, churnflow.modelling.scorer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"sklearn", "xgboost", "pandas", "scipy", "optuna"} & set(loaded)


def test_no_customer_is_stored_in_a_model() -> None:
    frame = make_customers(300)
    frame["bill"] = np.random.default_rng(1).normal(60, 20, len(frame))
    for case in ("svm fourier", "logistic_regression"):
        model, _ = fit_case(case, frame, KINDS, "churn")
        with zipfile.ZipFile(io.BytesIO(model.to_bytes())) as archive:
            header = json.loads(archive.read("model.json"))
        numbers = np.concatenate([array.ravel() for array in model.arrays.values()])
        assert not np.isin(frame["bill"].to_numpy(), numbers).any()
        assert {column["name"] for column in header["columns"]} == set(KINDS)


@pytest.mark.parametrize(
    ("calibration", "threshold", "said"),
    [((1.0, 0.0), float("nan"), "threshold"), ((float("inf"), 0.0), 0.5, "calibration"), ((1.0, 1e99), 0.5, "range")],
)
def test_a_model_is_made_of_finite_numbers_only(calibration: tuple[float, float], threshold: float, said: str) -> None:
    arrays = {"weights": np.zeros(1), "bias": np.zeros(1)}
    encoding = Encoding((Column("a", "number"),))
    with pytest.raises(ValueError, match=said):
        PortableModel("m", "linear", encoding, arrays, calibration, threshold, "yes", "no")
