"""The release being served: one immutable object, replaced as a whole when the pointer moves."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from churnflow.domain.release import Release, object_path
from churnflow.domain.serving import Privacy
from churnflow.errors import ChurnflowError, IntegrityError, UsageError
from churnflow.modelling.bundle import MAX_FILE_BYTES, read_limited, unpack_bundle
from churnflow.modelling.columns import Floats
from churnflow.modelling.compiled import Compiled, compile_model, is_proved
from churnflow.modelling.reference import REFERENCE_FILE, Reference
from churnflow.modelling.request_size import most_customers
from churnflow.modelling.scorer import PortableModel
from churnflow.serving.reading import QuickReader
from churnflow.serving.requests import RequestSchema, compile_schema

POLL_SECONDS = 0.2
MAX_POINTER_BYTES = 64 * 1024
PARTS = ("model.bin", "schema.json", "card.json")
_TRIED = 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """Everything a response is made of; a request takes it once, so that no response mixes two releases."""

    sha256: str
    release: Release | None
    model: PortableModel
    schema: Mapping[str, Any]
    card: Mapping[str, Any]
    request: RequestSchema
    reader: QuickReader
    seconds_a_customer: float
    reference: Reference | None = None
    compiled: Compiled | None = None

    @cached_property
    def told(self) -> str:
        """What names this release and what may be kept of its customers, for the log."""
        privacy = self.privacy
        version = self.release.version if self.release else ""
        return f"{self.sha256} {version} {privacy.inputs} {privacy.customer} {privacy.retention}"

    @property
    def privacy(self) -> Privacy:
        """What may be taken down of the customers that it is asked about."""
        declared = self.release.privacy if self.release else None
        return declared or Privacy()

    def probabilities(self, matrix: Floats) -> list[float]:
        """Return the probability of each encoded customer of `matrix`, (n, width)."""
        if self.compiled is not None and len(matrix) == 1:
            return [self.compiled.probability_one(matrix[0])]
        probabilities: list[float] = (self.compiled or self.model).probability(matrix).tolist()
        return probabilities

    @property
    def name(self) -> dict[str, str | None]:
        """The release as every prediction names it."""
        known = self.release
        return {
            "version": known.version if known else None,
            "sha256": self.sha256,
            "checkpoint": known.checkpoint if known else None,
        }


@dataclass(frozen=True)
class Source:
    """Where the release comes from: a pointer file and the store it points into, or one bundle file."""

    pointer: Path | None = None
    store: Path | None = None
    bundle: Path | None = None


class Current:
    """What is served now; `refresh` follows the source, `start` does so in the background until `stop`."""

    def __init__(self, source: Source) -> None:
        """Take the source; nothing is read before `refresh`."""
        self._source = source
        self._served: Served | None = None
        self._seen: object = None
        self._refused: str | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def served(self) -> Served | None:
        """The release being served, None before the first."""
        return self._served

    @property
    def refused(self) -> str | None:
        """Why what the source names now is not served, None when it is."""
        return self._refused

    def label(self) -> str:
        """Say what is served in words, for logs and terminals."""
        served = self._served
        if served is None:
            return "no release yet"
        digest = served.sha256[:12]
        return f"{served.release.version} ({digest}) of {served.release.checkpoint}" if served.release else digest

    def refresh(self) -> None:
        """Serve what the source names now; without a pointer file, go on as before.

        Raises UsageError or IntegrityError when that cannot be served; what was served before goes on.
        """
        try:
            self._look()
        except ChurnflowError as error:
            self._refused = str(error)
            raise

    def start(self) -> None:
        """Follow the source in a thread of its own, looking every POLL_SECONDS."""
        self._thread = threading.Thread(target=self._follow, name="release-follower", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        try:
            target = self._target()
        except UsageError:
            # Once it is mended, the pointer counts as moved, even if it then names what was served before.
            self._seen = None
            raise
        if target is None:
            return
        release, path = target
        seen = (release, _identity(path))
        if seen != self._seen:
            # Noted before loading: what was refused is not read again until it changes.
            self._seen = seen
            try:
                self._served = load_release(path, release)
            except IntegrityError as error:
                if isinstance(error.__context__, OSError):
                    self._seen = None  # it may have been the moment
                raise
            self._refused = None

    def _target(self) -> tuple[Release | None, Path] | None:
        if self._source.bundle:
            return None, self._source.bundle
        if self._source.pointer is None or self._source.store is None:
            return None
        try:
            data = read_limited(self._source.pointer, MAX_POINTER_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            message = f"the pointer {self._source.pointer.name} cannot be read: {_reason(error)}"
            raise UsageError(message, hint="give --pointer the file that churnflow wrote") from None
        release = _parse_pointer(data)
        return release, self._source.store / object_path(release.artifact.sha256)

    def _follow(self) -> None:
        complaint = ""
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.refresh()
            except ChurnflowError as error:
                # Only what changed is logged, as the same complaint comes back at every look.
                if str(error) != complaint:
                    complaint = str(error)
                    logger.warning("refused a release: %s; serving goes on with %s", error, self.label())
            except Exception:  # the thread must outlive a bug: a follower that died would serve the old for ever
                logger.exception("following the release failed; serving goes on with %s", self.label())
            else:
                complaint = ""


def load_release(path: Path, release: Release | None) -> Served:
    """Return the release bundle at `path`, ready to serve.

    Its bytes are read once and compared with the digest in `release`, where there is one, before anything in them is
    parsed. Raises IntegrityError when they are missing, altered or not a bundle.
    """
    hint = "bring the bundle back (churnflow verify names what is broken), or roll back to another release"
    try:
        data = read_limited(path, MAX_FILE_BYTES)
        sha256 = hashlib.sha256(data).hexdigest()
        if release and sha256 != release.artifact.sha256:
            message = f"the bundle of {release.version} differs from its digest {release.artifact.sha256[:12]}"
            raise IntegrityError(message, hint=hint)
        return _served(unpack_bundle(data), sha256, release)
    except (OSError, ValueError, RecursionError) as error:
        label = release.version if release else path.name
        message = f"the release bundle of {label} cannot be served: {_reason(error)}"
        raise IntegrityError(message, hint=hint) from None


def _served(files: Mapping[str, bytes], sha256: str, release: Release | None) -> Served:
    missing = [name for name in PARTS if name not in files]
    if missing:
        message = f"{missing[0]} is missing"
        raise ValueError(message)
    schema, card = (json.loads(files[name].decode()) for name in ("schema.json", "card.json"))
    json.dumps([schema, card], allow_nan=False)  # both are answered as JSON, which knows no NaN
    model = PortableModel.from_bytes(files["model.bin"])
    request = compile_schema(schema, most_customers(model.encoding.width))
    _check_fit(model, request)
    reader = QuickReader(request, model.encoding)
    reference = _reference(files.get(REFERENCE_FILE), model)
    # Compiled only where the rehearsal has proved it equal; the card says so.
    compiled = compile_model(model) if is_proved(card) else None
    seconds = _seconds_a_customer(compiled or model, model.encoding.width)
    return Served(sha256, release, model, schema, card, request, reader, seconds, reference, compiled)


def _reference(data: bytes | None, model: PortableModel) -> Reference | None:
    """Return what drift is measured against, None for a release without. Raises ValueError when it does not fit."""
    if data is None:
        return None
    reference = Reference.from_bytes(data)
    reference.check_fit(model.encoding)
    return reference


def _seconds_a_customer(scorer: PortableModel | Compiled, width: int) -> float:
    """Return how long a customer among several takes to score; what is scored first is slow, so it is done here."""
    matrix = np.zeros((_TRIED, width))
    scorer.probability(matrix[:1])
    started = time.perf_counter()
    scorer.probability(matrix)
    return (time.perf_counter() - started) / _TRIED


def _check_fit(model: PortableModel, request: RequestSchema) -> None:
    """Raise ValueError when the model needs a column that requests do not bring, or bring as another kind."""
    kinds = {column.name: column.kind for column in request.fields}
    wrong = [column.name for column in model.encoding.columns if kinds.get(column.name) != column.kind]
    if wrong:
        message = f"its schema does not fit its model at {wrong[0]}"
        raise ValueError(message)


def _parse_pointer(data: bytes) -> Release:
    try:
        return Release.model_validate_json(data)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "JSON"
        message = f"the pointer file does not name a release ({where} is wrong)"
        raise UsageError(message, hint="let churnflow write it: churnflow rollback, or churnflow decide") from None


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_ctime_ns


def _reason(error: Exception) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
