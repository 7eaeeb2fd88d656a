"""Whether a model holds its training customers: a kernel machine does, what is stored here does not."""

import numpy as np
import pytest
from sklearn.svm import SVC

from churnflow.modelling.embedding import embedded_rows, told_embedded
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.families import RECIPES
from churnflow.modelling.fitting import Sample
from tests.customers import encoding_of, read_telco


@pytest.fixture(scope="module")
def telco() -> tuple[np.ndarray, np.ndarray]:
    """The bundled customers as a model encodes them, (n, width), and who left."""
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    encoding = encoding_of(frame, kinds)
    return encoding.encode(as_columns(frame, encoding)).matrix, frame["churn"].to_numpy()


def test_the_customers_in_a_kernel_machine_are_counted(telco: tuple[np.ndarray, np.ndarray]) -> None:
    matrix, target = telco[0][:1500], telco[1][:1500]
    machine = SVC(gamma=0.05).fit(matrix, target)
    held = {row.tobytes() for row in machine.support_vectors_}
    expected = sum(row.tobytes() in held for row in matrix)
    arrays = {"support_vectors": machine.support_vectors_, "coefficients": machine.dual_coef_}
    assert embedded_rows(arrays, matrix) == expected > 0.4 * len(matrix)


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        ({"by rows": np.arange(20.0).reshape(5, 4)[1:3]}, 2),
        ({"by columns": np.arange(20.0).reshape(5, 4)[1:3].T}, 2),
        ({"single": np.arange(20.0).reshape(5, 4)[3:].astype(np.float32)}, 2),
        ({"within": np.concatenate([[9.5], np.arange(4.0), [9.5]])}, 1),
        ({"other": np.arange(20.0)[::-1].copy(), "few": np.arange(3.0)}, 0),
        ({"texts": np.array(["0", "1", "2", "3"])}, 0),
        ({}, 0),
    ],
)
def test_rows_are_found_however_they_lie_in_an_array(kept: dict[str, np.ndarray], found: int) -> None:
    assert embedded_rows(kept, np.arange(20.0).reshape(5, 4)) == found


def test_customers_who_are_alike_are_all_found_and_no_customers_are_none() -> None:
    matrix = np.array([[1.0, -0.0], [1.0, 0.0], [2.0, 2.0]])
    assert embedded_rows({"kept": np.array([1.0, 0.0])}, matrix) == 2
    assert embedded_rows({"kept": np.array([1.0, 0.0])}, matrix[:0]) == 0


def test_it_is_told_how_many_and_which_share_they_are() -> None:
    assert told_embedded(0, 5634) == "none of 5,634 rows of the training part stands in its arrays"
    assert told_embedded(47, 100) == "47 of 100 rows of the training part (47.0%) stand in its arrays"


@pytest.mark.parametrize("name", ["logistic_regression", "svm", "random_forest", "extra_trees", "xgboost"])
def test_no_kind_of_model_that_is_tried_holds_a_customer(telco: tuple[np.ndarray, np.ndarray], name: str) -> None:
    matrix, target = telco[0][:1500], telco[1][:1500]
    part = Sample(matrix[1200:], target[1200:])
    for params in RECIPES[name].first:
        fitted = RECIPES[name].fit(Sample(matrix, target), params, 0, part)
        assert embedded_rows(fitted.arrays, matrix) == 0
