"""Deployments: where releases were put outside this machine, and in which folder each of them is written."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from churnflow.domain.base import Frozen, Moment, Sha256
from churnflow.domain.release import REFERENCE

Target = Literal["docker", "kubernetes"]
How = Literal["written", "told", "applied"]
TARGETS: Final[tuple[Target, ...]] = ("docker", "kubernetes")

# A label of RFC 1123, as names of Kubernetes are; short enough for a version after it in 63 characters.
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]

# github.com/distribution/reference: a host with an optional port, then a path in lower case; tag and digest apart.
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?)+(?::\d+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?P<digest>@sha256:[0-9a-f]{{64}})?")
_BASE: Final = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::(?!latest(?:@|$))[\w][\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
)


class Place(Frozen):
    """Where releases are put, and how.

    name: of the Deployment or the container. image: without a tag, which is the version of the release; or with a
    digest, which then is all that counts. namespace, context: of Kubernetes; without a context, the one that kubectl
    has at the time. replicas: how many pods; up to max_replicas where the load asks for them. base: the image that the
    release's is built on, of a fixed tag or digest.
    """

    target: Target
    name: Label
    image: str = Field(max_length=255)
    base: str
    namespace: Label | None = None
    context: str | None = Field(default=None, pattern=r"^[^\s-]\S*$")
    replicas: int = Field(default=2, ge=1, le=1000)
    max_replicas: int | None = Field(default=None, ge=1, le=1000)

    @field_validator("image")
    @classmethod
    def _is_untagged(cls, image: str) -> str:
        if not _IMAGE.fullmatch(image):
            message = "must be the name of an image without a tag, for that is the version; a digest may follow @"
            raise ValueError(message)
        return image

    @field_validator("base")
    @classmethod
    def _is_pinned(cls, base: str) -> str:
        found = _BASE.fullmatch(base)
        if not found or ("@" not in base and ":" not in base.rpartition("/")[2]):
            message = "must be an image of a fixed tag or digest, as python:3.13.1-slim is"
            raise ValueError(message)
        return base

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.namespace is None) == (self.target == "kubernetes"):
            message = "a namespace belongs to kubernetes, and to nothing else"
            raise ValueError(message)
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            message = f"max_replicas is less than the {self.replicas} replicas that there are always"
            raise ValueError(message)
        return self

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What tells one place from another."""
        return self.target, self.context, self.namespace, self.name

    @property
    def label(self) -> str:
        """The place in words."""
        return " ".join(
            filter(None, (self.target, self.context, f"{self.namespace}/{self.name}".removeprefix("None/")))
        )

    def image_of(self, version: str) -> str:
        """Return the image of a release, by tag, or by digest where the place names one."""
        return self.image if "@" in self.image else f"{self.image}:{version}"


class Deployed(Frozen):
    """A release, written for a place: in `folder`, relative to the project where it lies inside it.

    how: whether churnflow wrote it and left the rest to a person, told a person to go back to it, or put it there
    itself.
    """

    place: Place
    version: str
    sha256: Sha256
    folder: str
    at: Moment
    how: How = "written"

    @field_validator("version")
    @classmethod
    def _is_version(cls, version: str) -> str:
        found = REFERENCE.fullmatch(version)
        if not found or not found["version"]:
            message = "must be a version as v1.0.0 is"
            raise ValueError(message)
        return version


class Deployments(Frozen):
    """What was deployed, oldest first: each release of a place once, where it was put last."""

    form: Literal["churnflow/deployed@1"] = Field(default="churnflow/deployed@1", alias="schema")
    deployed: tuple[Deployed, ...] = ()

    def adding(self, made: Deployed) -> "Deployments":
        """Return the same with one more, which takes the place of the same release at the same place."""
        kept = tuple(
            one for one in self.deployed if (one.place.identity, one.version) != (made.place.identity, made.version)
        )
        return Deployments(deployed=(*kept, made))

    def latest(self, target: Target, named: Mapping[str, object]) -> Place | None:
        """Return the place of a target that was used last, None before the first.

        named: what is known of the place that is meant; one of which that is true comes before any other.
        """
        places = [one.place for one in reversed(self.deployed) if one.place.target == target]
        wanted = {name: named[name] for name in ("name", "namespace", "context") if name in named}
        same = (place for place in places if all(getattr(place, name) == wanted[name] for name in wanted))
        return next(same, places[0] if places else None)

    def current(self) -> Iterator[Deployed]:
        """Yield what each place was given last."""
        seen = set()
        for one in reversed(self.deployed):
            if one.place.identity not in seen:
                seen.add(one.place.identity)
                yield one

    def of(self, place: Place, version: str) -> Deployed | None:
        """Return where a release is written for a place, None if it was never put there."""
        wanted = (place.identity, version)
        return next((one for one in self.deployed if (one.place.identity, one.version) == wanted), None)
