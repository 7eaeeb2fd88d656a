"""Looks for secrets in what a snapshot is about to take, before any of it is in the repository."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from churnflow.adapters.durable import beginning_of, read_texts, remember
from churnflow.adapters.git_files import Blob, regular_files
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.repository import Repository
from churnflow.domain.leaked import Leak, leaks_in, rules_sha256, told
from churnflow.errors import RefusedError

ALLOW: Final = ".churnflow-secrets-allow"
# Of a larger file only its beginning is looked at: a configuration is small, and a data file of no source is no place
# for keys.
MAX_BYTES: Final = 1_000_000
_BATCH_BYTES: Final = 32_000_000
_MOST_CLEAN: Final = 32
_DIGEST: Final = re.compile(r"^\s*([0-9a-f]{64})(?:\s|$)", re.MULTILINE)


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

        To refuse them then would leave that half done; the next checkpoint of another command looks at them again. From
        now on a file that lies open, as where an older `.gitignore` came back, is left out and not refused.
        """
        self._held.add(tree)

    def check(self, tree: str, env: Mapping[str, str], is_wanted: Callable[[str], bool]) -> list[str]:
        """Check a tree whose objects lie where `env` says; return files with secrets that it has to do without.

        They are returned on a way back alone (see `hold`), and none of them `is_wanted`. Else this raises RefusedError
        with file, line and kind of each secret. A file that the last clean tree had is not looked at again, nor is a
        tree that was clean lately, so that this costs nothing where nothing changed, and little where a rollback
        brought back what was there before.
        """
        allowed = self.allowed()
        rules = f"{rules_sha256()} {' '.join(sorted(allowed))}"
        known = read_texts(self._memory)
        clean = known.get("trees", "").split() if known.get("rules") == rules else []
        if clean[-1:] == [tree]:
            return []
        if tree not in clean:
            files = regular_files(self._plumbing, tree, env, clean[-1] if clean else None)
            new = self._without_held(files, tree, env)
            leaks = [leak for leak in self._leaks(new, env) if leak.sha256 not in allowed]
            if self._held and leaks and not any(is_wanted(leak.path) for leak in leaks):
                return sorted({leak.path for leak in leaks})
            if leaks:
                raise _refusal(leaks)
            if len(new) < len(files):
                return []
        self._remember(rules, [*(one for one in clean if one != tree), tree])
        return []

    def _without_held(self, files: list[Blob], tree: str, env: Mapping[str, str]) -> list[Blob]:
        for held in sorted(self._held) if files else ():
            differing = set(regular_files(self._plumbing, tree, env, held))
            files = [file for file in files if file in differing]
        return files

    def _remember(self, rules: str, clean: list[str]) -> None:
        remember(self._memory, {"rules": rules, "trees": " ".join(clean[-_MOST_CLEAN:])})

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

    def _leaks(self, files: list[Blob], env: Mapping[str, str]) -> Iterator[Leak]:
        small: list[Blob] = []
        pending = 0
        for file in files:
            size = self._size(file.path)
            if size > MAX_BYTES:
                yield from leaks_in(file.path, beginning_of(self._repository.work_tree / file.path, MAX_BYTES))
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

    def _of_contents(self, files: list[Blob], env: Mapping[str, str]) -> Iterator[Leak]:
        found = self._plumbing.read([file.oid for file in files], env=env) if files else []
        for file, content in zip(files, found, strict=True):
            if content is not None:
                yield from leaks_in(file.path, content.content)


def _refusal(leaks: list[Leak]) -> RefusedError:
    count = "a secret" if len(leaks) == 1 else f"{len(leaks)} secrets"
    message = f"{count} would enter a checkpoint, and git forgets nothing: {told(leaks)}"
    return RefusedError(message, hint=f"take it out, or list {leaks[0].path} in .gitignore; {_no_secret(leaks[0])}")


def _no_secret(leak: Leak) -> str:
    return f"if it is none: echo '{leak.sha256} why' >> {ALLOW}"
