"""The commands of API keys: add, list, revoke; a running server follows them."""

import secrets
from typing import Annotated, Any, Final, cast

import typer
from pydantic import ValidationError

from churnflow.adapters.key_file import KeyFile
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import lines_view, moment, table_view
from churnflow.cli.session import session_of
from churnflow.domain.api_key import MOST_KEYS, SCOPES, USUAL_BURST, USUAL_RATE, ApiKey, KeyRing, Scope, digest_of
from churnflow.engine.check import nearest
from churnflow.errors import ConflictError, UsageError
from churnflow.project import Project, SystemClock

_RULES: Final = {
    "name": "a name is up to 64 of a-z, 0-9 and . _ -, and begins with a letter or digit",
    "rate": "a rate is above 0 and at most 1,000,000 requests a second",
    "burst": "a burst is from 1 to 1,000,000 requests",
}

keys_app = typer.Typer(help="API keys: who may ask what.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.add_typer(keys_app, name="keys")


@keys_app.callback(invoke_without_command=True)
def keys(context: typer.Context) -> Answer | None:
    """List the API keys."""
    return keys_list(context) if context.invoked_subcommand is None else None


@keys_app.command("add")
def keys_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who uses it: a-z, 0-9 and . _ - in it.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="predict, feedback or admin; may be repeated.")
    ] = None,
    rate: Annotated[float, typer.Option("--rate", metavar="N", help="Requests a second.")] = USUAL_RATE,
    burst: Annotated[int, typer.Option("--burst", metavar="N", help="Requests at once after a pause.")] = USUAL_BURST,
) -> Answer:
    """Make a key and show it, this once; only its digest is kept."""
    project = session_of(context).project()
    with project.lock(f"churnflow keys add {name}"):
        file = _file(project)
        ring = file.read()
        token, key = _made(ring, name, scope or ["predict"], rate, burst)
        file.write(ring.model_copy(update={"keys": (*ring.keys, key)}))
    lines = (
        f"key    {token}",
        "       it is shown this once: only its digest is kept",
        *(() if ring.keys else ("       it is the first: from now on a server on this machine asks for a key, too",)),
        f"scope  {', '.join(key.scopes)}; {key.rate:g} requests a second, {key.burst} at once",
        'use    curl -H "Authorization: Bearer $KEY" ...',
    )
    data = {"token": token, "key": _public(key)}
    return Answer(data=data, view=lines_view(*lines), next=(Next("churnflow keys list"),))


@keys_app.command("list")
def keys_list(context: typer.Context) -> Answer:
    """List the API keys."""
    ring = _file(session_of(context).project()).read()
    rows = [
        [
            key.id,
            key.name,
            ", ".join(key.scopes),
            f"{key.rate:g}/s, {key.burst} at once",
            moment(key.made_at),
            f"revoked {moment(key.revoked_at)}" if key.revoked_at else "active",
        ]
        for key in ring.keys
    ]
    columns = ("id", "name", "scopes", "rate", "made", "state")
    step = Next("churnflow serve") if ring.active else Next("churnflow keys add NAME --scope predict")
    return Answer({"keys": [_public(key) for key in ring.keys]}, table_view("API keys", columns, rows), next=(step,))


@keys_app.command("revoke")
def keys_revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The id or the name of the key.")],
) -> Answer:
    """Take a key away; a running server refuses it within a second."""
    project = session_of(context).project()
    with project.lock(f"churnflow keys revoke {key}"):
        file = _file(project)
        ring = file.read()
        found = [one for one in ring.active.values() if key in {one.id, one.name}]
        if len(found) != 1:
            message = f"{len(found) or 'no'} active key{'s' * (len(found) > 1)} called {key!r}"
            known = [one.id if found else one.name for one in (found or ring.active.values())]
            raise UsageError(message, hint=f"{nearest(key, known)}; `churnflow keys list` shows them")
        gone = found[0].model_copy(update={"revoked_at": SystemClock().now()})
        file.write(ring.model_copy(update={"keys": tuple(gone if one.id == gone.id else one for one in ring.keys)}))
    view = lines_view(f"revoked {gone.id} ({gone.name}); a running server refuses it within a second")
    return Answer({"key": _public(gone)}, view, next=(Next("churnflow keys list"),))


def _file(project: Project) -> KeyFile:
    return KeyFile(project.keys_path)


def _made(ring: KeyRing, name: str, scopes: list[str], rate: float, burst: int) -> tuple[str, ApiKey]:
    """Return a new token and the key that stands for it. Raises UsageError for a wrong name, scope or rate."""
    if len(ring.keys) >= MOST_KEYS:
        message = f"{MOST_KEYS:,} keys have been made, and no more can be"
        raise ConflictError(message, hint="move keys.json of the project's state away and give everyone a new key")
    if any(key.name == name for key in ring.active.values()):
        message = f"there is an active key called {name!r}"
        raise ConflictError(message, hint=f"choose another name, or `churnflow keys revoke {name}` first")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        message = f"there is no scope {unknown[0]!r}"
        raise UsageError(message, hint=f"the scopes are {', '.join(SCOPES)}")
    identifier = secrets.token_hex(6)
    token = f"cf_{identifier}_{secrets.token_urlsafe(32)}"
    try:
        key = ApiKey(
            id=identifier,
            number=len(ring.keys) + 1,
            name=name,
            sha256=digest_of(token),
            scopes=cast("tuple[Scope, ...]", tuple(dict.fromkeys(scopes))),
            rate=rate,
            burst=burst,
            made_at=SystemClock().now(),
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        field = str(wrong["loc"][0])
        message = f"{field} is wrong: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}"
        raise UsageError(message, hint=_RULES[field]) from None
    return token, key


def _public(key: ApiKey) -> dict[str, Any]:
    """Return what may be shown of a key: everything but the digest, of which nobody has any use."""
    return key.model_dump(mode="json", exclude={"sha256"})
