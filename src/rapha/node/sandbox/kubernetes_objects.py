"""What is asked of Kubernetes, and what is demanded of what it has: a Job of one Pod that may do nothing but run one program, and a namespace without a network.

A word that is not written here is one that Kubernetes allows by default. So whatever a Pod could be given is either denied by name or looked for afterwards, in
`unlike`: admission may change a Pod on its way.

Source: batch/v1 Job, v1 Pod and networking.k8s.io/v1 NetworkPolicy of Kubernetes 1.37.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rapha.errors import SandboxError
from rapha.node.configuration import KubernetesPlacement
from rapha.node.sandbox.placement import Job

MANAGED_BY, OURS = "app.kubernetes.io/managed-by", "rapha"
ASKED_BY = "rapha/asked-by"
CONTAINER, VOLUME = "sandbox", "runs"
LABELS = {MANAGED_BY: OURS}
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
REMEMBERED_SECONDS = 600
GREETED_SECONDS = 120
GREETING = b"go\n"
WAITS_FOR_GREETING = f"timeout {GREETED_SECONDS} /bin/sh -c 'read -r go' && exec \"$@\""
FALSE_IF_LEFT_OUT = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "tty", "privileged")
NOT_ASKED_OF_A_POD = ("initContainers", "ephemeralContainers", "hostAliases", "resourceClaims")
NOT_ASKED_OF_A_CONTAINER = (
    *("env", "envFrom", "ports", "lifecycle", "volumeDevices"),
    *("livenessProbe", "readinessProbe", "startupProbe"),
)


class Place(NamedTuple):
    """`runs`: the site's folder in `shared_folder`: of the claim's file system the Pod sees this and no more. `user`: of the Pod."""

    settings: KubernetesPlacement
    runs: Path
    user: int


def checked_name(job: str) -> str:
    """The name. Raises SandboxError: it is none that Kubernetes takes, and that is one word of a path."""
    if not NAME.fullmatch(job):
        raise SandboxError("a job's name holds small letters, digits and - only, and is no longer than 63")
    return job


def job_object(place: Place, job: Job, program: Sequence[str], asked_by: str) -> dict[str, Any]:
    """The Job as it is handed in. `asked_by`: a word that nobody else knows, by which an answer that was lost is told from another's job of this name."""
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec(place, job, program)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": checked_name(job.name), "labels": LABELS, "annotations": {ASKED_BY: asked_by}},
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": place.settings.time_limit_minutes * 60,
            "ttlSecondsAfterFinished": REMEMBERED_SECONDS,
            "template": template,
        },
    }


def pod_spec(place: Place, job: Job, program: Sequence[str]) -> dict[str, Any]:
    """Of its one Pod: no privilege, no token, no secret, no name server, nothing of its machine but the site's folder of runs."""
    settings = place.settings
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "shareProcessNamespace": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["127.0.0.1"]},
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": place.user,
            "runAsGroup": place.user,
            "seccompProfile": _profile(settings),
        },
        "containers": [_container(place, job, program)],
        "volumes": [{"name": VOLUME, "persistentVolumeClaim": {"claimName": settings.volume_claim}}],
    }
    if settings.seccomp_profile is not None:  # what a sandbox in a Pod needs to have namespaces and a /proc of its own
        spec["hostUsers"] = False
        spec["securityContext"]["appArmorProfile"] = {"type": "Unconfined"}
    return spec | ({"nodeSelector": settings.node_labels} if settings.node_labels else {})


def _container(place: Place, job: Job, program: Sequence[str]) -> dict[str, Any]:
    room = {"memory": f"{job.memory_mb}Mi", "cpu": str(place.settings.processors), "ephemeral-storage": "64Mi"}
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if place.settings.seccomp_profile is not None:
        security["procMount"] = "Unmasked"
    # attaching may lose what is written before: so the program begins when it is greeted
    waits = ["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "/bin/sh", "-c", WAITS_FOR_GREETING, "sh"]
    return {
        "name": CONTAINER,
        "image": place.settings.image,
        "imagePullPolicy": "IfNotPresent",
        "command": [in_full(word) for word in [*waits, "/usr/bin/env", "-i", *program]],
        "workingDir": "/",
        "stdin": True,
        "stdinOnce": True,
        "tty": False,
        "resources": {"limits": room, "requests": room},
        "securityContext": security,
        "volumeMounts": [{"name": VOLUME, "mountPath": str(place.runs), "subPath": place.runs.name}],
    }


def in_full(word: str) -> str:
    """Kubernetes puts variables in the place of `$(NAME)`, and one `$` in the place of two."""
    return word.replace("$", "$$")


def _profile(settings: KubernetesPlacement) -> dict[str, str]:
    if settings.seccomp_profile is None:
        return {"type": "RuntimeDefault"}
    return {"type": "Localhost", "localhostProfile": settings.seccomp_profile}


def unlike(asked: dict[str, Any], found: dict[str, Any]) -> str | None:
    """Where a Pod's `spec` is another than was asked for; None: nowhere that counts. Kubernetes fills in its defaults, and leaves some words out
    where they are false; others it takes for true if they are left out, such as that of a token."""
    for key in NOT_ASKED_OF_A_POD:
        if found.get(key):
            return key
    containers = found.get("containers")
    if isinstance(containers, list) and len(containers) == 1 and isinstance(containers[0], dict):
        for key in NOT_ASKED_OF_A_CONTAINER:
            if containers[0].get(key):
                return key
    return _differs(asked, found, "spec")


def _differs(asked: Any, found: Any, where: str) -> str | None:
    if isinstance(asked, dict):
        if not isinstance(found, dict):
            return where
        exactly = where.endswith(("securityContext", "capabilities", "limits"))
        if exactly and any(found[key] and key not in asked for key in found):
            return where
        places = ((value, found.get(key), f"{where}.{key}") for key, value in asked.items())
        return next(filter(None, (_differs(*place) for place in places)), None)
    if isinstance(asked, list):
        if not isinstance(found, list) or len(asked) != len(found):
            return where
        places = ((one, other, where) for one, other in zip(asked, found, strict=True))
        return next(filter(None, (_differs(*place) for place in places)), None)
    same = asked == found and type(asked) is type(found)
    left_out = asked is False and found is None and where.rpartition(".")[2] in FALSE_IF_LEFT_OUT
    return None if same or left_out else where


def network_trouble(policies: list[dict[str, Any]]) -> str | None:
    """Why this namespace's policies do not deny a sandbox's Pod every connection; None: they do. Policies only add to each other: so one has to deny all, and none may allow any."""
    specs = [(_word(policy, "name"), policy.get("spec")) for policy in policies]
    ours = [(name, spec) for name, spec in specs if isinstance(spec, dict) and not _is_of_others(spec)]
    for name, spec in ours:
        if spec.get("ingress") or spec.get("egress"):
            return f"its NetworkPolicy {name} allows connections to a sandbox's Pod, or from it"
    for _, spec in ours:
        kinds = spec.get("policyTypes")
        everyone = spec.get("podSelector") in ({}, {"matchLabels": LABELS})
        if everyone and isinstance(kinds, list) and {"Ingress", "Egress"} <= {str(kind) for kind in kinds}:
            return None
    return "no NetworkPolicy there denies every connection to a sandbox's Pod and from it"


def _is_of_others(spec: dict[str, Any]) -> bool:
    """It says another word for a label that ours have. Of anything but that we say that it may be ours: Kubernetes, and admission, give Pods more labels."""
    selector = spec.get("podSelector")
    labels = selector.get("matchLabels") if isinstance(selector, dict) else None
    return isinstance(labels, dict) and any(labels.get(key, value) != value for key, value in LABELS.items())


def _word(thing: dict[str, Any], key: str) -> str:
    metadata = thing.get("metadata")
    name = metadata.get(key) if isinstance(metadata, dict) else None
    return name if isinstance(name, str) and len(name) <= 253 and name.isprintable() else "without a name"
