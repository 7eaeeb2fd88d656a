"""The codec `model`: a model comes back as it was, and what is none is refused with a hint."""

from pathlib import Path

import numpy as np
import pytest

from churnflow.codecs import model as codec
from churnflow.errors import IntegrityError, UsageError
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    arrays = {"weights": np.array([0.5, 1.0]), "bias": np.array([-1.0])}
    encoding = Encoding((Column("tenure", "number", 3.0, 2.0, 4.0, indicator=True),))
    model = PortableModel("logistic_regression", "linear", encoding, arrays, (1.0, 0.0), 0.3, "Yes", "No")
    path = tmp_path / f"artifact{codec.SUFFIX}"
    codec.dump(model, path)
    back = codec.load(path)
    assert back.to_bytes() == model.to_bytes() == path.read_bytes()
    np.testing.assert_array_equal(back.score({"tenure": [1.0, None]}), model.score({"tenure": [1.0, None]}))


def test_anything_else_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not dict"):
        codec.dump({"weights": [1]}, tmp_path / "artifact.model")
    assert not list(tmp_path.iterdir())


def test_altered_bytes_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "artifact.model"
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(IntegrityError, match="not a usable model") as raised:
        codec.load(path)
    assert "restore" in raised.value.hint
