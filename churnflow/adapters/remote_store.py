"""The artifacts of others: files by the sha256 of their bytes at an address that fsspec reaches."""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.shared_folder import open_regular, put, regular_size
from churnflow.domain.evidence import Artifact
from churnflow.domain.release import object_path
from churnflow.domain.remote import split_url
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError, UsageError

Report = Callable[[int, int], None]

WORKERS: Final = 8
_BLOCK_BYTES: Final = 8 << 20
_CHUNK_BYTES: Final = 1 << 20
# Where a file can be renamed, a reader never meets half of one. Object stores show what is put once it is whole.
_RENAMES: Final = {"file", "sftp"}
_DRAFTS: Final = "drafts"
_ABANDONED_SECONDS: Final = 24 * 3600.0
_EXTRAS: Final = {"s3": "s3", "s3a": "s3"}


class RemoteStore:
    """Objects as `sha256/ab/cdef...` below an address. Credentials come from where its library looks for them."""

    def __init__(self, url: str) -> None:
        """Take an address that was checked. Raises UsageError when the package for its protocol is missing."""
        protocol, path = split_url(url)
        fsspec = import_module("fsspec")
        self.url = url
        self._is_local = protocol == "file"
        self._renames = protocol in _RENAMES
        try:
            kind = fsspec.get_filesystem_class(protocol)
        except ImportError as failure:
            message = f"nothing is installed that reaches {protocol}://"
            extra = _EXTRAS.get(protocol)
            hint = f"pip install 'churnflow[{extra}]'" if extra else f"install what fsspec names for it: {failure}"
            raise UsageError(message, hint=hint) from failure
        with self._reached():
            # What an earlier command saw is not to be believed, so nothing is remembered between two looks.
            address = path if self._is_local else url
            options = kind._get_kwargs_from_urls(address)  # noqa: SLF001 - fsspec's own way from an address to a host
            self._files: Any = kind(**options, use_listings_cache=False, skip_instance_cache=True)
            self._root = str(self._files._strip_protocol(address)).rstrip("/")  # noqa: SLF001 - and to a path

    def place(self, artifact: Artifact) -> str:
        """Return where an object is, in the words of its file system."""
        return f"{self._root}/{object_path(artifact.sha256)}"

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each object that is there, by digest. Raises ConflictError when it can not be reached."""
        with self._reached():
            found = self._files.find(f"{self._root}/sha256", detail=True)
        return {"".join(path.rsplit("/", 2)[1:]): int(info["size"]) for path, info in found.items()}

    def has(self, artifact: Artifact) -> bool:
        """Tell whether there is an object of that digest and size. Raises ConflictError when it can not be reached."""
        with self._reached():
            if self._is_local:
                return regular_size(Path(self.place(artifact))) == artifact.size_bytes
            try:
                return int(self._files.info(self.place(artifact))["size"]) == artifact.size_bytes
            except FileNotFoundError:
                return False

    def send(self, artifact: Artifact, path: Path) -> None:
        """Put the bytes of a file there, whole or not at all. Raises ConflictError when that can not be done."""
        target = self.place(artifact)
        with self._reached():
            if self._is_local:
                put(Path(self._root), path, Path(target))
                return
            if not self._renames:
                self._files.put_file(str(path), target)
                return
            draft = f"{self._root}/{_DRAFTS}/{artifact.sha256}-{secrets.token_hex(6)}"
            for folder in (draft, target):
                self._files.makedirs(folder.rpartition("/")[0], exist_ok=True)
            try:
                self._files.put_file(str(path), draft)
                self._files.mv(draft, target)
            except BaseException:
                with suppress(Exception):
                    self._files.rm_file(draft)
                raise

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        """Yield the bytes of an object, never more than one chunk beyond its size; nobody has looked at them yet.

        Raises IntegrityError when there are none, ConflictError when the place can not be reached.
        """
        with self._reached():
            try:
                stream = self._opened(self.place(artifact))
            except FileNotFoundError:
                message = f"the remote {self.url} has no bytes of {artifact.name} (sha256 {artifact.sha256[:12]})"
                hint = "`churnflow push` from the clone that made it, then `churnflow pull` here"
                raise IntegrityError(message, hint=hint) from None
            with stream:
                left = artifact.size_bytes + 1
                while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
                    left -= len(chunk)
                    yield chunk

    def _opened(self, place: str) -> Any:
        return open_regular(Path(place)) if self._is_local else self._files.open(place, "rb", block_size=_BLOCK_BYTES)

    def remove_abandoned(self) -> None:
        """Remove drafts that killed commands left a day ago or before; a failure is the next command's affair."""
        if not self._renames:
            return
        with suppress(Exception):
            for path, info in self._files.find(f"{self._root}/{_DRAFTS}", detail=True).items():
                if time.time() - float(info["mtime"]) > _ABANDONED_SECONDS:
                    self._files.rm_file(path)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Explain a failure of the library below, which may raise anything."""
        try:
            yield
        except ChurnflowError:
            raise
        except Exception as failure:
            said = " ".join(str(failure).split())[:200] or type(failure).__name__
            message = f"the remote {self.url} can not be used: {said}"
            hint = (
                "check the address, the network and the credentials in the environment, then run the same command again"
            )
            raise ConflictError(message, hint=hint) from failure


def transfer(artifacts: Sequence[Artifact], move: Callable[[Artifact], None], report: Report) -> list[ChurnflowError]:
    """Move artifacts, several at a time; return what was refused of single ones, whose others have been moved.

    report: is told the bytes that are moved, and those of all. Raises what stops them all, such as a place that can
    not be reached, after those that had begun have ended.
    """
    total, done = sum(artifact.size_bytes for artifact in artifacts), 0
    refused: list[ChurnflowError] = []
    report(0, total)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="churnflow-transfer") as pool:
        waiting = {pool.submit(_moved, move, artifact): artifact for artifact in artifacts}
        try:
            while waiting:
                ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ended:
                    failure = future.result()
                    refused += [] if failure is None else [failure]
                    done += waiting.pop(future).size_bytes
                report(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return refused


def _moved(move: Callable[[Artifact], None], artifact: Artifact) -> ChurnflowError | None:
    try:
        move(artifact)
    except IntegrityError as failure:
        return failure
    return None
