"""The commands that take a written release further, word by word; nothing here runs one."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from churnflow.deployment.layout import MANIFESTS, PORT, STATE, keys_secret, log_secret
from churnflow.domain.deployment import Deployed, Place

# Longer than the progress deadline of the Deployment, so that kubectl tells why it failed.
ROLLOUT_SECONDS: Final = 300
# Longer than the server takes to drain and its log to be written.
STOP_SECONDS: Final = 20

Command = Sequence[str]


def build(place: Place, version: str, folder: Path) -> Command:
    """Return what makes the image."""
    return ["docker", "build", "--tag", f"{place.image.partition('@')[0]}:{version}", str(folder)]


def push(place: Place, version: str) -> Command:
    """Return what brings the image to where a cluster gets it."""
    return ["docker", "push", f"{place.image.partition('@')[0]}:{version}"]


def put(made: Deployed, folder: Path, state: Path) -> str:
    """Return the line of a shell that puts a release at its place, whatever runs there.

    folder: where it is written. state: the folder of keys, secret and log on this machine.
    """
    if made.place.target == "docker":
        return _docker(made.place, made.version, state)
    return " && ".join(shlex.join(command) for command in rollout(made, folder))


def rollout(made: Deployed, folder: Path) -> list[Command]:
    """Return what puts a release into a cluster: to be run in order, up to the first that fails.

    That is `kubectl apply` of the manifests of that release: they declare all of it, so that the same command brings
    every version, annotations and limits among it, back. `rollout undo --to-revision` would need a number that other
    rollouts move and that is forgotten after a few, `set image` would leave the annotations of the version before, and
    both leave the cluster other than any file says.
    """
    return [
        [*_kubectl(made.place), "apply", f"--filename={folder / MANIFESTS}"],
        [
            *_kubectl(made.place),
            f"--namespace={made.place.namespace}",
            "rollout",
            "status",
            f"deployment/{made.place.name}",
            f"--timeout={ROLLOUT_SECONDS}s",
        ],
    ]


def secrets(place: Place, state: Path) -> list[str]:
    """Return the lines of a shell that give a cluster the keys and the log's address; no content stands in them."""
    kubectl = shlex.join([*_kubectl(place), f"--namespace={place.namespace}"])
    apply = f"--dry-run=client --output=yaml | {kubectl} apply --filename=-"
    keys, key = (shlex.quote(str(state / name)) for name in ("keys.json", "pseudonym.key"))
    made = f"{kubectl} create secret generic"
    return [
        f"{made} {keys_secret(place)} --from-file=keys.json={keys} --from-file=pseudonym.key={key} {apply}",
        f'printf %s "${{CHURNFLOW_LOG:?}}" | {made} {log_secret(place)} --from-file=url=/dev/stdin {apply}',
    ]


def _kubectl(place: Place) -> list[str]:
    return ["kubectl", *([f"--context={place.context}"] if place.context else [])]


def _docker(place: Place, version: str, state: Path) -> str:
    """Return what runs the image on this machine, in the place of whatever has its name.

    What runs there has time to answer what it took on and to write its log; where nothing runs, stop and rm say so and
    the line goes on. A name that is still taken makes the last of the three fail.

    It runs as whoever owns the keys, and keeps the predictions log where `churnflow monitor` reads it.
    """
    run = [
        *["docker", "run", "--detach", "--restart=unless-stopped", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"],
        "--security-opt=no-new-privileges",
        f"--stop-timeout={STOP_SECONDS}",
        f"--name={place.name}",
        f"--user={state.stat().st_uid}:{state.stat().st_gid}",
        f"--publish=127.0.0.1:{PORT}:{PORT}",
        f"--volume={state}:{STATE}",
        f"--env=CHURNFLOW_LOG=sqlite:///{STATE}/predictions.db",
        place.image_of(version),
    ]
    stop = ["docker", "stop", "-t", str(STOP_SECONDS), place.name]
    return "; ".join(shlex.join(command) for command in (stop, ["docker", "rm", "--force", place.name], run))
