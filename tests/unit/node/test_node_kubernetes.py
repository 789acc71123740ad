"""Jobs of Kubernetes: what is asked for, what is demanded of a namespace and of a Pod, and what is believed of an API server's answers."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rapha.errors import SandboxError
from rapha.node.configuration import KubernetesPlacement
from rapha.node.sandbox.kubernetes import Kubernetes
from rapha.node.sandbox.kubernetes_api import Pod
from rapha.node.sandbox.kubernetes_here import why_ended
from rapha.node.sandbox.kubernetes_objects import LABELS, Place, in_full, job_object, network_trouble, pod_spec, unlike
from rapha.node.sandbox.placement import Job

sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
from kubernetes_rules import faults, job_faults
from small_kubelet import expanded
from small_kubernetes import DENIES_ALL, IMAGE

JOB = Job("rapha-0123456789ab-0123456789abcdef", 2560)


@pytest.fixture
def settings(tmp_path: Path) -> KubernetesPlacement:
    return KubernetesPlacement(
        by="kubernetes",
        shared_folder=str(tmp_path),
        volume_claim="rapha-runs",
        address="https://127.0.0.1:1",
        token_file=str(tmp_path / "token"),
        namespace="sandboxes",
        image=IMAGE,
        seccomp_profile="profiles/rapha.json",
        processors=3,
        node_labels={"hospital/clinical": "yes"},
    )


@pytest.fixture
def place(settings: KubernetesPlacement, tmp_path: Path) -> Place:
    return Place(settings, tmp_path / "north", 1000)


@pytest.mark.parametrize("profile", [None, "profiles/rapha.json"])
def test_what_is_asked_for_is_what_the_published_schema_and_the_restricted_standard_take(
    place: Place, profile: str | None
) -> None:
    asked = place._replace(settings=place.settings.model_copy(update={"seccomp_profile": profile}))
    assert job_faults(job_object(asked, JOB, ["/bin/true"], "nonce")) == []


def test_the_rules_would_refuse_what_is_not_so(place: Place) -> None:
    """They are no rubber stamp."""
    good = job_object(place, JOB, ["/bin/true"], "nonce")
    for path, value in (
        ("spec.backofLimit", 0),
        ("spec.template.spec.hostNetwork", True),
        ("spec.template.spec.hostUsers", True),
        ("spec.template.spec.securityContext.runAsUser", 0),
        ("spec.template.spec.securityContext.runAsNonRoot", False),
        ("spec.backoffLimit", "0"),
    ):
        wrong = copy.deepcopy(good)
        *way, last = path.split(".")
        held = wrong
        for step in way:
            held = held[step]
        held[last] = value
        assert job_faults(wrong), path


def test_a_pod_may_do_nothing_but_run_its_program(place: Place, tmp_path: Path) -> None:
    job = job_object(place, JOB, ["/bin/true"], "nonce")
    spec = job["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (0, 1440 * 60)
    assert spec["restartPolicy"] == "Never" and spec["automountServiceAccountToken"] is False
    assert not any(spec[key] for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"))
    assert "env" not in container and "envFrom" not in container and spec["enableServiceLinks"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    room = {"memory": "2560Mi", "cpu": "3", "ephemeral-storage": "64Mi"}
    assert container["resources"] == {"limits": room, "requests": room}
    assert [(one["mountPath"], one["subPath"]) for one in container["volumeMounts"]] == [
        (str(tmp_path / "north"), "north")
    ]
    assert spec["nodeSelector"] == {"hospital/clinical": "yes"}


def test_without_a_profile_of_its_own_a_pod_has_the_runtimes(place: Place) -> None:
    plain = place._replace(settings=place.settings.model_copy(update={"seccomp_profile": None}))
    spec = pod_spec(plain, JOB, ["/bin/true"])
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "procMount" not in spec["containers"][0]["securityContext"] and "hostUsers" not in spec


@pytest.mark.parametrize("word", ["$(HOME)", "$$(HOME)", "$$", "$", "a$", "$(", "$$$(KUBERNETES_SERVICE_HOST)"])
def test_no_word_of_the_program_is_read_as_a_variable(word: str) -> None:
    assert expanded(in_full(word), {"HOME": "/root", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == word


@pytest.mark.parametrize("name", ["a; touch x", "../etc", "a/b", "", "a\nb", "a" * 64, "A", "-a", "a?b=c", "a%2f"])
def test_a_job_has_a_name_and_not_a_path(settings: KubernetesPlacement, tmp_path: Path, name: str) -> None:
    settings = settings.model_copy(update={"user": 1000})
    with pytest.raises(SandboxError, match="small letters"):
        Kubernetes(settings, tmp_path).words(Job(name, 100), ["/bin/true"])


def test_a_pod_is_never_root(settings: KubernetesPlacement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    with pytest.raises(SandboxError, match="the agent is root"):
        Kubernetes(settings, tmp_path).words(JOB, ["/bin/true"])


def test_the_token_is_on_no_command_line(settings: KubernetesPlacement, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-a-service-account")
    placement = Kubernetes(settings.model_copy(update={"user": 1000}), tmp_path)
    assert "of-a-service-account" not in " ".join(placement.words(JOB, ["/bin/true"]))
    assert set(placement.environment()) == {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("address", "http://h:1"),
        ("address", "https://h:99999"),
        ("image", "registry.example/rapha:latest"),
        ("user", 0),
        ("namespace", "../kube-system"),
        ("seccomp_profile", "/etc/passwd"),
        ("node_labels", {"a b": "c"}),
        ("shared_folder", "/a:b"),
    ],
)
def test_a_setting_that_is_none_is_refused_where_it_is_configured(
    settings: KubernetesPlacement, key: str, value: object
) -> None:
    with pytest.raises(ValidationError, match=key):
        KubernetesPlacement(**{**settings.model_dump(), key: value})


# the network


def policy(**spec: Any) -> dict[str, Any]:
    made = {**DENIES_ALL, "spec": {"podSelector": {}, **spec}}
    assert faults("io.k8s.api.networking.v1.NetworkPolicy", made) == []
    return made


BOTH = ["Ingress", "Egress"]
OTHERS = {"matchLabels": {"app.kubernetes.io/managed-by": "helm"}}


@pytest.mark.parametrize(
    "policies",
    [
        [DENIES_ALL],
        [policy(policyTypes=BOTH, podSelector={"matchLabels": LABELS})],
        [DENIES_ALL, policy(policyTypes=["Egress"], egress=[{}], podSelector=OTHERS)],
    ],
)
def test_a_namespace_without_a_network_will_do(policies: list[dict[str, Any]]) -> None:
    assert network_trouble(policies) is None


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [policy(policyTypes=["Ingress"])],
        [policy(policyTypes=["Egress"])],
        [policy()],
        [policy(policyTypes=BOTH, podSelector=OTHERS)],
        [policy(policyTypes=BOTH, podSelector={"matchLabels": {**LABELS, "more": "narrow"}})],
        [policy(policyTypes=BOTH, podSelector={"matchExpressions": [{"key": "a", "operator": "Exists"}]})],
        [DENIES_ALL, policy(policyTypes=["Egress"], egress=[{}])],
        [DENIES_ALL, policy(policyTypes=["Egress"], egress=[{"ports": [{"port": 53}]}])],
        [DENIES_ALL, policy(policyTypes=["Ingress"], ingress=[{"from": [{"podSelector": {}}]}])],
        [DENIES_ALL, policy(egress=[{}], podSelector={"matchLabels": {"batch.kubernetes.io/job-name": "x"}})],
        [{"spec": "deny"}],
        [{"metadata": 7}],
    ],
)
def test_a_namespace_in_which_anything_may_be_reached_is_refused(policies: list[dict[str, Any]]) -> None:
    assert network_trouble(policies)


# a Pod that was changed on its way

Change = Callable[[dict[str, Any]], None]


def _container(**more: Any) -> Change:
    return lambda spec: spec["containers"][0].update(more)


CHANGES: dict[str, Change] = {
    "a sidecar": lambda spec: spec["containers"].append({"name": "proxy"}),
    "one that goes before": lambda spec: spec.update(initContainers=[{"name": "init"}]),
    "one for debugging": lambda spec: spec.update(ephemeralContainers=[{"name": "debug"}]),
    "a volume": lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "the host's network": lambda spec: spec.update(hostNetwork=True),
    "a token": lambda spec: spec.update(automountServiceAccountToken=True),
    "no word of a token": lambda spec: spec.pop("automountServiceAccountToken"),
    "a variable": _container(env=[{"name": "LD_PRELOAD", "value": "/x.so"}]),
    "secrets": _container(envFrom=[{"secretRef": {"name": "s"}}]),
    "a hook": _container(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
    "a probe": _container(livenessProbe={"exec": {"command": ["sh"]}}),
    "another image": _container(image="registry.example/other"),
    "another command": _container(command=["sh"]),
    "a capability": lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "a privilege": lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
    "more groups": lambda spec: spec["securityContext"].update(supplementalGroups=[0]),
    "another user": lambda spec: spec["securityContext"].update(runAsUser=0),
    "a user that is no number": lambda spec: spec["securityContext"].update(runAsUser=True),
    "no filter": lambda spec: spec["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "no securityContext": _container(securityContext=None),
    "a root that can be written": lambda spec: spec["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"),
    "all of the claim": lambda spec: spec["containers"][0]["volumeMounts"][0].pop("subPath"),
    "no containers": lambda spec: spec.update(containers=[]),
    "containers that are none": lambda spec: spec.update(containers="sandbox"),
    "a GPU": lambda spec: spec["containers"][0]["resources"]["limits"].update({"nvidia.com/gpu": "1"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_pod_that_was_changed_on_its_way_is_noticed(place: Place, change: Change) -> None:
    asked = pod_spec(place, JOB, ["/bin/true"])
    found = json.loads(json.dumps(asked))
    assert unlike(asked, found) is None
    change(found)
    assert unlike(asked, found)


def test_what_kubernetes_fills_in_by_itself_is_no_change(place: Place) -> None:
    asked = pod_spec(place, JOB, ["/bin/true"])
    found = json.loads(json.dumps(asked)) | {"schedulerName": "default-scheduler", "nodeName": "a", "tolerations": [{}]}
    for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        del found[key]
    del found["containers"][0]["tty"], found["containers"][0]["securityContext"]["privileged"]
    found["containers"][0] |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    assert unlike(asked, found) is None


# how it ended


def pod(**status: Any) -> Pod:
    return Pod.model_validate({"metadata": {"name": "p", "uid": "u"}, "spec": {}, "status": status})


def terminated(reason: str) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": reason}}}]}


def test_why_a_pod_ended_is_told_in_kubernetes_own_words() -> None:
    assert (
        why_ended(pod(**terminated("OOMKilled"))) == "OOMKilled: it took more memory than `limits: memory_mb` gives it"
    )
    assert why_ended(pod(reason="Evicted", message="low on memory")) == "Evicted: low on memory"
    assert why_ended(pod(reason="Evicted", message="\x1b[31mred\n", **terminated("Error"))) == "Evicted: [31mred"
    assert why_ended(pod(**terminated("Error"))) is None and why_ended(pod(**terminated("Completed"))) is None
