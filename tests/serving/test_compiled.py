"""Which scorer a release is served by: the compiled one where its card holds the proof, and else the plain one."""

import json
from pathlib import Path

import numpy as np
import pytest

from churnflow.modelling.bundle import pack_bundle
from churnflow.modelling.scorer import PortableModel
from churnflow.serving.current import Served, load_release
from tests.models import small_tree
from tests.serving.conftest import build_model, bundle_files

PROVED = {"compiled": True, "rows": 100, "max_abs_diff": 0.0}
UNPROVED = [None, {**PROVED, "compiled": False}, {**PROVED, "compiled": "true"}, {}, [], "compiled", 1]


def load(folder: Path, scorer: object) -> Served:
    """Load a release of one small tree, whose card says this of its scorer."""
    encoding = build_model(0.0).encoding
    model = PortableModel("xgboost", "boosted", encoding, small_tree(), (1.0, 0.0), 0.4, "Yes", "No")
    files = {**bundle_files(0.0), "model.bin": model.to_bytes()}
    card = json.loads(files["card.json"]) | ({} if scorer is None else {"scorer": scorer})
    path = folder / "some.release"
    path.write_bytes(pack_bundle({**files, "card.json": json.dumps(card).encode()}))
    return load_release(path, None)


def test_a_release_with_a_proof_is_served_compiled_and_answers_the_same(tmp_path: Path) -> None:
    served = load(tmp_path, PROVED)
    assert served.compiled is not None
    customers = np.random.default_rng(0).normal(size=(30, served.model.encoding.width))
    expected = served.model.probability(customers).tolist()
    assert served.probabilities(customers) == expected
    assert [served.probabilities(customer[None])[0] for customer in customers] == expected


@pytest.mark.parametrize("scorer", UNPROVED, ids=str)
def test_a_release_whose_card_holds_no_proof_is_served_as_it_is_stored(tmp_path: Path, scorer: object) -> None:
    served = load(tmp_path, scorer)
    assert served.compiled is None
    assert served.probabilities(np.zeros((2, served.model.encoding.width))) == pytest.approx([0.2689, 0.2689], abs=1e-4)
