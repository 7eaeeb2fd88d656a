"""Places and what was deployed to them: what is refused, and which of several is the last."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from churnflow.domain.deployment import Deployed, Deployments, Place

DIGEST = "@sha256:" + "0a" * 32
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def place(**given: Any) -> Place:
    usual = {"target": "kubernetes", "name": "churn", "image": "churn", "base": "python:3.13-slim", "namespace": "one"}
    return Place(**{**usual, **given})


def deployed(version: str, minutes: int = 0, **given: Any) -> Deployed:
    at = NOW + timedelta(minutes=minutes)
    return Deployed(place=place(**given), version=version, sha256="0b" * 32, folder=version, at=at)


@pytest.mark.parametrize("image", ["churn", "team/churn", "registry.example:5000/team/churn-api", f"a/b{DIGEST}"])
def test_an_image_is_named_by_its_version_unless_a_digest_names_it(image: str) -> None:
    wanted = image if "@" in image else f"{image}:v1.0.0"
    assert place(image=image).image_of("v1.0.0") == wanted


@pytest.mark.parametrize(
    "image", ["", "churn:v1", "Churn", "churn:latest", "a//b", "-churn", "churn@sha256:12", f"churn:v1{DIGEST}", "a b"]
)
def test_an_image_with_a_tag_or_of_no_valid_name_is_refused(image: str) -> None:
    with pytest.raises(ValidationError, match="image"):
        place(image=image)


@pytest.mark.parametrize(
    "base", ["python:3.13-slim", "mirror.example:5000/python:3", f"python{DIGEST}", f"a:b{DIGEST}"]
)
def test_a_base_of_a_fixed_tag_or_digest_is_taken(base: str) -> None:
    assert place(base=base).base == base


@pytest.mark.parametrize(
    "base", ["python", "python:latest", "mirror.example:5000/python", f"python:latest{DIGEST}", ""]
)
def test_a_base_that_moves_is_refused(base: str) -> None:
    with pytest.raises(ValidationError, match="fixed tag or digest"):
        place(base=base)


@pytest.mark.parametrize(
    "given",
    [
        {"namespace": None},
        {"target": "docker"},
        {"replicas": 0},
        {"replicas": 3, "max_replicas": 2},
        {"name": "a" * 41},
        {"name": "-a"},
        {"context": "--kubeconfig=x"},
    ],
)
def test_a_place_that_can_not_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        place(**given)


def test_a_version_is_one_of_a_release() -> None:
    with pytest.raises(ValidationError, match=r"v1\.0\.0"):
        deployed("served~1")


def test_each_place_has_what_it_was_given_last_and_each_release_its_own_folder() -> None:
    record = Deployments()
    for version, namespace in (("v1.0.0", "one"), ("v1.0.0", "two"), ("v1.1.0", "one"), ("v1.0.0", "one")):
        record = record.adding(deployed(version, len(record.deployed), namespace=namespace))
    assert {(one.place.namespace, one.version) for one in record.current()} == {("one", "v1.0.0"), ("two", "v1.0.0")}
    assert [one.version for one in record.deployed if one.place.namespace == "one"] == ["v1.1.0", "v1.0.0"]
    found = record.of(place(), "v1.1.0")
    assert found is not None
    assert found.folder == "v1.1.0"
    assert record.of(place(namespace="two"), "v1.1.0") is None


def test_the_place_that_is_meant_comes_before_the_one_that_was_used_last() -> None:
    record = Deployments().adding(deployed("v1.0.0", image="first")).adding(deployed("v1.0.0", namespace="two"))
    assert record.latest("kubernetes", {}) == place(namespace="two")
    assert record.latest("kubernetes", {"namespace": "one"}) == place(image="first")
    assert record.latest("kubernetes", {"namespace": "three"}) == place(namespace="two")
    assert record.latest("docker", {}) is None


def test_a_place_is_named_in_words_of_its_target() -> None:
    assert place(context="west").label == "kubernetes west one/churn"
    assert place(target="docker", namespace=None).label == "docker churn"
