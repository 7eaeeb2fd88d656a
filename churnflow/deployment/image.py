"""The image of a release: a Dockerfile without a shell in it, and what is sent to the daemon that builds it."""

import json
from collections.abc import Mapping
from typing import Final

from churnflow.deployment.layout import HOME, POINTER, PORT, STATE, USER
from churnflow.deployment.modules import needed_modules
from churnflow.deployment.packages import requirements
from churnflow.domain.base import canonical_json
from churnflow.domain.deployment import Place
from churnflow.domain.release import Release, object_path

# Only what the Dockerfile copies is sent; a file that comes to lie beside it, keys perhaps, is in no image.
IGNORED: Final = "*\n!app\n!release\n!requirements.txt\n"

# One thread a library, for a request is one row and a node may have many processors; two arenas keep memory low.
ENVIRONMENT: Final = {
    "PYTHONPATH": f"{HOME}/packages:{HOME}/app",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}

_PROBE: Final = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/health', timeout=2)"

_TEMPLATE: Final = """\
# {title}, written by `churnflow deploy`. It needs no network when it runs, and no shell.
FROM {base} AS build
WORKDIR /build
COPY requirements.txt ./
RUN {install}
COPY app ./app
RUN {compile}

FROM {base}
LABEL {labels}
ENV {environment}
COPY --from=build /build/packages {home}/packages
COPY --from=build /build/app {home}/app
COPY release {home}/release
# By number, so that a cluster can see that it is not root; nothing in the image belongs to this user.
USER {user}:{user}
EXPOSE {port}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD {probe}
ENTRYPOINT {entry}
CMD {arguments}
"""


def context_files(place: Place, release: Release, bundle: bytes) -> dict[str, bytes]:
    """Return the files of the build context by path: the release by its digest, the code that serves it, and pins.

    The release lies as pointer and store, so that the server verifies its digest before it parses anything of it.
    """
    needed = needed_modules()
    pins = "".join(f"{line}\n" for line in requirements(needed.imports))
    return {
        "Dockerfile": dockerfile(place, release).encode(),
        ".dockerignore": IGNORED.encode(),
        "requirements.txt": pins.encode(),
        **{f"app/{path}": source for path, source in needed.files.items()},
        f"release/{POINTER}": pointer(release),
        f"release/store/{object_path(release.artifact.sha256)}": bundle,
    }


def pointer(release: Release) -> bytes:
    """Return the pointer file that names the release."""
    return canonical_json(release.model_dump(mode="json", by_alias=True)) + b"\n"


def facts(release: Release) -> dict[str, str]:
    """Return what labels and annotations say of the release, by the last part of their names."""
    told = {
        "release-version": release.version,
        "release-sha256": release.artifact.sha256,
        "release-checkpoint": release.checkpoint,
        "release-approval": release.approval_sha256,
    }
    return {name: value for name, value in told.items() if value is not None}


def dockerfile(place: Place, release: Release) -> str:
    """Return the Dockerfile; every command is a list of words, so that the base image needs no shell."""
    labels = {
        "org.opencontainers.image.title": place.name,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.created": release.at.isoformat(),
        **{f"dev.churnflow.{name}": value for name, value in facts(release).items()},
    }
    pip = ["python", "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--target=packages"]
    compiled = ["python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "packages", "app"]
    return _TEMPLATE.format(
        title=f"The API of {place.name} {release.version}",
        base=place.base,
        install=json.dumps([*pip, "--requirement=requirements.txt"]),
        compile=json.dumps(compiled),
        labels=_pairs(labels),
        environment=_pairs(ENVIRONMENT),
        home=HOME,
        user=USER,
        port=PORT,
        probe=json.dumps(["python", "-I", "-S", "-c", _PROBE]),
        entry=json.dumps(["python", "-P", "-m", "churnflow.serving"]),
        arguments=json.dumps(server_arguments(f"{HOME}/release/{POINTER}")),
    )


def server_arguments(pointer_path: str) -> list[str]:
    """Return the options of the server in its container; the state folder holds what no image may: keys and secret."""
    return [
        "--pointer",
        pointer_path,
        "--store",
        f"{HOME}/release/store",
        "--keys",
        f"{STATE}/keys.json",
        "--secret",
        f"{STATE}/pseudonym.key",
        "--host",
        "0.0.0.0",  # noqa: S104 - it is reached from outside its container, and asks for a key
        "--port",
        str(PORT),
    ]


def _pairs(values: Mapping[str, str]) -> str:
    return " \\\n      ".join(f"{name}={json.dumps(value)}" for name, value in values.items())
