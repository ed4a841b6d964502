"""What `helm test` asks a cluster: is every model served, does it refuse strangers, does gRPC answer. Ends with 1 when not."""

import os
import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 10


def status(path: str) -> int:
    try:
        with urllib.request.urlopen(os.environ["HTTP"] + path, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the release's own Service
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def grpc_serves(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


found = {
    "every model has a replica (/readyz is 200)": status("/readyz") == 200,
    "a caller without a key is refused (/v1/models is 401)": status("/v1/models") == 401,
}
if "GRPC" in os.environ:
    found["gRPC serves (grpc.health.v1)"] = grpc_serves(os.environ["GRPC"])
for what, holds in found.items():
    sys.stdout.write(f"{'ok  ' if holds else 'FAIL'} {what}\n")
sys.exit(0 if all(found.values()) else 1)
