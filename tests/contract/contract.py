"""A .proto file as rows of the wire contract's table, cri-v1.tsv or nri-v1alpha1.tsv.

A row is one RPC, one field (name, number, type with label, oneof), one value of an enum, or one
message without fields; what the rows hold is what two programs must agree on to understand each
other. The table was taken from the interface's published definition. By hand, with a newer one:

    python tests/contract/contract.py PATH/TO/api.proto [PACKAGE]     (prints that file's rows)
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc

CRI, NRI = "runtime.v1", "nri.pkg.api.v1alpha1"
TABLES = {CRI: "cri-v1.tsv", NRI: "nri-v1alpha1.tsv"}

Row = tuple[str, ...]
_Field = pb.FieldDescriptorProto


def contract(package: str = CRI) -> set[Row]:
    """The rows that must be there, all of them and no others."""
    table = Path(__file__).with_name(TABLES[package])
    return {tuple(line.split("\t")) for line in table.read_text().splitlines()[1:]}


def rows(path: Path, package: str = CRI) -> set[Row]:
    """The rows of one .proto file. ValueError if it does not compile or is of another package."""
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        command = ["protoc", f"-I{path.parent}", f"--descriptor_set_out={out.name}", str(path)]
        if protoc.main(command):
            raise ValueError(f"{path} does not compile")
        (file,) = pb.FileDescriptorSet.FromString(Path(out.name).read_bytes()).file
    if file.package != package:
        raise ValueError(f"{path}: package {file.package!r}, the wire needs {package!r}")
    return {
        *(row for service in file.service for row in _service(service)),
        *(row for enum in file.enum_type for row in _enum(enum, "")),
        *(row for message in file.message_type for row in _message(message, "")),
    }


def _service(service: pb.ServiceDescriptorProto) -> Iterator[Row]:
    for method in service.method:
        asked, answered = _short(method.input_type), _short(method.output_type)
        stream = "stream " if method.server_streaming else ""
        yield ("rpc", service.name, method.name, "", asked, stream + answered)


def _enum(enum: pb.EnumDescriptorProto, scope: str) -> Iterator[Row]:
    for value in enum.value:
        yield ("enum", scope + enum.name, value.name, str(value.number), "", "")


def _message(message: pb.DescriptorProto, scope: str) -> Iterator[Row]:
    name = scope + message.name
    maps = {f"{name}.{n.name}": n for n in message.nested_type if n.options.map_entry}
    if not message.field:
        yield ("message", name, "", "", "", "")
    for field in message.field:
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        oneof = f"oneof {message.oneof_decl[field.oneof_index].name}" if in_oneof else ""
        kind = _label(field, maps) + _type(field, maps)
        yield ("field", name, field.name, str(field.number), kind, oneof)
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from _message(nested, f"{name}.")
    for enum in message.enum_type:
        yield from _enum(enum, f"{name}.")


def _label(field: _Field, maps: dict[str, pb.DescriptorProto]) -> str:
    if field.proto3_optional:
        return "optional "
    repeated = field.label == _Field.LABEL_REPEATED
    return "repeated " if repeated and _short(field.type_name) not in maps else ""


def _type(field: _Field, maps: dict[str, pb.DescriptorProto]) -> str:
    name = _short(field.type_name)
    if name in maps:
        key, value = maps[name].field
        return f"map<{_type(key, {})},{_type(value, {})}>"
    return name or _Field.Type.Name(field.type)[len("TYPE_") :].lower()


def _short(name: str) -> str:
    """Return the name of a type without its package."""
    for package in TABLES:
        name = name.removeprefix(f".{package}.")
    return name


if __name__ == "__main__":
    for row in sorted(rows(Path(sys.argv[1]), *sys.argv[2:])):
        print(*row, sep="\t")
