"""The documentation of a release: examples that it answers whatever its schema holds, and a page safe to open."""

import copy
import hashlib
import json
from typing import Any

import pytest

from churnflow.errors import IntegrityError
from churnflow.modelling.bundle import unpack_bundle, write_bundle
from churnflow.serving.current import Served, load_release
from churnflow.serving.documentation import example
from churnflow.serving.page import render

API = {"info": {"title": "API", "version": "v1"}, "paths": {"/x": {"get": {"description": "Say <x>."}}}}


@pytest.fixture
def served(bundle, tmp_path):
    """Load the bundle with its schema changed by a function of the columns by name."""

    def load(change) -> Served:
        files = dict(unpack_bundle(bundle.read_bytes()))
        schema = copy.deepcopy(json.loads(files["schema.json"]))
        change({column["name"]: column for column in schema["columns"]})
        files["schema.json"] = json.dumps(schema).encode()
        write_bundle(files, tmp_path / "changed.release")
        return load_release(tmp_path / "changed.release", None)

    return load


@pytest.mark.parametrize(("given", "taken"), [(33, 33), (None, 0), ("text", 0), (1.5, 0)])
def test_an_example_that_would_be_refused_is_replaced(served, given: Any, taken: Any) -> None:
    assert example(served(lambda columns: columns["tenure"].update(example=given)))["tenure"] == taken


def test_a_missing_example_is_null_where_null_is_taken(served) -> None:
    assert example(served(lambda columns: columns["charges"].pop("example")))["charges"] is None


def test_a_missing_example_of_a_text_is_a_level(served) -> None:
    assert example(served(lambda columns: columns["contract"].pop("example")))["contract"] == "Month-to-month"


def test_without_a_known_range_zero_stands_in(served) -> None:
    change = {"example": None, "low": None, "high": None}
    release = served(lambda columns: columns["tenure"].update(change))
    assert example(release)["tenure"] == 0
    assert release.request.read(json.dumps(example(release)).encode()).warnings == [[]]


def test_the_page_escapes_what_the_data_held(served) -> None:
    hostile = "<script>alert('x')</script>"
    page = render(
        API, served(lambda columns: columns["contract"].update(levels=[hostile], example=hostile)), "http://h/"
    )
    assert "<script" not in page
    assert "&lt;script" in page
    assert "Say &lt;x&gt;." in page
    assert "curl -s http://h/api/v1/predict" in page


def test_of_very_many_levels_the_first_are_told(served) -> None:
    levels = [f"plan {number:03}" for number in range(100)]
    page = render(API, served(lambda columns: columns["contract"].update(levels=levels)), "http://h/")
    assert "plan 029 and 70 more" in page
    assert "plan 030" not in page


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_release_that_could_not_be_described_in_json_is_refused(served, number) -> None:
    with pytest.raises(IntegrityError, match="cannot be served"):
        served(lambda columns: columns["region_code"].update(example=number))


def test_a_release_without_pointer_goes_by_its_digest(bundle) -> None:
    served = load_release(bundle, None)
    assert served.name == {
        "version": None,
        "sha256": hashlib.sha256(bundle.read_bytes()).hexdigest(),
        "checkpoint": None,
    }
