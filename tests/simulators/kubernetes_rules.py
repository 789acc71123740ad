"""What an API server refuses: what is not in the published schema of Kubernetes 1.37 (strict: no unknown field), some of its rules that no schema says, and what the Pod
Security Standard `restricted` forbids.

`kubernetes-1.37.schema.json` is the part for Job and NetworkPolicy of the OpenAPI schema that the PyPI package `kubernetes-validate` 1.37.0 carries (Apache-2.0), without descriptions.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema

QUANTITY = re.compile(r"[0-9]+(m|k|Ki|Mi|Gi|M|G)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
OF_NAMESPACE = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
UNMASKED = "an unmasked /proc"


@functools.cache
def _validator(kind: str) -> jsonschema.protocols.Validator:
    schema = json.loads(Path(__file__).with_name("kubernetes-1.37.schema.json").read_text())
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", **schema})


def faults(kind: str, given: dict[str, Any]) -> list[str]:
    """Of an object, by the schema."""
    found = _validator(kind).iter_errors(given)
    return [f"{'.'.join(str(one) for one in error.absolute_path)}: {error.message[:200]}" for error in found]


def job_faults(job: dict[str, Any]) -> list[str]:
    """Of a Job that is handed in."""
    if found := faults("io.k8s.api.batch.v1.Job", job):
        return found
    spec = job["spec"]["template"]["spec"]
    return [said for said, wrong in [*_rules(job, spec), *_restricted(spec)] if wrong]


def _rules(job: dict[str, Any], spec: dict[str, Any]) -> list[tuple[str, bool]]:
    (container,) = spec["containers"]
    security = container.get("securityContext", {})
    profile = spec["securityContext"]["seccompProfile"]
    resources, mounts = container.get("resources", {}), container.get("volumeMounts", [])
    return [
        ("metadata.name: not a name", not NAME.fullmatch(job["metadata"]["name"])),
        ("restartPolicy: Never or OnFailure", spec.get("restartPolicy") not in ("Never", "OnFailure")),
        ("dnsPolicy None needs name servers", spec.get("dnsPolicy") == "None" and not spec["dnsConfig"]["nameservers"]),
        ("stdinOnce without stdin", bool(container.get("stdinOnce")) and not container.get("stdin")),
        (
            "procMount Unmasked needs hostUsers false",
            security.get("procMount") == "Unmasked" and spec.get("hostUsers") is not False,
        ),
        ("localhostProfile", (profile["type"] == "Localhost") != ("localhostProfile" in profile)),
        ("a profile is a path below the kubelet's", ".." in profile.get("localhostProfile", "").split("/")),
        ("a quantity", any(not QUANTITY.fullmatch(str(one)) for side in resources.values() for one in side.values())),
        ("requests above limits", resources.get("requests") != resources.get("limits")),
        (
            "a volume that is not there",
            {one["name"] for one in mounts} != {one["name"] for one in spec.get("volumes", [])},
        ),
        ("a subPath", any(one.get("subPath", "").startswith("/") or ".." in one.get("subPath", "") for one in mounts)),
        ("a mountPath with a colon", any(":" in one["mountPath"] for one in mounts)),
        ("activeDeadlineSeconds", job["spec"].get("activeDeadlineSeconds", 1) < 1),
    ]


def _restricted(spec: dict[str, Any]) -> list[tuple[str, bool]]:
    (container,) = spec["containers"]
    security = container.get("securityContext", {})
    return [
        ("restricted: host namespaces", any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))),
        ("restricted: privileged", bool(security.get("privileged"))),
        ("restricted: allowPrivilegeEscalation", security.get("allowPrivilegeEscalation") is not False),
        ("restricted: capabilities", security.get("capabilities") != {"drop": ["ALL"]}),
        ("restricted: runAsNonRoot", not spec["securityContext"].get("runAsNonRoot")),
        ("restricted: runAsUser", spec["securityContext"].get("runAsUser") == 0),
        (
            "restricted: seccompProfile",
            spec["securityContext"]["seccompProfile"]["type"] not in ("RuntimeDefault", "Localhost"),
        ),
        ("restricted: volumes", any(not set(one) - {"name"} <= set(OF_NAMESPACE) for one in spec.get("volumes", []))),
        ("restricted: hostPort", any("hostPort" in port for port in container.get("ports", []))),
        (f"restricted: {UNMASKED}", security.get("procMount") == "Unmasked" and spec.get("hostUsers") is not False),
    ]
