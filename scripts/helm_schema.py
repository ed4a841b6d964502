"""Writes deploy/helm/ossature/values.schema.json: the chart's own values, and the settings of the configuration file among them.

``--check``: fail if the file is not up to date. Helm refuses values by it, so that a typo in either is an error with its name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cluster.config.schema import ClusterConfig  # noqa: E402
from cluster.telemetry.catalog.buckets import TTFT_BUCKETS  # noqa: E402

TARGET = ROOT / "deploy" / "helm" / "ossature" / "values.schema.json"
Schema = dict[str, Any]

#: Settings that are not the user's in a chart: section → fields (`None`: the whole section).
DECIDED_BY_THE_CHART: dict[str, tuple[str, ...] | None] = {
    "name": None,
    "data_dir": None,
    "secret": None,
    "accepted_secret": None,
    "models": None,
    "HttpSettings": ("host",),
    "MetricsSettings": ("host",),
    "DatabaseSettings": ("url",),
    "IdentitySettings": ("admin_key", "development_organization"),
    "RaySettings": ("address", "num_cpus", "object_store_memory_bytes"),
    "GatewaySettings": ("replicas", "resources"),
    "TracingSettings": ("headers",),
    "SpeechSettings": ("replicas", "resources"),
    "JobsSettings": ("resources",),
    "FilesSettings": ("storage_url",),
    "TunedModelsSettings": ("storage_url", "cache_dir"),
    "TuningSettings": ("work_dir", "resources"),
}

TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 1}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
PORTS: Schema = {"type": "array", "minItems": 1, "items": PORT}
QUANTITY: Schema = {"type": ["string", "integer"], "pattern": r"^[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?$"}
#: Objects of Kubernetes' own, which its API server checks.
FREE: Schema = {"type": "object"}
FREE_LIST: Schema = {"type": "array", "items": FREE}
#: Of a Service, as every Kubernetes takes it; or none.
NAME: Schema = {"type": "string", "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"}
TEXT_MAP: Schema = {"type": "object", "additionalProperties": TEXT}


def one_of(*values: str) -> Schema:
    return {"enum": list(values)}


def section(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def pod(**more: Schema) -> Schema:
    """What every kind of pod takes."""
    amounts = {"type": "object", "additionalProperties": QUANTITY}
    return section(
        resources=section(requests=amounts, limits=amounts),
        shmSize=QUANTITY,
        nodeSelector=TEXT_MAP,
        tolerations=FREE_LIST,
        affinity=FREE,
        topologySpreadConstraints=FREE_LIST,
        priorityClassName=TEXT,
        **more,
    )


def secret_key() -> Schema:
    return section(name=TEXT, key=TEXT)


def claim() -> Schema:
    modes = {"type": "array", "minItems": 1, "items": one_of("ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany")}
    return section(claimName=TEXT, size=QUANTITY, storageClassName=TEXT, accessModes=modes)


def chart_values() -> dict[str, Schema]:
    return {
        "mode": one_of("rayservice", "standalone"),
        "layout": one_of("separate", "single-pod"),
        "rollout": TEXT,
        "nameOverride": NAME,
        "fullnameOverride": NAME,
        "commonLabels": TEXT_MAP,
        "image": section(
            repository={"type": "string", "minLength": 1},
            tag=TEXT,
            digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
            pullPolicy=one_of("Always", "IfNotPresent", "Never"),
            pullSecrets={"type": "array", "items": section(name=TEXT)},
        ),
        "head": pod(),
        "ingressPods": pod(count=COUNT, gatewaysPerPod=COUNT),
        "speechPods": pod(count=COUNT, replicasPerPod=COUNT, gpuResource=TEXT),
        "jobsPods": pod(count=COUNT),
        "tuningPods": pod(count=COUNT, gpusPerPod={"type": "integer", "minimum": 0}, gpuResource=TEXT),
        "secrets": section(existing=TEXT),
        "database": section(
            kind=one_of("postgresql", "embedded"),
            urlSecret=secret_key(),
            persistence=section(enabled=SWITCH, size=QUANTITY, storageClassName=TEXT),
        ),
        "redis": section(address=TEXT, passwordSecret=secret_key()),
        "huggingFace": section(tokenSecret=secret_key(), offline=SWITCH),
        "modelCache": section(
            kind=one_of("emptyDir", "pvc", "hostPath"),
            sizeLimit={"anyOf": [QUANTITY, one_of("")]},
            claimName=TEXT,
            size=QUANTITY,
            storageClassName=TEXT,
            accessModes={"type": "array", "minItems": 1, "items": one_of("ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany")},
            hostPath={"type": "string", "pattern": "^(/.*)?$"},
        ),
        "storage": section(
            kind=one_of("volume", "s3", "pod"),
            volume=claim(),
            s3=section(
                url={"type": "string", "pattern": "^(s3://.+)?$"},
                endpoint={"type": "string", "pattern": "^(https?://.+)?$"},
                region=TEXT,
                credentialsSecret=section(name=TEXT, accessKeyId=TEXT, secretAccessKey=TEXT),
            ),
        ),
        "adapterCache": section(
            kind=one_of("emptyDir", "hostPath"),
            sizeLimit={"anyOf": [QUANTITY, one_of("")]},
            hostPath={"type": "string", "pattern": "^(/.*)?$"},
        ),
        "service": section(
            type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
            annotations=TEXT_MAP,
            loadBalancerSourceRanges={"type": "array", "items": TEXT},
        ),
        "expose": section(
            host=TEXT,
            grpcHost=TEXT,
            ingress=section(enabled=SWITCH, className=TEXT, annotations=TEXT_MAP, grpcAnnotations=TEXT_MAP),
            gatewayApi=section(enabled=SWITCH, gatewayClassName=TEXT, parentRefs=FREE_LIST, annotations=TEXT_MAP),
            tls=section(
                enabled=SWITCH,
                secretName=TEXT,
                certManager=section(enabled=SWITCH, issuerRef=section(name=TEXT, kind=TEXT, group=TEXT)),
            ),
        ),
        "networkPolicy": section(
            enabled=SWITCH,
            clients=FREE_LIST,
            prometheus=FREE_LIST,
            kuberayOperator=FREE_LIST,
            dns=FREE_LIST,
            database=section(to=FREE_LIST, port=PORT),
            redis=section(to=FREE_LIST, port=PORT),
            tracing=section(to=FREE_LIST, port=PORT),
            objectStore=section(to=FREE_LIST, ports=PORTS),
            images=section(to=FREE_LIST, ports=PORTS),
            downloads=section(to=FREE_LIST, port=PORT),
            kubernetesApi=section(to=FREE_LIST, ports=PORTS),
        ),
        "podDisruptionBudgets": section(enabled=SWITCH, protectHead=SWITCH),
        "drainSeconds": {"type": "integer", "minimum": 0, "maximum": 86400},
        "security": section(
            runAsUser=COUNT, runAsGroup=COUNT, fsGroup=COUNT, seccompProfile=section(type=TEXT, localhostProfile=TEXT)
        ),
        "monitoring": section(
            kind=one_of("none", "PodMonitor", "ServiceMonitor"),
            interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
            labels=TEXT_MAP,
            rules=section(
                enabled=SWITCH,
                ttftSeconds={"type": "number", "enum": list(TTFT_BUCKETS)},
                ttftShare={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                runbooks={"type": "string", "minLength": 1},
            ),
            dashboards=section(enabled=SWITCH, labels=TEXT_MAP, annotations=TEXT_MAP),
        ),
        "autoscaling": section(enabled=SWITCH, idleTimeoutSeconds=COUNT),
        "rayservice": section(
            upgradeStrategy=section(type=one_of("NewCluster", "None")),
            # The new cluster's ingress pods are ready some seconds after KubeRay finds the application running.
            clusterDeletionDelaySeconds={"type": "integer", "minimum": 20},
            serviceUnhealthySecondThreshold=COUNT,
            deploymentUnhealthySecondThreshold=COUNT,
        ),
        "standalone": section(
            autoscaling=section(kind=one_of("keda", "hpa"), prometheusAddress=TEXT, scaleDown=SWITCH),
        ),
        "tests": section(enabled=SWITCH),
        # Helm's own.
        "global": FREE,
    }


def values_schema() -> Schema:
    described = ClusterConfig.model_json_schema()
    definitions: dict[str, Schema] = described["$defs"]
    settings: dict[str, Schema] = described["properties"]
    for name, fields in DECIDED_BY_THE_CHART.items():
        if fields is None:
            del settings[name]
            continue
        for field in fields:
            del definitions[name]["properties"][field]
    model = definitions["ModelSettings"]
    model["properties"]["pods"] = pod(
        perReplica=COUNT, replicasPerPod=COUNT, maxReplicas=COUNT, mergedModels={"type": "integer", "minimum": 0}, gpuResource=TEXT
    )
    model["required"] = [*model["required"], "pods"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Ossature chart",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **chart_values(),
            "config": section(**settings),
            "models": {"type": "array", "items": {"$ref": "#/$defs/ModelSettings"}},
        },
        "$defs": {name: _plain(definition) for name, definition in sorted(definitions.items())},
    }


def _plain(definition: Schema) -> Schema:
    """Without the titles that only repeat a field's name."""
    properties = definition.get("properties", {})
    plain = {name: {key: value for key, value in each.items() if key != "title"} for name, each in properties.items()}
    return {key: value for key, value in definition.items() if key != "title"} | ({"properties": plain} if properties else {})


def main() -> int:
    text = json.dumps(values_schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET.relative_to(ROOT)} is not up to date: python scripts/helm_schema.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
