"""The reference in a release: loaded with it, and a release whose reference is not its model's is refused."""

from pathlib import Path

import numpy as np
import pytest

from churnflow.errors import IntegrityError
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.reference import Reference, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.serving.current import Served, load_release
from tests.serving.conftest import build_model, bundle_files

CUSTOMERS = {"tenure": [1, 20, 70] * 20, "charges": [70.5, None, 20.0] * 20, "contract": ["One year"] * 60}


def load(folder: Path, **files: bytes) -> Served:
    path = folder / "one.release"
    write_bundle({**bundle_files(0.25), **{f"{name}.json": data for name, data in files.items()}}, path)
    return load_release(path, None)


def test_the_reference_of_a_release_is_loaded_with_it(tmp_path: Path) -> None:
    reference = build_reference(build_model(0.25), CUSTOMERS, CUSTOMERS)
    served = load(tmp_path, reference=reference.to_bytes())
    assert served.reference == reference
    assert served.reference.codes({"tenure": [20], "charges": [None], "contract": ["never"]}).tolist() == [[2, 0, 1]]


def test_a_release_from_before_there_were_references_is_served_without(tmp_path: Path) -> None:
    assert load(tmp_path).reference is None


def other_reference() -> Reference:
    encoding = Encoding((Column("tenure", "number"), Column("contract", "category", levels=("One year",))))
    arrays = {"weights": np.ones(encoding.width), "bias": np.zeros(1)}
    model = PortableModel("other", "linear", encoding, arrays, (1.0, 0.0), 0.4, "Yes", "No")
    return build_reference(model, CUSTOMERS, CUSTOMERS)


@pytest.mark.parametrize("data", [other_reference().to_bytes(), b"{}", b"[" * 100_000, b"\xff"])
def test_a_release_whose_reference_is_not_its_models_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot be served: not a usable reference: ") as raised:
        load(tmp_path, reference=data)
    assert raised.value.hint
