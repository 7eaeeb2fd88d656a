"""The manifests: what every version of Kubernetes takes, and what they promise of a pod."""

from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

from churnflow.deployment.manifests import manifests
from tests.deployment.conftest import SHA256, place, release

# Budgets (policy/v1) and autoscalers (autoscaling/v2) as they are written have been there since 1.23.
VERSIONS = [version for version in all_versions() if int(version.split(".")[1]) >= 25]


def written(peak_mb: float | None = None, **given: Any) -> dict[str, Any]:
    """Return the manifests as a cluster reads them, by kind."""
    found = [yaml.safe_load(text) for text in manifests(place(**given), release(), peak_mb).values()]
    return {manifest["kind"]: manifest for manifest in found}


def pod(**given: Any) -> dict[str, Any]:
    return written(**given)["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_the_schemas_of_kubernetes_allow_to_the_last_field(version: str) -> None:
    for given in ({}, {"max_replicas": 9}):
        for manifest in written(**given).values():
            kubernetes_validate.validate(manifest, version, strict=True)


def test_each_object_and_each_pod_names_the_release_by_digest_and_what_justifies_it() -> None:
    told = {
        "churnflow.dev/release-version": "v1.2.0",
        "churnflow.dev/release-sha256": SHA256,
        "churnflow.dev/release-checkpoint": "churnflow/261123-7qd2/05-shipped",
        "churnflow.dev/release-approval": "c8" * 32,
    }
    found = written(max_replicas=3)
    assert [manifest["metadata"]["annotations"] for manifest in found.values()] == [told] * 5
    assert found["Deployment"]["spec"]["template"]["metadata"]["annotations"] == told


def test_a_release_that_nobody_had_to_approve_names_no_approval() -> None:
    texts = manifests(place(), release(approval=None)).values()
    assert not any(b"release-approval" in text for text in texts)


def test_a_pod_runs_as_nobody_gains_nothing_and_writes_only_to_its_own_tmp() -> None:
    spec = pod()
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]  # noqa: S108


def test_a_rollout_takes_no_pod_away_before_another_is_ready_and_lets_each_drain() -> None:
    deployment = written()["Deployment"]["spec"]
    spec = deployment["template"]["spec"]
    (container,) = spec["containers"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    paths = [container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert paths == ["/health", "/health", "/ready"]
    # 5 seconds until the nodes have forgotten it, and the 10 in which the server ends what it has begun.
    assert "time.sleep(5)" in container["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert spec["terminationGracePeriodSeconds"] > 5 + 10


@pytest.mark.parametrize(
    ("peak", "asked", "most"), [(None, "160Mi", "224Mi"), (73.0, "160Mi", "224Mi"), (400.0, "480Mi", "768Mi")]
)
def test_memory_is_what_the_rehearsal_saw_with_room(peak: float | None, asked: str, most: str) -> None:
    (container,) = written(peak)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["memory"] == asked
    assert container["resources"]["limits"]["memory"] == most


def test_secrets_are_named_and_never_written() -> None:
    (container,) = pod()["containers"]
    volumes = {volume["name"]: volume for volume in pod()["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == "churn-keys"
    (log,) = container["env"]
    assert log == {
        "name": "CHURNFLOW_LOG",
        "valueFrom": {"secretKeyRef": {"name": "churn-log", "key": "url", "optional": True}},
    }
    assert "Secret" not in written()


def test_the_image_is_that_of_the_version_or_of_the_digest_that_is_named() -> None:
    digest = "registry.example/team/churn@sha256:" + "0a" * 32
    assert pod()["containers"][0]["image"] == "registry.example/team/churn:v1.2.0"
    assert pod(image=digest)["containers"][0]["image"] == digest


def test_an_autoscaler_is_not_undone_at_each_apply() -> None:
    found = written(replicas=2, max_replicas=9)
    assert "replicas" not in found["Deployment"]["spec"]
    scaling = found["HorizontalPodAutoscaler"]["spec"]
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (2, 9)
    assert written(replicas=3)["Deployment"]["spec"]["replicas"] == 3


def test_two_versions_can_live_at_once_and_share_what_they_are_selected_by() -> None:
    older, newer = (
        {yaml.safe_load(text)["kind"]: yaml.safe_load(text) for text in manifests(place(), release(version)).values()}
        for version in ("v1.2.0", "v1.3.0")
    )
    assert older["ConfigMap"]["metadata"]["name"] != newer["ConfigMap"]["metadata"]["name"]
    for kind, path in (("Deployment", "selector"), ("Service", "selector"), ("PodDisruptionBudget", "selector")):
        assert older[kind]["spec"][path] == newer[kind]["spec"][path]
