"""Tampers with a real project in N seeded ways and prints, by kind, how many `churnflow verify` reported.

Usage: python benchmarks/reliability/tampering.py [N=200] [SEED=5]. Exit code 1 unless all were reported with exit code
6 and a link that the damage can break.
"""

import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
from place import Place, flip, make, put_in_place

from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Approval, StepRecord
from churnflow.engine.keys import subject

Tamper = Callable[[Place, Random], tuple[str, ...]]
KINDS: Final[dict[str, Tamper]] = {}


class Case(NamedTuple):
    """One tampering: its kind, whether it was reported, whether the link was named rightly, and what was said."""

    kind: str
    reported: bool
    named: bool
    said: str


def kind(name: str) -> Callable[[Tamper], Tamper]:
    """Register a way to tamper; it returns the arguments of verify and the links that may be named, parted by `|`."""

    def register(tamper: Tamper) -> Tamper:
        KINDS[name] = tamper
        return tamper

    return register


def _object(place: Place, random: Random, what: str) -> str:
    tag = random.choice(place.tags(random.choice(place.runs)))
    names = {
        "commit": f"{tag}^{{commit}}",
        "tag": tag,
        "record": f"{tag}:checkpoints/{tag.split('/')[1]}/{tag.rpartition('/')[2]}.yaml",
        "blob": f"{tag}:steps.py",
        "tree": f"{tag}^{{tree}}",
    }
    return place.git("rev-parse", names[what])


LINKS: Final = {"commit": "commit|history", "tag": "tag|history", "record": "record", "blob": "snapshot"}


@kind("byte flip: loose object")
def _(place: Place, random: Random) -> tuple[str, ...]:
    what = random.choice(["commit", "tag", "record", "blob", "tree"])
    flip(place.loose(_object(place, random, what)), random)
    return (LINKS.get(what, "record|snapshot|history"),)


@kind("other content under an object's name")
def _(place: Place, random: Random) -> tuple[str, ...]:
    what = random.choice(["commit", "tag", "record", "blob"])
    oid = _object(place, random, what)
    content = place.git("cat-file", "-p", oid).replace("0", "1", 1).encode() + b"\n"
    put_in_place(place, oid, {"record": "blob"}.get(what, what), content)
    return (LINKS[what],)


@kind("object deleted")
def _(place: Place, random: Random) -> tuple[str, ...]:
    what = random.choice(["commit", "tag", "record", "blob", "tree"])
    place.loose(_object(place, random, what)).unlink()
    return (LINKS.get(what, "record|snapshot|history"),)


@kind("byte flip: pack or index")
def _(place: Place, random: Random) -> tuple[str, ...]:
    place.git("gc", "-q")
    flip(random.choice(sorted((place.root / ".git/objects/pack").glob("pack-*.[pi]*"))), random)
    return ("history|commit|tag|record|snapshot",)


def _artifact(place: Place, random: Random) -> Path:
    store = place.root / ".git/churnflow/store/sha256"
    return random.choice([path for path in sorted(store.glob("*/*")) if path.stat().st_size])


@kind("byte flip: store object or bundle")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(_artifact(place, random), random)
    return ("artifact",)


@kind("store object cut or deleted")
def _(place: Place, random: Random) -> tuple[str, ...]:
    path = _artifact(place, random)
    data = path.read_bytes()
    path.unlink()
    if random.random() < 0.5:
        path.write_bytes(data[:-1])
    return ("artifact",)


@kind("byte flip: YAML copy")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(random.choice(sorted((place.root / "checkpoints").rglob("*.yaml"))), random)
    return ("copy",)


def _journal(place: Place, random: Random) -> Path:
    return random.choice(sorted((place.state / "runs").rglob("journal.jsonl")))


@kind("byte flip: journal")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(_journal(place, random), random, 1)
    return ("journal",)


@kind("journal line dropped or moved")
def _(place: Place, random: Random) -> tuple[str, ...]:
    path = _journal(place, random)
    lines = path.read_bytes().splitlines(keepends=True)
    line = lines.pop(random.randrange(1, len(lines) - 1))
    if random.random() < 0.5:
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return ("journal",)


@kind("byte flip: name of the current run")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(place.state / "current", random)
    return ("journal",)


@kind("byte flip: pointer or list of what was served")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(place.state / random.choice(["served.json", "served.jsonl"]), random, 1)
    return ("served",)


@kind("pointer turned back, deleted or made up")
def _(place: Place, random: Random) -> tuple[str, ...]:
    pointer, past = place.state / "served.json", place.state / "served.jsonl"
    lines = past.read_text().splitlines(keepends=True)
    releases = [{name: value for name, value in json.loads(line).items() if name != "chain"} for line in lines]
    match random.choice(["back", "deleted", "both deleted", "unlisted", "other bundle"]):
        case "back":
            pointer.write_text(json.dumps(releases[0]))
        case "deleted":
            pointer.unlink()
        case "both deleted":
            pointer.unlink()
            past.unlink()
        case "unlisted":
            past.write_text("".join(lines[1:]))
        case _:
            pointer.write_text(json.dumps({**releases[-1], "artifact": releases[0]["artifact"]}))
    return ("served",)


@kind("tag moved or deleted")
def _(place: Place, random: Random) -> tuple[str, ...]:
    tags = place.tags(random.choice(place.runs))
    tag = random.choice(tags)
    match random.choice(["annotated", "light", "other", "deleted", "forged"]):
        case "annotated":
            place.git("tag", "-f", "-a", "-m", "moved", tag, "HEAD")
        case "light":
            place.git("tag", "-f", tag, f"{tag}^{{commit}}")
        case "other":
            place.git("tag", "-f", tag, tags[tags.index(tag) - 1])
        case "deleted":
            place.git("tag", "-d", tag)
        case _:
            place.git("tag", "-a", "-m", "forged", f"{tag[:-1]}x", "HEAD")
    return ("tag|history",)


@kind("ref rewound or deleted")
def _(place: Place, random: Random) -> tuple[str, ...]:
    run = random.choice(place.runs)
    ref, tags = f"refs/churnflow/runs/{run}", place.tags(run)
    how = random.choice(["rewound", "with its tags", "with tags and copies", "deleted", "whole run"])
    last = random.randrange(1, len(tags)) if how != "whole run" else 0
    if how in {"deleted", "whole run"}:
        place.git("update-ref", "-d", ref)
    else:
        place.git("update-ref", ref, f"{tags[last - 1]}^{{commit}}")
    if how not in {"rewound", "deleted"}:
        place.git("tag", "-d", *tags[last:])
    if how in {"with tags and copies", "whole run"}:
        for tag in tags[last:]:
            (place.root / "checkpoints" / run / f"{tag.rpartition('/')[2]}.yaml").unlink()
    links = {"rewound": "tag", "with its tags": "copy", "deleted": "commit"}
    return (links.get(how, "journal|served"),)


def _changed(checkpoint: Checkpoint, random: Random) -> Checkpoint:
    entries = list(checkpoint.run.entries)
    at = random.choice([n for n, entry in enumerate(entries) if isinstance(entry, StepRecord)])
    entries[at] = entries[at].model_copy(update={"facts": {"kind": "forged"}})
    return checkpoint.model_copy(update={"run": checkpoint.run.with_entries(entries)})


@kind("record edited, its digest left")
def _(place: Place, random: Random) -> tuple[str, ...]:
    run = random.choice(place.runs)
    tag = place.tags(run)[-1]
    file = f"checkpoints/{run}/{tag.rpartition('/')[2]}.yaml"
    edited = place.git("show", f"{tag}:{file}").replace("Ann", "Eve").encode() + b"\n"
    blob = place.git("hash-object", "-w", "--stdin", stdin=edited)
    listed = place.git("ls-tree", "-r", tag).splitlines()
    kept = [f"100644 blob {blob}\t{file}" if line.endswith(file) else line for line in listed]
    (place.root / ".git/forged").unlink(missing_ok=True)
    index = place.root / ".git/forged"
    entries = "\n".join(kept).encode() + b"\n"
    tree = _tree(place, index, entries)
    parents = place.git("log", "-1", "--format=%P", tag).split()
    message = place.git("log", "-1", "--format=%B", tag)
    commit = place.git("commit-tree", tree, *(w for parent in parents for w in ("-p", parent)), "-m", message)
    place.git("update-ref", f"refs/churnflow/runs/{run}", commit)
    if random.random() < 0.5:
        return ("tag",)
    place.git("tag", "-f", "-a", "-m", message, tag, commit)
    return ("record",)


def _tree(place: Place, index: Path, entries: bytes) -> str:
    old = place.root / ".git/index"
    saved = old.read_bytes()
    try:
        place.git("read-tree", "--empty")
        place.git("update-index", "--index-info", stdin=entries)
        return place.git("write-tree")
    finally:
        old.write_bytes(saved)
        index.unlink(missing_ok=True)


@kind("record edited, every digest computed again")
def _(place: Place, random: Random) -> tuple[str, ...]:
    run = random.choice(place.runs)
    number = random.randint(1, len(place.tags(run)))
    place.rewrite(run, lambda item: _changed(item, random) if item.number == number else item)
    return ("journal|approval|artifact",)


@kind("record and keys of approvals computed again")
def _(place: Place, random: Random) -> tuple[str, ...]:
    run = random.choice(place.runs)
    place.rewrite(run, lambda item: _rekeyed(_changed(item, random)))
    return ("journal",)


def _rekeyed(checkpoint: Checkpoint) -> Checkpoint:
    run = checkpoint.run
    for item in run.declared.items():
        entry = run.latest(item.name)
        if isinstance(entry, Approval):
            new = entry.model_copy(update={"key": subject(run, item)})
            run = run.with_entries([new if other is entry else other for other in run.entries])
    return checkpoint.model_copy(update={"run": run})


@kind("git replace")
def _(place: Place, random: Random) -> tuple[str, ...]:
    what = random.choice(["commit", "record", "blob", "tag"])
    oid = _object(place, random, what)
    if what == "commit":
        place.git("replace", oid, "HEAD")
    elif what == "tag":
        content = place.git("cat-file", "tag", oid).replace("summary", "Summary").encode() + b"\n"
        new = place.git("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=content)
        place.git("update-ref", f"refs/replace/{oid}", new)
    else:
        place.git("replace", oid, place.git("hash-object", "-w", "--stdin", stdin=b"forged\n"))
    return ("history",)


@kind("graft or shallow boundary")
def _(place: Place, random: Random) -> tuple[str, ...]:
    oid = _object(place, random, "commit")
    if random.random() < 0.5:
        (place.root / ".git/info").mkdir(exist_ok=True)
        (place.root / ".git/info/grafts").write_text(f"{oid} {place.git('rev-parse', 'HEAD')}\n")
    else:
        (place.root / ".git/shallow").write_text(f"{oid}\n")
    return ("history",)


@kind("approval replayed from another run")
def _(place: Place, random: Random) -> tuple[str, ...]:
    first, second = place.runs
    name = random.choice(["plan", "release"])
    given = place.project.journal.read(first)
    assert given is not None
    _swap(place, second, name, given.latest(name))
    return ("approval",)


def _swap(place: Place, run_id: str, name: str, other: object) -> None:
    """Put another approval into a run: into its journal and its chain, all digests and seals computed again."""
    run = place.project.journal.read(run_id)
    assert run is not None

    def swapped(entries: tuple) -> list:  # type: ignore[type-arg]
        return [other if isinstance(entry, Approval) and entry.name == name else entry for entry in entries]

    recorded = place.project.journal.ever(run_id) or ()
    place.rewrite(
        run_id, lambda item: item.model_copy(update={"run": item.run.with_entries(swapped(item.run.entries))})
    )
    place.rewrite_journal(run, swapped(tuple(recorded)))


@kind("approval of something else")
def _(place: Place, random: Random) -> tuple[str, ...]:
    run_id, name = random.choice(place.runs), random.choice(["plan", "release"])
    run = place.project.journal.read(run_id)
    assert run is not None
    entry = run.latest(name)
    assert isinstance(entry, Approval)
    key = f"{random.getrandbits(256):064x}"
    _swap(place, run_id, name, entry.model_copy(update={"key": key}))
    return ("approval",)


@kind("report with one character changed")
def _(place: Place, random: Random) -> tuple[str, ...]:
    path = random.choice(sorted((place.root / "reports").glob("*.*")))
    if path.suffix == ".svg":
        path = place.root / "reports/now.md"
    text = path.read_text()
    digits = [at for at, character in enumerate(text) if character.isdigit()]
    at = random.choice(digits)
    path.write_text(f"{text[:at]}{(int(text[at]) + random.randint(1, 9)) % 10}{text[at + 1 :]}")
    return ("report", f"reports/{path.name}")


@kind("result kept for reuse")
def _(place: Place, random: Random) -> tuple[str, ...]:
    flip(random.choice(sorted((place.root / ".git/churnflow/steps").glob("*.json"))), random, 1)
    return ("reuse",)


def cases(count: int, seed: int, whole: Place, scratch: Path) -> Iterator[Case]:
    """Yield what became of `count` cases, the kinds in turn, each on a copy of a project that is whole."""
    ended = whole.verify()
    if ended.code:
        message = f"the project is not whole to begin with: {ended.error}"
        raise SystemExit(message)
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        shutil.copytree(whole.root, scratch / "case", symlinks=True)
        place = Place(scratch / "case")
        links, *arguments = KINDS[name](place, Random(f"{seed}/{number}"))  # noqa: S311 - to be repeated
        ended = place.verify(*arguments)
        said = f"case {number}: exit {ended.code}, {ended.link}: {ended.error}"
        yield Case(name, ended.code == 6, ended.link in links.split("|"), said)
        shutil.rmtree(place.root)


def main() -> int:
    """Print the table; return 1 where anything passed unnoticed."""
    count, seed = (int(word) for word in [*sys.argv[1:], *("200", "5")[len(sys.argv) - 1 :]])
    table: dict[str, list[Case]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(count, seed, make(Path(scratch) / "whole"), Path(scratch)):
            table[case.kind].append(case)
            if not (case.reported and case.named):
                print(f"{case.kind}: {case.said}", flush=True)
    print(f"seed {seed}")
    for name, found in table.items():
        print(f"{name:48} {sum(case.reported for case in found):4}/{len(found)}, link {sum(c.named for c in found)}")
    every = [case for found in table.values() for case in found]
    print(f"{'all':48} {sum(case.reported for case in every):4}/{len(every)}, link {sum(c.named for c in every)}")
    return 0 if all(case.reported and case.named for case in every) else 1


if __name__ == "__main__":
    sys.exit(main())
