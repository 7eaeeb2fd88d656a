"""The manifests of a release for Kubernetes: one whole, declared state, which a rollback applies again as it is."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from churnflow.deployment.image import facts, pointer, server_arguments
from churnflow.deployment.layout import POINTER, PORT, STATE, USER, keys_secret, log_secret, pointer_name
from churnflow.domain.deployment import Place
from churnflow.domain.release import Release

DOMAIN: Final = "churnflow.dev"
RELEASE: Final = "/etc/churnflow"
KEPT_REVISIONS: Final = 10
# A stopped pod is still sent requests until every node has heard of it; then the server drains for up to 10 s.
FORGOTTEN_SECONDS: Final = 5
GRACE_SECONDS: Final = 30
START_SECONDS: Final = 60
PROGRESS_SECONDS: Final = 180
# What a server of a small release takes at most; a rehearsal of a few seconds may see less than a long life does.
LEAST_PEAK_MB: Final = 110.0
_STEP_MB: Final = 32


def manifests(place: Place, release: Release, peak_mb: float | None = None) -> dict[str, bytes]:
    """Return the manifests by file name, in the order in which they are applied.

    peak_mb: the most memory that a server of this release has taken, in 10^6 bytes, as its rehearsal measured.
    """
    made = {
        "configmap.yaml": _pointer(place, release),
        "deployment.yaml": _deployment(place, release, max(peak_mb or 0.0, LEAST_PEAK_MB)),
        "poddisruptionbudget.yaml": _budget(place, release),
        "service.yaml": _service(place, release),
    }
    if place.max_replicas is not None:
        made["horizontalpodautoscaler.yaml"] = _autoscaler(place, release, place.max_replicas)
    return {name: _text(_COMMENTS.get(name, ""), manifest) for name, manifest in sorted(made.items())}


_COMMENTS: Final = {
    "configmap.yaml": (
        "Names the release that this version serves. The server finds the bundle of this digest in its image, or\n"
        "does not start: an image that was built from something else never becomes ready, and the old pods stay."
    ),
    "deployment.yaml": (
        "Needs the secret of keys; takes the address of the predictions log from another one, where there is one.\n"
        "A pod keeps nothing: a log in SQLite would be lost with it, so give the address of a PostgreSQL.\n"
        "The memory is that of the release's rehearsal, with room."
    ),
}


class _Plain(yaml.SafeDumper):
    """Writes a value that stands at two places twice: an anchor between them would be read as a meaning."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's signature
        """Return True."""
        return True


def _text(comment: str, manifest: Mapping[str, Any]) -> bytes:
    lines = "".join(f"# {line}\n" for line in comment.splitlines())
    return (lines + yaml.dump(manifest, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)).encode()


def _selector(place: Place) -> dict[str, str]:
    return {"app.kubernetes.io/name": "churnflow", "app.kubernetes.io/instance": place.name}


def _metadata(place: Place, release: Release, name: str | None = None) -> dict[str, Any]:
    return {
        "name": name or place.name,
        "namespace": place.namespace,
        "labels": {
            **_selector(place),
            "app.kubernetes.io/version": release.version,
            "app.kubernetes.io/component": "prediction-api",
            "app.kubernetes.io/managed-by": "churnflow",
        },
        "annotations": _annotations(release),
    }


def _annotations(release: Release) -> dict[str, str]:
    return {f"{DOMAIN}/{name}": value for name, value in facts(release).items()}


def _pointer(place: Place, release: Release) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(place, release, pointer_name(place, release.version)),
        "immutable": True,
        "data": {POINTER: pointer(release).decode().strip()},
    }


def _deployment(place: Place, release: Release, peak_mb: float) -> dict[str, Any]:
    # Where something else decides how many there are, a number here would undo its decision at each apply.
    count = {} if place.max_replicas is not None else {"replicas": place.replicas}
    metadata = _metadata(place, release)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            **count,
            "revisionHistoryLimit": KEPT_REVISIONS,
            "progressDeadlineSeconds": PROGRESS_SECONDS,
            "selector": {"matchLabels": _selector(place)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
                "spec": _pod(place, release, peak_mb),
            },
        },
    }


def _pod(place: Place, release: Release, peak_mb: float) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(place)},
            }
        ],
        "containers": [_container(place, release, peak_mb)],
        "volumes": [
            {"name": "release", "configMap": {"name": pointer_name(place, release.version)}},
            {"name": "keys", "secret": {"secretName": keys_secret(place), "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
    }


def _container(place: Place, release: Release, peak_mb: float) -> dict[str, Any]:
    log = {"secretKeyRef": {"name": log_secret(place), "key": "url", "optional": True}}
    wait = ["python", "-I", "-S", "-c", f"import time; time.sleep({FORGOTTEN_SECONDS})"]
    return {
        "name": "api",
        "image": place.image_of(release.version),
        "imagePullPolicy": "IfNotPresent",
        "args": server_arguments(f"{RELEASE}/{POINTER}"),
        "env": [{"name": "CHURNFLOW_LOG", "valueFrom": log}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": _probe("/health", periodSeconds=1, failureThreshold=START_SECONDS),
        "livenessProbe": _probe("/health", periodSeconds=10, timeoutSeconds=3, failureThreshold=3),
        "readinessProbe": _probe("/ready", periodSeconds=5, timeoutSeconds=3, failureThreshold=2),
        "lifecycle": {"preStop": {"exec": {"command": wait}}},
        "resources": _resources(peak_mb),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "release", "mountPath": RELEASE, "readOnly": True},
            {"name": "keys", "mountPath": STATE, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the container
        ],
    }


def _probe(path: str, **timing: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, **timing}


def _resources(peak_mb: float) -> dict[str, Any]:
    """Return what a pod asks for, a quarter more memory than the peak, and what it may take at most, twice the peak."""
    return {
        "requests": {"cpu": "250m", "memory": _memory(1.25 * peak_mb)},
        "limits": {"cpu": "1", "memory": _memory(2 * peak_mb)},
    }


def _memory(megabytes: float) -> str:
    mebibytes = megabytes * 1e6 / 2**20
    return f"{-int(-mebibytes // _STEP_MB) * _STEP_MB}Mi"


def _service(place: Place, release: Release) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(place, release),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(place),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def _budget(place: Place, release: Release) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(place, release),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _selector(place)}},
    }


def _autoscaler(place: Place, release: Release, most: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": 70}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(place, release),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": place.name},
            "minReplicas": place.replicas,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }
