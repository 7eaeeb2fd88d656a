"""Signed approvals as people give them: with a key here, or with a statement that is signed elsewhere."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Outcome, at_terminal, ended, journal
from tests.keys import make_key, signature


@pytest.fixture
def keys(project: Path) -> Callable[[str], Path]:
    """Return the private key of that name, beside the project; it is made with the first call."""

    def key(name: str, passphrase: str = "") -> Path:
        path = project.parent / name
        return path if path.exists() else make_key(project.parent, name, passphrase=passphrase)

    return key


Keys = Callable[..., Path]


def add(cli: Cli, keys: Keys, name: str, *options: str, by: str = "ann") -> Outcome:
    return cli("reviewers", "add", name, "--key", f"{keys(name)}.pub", *options, "--sign-with", str(keys(by)))


@pytest.fixture
def waiting(project: Path, waiting_once: Path) -> Path:
    """The project whose release waits for a signature; Ann, an admin, and Bo are listed for the role risk."""
    shutil.rmtree(project)
    shutil.copytree(waiting_once, project.parent, dirs_exist_ok=True)
    return project


def test_a_run_stops_where_a_signature_is_demanded_and_says_how_it_is_given(waiting: Path, here: Cli) -> None:
    outcome = here("run")
    assert outcome.code == 3
    assert outcome.error == [
        "error: the approval 'release' waits: it needs 1 approval of grade signed, in the role risk",
        "hint: `churnflow approve release --key FILE` signs it; --statement --reviewer NAME has it signed elsewhere",
    ]


def test_without_a_terminal_an_approval_says_how_it_is_signed_or_repeats_what_was_typed(
    waiting: Path, here: Cli, keys: Keys
) -> None:
    unsigned = here("approve", "release", "--notes", "all well")
    assert unsigned.code == 3
    assert unsigned.error[1].startswith("hint: `churnflow approve release --key FILE` signs it; --statement ")
    signed = here("approve", "release", "--key", str(keys("bo")), "--notes", "all well")
    assert signed.code == 3
    typed = f"churnflow approve release --key {keys('bo')} --notes 'all well'"
    assert signed.error[1] == f"hint: `{typed}` at a terminal"


def test_where_nobody_is_listed_a_demanded_signature_begins_with_the_list(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("    - approval: plan\n", "    - approval: plan\n      grade: signed\n"))
    outcome = here("plan")
    assert outcome.code == 3
    assert outcome.error[0].endswith("grade signed, and nobody is listed as a reviewer")
    first = "churnflow reviewers add NAME --key FILE.pub --role admin --sign-with KEY"
    assert outcome.error[1].startswith(f"hint: `{first}` begins the list; then `churnflow approve plan --key FILE`")


def test_after_a_gate_that_misses_a_signature_the_approval_comes_next(project: Path, here: Cli, keys: Keys) -> None:
    assert add(here, keys, "ann", "--role", "admin").code == 0
    assert here("reviewers", "require", "signed", "--sign-with", str(keys("ann"))).code == 0
    outcome = here("run", "--answers", "answers.yaml")
    assert outcome.code == 8
    assert outcome.out.splitlines()[-1] == "next: churnflow approve release --key FILE"
    (step,) = here("--json", "decide").json["next"]
    assert step["who"] == "reviewer"
    assert step["why"].startswith("the list of reviewers demands 1 approval of grade signed")
    assert approve(here, "--key", str(keys("ann"))).code == 0
    assert here("run").code == 0


def approve(cli: Cli, *options: str) -> Outcome:
    return cli("approve", "release", "--answers", "answers.yaml", *options)


def record(cli: Cli) -> dict[str, object]:
    found = next(item for item in cli("--json", "status").json["data"]["items"] if item["name"] == "release")
    assert isinstance(found["record"], dict)
    assert found["grade"] == found["record"].get("grade", "unsigned")
    return found["record"]


def test_a_person_signs_at_the_terminal_with_a_passphrase_that_ssh_keygen_asks_for(
    waiting: Path, here: Cli, keys: Keys
) -> None:
    dee = keys("dee", "secret words")
    assert add(here, keys, "dee", "--role", "risk").code == 0
    screen = at_terminal(waiting, "approve", "release", "--key", str(dee))
    screen.expect_exact("grade signed, as dee (SHA256:")
    screen.expect_exact("needed: 1 approval of grade signed, in the role risk")
    screen.expect(r"list of reviewers [0-9a-f]{12}, first trusted [0-9a-f]{12}")
    screen.expect_exact("Is the number kind?")
    screen.sendline("yes, it is")
    screen.expect(r"\[r\]eject\?")
    screen.sendline("a")
    screen.expect("[Pp]assphrase")
    screen.sendline("secret words")
    screen.expect_exact("release: approve by dee, grade signed+distinct")
    assert ended(screen) == 0
    assert here("run").code == 0
    assert here("verify").code == 0


def test_a_wrong_passphrase_signs_nothing(waiting: Path, here: Cli, keys: Keys) -> None:
    dee = keys("dee", "secret words")
    assert add(here, keys, "dee", "--role", "risk").code == 0
    before = journal(waiting)
    outcome = approve(here, "--key", str(dee))
    assert outcome.code == 4
    assert outcome.error[0].startswith(f"error: ssh-keygen signed nothing with {dee}: ")
    assert journal(waiting) == before


def test_a_statement_is_signed_on_another_machine_with_plain_ssh_keygen(waiting: Path, here: Cli, keys: Keys) -> None:
    outcome = approve(here, "--statement", "--reviewer", "bo")
    assert outcome.code == 3
    written = Path(re.search(r"waits for the signature of bo over (\S+)", outcome.error[0])[1])  # type: ignore[index]
    assert "`ssh-keygen -Y sign -n churnflow-approval -f KEY " in outcome.error[1]
    elsewhere = waiting.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / written.name).write_bytes(written.read_bytes())
    returned = elsewhere / f"{written.name}.sig"
    returned.write_text(signature(keys("bo"), written.read_bytes()))
    assert here("approve", "release", "--signature", str(returned)).code == 0
    found = record(here)
    assert (found["reviewer"], found["how"], found["grade"]) == ("bo", "statement signed elsewhere", "signed+distinct")
    assert found["answers"] == {"Is the number kind?": "very"}
    assert here("run").code == 0
    assert here("approve", "release", "--signature", str(returned)).error[0].endswith("its nonce was used before")


def test_a_signature_alone_is_found_with_the_statement_that_is_kept_here(waiting: Path, here: Cli, keys: Keys) -> None:
    approve(here, "--statement", "--reviewer", "bo")
    (written,) = (waiting / ".git" / "churnflow" / "root" / "statements").iterdir()
    returned = waiting.parent / f"{written.name}.sig"
    returned.write_text(signature(keys("bo"), written.read_bytes()).replace("\n", "\r\n"))
    assert here("approve", "release", "--signature", str(returned)).code == 0


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ("statement edited", 6, "is not as churnflow wrote it"),
        ("answer turned round", 6, "its signature is not one that a listed key of bo made over it"),
        ("no statement", 6, "are not a signature and the statement that it is over"),
        ("no signature", 6, "are not a signature and the statement that it is over"),
        ("file missing", 2, "can not be read"),
        ("other namespace", 6, "its signature is not one that a listed key of bo made over it"),
        ("question left out", 2, "does not answer 'Is the number kind?'"),
        ("other approval", 3, "the approval 'release' waits"),
        ("work went on", 4, "it was signed for another state of the run"),
    ],
)
def test_what_comes_back_has_to_be_what_was_written(
    waiting: Path, here: Cli, keys: Keys, change: str, code: int, says: str
) -> None:
    approve(here, "--statement", "--reviewer", "bo")
    (written,) = (waiting / ".git" / "churnflow" / "root" / "statements").iterdir()
    text, space = written.read_bytes(), "churnflow-approval"
    plain = json.loads(text)
    edits = {
        "statement edited": lambda: text + b"\n",
        "no statement": lambda: b"{}",
        "question left out": lambda: canonical({**plain, "answers": {}}),
        "other approval": lambda: canonical({**plain, "approval": "plan"}),
    }
    given = edits.get(change, lambda: text)()
    armour = signature(keys("bo"), given, "git" if change == "other namespace" else space)
    written.write_bytes(canonical({**plain, "notes": []}) if change == "answer turned round" else given)
    returned = waiting.parent / f"{written.name}.sig"
    returned.write_text("hello" if change == "no signature" else armour)
    if change == "file missing":
        returned.unlink()
    if change == "work went on":
        (waiting / "data" / "number.txt").write_text("6\n")
        here("plan", "--answers", "answers.yaml")
        here("run")
    before = journal(waiting)
    outcome = here("approve", "release", "--signature", str(returned))
    assert outcome.code == code
    assert says in outcome.error[0]
    assert journal(waiting) == before


def canonical(statement: dict[str, object]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--key", "x", "--statement"], 2, "--key and --statement are two ways to sign one answer"),
        (["--key", "missing"], 2, "there is no key file"),
        (["--statement"], 2, "a statement is made for one reviewer"),
        (["--statement", "--reviewer", "eve"], 4, "'eve' is not in the list of reviewers"),
    ],
)
def test_a_wrong_way_to_sign_is_refused(waiting: Path, here: Cli, options: list[str], code: int, says: str) -> None:
    outcome = approve(here, *options)
    assert outcome.code == code
    assert says in outcome.error[0]


@pytest.mark.parametrize("given", [".sig", "/", ".", "..", "data", "workflows/churn.yaml", "none.sig", "data.sig"])
def test_what_is_no_signature_is_named_as_it_was_given(waiting: Path, here: Cli, given: str) -> None:
    (waiting / "data.sig").mkdir()
    (waiting / ".sig").write_text("hello")
    outcome = here("approve", "release", "--signature", given)
    assert (outcome.code, len(outcome.error)) == (2, 2)
    assert outcome.error[0].startswith(f"error: {Path(given)} ")


@pytest.mark.parametrize(
    "options",
    [
        ("--reject", "--answers", "answers.yaml"),
        ("--reject", "--signature", "some.sig"),
        ("--answers", "answers.yaml", "--signature", "some.sig"),
        ("--notes", "! no", "--answers", "answers.yaml"),
        ("--notes", "! no", "--signature", "some.sig"),
        ("--reviewer", "bo", "--answers", "answers.yaml"),
        ("--reviewer", "bo", "--signature", "some.sig"),
    ],
)
def test_an_answer_is_given_in_one_way(waiting: Path, here: Cli, keys: Keys, options: tuple[str, ...]) -> None:
    signed = () if "--signature" in options or "--reviewer" in options else ("--key", str(keys("ann")))
    before = journal(waiting)
    outcome = here("approve", "release", *options, *signed)
    assert (outcome.code, len(outcome.error)) == (2, 2)
    assert outcome.error[0].endswith("both say what the answer is")
    assert journal(waiting) == before


def test_nobody_is_named_beside_the_key_of_another(waiting: Path, here: Cli, keys: Keys) -> None:
    before = journal(waiting)
    outcome = approve(here, "--key", str(keys("ann")), "--reviewer", "bo")
    assert (outcome.code, outcome.error[0]) == (2, "error: the key is that of ann, not of bo")
    assert journal(waiting) == before
    assert approve(here, "--key", str(keys("ann")), "--reviewer", "ann").code == 0


def test_several_approvers_are_waited_for_by_name(waiting: Path, here: Cli, keys: Keys) -> None:
    path = waiting / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("role: risk", "role: risk\n      approvers: 2"))
    here("plan", "--answers", "answers.yaml")
    here("run")
    outcome = approve(here, "--key", str(keys("ann")))
    assert outcome.code == 3
    lacks = "needs 2 approvals of grade signed, in the role risk; given by ann; missing: 1 more, of bo"
    assert outcome.error[0] == f"error: the approval 'release' waits: it {lacks}"
    again = here("--json", "run").json
    assert (again["exit"]["name"], again["next"][0]["who"]) == ("waiting", "reviewer")
    assert approve(here, "--key", str(keys("bo"))).code == 0
    assert here("run").code == 0
    shown = here("show").out
    assert re.search(r"release +approved +signed\+distinct +bo, ann", shown)
    assert "- **Grade:** signed+distinct" in here("report", "-o", "-").out


def test_a_signed_rejection_refuses_until_its_reviewer_changes_it(waiting: Path, here: Cli, keys: Keys) -> None:
    path = waiting / "answers.yaml"
    path.write_text(path.read_text().replace("release: {answer: approve-with-notes", "release: {answer: reject"))
    assert approve(here, "--key", str(keys("ann"))).code == 4
    path.write_text(path.read_text().replace("release: {answer: reject", "release: {answer: approve-with-notes"))
    outcome = approve(here, "--key", str(keys("bo")))
    assert (outcome.code, outcome.error[0]) == (4, "error: the approval 'release' waits: it was rejected by ann")
    assert approve(here, "--key", str(keys("ann"))).code == 0


def test_at_a_terminal_without_a_key_nothing_is_asked_where_a_signature_is_demanded(waiting: Path) -> None:
    screen = at_terminal(waiting, "approve", "release")
    screen.expect_exact("error: the approval 'release' waits: it needs 1 approval of grade signed, in the role risk")
    assert ended(screen) == 3


def test_two_typed_approvers_are_two_people(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("    - approval: plan\n", "    - approval: plan\n      approvers: 2\n"))
    outcome = here("plan", "--answers", "answers.yaml")
    assert outcome.code == 3
    assert outcome.error[0].endswith("needs 2 approvals of grade unsigned; given by ann")
    answers = project / "answers.yaml"
    answers.write_text(answers.read_text().replace("reviewer: Ann", "reviewer: Bo"))
    assert here("approve", "plan", "--answers", "answers.yaml").code == 0
    assert here("plan").code == 0


def test_whose_key_lacks_the_role_is_told_before_anything_is_asked(waiting: Path, here: Cli, keys: Keys) -> None:
    assert add(here, keys, "dee", "--role", "legal").code == 0
    screen = at_terminal(waiting, "approve", "release", "--key", str(keys("dee")))
    screen.expect_exact("error: dee is not listed in the role risk, which 'release' demands")
    assert "Is the number kind?" not in screen.before
    assert ended(screen) == 4
