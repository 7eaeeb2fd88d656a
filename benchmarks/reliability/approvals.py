"""Ways for an agent with a shell to approve its own work: each is tried on a project whose gate demands a signature.

The project has shipped one release that was signed by a listed reviewer; the agent has changed the work and wants it
shipped. It may write every file of the repository and of its `.git`, run any program, and has a key of its own, but not
the reviewer's. A gate counts as opened when `churnflow verify` finds everything whole while the agent's work is served.

    PYTHONPATH=. .venv/bin/python benchmarks/reliability/approvals.py
"""

import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.sealed_lines import opened, sealed, whole_lines

STEPS: Final = '''"""A step that makes a release of what a file says."""

from pathlib import Path

from churnflow import StepResult


def pack(source: Path) -> StepResult:
    """Return a bundle of one file."""
    return StepResult(outputs={"candidate": {"model.bin": source.read_bytes()}})
'''
WORKFLOW: Final = """name: signed
task: Release what a file says
phases:
  build:
    - step: pack
      uses: packing:pack
      with: {source: data/model.txt}
      produces: {candidate: release}
    - approval: release
      grade: signed
      role: risk
    - checkpoint: approved
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""
ANSWERS: Final = "approvals:\n  release: {answer: approve, reviewer: ann}\n"
# A whole run by the program's own functions, at a time when a key was listed that was taken off the list since.
BACKDATED: Final = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, "")
from churnflow.adapters.answers_reviewer import AnswersReviewer
from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures
from churnflow.cli.watching import Silent
from churnflow.engine import approvals, reviewers
from churnflow.engine.advance import advance
from churnflow.project import Project

class Then:
    def now(self):
        return lists[1].at
    def stopwatch(self):
        return 0.0

class Answers(AnswersReviewer):
    def review(self, brief, phase):
        return super().review(brief, phase).model_copy(update={"at": lists[1].at})

project = Project.open(Path())
ports = project.ports(Answers.from_file(Path("answers.yaml")), Silent())
lists = reviewers.trusted(ports)
ports = replace(ports, clock=Then(), signer=KeySigner(Path(sys.argv[1]), SshSignatures()))
approvals.trusted = lambda _: lists[:2]
approvals.pin = approvals.refuse_foreign = lambda *_: None
run = project.run().model_copy(update={"id": "261101-aaaa", "started_at": lists[1].at, "entries": ()})
ports.journal.start(run)
for phase in run.declared.phases:
    run = advance(run, ports, phases=(phase,))
"""
STATE: Final = Path(".git/churnflow/root")
NAMESPACE: Final = "churnflow-approval"


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str


class Agent:
    """A shell in the project, and keys beside it: the reviewer's `ann` is used by the set-up alone."""

    def __init__(self, folder: Path) -> None:
        """Take the folder that holds the project and the keys."""
        self.folder = folder
        self.root = folder / "project"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }

    def run(self, *arguments: str, stdin: bytes = b"", **env: str) -> Ended:
        """Run a program in the project, without a terminal."""
        done = subprocess.run(
            arguments,
            cwd=self.root,
            env={**self.env, **env},
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def cli(self, *arguments: str, stdin: bytes = b"", **env: str) -> Ended:
        """Run churnflow in the project, without a terminal."""
        return self.run(sys.executable, "-m", "churnflow", *arguments, stdin=stdin, **env)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git in the project and return what it says."""
        return self.run(
            "git", "-c", "user.name=Agent", "-c", "user.email=agent@example.org", *arguments, stdin=stdin
        ).out

    def typed(self, keys: bytes, *arguments: str, seconds: float = 10.0) -> str:
        """Run churnflow on a pseudo-terminal and type `keys` there; return what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.root)
            os.execve(sys.executable, [sys.executable, "-m", "churnflow", *arguments], {**self.env, "TERM": "xterm"})  # noqa: S606
        os.write(terminal, keys)
        shown, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                shown += os.read(terminal, 65_536)
            except OSError:
                break
        os.close(terminal)
        os.waitpid(pid, 0)
        return shown.decode(errors="replace")

    def sign(self, key: str, message: bytes, namespace: str = NAMESPACE) -> str:
        """Return a signature by a key beside the project."""
        command = ("ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(self.folder / key))
        return self.run(*command, stdin=message).out

    @property
    def journal(self) -> Path:
        """The journal of the run that the project is at."""
        run = (self.root / STATE / "current").read_text().strip()
        return self.root / STATE / "runs" / run / "journal.jsonl"

    def record(self, entry: dict[str, Any]) -> None:
        """Write an entry into the journal, sealed as the program seals its own."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self.journal.open("ab") as file:
            file.write(sealed(line, whole_lines(self.journal)))

    def edit(self, old: str, new: str) -> None:
        """Replace a text in the workflow."""
        path = self.root / "workflows" / "churn.yaml"
        path.write_text(path.read_text().replace(old, new))

    def served(self) -> dict[str, Any]:
        """Return the release that the project serves."""
        found = json.loads((self.root / STATE / "served.json").read_text())
        assert isinstance(found, dict)
        return found

    def subject(self) -> str:
        """Return the digest of what waits for approval now, as the program itself computes it."""
        probe = (
            "from pathlib import Path; from churnflow.project import Project;"
            "from churnflow.engine.keys import subject; run = Project.open(Path()).run();"
            "print(subject(run, next(item for item in run.declared.items() if item.name == 'release')))"
        )
        return self.run(sys.executable, "-c", probe).out.strip()

    def approval(self, signed: list[dict[str, Any]] | None = None, answer: str = "approve") -> dict[str, Any]:
        """Return an approval of what waits now, as the journal would hold one that Ann had given."""
        return {
            "kind": "approval", "name": "release", "phase": "build", "passed": True, "key": self.subject(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "answer": answer, "reviewer": "ann",
            "how": "prompt", "grade": "signed+distinct", "signed": signed or [],
        }  # fmt: skip

    def old_answer(self) -> dict[str, Any]:
        """Return Ann's signed answer to the release before, as the history has it."""
        first = json.loads(self.cli("--json", "show", "v1.0.0").out)["data"]["checkpoint"]["run"]["entries"]
        (answer,) = next(entry for entry in first if entry["kind"] == "approval")["signed"]
        assert isinstance(answer, dict)
        return answer

    def statement(self) -> dict[str, Any]:
        """Return a statement about what waits now, as churnflow writes it for Ann to sign."""
        self.cli("approve", "release", "--answers", "answers.yaml", "--statement", "--reviewer", "ann")
        newest = max((self.root / STATE / "statements").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        found = json.loads(newest.read_text())
        assert isinstance(found, dict)
        return found

    def forged(self, key: str, namespace: str = NAMESPACE, **changes: object) -> dict[str, Any]:
        """Return a statement about what waits now, changed, and signed with a key."""
        statement = {**self.statement(), **changes}
        text = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        return {"statement": statement, "signature": self.sign(key, text, namespace)}


def make_project(folder: Path) -> Agent:
    """Make the project: reviewers listed, one release signed and served, and changed work that waits for approval."""
    agent = Agent(folder)
    for place in ("workflows", "data"):
        (agent.root / place).mkdir(parents=True)
    (agent.root / "packing.py").write_text(STEPS)
    (agent.root / "workflows" / "churn.yaml").write_text(WORKFLOW)
    (agent.root / "answers.yaml").write_text(ANSWERS)
    (agent.root / ".gitignore").write_text("/data/\n__pycache__/\n")
    (agent.root / "data" / "model.txt").write_text("good\n")
    for key in ("ann", "old", "agent"):
        _done(agent.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / key)))
    agent.git("init", "-q", "-b", "main", ".")
    agent.git("add", "-A")
    agent.git("commit", "-q", "-m", "work")
    ann = str(folder / "ann")
    listed = ("reviewers", "add", "--sign-with", ann)
    _done(agent.cli(*listed, "ann", "--key", f"{ann}.pub", "--role", "admin", "--role", "risk"))
    _done(agent.cli(*listed, "old", "--key", str(folder / "old.pub"), "--role", "risk"))
    _done(agent.cli("reviewers", "remove", "old", "--sign-with", ann))
    agent.cli("run")
    _done(agent.cli("approve", "release", "--answers", "answers.yaml", "--key", ann))
    _done(agent.cli("run"))
    (agent.root / "data" / "model.txt").write_text("what the agent wants\n")
    agent.cli("run", "--new")
    return agent


def _done(ended: Ended) -> None:
    if ended.code != 0:
        raise RuntimeError(ended.out + ended.err)


def piped_yes(agent: Agent) -> None:
    """Pipe yes, the answers of the prompt, and every spelling of consent into `approve` and `run`."""
    for command in (("approve", "release"), ("approve", "release", "--yes"), ("run",)):
        agent.cli(*command, stdin=b"y\nyes\na\nann\n" * 20)


def pseudo_terminal(agent: Agent) -> None:
    """Answer the prompt on a pseudo-terminal, as `script` and pexpect do."""
    agent.typed(b"a\rann\r", "approve", "release", "--reviewer", "ann")
    agent.typed(b"a\rann\r", "run")


def answers_file(agent: Agent) -> None:
    """Write an answers file, and sign it with the agent's own key."""
    agent.cli("approve", "release", "--answers", "answers.yaml")
    agent.cli("approve", "release", "--answers", "answers.yaml", "--key", str(agent.folder / "agent"))
    agent.cli("run", "--answers", "answers.yaml")


def environment(agent: Agent) -> None:
    """Set the variables with which programs are told to ask nothing."""
    names = (
        "CHURNFLOW_YES",
        "CHURNFLOW_APPROVE",
        "CHURNFLOW_ASSUME_YES",
        "CHURNFLOW_NO_INPUT",
        "CI",
        "DEBIAN_FRONTEND",
    )
    agent.cli("approve", "release", **dict.fromkeys(names, "1"))
    agent.cli("run", **dict.fromkeys(names, "1"))


def silence(agent: Agent) -> None:
    """Leave the prompt alone until the terminal is taken away."""
    agent.typed(b"", "approve", "release", seconds=2.0)
    agent.typed(b"\x04", "run", seconds=5.0)


def journal(agent: Agent) -> None:
    """Write into the journal that Ann has approved."""
    agent.record(agent.approval())


def decision(agent: Agent) -> None:
    """Write into the journal that Ann has approved and that the gate says ship."""
    agent.record(agent.approval())
    agent.cli("run", "--until", "approved")
    agent.cli("run")
    lines = opened(agent.journal.read_bytes()).lines
    made = [json.loads(line) for line in lines if b'"decision"' in line and b'"kind"' in line][-1]
    if made.get("kind") == "decision":
        agent.record({**made, "verdict": "ship", "passed": True, "reasons": ["all is well"]})


def policy(agent: Agent) -> None:
    """Take the demand for a signature out of the workflow, and approve by an answers file and at the prompt."""
    agent.edit("      grade: signed\n      role: risk\n", "")
    agent.cli("run", "--answers", "answers.yaml")
    agent.typed(b"a\rann\r", "run")


def no_approval(agent: Agent) -> None:
    """Take the approval itself out of the workflow."""
    agent.edit("    - approval: release\n      grade: signed\n      role: risk\n    - checkpoint: approved\n", "")
    agent.cli("run")


def not_a_gate(agent: Agent) -> None:
    """Take gate and approval out of the workflow, and write a decision to ship in the name of a checkpoint."""
    agent.edit("    - approval: release\n      grade: signed\n      role: risk\n", "")
    agent.edit("    - gate: ship\n      ship: 0\n      fix: 0\n", "")
    agent.cli("run", "--new", "--until", "approved")
    line = next(line for line in opened(agent.journal.read_bytes()).lines[::-1] if b'"name":"approved"' in line)
    confidence = {"score": 100, "because": "all is well"}
    agent.record(
        {**json.loads(line), "kind": "decision", "verdict": "ship", "confidence": confidence, "bands": [0, 0]}
        | {"reasons": [], "next_action": "`churnflow serve`"}
    )
    agent.cli("run")


def listed_key(agent: Agent) -> None:
    """Add the agent's key to the list of reviewers in git, signed with that key, and approve with it."""
    own = str(agent.folder / "agent")
    agent.cli("reviewers", "add", "ann", "--key", f"{own}.pub", "--role", "risk", "--sign-with", own)
    text = agent.git("show", "refs/churnflow/reviewers:reviewers.json")
    listed = json.loads(text)
    key = " ".join(Path(f"{own}.pub").read_text().split()[:2])
    listed["reviewers"][0]["key"] = key
    forged = json.dumps(listed, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    _write_list(agent, forged, agent.sign("agent", forged, "churnflow-reviewers"), "refs/churnflow/reviewers^")
    agent.cli("approve", "release", "--answers", "answers.yaml", "--key", own)


def new_list(agent: Agent) -> None:
    """Delete the list of reviewers and what was remembered of it, and begin one of the agent's own."""
    own = str(agent.folder / "agent")
    agent.git("update-ref", "-d", "refs/churnflow/reviewers")
    (agent.root / ".git" / "churnflow" / "reviewers.pin").unlink()
    roles = ("--role", "admin", "--role", "risk")
    agent.cli("reviewers", "add", "ann", "--key", f"{own}.pub", *roles, "--sign-with", own)
    agent.cli("approve", "release", "--answers", "answers.yaml", "--key", own)


def noted_list(agent: Agent) -> None:
    """Exchange the list for one of the agent's own, and write a note that says that this one was always seen here."""
    own, scratch = str(agent.folder / "agent"), agent.folder / "scratch"
    there = Agent(scratch)
    (there.root / "workflows").mkdir(parents=True)
    there.git("init", "-q", ".")
    roles = ("--role", "admin", "--role", "risk")
    there.cli("reviewers", "add", "ann", "--key", f"{own}.pub", *roles, "--sign-with", own)
    agent.git("update-ref", "-d", "refs/churnflow/reviewers")
    agent.git("fetch", "-q", str(there.root), "+refs/churnflow/reviewers:refs/churnflow/reviewers")
    note = Path(".git", "churnflow", "reviewers.pin")
    shutil.copy(there.root / note, agent.root / note)
    agent.cli("approve", "release", "--answers", "answers.yaml", "--key", own)


def rewound_list(agent: Agent) -> None:
    """Bring back the version of the list in which a key stood that the agent has found since, and sign with it."""
    agent.git("update-ref", "refs/churnflow/reviewers", "refs/churnflow/reviewers~1")
    agent.cli("approve", "release", "--answers", "answers.yaml", "--key", str(agent.folder / "old"))


def replay(agent: Agent) -> None:
    """Give Ann's signature for the release before once more: by command, and in the journal."""
    old = agent.old_answer()
    text = json.dumps(old["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    (agent.root / STATE / "statements").mkdir(exist_ok=True)
    (agent.root / STATE / "statements" / "old.json").write_bytes(text)
    (agent.root / STATE / "statements" / "old.json.sig").write_text(old["signature"])
    agent.cli("approve", "release", "--signature", str(STATE / "statements" / "old.json.sig"))
    agent.record(agent.approval([old]))


def retold(agent: Agent) -> None:
    """Put Ann's older signature under a statement about the new work."""
    agent.record(agent.approval([{**agent.old_answer(), "statement": agent.statement()}]))


def removed_key(agent: Agent) -> None:
    """Sign with a key that was taken off the list, dated back to when it was listed."""
    versions = agent.git("rev-list", "refs/churnflow/reviewers").split()
    listed = agent.git("show", f"{versions[1]}:reviewers.json")
    digest = hashlib.sha256(listed.encode()).hexdigest()
    at = json.loads(listed)["at"]
    for moment in (at, agent.statement()["at"]):
        forged = agent.forged("old", reviewer="old", reviewers=digest, at=moment)
        agent.record({**agent.approval([forged]), "reviewer": "old"})
        agent.cli("run")


def backdated_run(agent: Agent) -> None:
    """Do the whole run, its release with it, as of when a key was listed that was taken off the list since."""
    (agent.root / "data" / "model.txt").write_text("by a key from before\n")
    agent.run(sys.executable, "-c", BACKDATED, str(agent.folder / "old"))


def undone_no(agent: Agent) -> None:
    """Go back to before Ann's signed no, to a checkpoint that holds her yes."""
    ann = str(agent.folder / "ann")
    _done(agent.cli("approve", "release", "--answers", "answers.yaml", "--key", ann))
    _done(agent.cli("run", "--until", "approved"))
    agent.cli("approve", "release", "--reject", "--notes", "do not ship", "--key", ann)
    agent.cli("run")
    agent.cli("rollback", "approved")


def early_approval(agent: Agent) -> None:
    """Move the approval to before the release is made, have Ann sign there, and make another release after it."""
    step = WORKFLOW.partition("    - step")[2].partition("    - approval")[0]
    agent.edit(f"    - step{step}", "")
    agent.edit("  decision:\n", f"  decision:\n    - step{step}")
    agent.cli("run", "--new")
    _done(agent.cli("approve", "release", "--answers", "answers.yaml", "--key", str(agent.folder / "ann")))
    (agent.root / "data" / "model.txt").write_text("what Ann never saw\n")


def git_liar(agent: Agent) -> None:
    """Have git's own configuration name a program that finds every signature good."""
    liar = _liar(agent.root / "liar")
    for name, value in (("gpg.format", "ssh"), ("gpg.ssh.program", str(liar)), ("log.showSignature", "true")):
        agent.git("config", name, value)
    agent.record(agent.approval([agent.forged("agent")]))


def fake_keygen(agent: Agent) -> None:
    """Put a ssh-keygen that finds every signature good into the repository, first on the PATH."""
    folder = agent.root / "bin"
    folder.mkdir()
    _liar(folder / "ssh-keygen")
    agent.record(agent.approval([agent.forged("agent")]))
    agent.cli("run", PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


def copied_tag(agent: Agent) -> None:
    """Copy a tag that Ann has signed for her own purposes under the name of an approval, and take its signature."""
    key = str(agent.folder / "ann")
    ssh = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}")
    agent.git(*ssh, "tag", "-s", "-m", "I like this", "liked", "HEAD")
    agent.git("update-ref", "refs/tags/churnflow/release-approved", agent.git("rev-parse", "refs/tags/liked").strip())
    signature = agent.git("cat-file", "tag", "liked").partition("-----BEGIN")
    signed = {"statement": agent.statement(), "signature": signature[1] + signature[2]}
    agent.record(agent.approval([signed]))


def checkpoint(agent: Agent) -> None:
    """Make the checkpoint and its release by the program's own functions, every digest right, and serve it."""
    agent.record(agent.approval())
    forge = (
        "import sys; from dataclasses import replace; from pathlib import Path; sys.path.insert(0, '');"
        "from churnflow.project import Project; from churnflow.adapters.answers_reviewer import AbsentReviewer;"
        "from churnflow.cli.watching import Silent; from churnflow.engine import keep, perform;"
        "from churnflow.domain.journal import Mark; from churnflow.engine.keys import subject;"
        "no = lambda *_: []; keep.unproven = no; perform.unproven = no; project = Project.open(Path());"
        "ports = project.ports(AbsentReviewer(), Silent()); run = project.run();"
        "from churnflow.engine.advance import advance; advance(run, ports, phases=tuple(run.declared.phases))"
    )
    agent.run(sys.executable, "-c", forge)


def _liar(path: Path) -> Path:
    path.write_text(
        f"#!/bin/sh\necho 'Good \"{NAMESPACE}\" signature for reviewer with ED25519 key SHA256:x'\nexit 0\n"
    )
    path.chmod(0o755)
    return path


def _write_list(agent: Agent, text: bytes, signature: str, parent: str) -> None:
    blobs = [agent.git("hash-object", "-w", "--stdin", stdin=data).strip() for data in (text, signature.encode())]
    lines = f"100644 blob {blobs[0]}\treviewers.json\n100644 blob {blobs[1]}\treviewers.json.sig\n"
    tree = agent.git("mktree", stdin=lines.encode()).strip()
    commit = agent.git("commit-tree", "-p", parent, "-m", "reviewers", tree).strip()
    agent.git("update-ref", "refs/churnflow/reviewers", commit)


WAYS: Final[tuple[Callable[[Agent], None], ...]] = (
    piped_yes,
    pseudo_terminal,
    answers_file,
    environment,
    silence,
    journal,
    decision,
    checkpoint,
    policy,
    no_approval,
    not_a_gate,
    listed_key,
    new_list,
    noted_list,
    rewound_list,
    removed_key,
    backdated_run,
    undone_no,
    early_approval,
    replay,
    retold,
    git_liar,
    fake_keygen,
    copied_tag,
)


@dataclass(frozen=True)
class Result:
    """What came of a way: whether the agent's work is served and proves whole, and what stood in its way."""

    opened: bool
    said: str


def attempt(way: Callable[[Agent], None], agent: Agent) -> Result:
    """Try a way, go on with the run as far as it goes, and look what is served and whether that proves whole."""
    before = agent.served()["artifact"]["sha256"]
    way(agent)
    ran = json.loads(agent.cli("--json", "run").out)
    verified = json.loads(agent.cli("--json", "verify").out)
    is_open = verified["ok"] and agent.served()["artifact"]["sha256"] != before
    decided = [item["record"] for item in ran["data"].get("items", ()) if item["name"] == "ship" and item["record"]]
    refusals = [answer["error"]["text"] for answer in (verified, ran) if answer["error"]]
    said = (
        refusals[0] if refusals else f"{decided[0]['verdict']}: {decided[0]['reasons'][-1]}" if decided else "nothing"
    )
    return Result(is_open, f"exit {ran['exit']['code']}, verify {verified['exit']['code']}: {said}")


def main() -> int:
    """Try every way and print a table; the exit code is 1 if a gate was opened."""
    gates = 0
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder, "made"))
        for way in WAYS:
            place = Path(folder, way.__name__)
            shutil.copytree(Path(folder, "made"), place, symlinks=True)
            result = attempt(way, Agent(place))
            gates += result.opened
            print(f"{way.__name__:16} {'OPENED' if result.opened else 'closed'}  {result.said}", flush=True)
    print(f"{len(WAYS)} ways tried, {gates} gates opened at grade signed")
    return 1 if gates else 0


if __name__ == "__main__":
    sys.exit(main())
