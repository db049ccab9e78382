"""A .proto file as rows of the wire contract's table, cri-v1.tsv.

A row is one RPC, one field (name, number, type with label, oneof), one value of an enum, or one
message without fields; what the rows hold is what two programs must agree on to understand each
other. The table was taken from the interface's published definition. By hand, with a newer one:

    python tests/contract/contract.py PATH/TO/api.proto     (prints that file's rows)
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc

PACKAGE = "runtime.v1"
TABLE = Path(__file__).with_name("cri-v1.tsv")

Row = tuple[str, ...]
_Field = pb.FieldDescriptorProto
_PREFIX = f".{PACKAGE}."


def contract() -> set[Row]:
    """The rows that must be there, all of them and no others."""
    return {tuple(line.split("\t")) for line in TABLE.read_text().splitlines()[1:]}


def rows(path: Path) -> set[Row]:
    """The rows of one .proto file. ValueError if it does not compile or is of another package."""
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        command = ["protoc", f"-I{path.parent}", f"--descriptor_set_out={out.name}", str(path)]
        if protoc.main(command):
            raise ValueError(f"{path} does not compile")
        (file,) = pb.FileDescriptorSet.FromString(Path(out.name).read_bytes()).file
    if file.package != PACKAGE:
        raise ValueError(f"{path}: package {file.package!r}, the wire needs {PACKAGE!r}")
    return {
        *(row for service in file.service for row in _service(service)),
        *(row for enum in file.enum_type for row in _enum(enum, "")),
        *(row for message in file.message_type for row in _message(message, "")),
    }


def _service(service: pb.ServiceDescriptorProto) -> Iterator[Row]:
    for method in service.method:
        asked = method.input_type.removeprefix(_PREFIX)
        answered = method.output_type.removeprefix(_PREFIX)
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
    return "repeated " if repeated and field.type_name.removeprefix(_PREFIX) not in maps else ""


def _type(field: _Field, maps: dict[str, pb.DescriptorProto]) -> str:
    name = field.type_name.removeprefix(_PREFIX)
    if name in maps:
        key, value = maps[name].field
        return f"map<{_type(key, {})},{_type(value, {})}>"
    return name or _Field.Type.Name(field.type)[len("TYPE_") :].lower()


if __name__ == "__main__":
    for row in sorted(rows(Path(sys.argv[1]))):
        print(*row, sep="\t")
