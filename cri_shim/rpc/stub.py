"""The client's stub of a gRPC service, made from its descriptor without generated code."""

from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from cri_shim.pb import api_pb2, control_pb2

RUNTIME: ServiceDescriptor = api_pb2.DESCRIPTOR.services_by_name["RuntimeService"]
IMAGE: ServiceDescriptor = api_pb2.DESCRIPTOR.services_by_name["ImageService"]
CONTROL: ServiceDescriptor = control_pb2.DESCRIPTOR.services_by_name["Control"]


class Stub:
    """The methods of a service by name; `channel` is a grpc.Channel or a grpc.aio.Channel.

    A method takes a request, and `timeout` and `metadata` like gRPC's own stubs. It returns what
    such a channel returns.
    """

    def __init__(self, channel: Any, service: ServiceDescriptor) -> None:
        for method in service.methods:
            make = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = make(
                f"/{service.full_name}/{method.name}",
                request_serializer=GetMessageClass(method.input_type).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Any:  # for type checkers: methods are attributes
        raise AttributeError(f"the service has no method {name}")
