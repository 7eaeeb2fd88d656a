"""Looks for secrets and rows of customers in what a snapshot is about to take, before any is in the repository."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from churnflow.adapters.durable import read_texts, temporary_in
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.repository import Repository
from churnflow.adapters.row_copies import RowCopies, refuse_copies
from churnflow.domain.leaked import Leak, leaks_in, rules_sha256, told
from churnflow.errors import RefusedError

ALLOW: Final = ".churnflow-secrets-allow"
# Of a larger file only its beginning is looked at: a configuration is small, and a data file of no source is no place
# for keys.
MAX_BYTES: Final = 1_000_000
_BATCH_BYTES: Final = 32_000_000
_MOST_CLEAN: Final = 32
_REGULAR: Final = frozenset({b"100644", b"100755"})
_DIGEST: Final = re.compile(r"^\s*([0-9a-f]{64})(?:\s|$)", re.MULTILINE)


class _File(NamedTuple):
    """A file of a tree by the id of its content."""

    oid: str
    path: str


class SecretScan:
    """Scans the files of a tree that no clean tree before it had; which trees were clean is remembered."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the repository's plumbing and the project, whose file of false alarms counts."""
        self._plumbing = plumbing
        self._repository = repository
        self._memory = repository.state_dir / "clean-trees.json"
        self._held: set[str] = set()

    def hold(self, tree: str) -> None:
        """Take it that git has the files of a tree anyway, as it has those of a checkpoint to which one goes back.

        To refuse them then would leave that half done; the next checkpoint of another command looks at them again.
        """
        self._held.add(tree)

    def refuse_leaks(self, tree: str, env: Mapping[str, str], rows: RowCopies) -> None:
        """Check a tree whose objects lie where `env` says.

        Raises RefusedError with file, line and kind of each secret, or with a file that holds rows of customers.
        A file that the last clean tree had is not looked at again, nor is a tree that was clean lately, so that this
        costs nothing where nothing changed, and little where a rollback brought back what was there before.
        """
        allowed = self.allowed()
        rules = " ".join([rules_sha256(), rows.sha256(), *sorted(allowed)])
        known = read_texts(self._memory)
        clean = known.get("trees", "").split() if known.get("rules") == rules else []
        if clean[-1:] == [tree]:
            return
        if tree not in clean:
            base = clean[-1] if clean else None
            files = self._files(base, tree, env)
            new = self._without_held(files, tree, env)
            leaks: list[Leak] = []
            copies: list[tuple[str, str]] = []
            for path, content in self._contents(new, env):
                leaks += (leak for leak in leaks_in(path, content) if leak.sha256 not in allowed)
                copies += ((path, table) for table in [rows.source_of(path, content)] if table is not None)
            if leaks:
                raise _refusal(leaks)
            refuse_copies(copies)
            if len(new) < len(files):
                return
        self._remember(rules, [*(one for one in clean if one != tree), tree])

    def _without_held(self, files: list[_File], tree: str, env: Mapping[str, str]) -> list[_File]:
        for held in sorted(self._held) if files else ():
            differing = set(self._files(held, tree, env))
            files = [file for file in files if file in differing]
        return files

    def _remember(self, rules: str, clean: list[str]) -> None:
        # Only saves time: a reader that finds it missing or spoiled looks at every file again.
        with suppress(OSError):
            temporary = temporary_in(self._memory.parent)
            temporary.write_text(json.dumps({"rules": rules, "trees": " ".join(clean[-_MOST_CLEAN:])}))
            temporary.replace(self._memory)

    def refuse_record(self, path: str, data: bytes) -> None:
        """Check the record of a checkpoint: notes, reasons and facts are words of people and of steps."""
        allowed = self.allowed()
        leaks = [leak for leak in leaks_in(path, data) if leak.sha256 not in allowed]
        if leaks:
            message = f"a secret in a note, a reason or a fact would enter the record: {told(leaks)}"
            hint = f"revoke it, for the journal has it; `churnflow run --new` begins without it; {_no_secret(leaks[0])}"
            raise RefusedError(message, hint=hint)

    def allowed(self) -> frozenset[str]:
        """Return the digests that the project's file of false alarms names, one a line, with what anyone adds to it."""
        try:
            text = (self._repository.root / ALLOW).read_bytes()[:MAX_BYTES].decode(errors="replace")
        except OSError:
            return frozenset()
        return frozenset(_DIGEST.findall(text))

    def _files(self, base: str | None, tree: str, env: Mapping[str, str]) -> list[_File]:
        if base is not None and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", base):
            # Its objects may be gone: a snapshot that no checkpoint kept is taken by `git gc`.
            with suppress(GitFailure):
                options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--diff-filter=AMT")
                fields = self._plumbing.run("diff-tree", *options, base, tree, env=env).split(b"\0")
                return [
                    _File(new.decode(), os.fsdecode(path))
                    for raw, path in zip(fields[:-1:2], fields[1::2], strict=True)
                    for _, mode, _, new, _ in [raw.split(b" ")]
                    if mode in _REGULAR
                ]
        lines = self._plumbing.run("ls-tree", "-r", "-z", "--full-tree", tree, env=env).split(b"\0")[:-1]
        entries = (line.partition(b"\t") for line in lines)
        split = ((description.split(b" "), path) for description, _, path in entries)
        return [_File(oid.decode(), os.fsdecode(path)) for (mode, _, oid), path in split if mode in _REGULAR]

    def _contents(self, files: list[_File], env: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the files; of a large one the beginning."""
        small: list[_File] = []
        pending = 0
        for file in files:
            size = self._size(file.path)
            if size > MAX_BYTES:
                yield file.path, self._beginning(file.path)
                continue
            if pending + size > _BATCH_BYTES:
                yield from self._of_contents(small, env)
                small, pending = [], 0
            small.append(file)
            pending += size
        yield from self._of_contents(small, env)

    def _size(self, path: str) -> int:
        """Return the size of the file that a blob was made from: near enough for a bound, and no process is started."""
        with suppress(OSError):
            return (self._repository.work_tree / path).lstat().st_size
        return 0

    def _of_contents(self, files: list[_File], env: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
        found = self._plumbing.read([file.oid for file in files], env=env) if files else []
        for file, content in zip(files, found, strict=True):
            if content is not None:
                yield file.path, content.content

    def _beginning(self, path: str) -> bytes:
        with suppress(OSError), (self._repository.work_tree / path).open("rb") as file:
            return file.read(MAX_BYTES)
        return b""


def _refusal(leaks: list[Leak]) -> RefusedError:
    count = "a secret" if len(leaks) == 1 else f"{len(leaks)} secrets"
    message = f"{count} would enter a checkpoint, and git forgets nothing: {told(leaks)}"
    return RefusedError(message, hint=f"take it out, or list {leaks[0].path} in .gitignore; {_no_secret(leaks[0])}")


def _no_secret(leak: Leak) -> str:
    return f"if it is none: echo '{leak.sha256} why' >> {ALLOW}"
