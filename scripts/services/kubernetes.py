"""Two API servers of Kubernetes, built from Debian's sources, and the etcd that they keep their objects in.

``full``: kube-apiserver and kube-controller-manager 1.20.2, the newest whose whole source Debian has. Helm installs on it; it knows
neither policy/v1 nor autoscaling/v2, and no validation rules in resource definitions.
``definitions``: apiextensions-apiserver of a present Kubernetes: nothing but definitions, strictly decoded, with CEL rules.

Neither has nodes: pods are never run. Each step that is done leaves a mark, and Go keeps what it has compiled, so that a build that
was broken off goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.archive import Archive, require, unpack
from services.install import Failure, say

FULL_VERSION = "1.20.2"
FULL = ("kube-apiserver", "kube-controller-manager")
DEFINITIONS = ("apiextensions-apiserver",)
STORE = ("etcd",)
STABLE, UNSTABLE = "bookworm", "sid"
#: Smaller and quicker to link; nobody debugs these.
FLAGS = ("-gcflags=all=-dwarf=false",)


@dataclass(frozen=True)
class Servers:
    """Where they are built, and with how many compilers side by side."""

    folder: Path
    jobs: int

    def path(self, program: str) -> Path:
        return self.folder / "bin" / program

    def has(self, *programs: str) -> bool:
        return all(self.path(each).exists() for each in programs)

    def ensure_store(self) -> None:
        """etcd, as Debian has built it."""
        if self.has(*STORE):
            return
        require("apt-get", "dpkg-deb")
        packages = self._archive(STABLE).download("etcd-server")
        unpacked = self.folder / "etcd"
        unpack([each for each in packages if each.name.startswith("etcd-server_")], unpacked)
        self._keep(unpacked / "usr" / "bin" / "etcd")
        shutil.rmtree(unpacked)

    def ensure_definitions(self) -> None:
        """The server of resource definitions."""
        if self.has(*DEFINITIONS):
            return
        require("apt-get", "dpkg-deb")
        root = self.folder / "definitions"
        with self._once("definitions-sources") as needed:
            if needed:
                wanted = ("golang-k8s-apiextensions-apiserver-dev", "golang-1.26-go")
                packages = self._archive(UNSTABLE).download(*wanted)
                say(f"unpacking {len(packages)} packages")
                unpack([each for each in packages if each.name.startswith("golang-")], root)
        compiler = Compiler(root / "usr/lib/go-1.26", root / "usr/share/gocode", self.folder / "go-cache", self.jobs)
        built = self.folder / DEFINITIONS[0]
        compiler.build(self.folder, "k8s.io/apiextensions-apiserver", built)
        self._keep(built)

    def ensure_full(self) -> None:
        """The whole API server and the controllers that make pods of Deployments."""
        if self.has(*FULL):
            return
        require("apt-get", "dpkg-deb", "tar")
        gopath = self.folder / "full"
        tree = gopath / "src/k8s.io/kubernetes"
        with self._once("full-sources") as needed:
            if needed:
                archive = self._archive(STABLE)
                unpack([p for p in archive.download("golang-1.19-go") if p.name.startswith("golang-")], gopath / "go")
                self._unpack_source(archive.source("kubernetes"), tree)
        compiler = Compiler(gopath / "go/usr/lib/go-1.19", gopath, self.folder / "go-cache", self.jobs)
        with self._once("full-reflection") as needed:
            if needed:
                self._renew_reflection(tree)
        with self._once("full-openapi") as needed:
            if needed:
                generate_openapi(compiler, tree)
        version = [
            f"-X {prefix}k8s.io/{package}/version.{name}={value}"
            for prefix in ("", "k8s.io/kubernetes/vendor/")
            # What --version prints, and what GET /version answers.
            for package in ("component-base", "client-go/pkg")
            for name, value in (("gitVersion", f"v{FULL_VERSION}"), ("gitMajor", "1"), ("gitMinor", "20"))
        ]
        for program in FULL:
            built = gopath / program
            compiler.build(tree, f"./cmd/{program}", built, *version)
            self._keep(built)

    def forget_sources(self) -> None:
        """Everything but the programs: several GB."""
        for each in self.folder.iterdir():
            if each.name == "bin":
                continue
            shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _archive(self, release: str) -> Archive:
        archive = Archive(self.folder / "apt" / release, release)
        archive.update()
        return archive

    def _renew_reflection(self, tree: Path) -> None:
        """The source has reflect2 1.0.1, which reads maps as Go did before 1.18: it ends at the first custom resource."""
        packages = self._archive(STABLE).download("golang-github-modern-go-reflect2-dev")
        unpacked = self.folder / "reflect2"
        unpack([each for each in packages if "reflect2" in each.name], unpacked)
        old = tree / "vendor/github.com/modern-go/reflect2"
        shutil.rmtree(old)
        shutil.copytree(unpacked / "usr/share/gocode/src/github.com/modern-go/reflect2", old)
        shutil.rmtree(unpacked)

    def _unpack_source(self, files: Sequence[Path], tree: Path) -> None:
        (upstream,) = [each for each in files if ".orig.tar." in each.name and not each.name.endswith(".asc")]
        tree.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["tar", "-xf", str(upstream), "--strip-components=1", "-C", str(tree)], check=False)
        if done.returncode != 0:
            raise Failure(f"{upstream.name} can't be unpacked (exit status {done.returncode})")

    def _keep(self, program: Path) -> None:
        self.path(program.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(program, self.path(program.name))

    @contextmanager
    def _once(self, step: str) -> Iterator[bool]:
        """Whether the step is still to be done; it is marked as done unless it fails."""
        mark = self.folder / f"{step}.done"
        needed = not mark.exists()
        yield needed
        if needed:
            mark.touch()


@dataclass(frozen=True)
class Compiler:
    """Go before modules: every source is below ``path``, and nothing is fetched."""

    root: Path
    path: Path
    cache: Path
    jobs: int

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "GOROOT": str(self.root),
            "GOPATH": str(self.path),
            "GOCACHE": str(self.cache),
            "GO111MODULE": "off",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "",
            "GOMAXPROCS": str(self.jobs),
            "CGO_ENABLED": "0",
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
        }

    def build(self, folder: Path, package: str, output: Path, *link_flags: str) -> None:
        """Raises:
        Failure: it does not compile; the compiler's lines say why.
        """
        begin = time.monotonic()
        say(f"{time.strftime('%H:%M:%S')} compiling {output.name} (this takes many minutes)")
        flags = [f"-p={self.jobs}", *FLAGS, f"-ldflags={' '.join(('-s', '-w', *link_flags))}"]
        command = [str(self.root / "bin" / "go"), "build", *flags, "-o", str(output), package]
        done = subprocess.run(command, cwd=folder, env=self.environment(), stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise Failure(f"go build of {package} failed (exit status {done.returncode}); its lines above say why")
        say(f"{time.strftime('%H:%M:%S')} {output.name} after {time.monotonic() - begin:.0f} s")


def generate_openapi(compiler: Compiler, tree: Path) -> None:
    """Write the file of OpenAPI definitions, which the source package does not hold and its own build makes first."""
    generator, output = tree / "openapi-gen", tree / "generated-openapi"
    compiler.build(tree, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator)
    package = "k8s.io/kubernetes/pkg/generated/openapi"
    command = [str(generator), "-O", "zz_generated.openapi", "--report-filename", str(tree / "openapi-report")]
    command += ["--go-header-file", "hack/boilerplate/boilerplate.generatego.txt", "-p", package, "-o", str(output)]
    command += ["-i", ",".join(annotated_packages(tree))]
    say(f"{time.strftime('%H:%M:%S')} generating OpenAPI definitions")
    done = subprocess.run(command, cwd=tree, env=compiler.environment(), stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise Failure(f"openapi-gen failed (exit status {done.returncode}); its lines above say why")
    name = "zz_generated.openapi.go"
    shutil.copyfile(output / package / name, tree / "pkg/generated/openapi" / name)


def annotated_packages(tree: Path) -> list[str]:
    """Go packages that ask for OpenAPI definitions. ``vendor/k8s.io`` is links into ``staging``, which a walk must follow."""
    found = set()
    for start in ("pkg", "vendor/k8s.io"):
        for folder, _, names in os.walk(tree / start, followlinks=True):
            relative = Path(folder).relative_to(tree)
            if {"code-generator", "sample-apiserver"} & set(relative.parts):
                continue
            sources = [Path(folder, name) for name in names if name.endswith(".go") and not name.endswith("_test.go")]
            if any("\n// +k8s:openapi-gen=true" in "\n" + source.read_text(errors="replace") for source in sources):
                parts = relative.parts
                found.add("/".join(parts[1:]) if parts[0] == "vendor" else f"k8s.io/kubernetes/{relative}")
    return sorted(found)
