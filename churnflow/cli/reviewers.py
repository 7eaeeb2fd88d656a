"""The commands of the list of reviewers: list, and the changes of it, each of which is signed by one of its admins."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from pydantic import ValidationError

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures, public_key
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import View, commands_view, lines_view, moment, table_view, together
from churnflow.cli.session import Session, session_of
from churnflow.cli.watching import Silent
from churnflow.domain.approval import Grade, Policy
from churnflow.domain.reviewers import ADMIN, Acknowledged, ListedReviewer, ReviewerList
from churnflow.engine.acknowledge import acknowledge
from churnflow.engine.check import nearest
from churnflow.engine.ports import Ports
from churnflow.engine.refs import resolve
from churnflow.engine.reviewers import FIRST_REVIEWER, Draft, amend, conflict_unless_listed, trusted, unmeetable
from churnflow.errors import ConflictError, UsageError

_RULES: Final = {
    "name": "a name is up to 64 of a-z, 0-9 and . _ -, and begins with a letter or digit",
    "roles": "a role is up to 64 of a-z, 0-9 and . _ -, and begins with a letter or digit",
    "role": "a role is up to 64 of a-z, 0-9 and . _ -, and begins with a letter or digit",
    "key": "an Ed25519, ECDSA or RSA key, or one of a security key: ssh-keygen -t ed25519 makes one",
    "approvers": "a number from 1 to 100",
    "grade": f"the grades are {', '.join(get_args(Grade))}",
}

reviewers_app = typer.Typer(help="Who may approve, by which key and in which role.", rich_markup_mode=None)

SignWith = Annotated[Path, typer.Option("--sign-with", metavar="KEY", help="The private key of an admin of the list.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.add_typer(reviewers_app, name="reviewers")


@reviewers_app.callback(invoke_without_command=True)
def reviewers(context: typer.Context) -> Answer | None:
    """List the reviewers."""
    return reviewers_list(context) if context.invoked_subcommand is None else None


@reviewers_app.command("list")
def reviewers_list(context: typer.Context) -> Answer:
    """List the reviewers with their keys and roles, and what a gate needs at least."""
    lists = trusted(_ports(session_of(context)))
    if not lists:
        text = "nobody is listed: approvals are unsigned, which shows intent and proves nobody"
        step = Next(FIRST_REVIEWER)
        return Answer({"reviewers": [], "first": None, "newest": None}, lines_view(text), next=(step,))
    return _answer(lists)


@reviewers_app.command("add")
def reviewers_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is: a-z, 0-9 and . _ - in it.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE.pub", help="The public key.")],
    role: Annotated[list[str], typer.Option("--role", metavar="ROLE", help="admin changes the list; may be repeated.")],
    sign_with: SignWith,
    identity: Annotated[
        list[str] | None,
        typer.Option("--identity", metavar="TEXT", help="A name, address or account that is theirs too."),
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option("--expires", formats=["%Y-%m-%d"], metavar="DATE", help="The key's last day is before."),
    ] = None,
) -> Answer:
    """List a key of a reviewer. The first one has to be an admin, and is trusted as it is: compare its digest."""
    session = session_of(context)
    project = session.project()
    with project.lock(f"churnflow reviewers add {name}"):
        ports = _ports(session, sign_with)
        lists = trusted(ports)
        until = _until(expires, ports)
        listed = _made(
            ListedReviewer,
            name=name,
            key=public_key(session.directory / key),
            roles=tuple(dict.fromkeys(role)),
            identities=_identities(identity or ()),
            since=max(ports.clock.now(), lists[-1].at) if lists else ports.clock.now(),
            expires=until,
        )
        before = lists[-1].reviewers if lists else ()
        if any(one.key == listed.key for one in before):
            message = f"that key is listed already: {listed.fingerprint}"
            raise ConflictError(message, hint="`churnflow reviewers remove` takes it away first")
        amend(Draft((*before, listed), project=secrets.token_hex(16)), ports)
        return replace(_answer(trusted(ports)), alarms=tuple(_doubts(listed, trusted(ports)[-1])))


def _until(expires: datetime | None, ports: Ports) -> datetime | None:
    until = expires.replace(tzinfo=UTC) if expires else None
    if until is not None and until <= ports.clock.now():
        message = f"expires is wrong: the key would never count, since {until:%Y-%m-%d} is not later than now"
        raise UsageError(message, hint="name the day from which on the key counts no more; it begins at 00:00 UTC")
    return until


def _identities(given: Sequence[str]) -> tuple[str, ...]:
    for text in given:
        if not text.strip() or text != text.strip():
            message = f"identity is wrong: {text!r} is empty, or has blanks at its ends"
            raise UsageError(message, hint="a name, address or account as git or the system writes it")
    return tuple(dict.fromkeys(given))


def _doubts(added: ListedReviewer, listed: ReviewerList) -> Iterator[str]:
    """Yield what somebody who lists a key may not have thought of."""
    if not added.identities:
        compared = "signed+distinct compares names and addresses in git with those that are listed"
        yield f"{compared}: give those of {added.name} with --identity, or {added.name} counts as distinct from them"
    admins = [one for one in listed.reviewers if ADMIN in one.roles]
    if all(one.expires for one in admins):
        last = max(moment(one.expires) for one in admins if one.expires)
        yield f"every admin's key expires, the last one at {last}: from then on nobody can change the list"


@reviewers_app.command("remove")
def reviewers_remove(
    context: typer.Context,
    who: Annotated[str, typer.Argument(metavar="WHO", help="The name, for all keys of it, or the fingerprint of one.")],
    sign_with: SignWith,
) -> Answer:
    """Take a reviewer's keys off the list; what they approved before stays proved in the history."""
    session = session_of(context)
    with session.project().lock(f"churnflow reviewers remove {who}"):
        ports = _ports(session, sign_with)
        before = conflict_unless_listed(trusted(ports)).reviewers
        kept = tuple(one for one in before if who not in {one.name, one.fingerprint})
        if kept == before:
            message = f"nobody of that name or fingerprint is listed: {who!r}"
            raise UsageError(message, hint=nearest(who, [one.name for one in before]))
        amend(Draft(kept), ports)
        lists = trusted(ports)
        short = unmeetable(lists[-1].floor, lists[-1])
        helps = "`churnflow reviewers add` lists another, `churnflow reviewers require` demands less"
        return replace(_answer(lists), alarms=(f"{short}; {helps}",) if short else ())


@reviewers_app.command("require")
def reviewers_require(
    context: typer.Context,
    grade: Annotated[str, typer.Argument(metavar="GRADE", help="unsigned, signed or signed+distinct.")],
    sign_with: SignWith,
    approvers: Annotated[int, typer.Option("--approvers", metavar="N", help="How many people.")] = 1,
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE", help="The role each of them has.")] = None,
) -> Answer:
    """Set what one approval before a gate has to meet at least, whatever a workflow says."""
    session = session_of(context)
    with session.project().lock("churnflow reviewers require"):
        ports = _ports(session, sign_with)
        listed = conflict_unless_listed(trusted(ports))
        floor = _made(Policy, grade=grade, approvers=approvers, role=role)
        amend(Draft(listed.reviewers, floor=floor), ports)
        return _answer(trusted(ports))


@reviewers_app.command("acknowledge")
def reviewers_acknowledge(
    context: typer.Context,
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="A checkpoint or version that was released.")],
    sign_with: SignWith,
) -> Answer:
    """Say that a release was made in a clone that did not know the list yet; look at it first, it then verifies."""
    session = session_of(context)
    with session.project().lock("churnflow reviewers acknowledge"):
        ports = _ports(session, sign_with)
        run = ports.journal.current()
        listed = acknowledge([resolve(ref, run, ports) for ref in refs], ports)
        held = [_held(one, ref) for one, ref in zip(listed.acknowledged, refs, strict=False)]
        return replace(_answer(trusted(ports)), alarms=tuple(held))


def _held(one: Acknowledged, ref: str) -> str:
    if one.number:
        return f"{ref} counts as made under version {one.number} of the list, and is held to the floor of that"
    return f"{ref} counts as made before there was a list, and is held to no floor"


def _ports(session: Session, sign_with: Path | None = None) -> Ports:
    ports = session.project().ports(AbsentReviewer(), Silent())
    signer = KeySigner(session.directory / sign_with, SshSignatures()) if sign_with else None
    return replace(ports, signer=signer)


def _made(model: type[Any], **fields: object) -> Any:
    """Return a value. Raises UsageError in the words of the command line for one that can not be."""
    try:
        return model(**fields)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        field = str(wrong["loc"][0])
        message = f"{field} is wrong: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}"
        raise UsageError(message, hint=_RULES.get(field, "`churnflow reviewers --help`")) from None


def _answer(lists: Sequence[ReviewerList]) -> Answer:
    listed = lists[-1]
    rows = [
        [
            one.name,
            ", ".join(one.roles),
            one.fingerprint,
            moment(one.since),
            moment(one.expires) if one.expires else "never",
            ", ".join(one.identities),
        ]
        for one in listed.reviewers
    ]
    columns = ("name", "roles", "key", "since (UTC)", "expires", "also known as")
    floor = f"{listed.floor.in_words()} before a gate that lets a release through, whatever a workflow says"
    lines = commands_view(
        f"version  {listed.number}, signed by {listed.by}",
        f"sha256   {listed.sha256}",
        f"first    {lists[0].sha256}, trusted on first use: compare it with those of your colleagues",
        f"floor    {floor if listed.floor.grade != 'unsigned' else 'nothing is demanded beside what a workflow says'}",
        "travels  churnflow push; without a remote of bytes, git push REMOTE refs/churnflow/reviewers",
    )
    view: View = together(table_view("Reviewers", columns, rows), lines)
    data = {
        "reviewers": [{**one.model_dump(mode="json"), "fingerprint": one.fingerprint} for one in listed.reviewers],
        "version": listed.number,
        "first": lists[0].sha256,
        "newest": listed.sha256,
        "floor": listed.floor.model_dump(mode="json"),
    }
    role = next((role for one in listed.reviewers for role in one.roles if role != ADMIN), ADMIN)
    step = Next(f"churnflow reviewers add NAME --key FILE.pub --role {role} --sign-with KEY")
    return Answer(data=data, view=view, next=(step,))
