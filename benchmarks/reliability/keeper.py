"""What must hold after whatever befell a command: of the user's files and git, of promises, of what is whole."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hatchery import Ended, Runner
from life import git

from churnflow.adapters.durable import TEMPORARY_PREFIX

# Made by the program alone; whether they are whole is asked of `verify`, or of the command that makes them.
_MADE = ("checkpoints", "reports", "deploy", "__pycache__", ".git")
_OURS = ("churnflow/", "refs/churnflow", "refs/tags/churnflow", "logs/refs/churnflow", "objects/")
_LINES = ("error: ", "hint: ")
INTEGRITY = 6
# Times, and digests that cover times or the installed packages, which may change while a long run goes on.
_TIMES = {
    "approval_sha256", "at", "created_at", "evidence", "key",
    "made_at", "revoked_at", "seconds", "started_at", "waited",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """What there is at one moment: the user's git by file, the user's files, our records that only grow, two pointers.

    refs: our refs and tags, with what they name.
    """

    git: Mapping[str, str]
    files: Mapping[str, bytes]
    grown: Mapping[str, bytes]
    refs: Mapping[str, str]
    pointers: Mapping[str, bytes]


@dataclass
class Keeper:
    """Compares the states of one project and collects what is wrong: `lost` (of the user's, or promised) and `half`."""

    hatchery: Runner
    root: Path
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)

    def state(self) -> State:
        """Read everything there is."""
        ours = self.root / ".git" / "churnflow" / "root"
        listed = git(self.root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/churnflow", "refs/tags")
        return State(
            git=_user_git(self.root / ".git"),
            files={path.relative_to(self.root).as_posix(): path.read_bytes() for path in _user_files(self.root)},
            grown={str(path.relative_to(ours)): _whole_lines(path) for path in sorted(ours.rglob("*.jsonl"))},
            refs=dict(line.split(" ") for line in listed.splitlines()),
            pointers={
                name: (ours / name).read_bytes()
                for name in ("served.json", "serving/keys.json")
                if (ours / name).exists()
            },
        )

    def compare(self, before: State, now: State, what: str, *, restoring: bool) -> None:
        """Note what was lost between two states; `restoring`: the command may write files of the user's work tree."""
        self._same(before.git, now.git, f"{what}: the user's git")
        if not restoring:
            self._same(before.files, now.files, f"{what}: the user's files")
        elif gone := before.files.keys() - now.files.keys():
            self.lost.append(f"{what}: files are gone: {sorted(gone)}")
        # `gc` frees the journals of runs that are over and held by checkpoints or tables, each as a whole.
        freed = before.grown.keys() - now.grown.keys() if what.startswith("gc ") else set()
        for name, text in before.grown.items():
            if name not in freed and not now.grown.get(name, b"").startswith(text):
                self.lost.append(f"{what}: {name} lost lines")
        tags = {name: oid for name, oid in before.refs.items() if name.startswith("refs/tags/")}
        moved = [name for name, oid in tags.items() if now.refs.get(name) != oid]
        self.lost += [
            f"{what}: {name} was moved or is gone" for name in [*moved, *(before.refs.keys() - now.refs.keys())]
        ]

    def between(self, before: State, observed: State, after: State, what: str) -> None:
        """Note what was neither as before nor as after a command while that had died half-way."""
        for name, data in observed.files.items():
            if data not in {before.files.get(name), after.files.get(name)}:
                self.half.append(f"{what}: {name} is neither old nor new")
        for name, data in observed.pointers.items():
            if name == "served.json" and data not in {before.pointers.get(name), after.pointers.get(name)}:
                self.half.append(f"{what}: {name} is neither old nor new")

    def whole(self, what: str) -> None:
        """Note what `verify`, `keys` and `git fsck` find to be half.

        Right after a kill, what `verify` names as missing and the same command, given again, makes is not half: the tag
        of a checkpoint, and the release that it has made and that is not served yet. At last nothing may be missing.
        """
        is_over = what.endswith(("at last", "in the end"))
        for command in (["verify"], ["keys", "list"]):
            ended = self.hatchery.run(self.root, command)
            if ended.code == INTEGRITY and not is_over and ("makes it again" in ended.err or self._is_underway(ended)):
                continue
            if ended.code != 0 and "no run has begun" not in ended.err:
                self.half.append(f"{what}: {command[0]} ends with {ended.code}: {ended.err.strip()}")
        said = git(self.root, "fsck", "--strict", "--no-dangling", "--no-progress", may_fail=True)
        if said.strip():
            self.half.append(f"{what}: fsck says {said.strip()}")

    def _is_underway(self, verified: Ended) -> bool:
        """Tell whether what is not served is of a checkpoint of which the journal has no line yet."""
        if "says that v" not in verified.err:
            return False
        said = self.hatchery.run(self.root, ["--json", "status"])
        items = json.loads(said.out)["data"]["items"] if said.code == 0 else []
        return any(item["name"] == "shipped" and item["state"] != "done" for item in items)

    def settled(self, what: str, state: State) -> None:
        """Let the next command go on, then note what is left of the one that died."""
        ended = self.next_command()
        if ended.code not in {2, 5} or "is left" in ended.err:
            self.half.append(f"{what}: the next command ends with {ended.code}: {ended.err.strip()}")
        if (self.root / ".git" / "churnflow" / "root" / "intent.json").exists():
            self.half.append(f"{what}: the rollback is not finished by the next command")
        self.compare(state, self.state(), f"{what}, next command", restoring=True)

    def next_command(self) -> Ended:
        """Run a command that writes nothing of its own but begins, as every writing one does, by settling."""
        return self.hatchery.run(self.root, ["issues", "close", "no-such-issue", "--reason", "x", "--by", "Cy"])

    def clean(self, what: str) -> None:
        """Note temporary files and locks that a whole command has left."""
        left = [path for path in self.root.rglob(f"{TEMPORARY_PREFIX}*") if ".git" not in path.parts]
        left += [
            path for path in (self.root / ".git").rglob("*.lock") if "churnflow" in str(path.relative_to(self.root))
        ]
        if left:
            self.half.append(f"{what}: left behind: {[str(path.relative_to(self.root)) for path in left]}")

    def told(self, ended: Ended, what: str, codes: tuple[int, ...]) -> None:
        """Note an ending that is not documented: a hang, a traceback, a bug, or an error of other than two lines."""
        lines = [line for line in ended.err.splitlines() if line.startswith(_LINES)]
        if ended.code is None:
            self.half.append(f"{what}: hangs")
        elif ended.code not in codes or "Traceback" in ended.err or (ended.code not in {0, 3} and len(lines) != 2):
            self.half.append(f"{what}: ends with {ended.code}: {ended.err.strip()[-600:]}")

    def _same(self, before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
        different = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        if different:
            self.lost.append(f"{what} changed: {different[:5]}")


def resets(state: State) -> int:
    """Return how many rollbacks came to their end: each has a line of its own in a journal."""
    return sum(text.count(b'"kind":"reset",') for text in state.grown.values())


def outcome(hatchery: Runner, root: Path) -> dict[str, Any]:
    """Return what a life has come to, without times: items, checkpoints, issues, files, keys, and what is served."""
    found: dict[str, Any] = {}
    for command in ("status", "log", "issues", "keys"):
        found[command] = json.loads(hatchery.run(root, ["--json", command]).out)["data"]
    text = json.dumps(found, sort_keys=True)
    for number, run in enumerate(dict.fromkeys(re.findall(r"\d{6}-[a-z2-9]{4}\b", text))):
        text = text.replace(run, f"run-{number}")
    text = re.sub(r"(pack|release)-[0-9a-f]{8}\b", r"\1-ISSUE", text)
    bare: dict[str, Any] = _without_times(json.loads(text))
    names = [item["tag"].partition("/")[2] for item in bare.pop("log")["checkpoints"]]
    keys = [(key["name"], key["scopes"]) for key in bare.pop("keys")["keys"]]
    files = {path.relative_to(root).as_posix(): path.read_bytes().decode() for path in _user_files(root)}
    return {**bare, "checkpoints": names, "keys": keys, "files": files}


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return where two outcomes differ, by the names that lead there."""
    if isinstance(one, dict) and isinstance(other, dict):
        found = (differences(one.get(name), other.get(name), f"{where}/{name}") for name in sorted({*one, *other}))
        return [text for texts in found for text in texts]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (differences(*pair, f"{where}/{number}") for number, pair in enumerate(zip(one, other, strict=True)))
        return [text for texts in found for text in texts]
    return [] if one == other else [f"{where}: {str(other)[:300]}, not {str(one)[:300]}"]


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(each) for name, each in value.items() if name not in _TIMES}
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:]+Z?( UTC)?", "TIME", value) if isinstance(value, str) else value


def _user_git(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (name := path.relative_to(folder).as_posix()).startswith(_OURS)
    }


def _user_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        is_made = set(path.relative_to(root).parts) & set(_MADE) or path.name.startswith(TEMPORARY_PREFIX)
        if path.is_file() and not is_made:
            yield path


def _whole_lines(path: Path) -> bytes:
    text = path.read_bytes()
    return text[: text.rfind(b"\n") + 1]
