"""The kinds of failure, as classes.

An error says what was attempted, on which object, the error of the outside, and what to do. A
foreign error is translated where it occurs, and its cause is kept. rpc/codes.py turns a kind into a
gRPC status in one table. No other module knows status codes.
"""

from cri_shim.untrusted import one_line


class CriShimError(Exception):
    """Base of every error that this project raises on purpose.

    Its text is one printable line of bounded length, also with foreign text in it: it is written to
    logs, records, statuses and terminals.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


class InvalidArgument(CriShimError):
    """The request is malformed or impossible; `field` is the path of the field in the request."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field


class InvalidImageName(InvalidArgument):
    """An image name is empty or malformed. The text is whole without the path of the field."""

    def __init__(self, problem: str, field: str = "image.image") -> None:
        super().__init__("", problem)
        self.field = field


class RROUnsupported(InvalidArgument):
    """A mount cannot be read-only recursively. The kubelet knows this kind by its prefix."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__("", f"RROUnsupported: {field}: {problem}")
        self.field = field


class ImageVolumeMountFailed(InvalidArgument):
    """An image cannot be mounted as a volume. The kubelet knows this kind by its prefix."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__("", f"ImageVolumeMountFailed: {field}: {problem}")
        self.field = field


class NotFound(CriShimError):
    """No such pod, container, image or network."""


class AlreadyExists(CriShimError):
    """Another object has the name."""


class WrongState(CriShimError):
    """The object exists, but the request does not fit its state."""


class WrongNamespace(WrongState):
    """The object belongs to another state namespace than this runtime's."""


class ContainerInUse(WrongState):
    """Other containers depend on this one."""


class TimedOut(CriShimError):
    """A time limit passed; the started work has been ended."""


class ResourceExhausted(CriShimError):
    """A limit of cri-shim is reached: too many objects of a kind at once."""


class Unavailable(CriShimError):
    """A needed resource is missing now and may come back: shutdown, network, disk."""


class Unreachable(Unavailable):
    """No daemon answers on the socket of a client."""


class PermissionDenied(CriShimError):
    """The role of the socket does not allow this call, or this user must not use the socket."""


class Unimplemented(CriShimError):
    """This part of the API is not served."""


class ToolFailed(CriShimError):
    """A program (OCI runtime, conmon, CNI plugin, skopeo) failed; the text is its own."""


class CommandNotFound(ToolFailed):
    """The requested program is not there."""


class CommandNotExecutable(CommandNotFound):
    """The requested program is there and cannot be executed: not a file, not permitted, ..."""


class RegistryUnavailable(ToolFailed):
    """The image registry cannot be reached. The kubelet knows this kind by its prefix."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"RegistryUnavailable: {problem}")


class SignatureValidationFailed(ToolFailed):
    """policy.json refused the image. The kubelet knows this kind by its prefix."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"SignatureValidationFailed: {problem}")


class ConfigError(CriShimError):
    """A configuration file or option is wrong; the text names file, line and key."""


class StateError(CriShimError):
    """The state on disk cannot be used: locked by another daemon, or newer than this one."""


class RootlessError(CriShimError):
    """An unprivileged user's namespaces cannot be made or entered; the text says what to do."""


class RuntimeStopped(CriShimError):
    """The runtime object was shut down, or never finished starting."""
