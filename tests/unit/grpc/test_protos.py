"""The protos themselves: generated code up to date, every declaration commented, names that Ray Serve can dispatch by."""

from __future__ import annotations

import shutil
from collections import Counter
from importlib import import_module, resources
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from ray._common.utils import import_attr

from cluster.edges.grpc.registration import SERVICER_FUNCTIONS, SERVICES, add_services
from cluster.edges.grpc.servicer import GrpcEdge
from scripts import generate_protos


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[FileDescriptorProto]:
    """The protos with their comments, which generated code leaves out."""
    out = tmp_path_factory.mktemp("protos") / "all.pb"
    sources = [str(path) for path in generate_protos.PROTOS.rglob("*.proto")]
    well_known = resources.files("grpc_tools") / "_proto"
    include = [f"-I{generate_protos.PROTOS}", f"-I{well_known}"]
    assert protoc.main(["protoc", *include, "--include_source_info", f"-o{out}", *sources]) == 0
    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def test_generated_code_is_what_the_protos_give() -> None:
    assert generate_protos.main(["--check"]) == 0


def test_check_notices_a_changed_a_missing_and_a_left_over_file(tmp_path: Path) -> None:
    fresh, committed = tmp_path / "fresh", tmp_path / "committed"
    shutil.copytree(generate_protos.GENERATED, fresh)
    shutil.copytree(generate_protos.GENERATED, committed)
    assert generate_protos.differences(fresh, committed) == []
    (committed / "ossature/v1/chat_pb2.py").write_text("changed")
    (committed / "ossature/v1/old_pb2.py").write_text("")
    (committed / "ossature/v1/tool_pb2.pyi").unlink()
    assert generate_protos.differences(fresh, committed) == [
        "missing: ossature/v1/tool_pb2.pyi",
        "left over: ossature/v1/old_pb2.py",
        "differs: ossature/v1/chat_pb2.py",
    ]


def test_every_declaration_is_commented(files: list[FileDescriptorProto]) -> None:
    bare = []
    for file in files:
        commented = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}
        bare += [f"{file.name}: {name}" for path, name in declarations(file).items() if path not in commented]
    assert files
    assert bare == []


def declarations(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Path in the file's source info to name. Numbers are those of descriptor.proto's fields."""
    found: dict[tuple[int, ...], str] = {}
    for i, message in enumerate(file.message_type):
        found[4, i] = message.name
        found.update({(4, i, 2, k): f"{message.name}.{field.name}" for k, field in enumerate(message.field)})
    for i, enum in enumerate(file.enum_type):
        found[5, i] = enum.name
        found.update({(5, i, 2, k): value.name for k, value in enumerate(enum.value)})
    for i, service in enumerate(file.service):
        found[6, i] = service.name
        found.update({(6, i, 2, k): f"{service.name}.{method.name}" for k, method in enumerate(service.method)})
    return found


def test_method_names_are_unique_over_all_services() -> None:
    """Ray Serve calls a method by its bare name."""
    assert max(Counter(method.name for service in SERVICES for method in service.methods).values()) == 1


def test_the_edge_has_every_method_with_the_context_parameter_that_serve_looks_for() -> None:
    for service in SERVICES:
        for method in service.methods:
            assert "grpc_context" in getattr(GrpcEdge, method.name).__annotations__


def test_servicer_functions_are_importable_as_serve_does_it() -> None:
    assert [import_attr(name) for name in SERVICER_FUNCTIONS] == [add_services]


def test_generated_modules_need_no_search_path_of_their_own() -> None:
    module = import_module("cluster.edges.grpc.generated.ossature.v1.chat_pb2_grpc")
    assert module.ChatServiceStub.__module__.startswith("cluster.")
