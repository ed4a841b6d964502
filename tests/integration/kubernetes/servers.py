"""API servers of Kubernetes on loopback, from programs that ``scripts/kubernetes_servers.py`` builds. No node, so no pod runs."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.chart import ROOT
from tests.e2e.conftest import free_port
from tests.integration.kubernetes.certificates import Certificates

#: As in scripts/kubernetes_servers.py.
FOLDER = Path(os.environ.get("OSSATURE_KUBERNETES_SERVERS", ROOT / ".services" / "kubernetes")) / "bin"
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 30.0


def program(name: str) -> str:
    """Path of a server; skips the test where it has not been built."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not in {FOLDER}: make kubernetes-servers builds it")
    return str(path)


@dataclass(frozen=True)
class Server:
    """A running API server. ``kubeconfig`` is of its administrator."""

    url: str
    kubeconfig: Path
    client: httpx.Client

    def list(self, path: str) -> list[dict[str, Any]]:
        """Items of a collection, such as ``/apis/apps/v1/namespaces/models/deployments``."""
        return list(self.client.get(path).raise_for_status().json()["items"])

    def names(self, path: str) -> set[str]:
        return {each["metadata"]["name"] for each in self.list(path)}


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, ended with the block: told to, then made to."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(what: str, holds: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{what} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.3)


@contextmanager
def etcd(folder: Path) -> Iterator[str]:
    """The store of one API server; yields its address."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    log = folder / "etcd.log"
    command = [program("etcd"), "--data-dir", str(folder / "etcd"), "--listen-client-urls", client]
    command += ["--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"default={peer}"]
    with running(command, log) as process:
        wait_for("etcd", lambda: httpx.get(f"{client}/health", trust_env=False).json()["health"] == "true", process, log)
        yield client


def write_kubeconfig(path: Path, url: str, certificates: Certificates) -> Path:
    user = {"client-certificate": str(certificates.admin.certificate), "client-key": str(certificates.admin.key)}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(certificates.authority)}}],
                "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            }
        )
    )
    path.chmod(0o600)
    return path


def _client(url: str, certificates: Certificates) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    context.load_cert_chain(str(certificates.admin.certificate), str(certificates.admin.key))
    return httpx.Client(base_url=url, verify=context, timeout=60, trust_env=False)


def _served(url: str, certificates: Certificates) -> list[str]:
    """What every API server here is told."""
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={url.rpartition(':')[2]}",
        f"--tls-cert-file={certificates.server.certificate}",
        f"--tls-private-key-file={certificates.server.key}",
        f"--client-ca-file={certificates.authority}",
    ]


@contextmanager
def full_server(folder: Path) -> Iterator[Server]:
    """kube-apiserver 1.20 with the controllers that make pods of Deployments and clear away what nobody owns."""
    apiserver, manager = program("kube-apiserver"), program("kube-controller-manager")
    certificates = Certificates.made(folder)
    url = f"https://127.0.0.1:{free_port()}"
    kubeconfig = write_kubeconfig(folder / "kubeconfig", url, certificates)
    with ExitStack() as stack:
        store = stack.enter_context(etcd(folder))
        command = [apiserver, f"--etcd-servers={store}", *_served(url, certificates), "--insecure-port=0"]
        command += ["--advertise-address=10.200.0.1", "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"]
        command += ["--service-account-issuer=https://kubernetes.test", f"--service-account-key-file={certificates.accounts.key}"]
        command += [f"--service-account-signing-key-file={certificates.accounts.key}", f"--cert-dir={folder / 'own'}"]
        command += ["--disable-admission-plugins=ServiceAccount"]
        log = folder / "apiserver.log"
        process = stack.enter_context(running(command, log))
        client = stack.enter_context(_client(url, certificates))
        wait_for("kube-apiserver", lambda: client.get("/readyz").status_code == 200, process, log)
        command = [manager, f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--port=0", "--secure-port=0"]
        command += [f"--cert-dir={folder / 'own'}", "--controllers=deployment,replicaset,garbagecollector,namespace,endpoint"]
        stack.enter_context(running(command, folder / "controllers.log"))
        yield Server(url, kubeconfig, client)


@contextmanager
def definitions_server(folder: Path) -> Iterator[Server]:
    """apiextensions-apiserver: resource definitions alone. It has no discovery, so neither kubectl nor Helm can talk to it."""
    apiserver = program("apiextensions-apiserver")
    certificates = Certificates.made(folder)
    url = f"https://127.0.0.1:{free_port()}"
    kubeconfig = write_kubeconfig(folder / "kubeconfig", url, certificates)
    without = ("NamespaceLifecycle", "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy")
    without += ("ValidatingAdmissionWebhook", "MutatingAdmissionWebhook")
    with ExitStack() as stack:
        store = stack.enter_context(etcd(folder))
        command = [apiserver, f"--etcd-servers={store}", *_served(url, certificates), "--authentication-skip-lookup"]
        # It asks itself who may do what: an administrator's certificate may do everything.
        command += [f"--{name}={kubeconfig}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
        command += ["--enable-priority-and-fairness=false", f"--disable-admission-plugins={','.join(without)}"]
        log = folder / "apiserver.log"
        process = stack.enter_context(running(command, log))
        client = stack.enter_context(_client(url, certificates))
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        # Never ready as a whole: an informer of it waits for core types, which it does not have.
        wait_for("apiextensions-apiserver", lambda: client.get(definitions).status_code == 200, process, log)
        yield Server(url, kubeconfig, client)
