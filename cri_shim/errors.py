"""The kinds of failure, as classes.

An error says what was attempted, on which object, what the outside said and what to do. A foreign
error is translated where it is met, with its cause kept; rpc/boundary.py turns a kind into a gRPC
status in one table. Nothing else in the house knows about status codes.
"""

from cri_shim.untrusted import one_line


class CriShimError(Exception):
    """Base of every error this project raises on purpose.

    Its text is one printable line of bounded length, whatever foreign words are in it: it ends in
    logs, records, statuses and on terminals.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(text))


class InvalidArgument(CriShimError):
    """What the caller asked for is malformed or impossible; `field` is its path in the request."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
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
    """The name is taken by another object."""


class WrongState(CriShimError):
    """The object exists, but what was asked does not fit the state it is in."""


class WrongNamespace(WrongState):
    """The object belongs to another state namespace than this runtime."""


class ContainerInUse(WrongState):
    """Other containers depend on this one."""


class TimedOut(CriShimError):
    """A limit of time passed; what was started has been ended."""


class ResourceExhausted(CriShimError):
    """A bound of ours is reached: too many of something at once."""


class Unavailable(CriShimError):
    """Something this work needs is not there now and may come back: shutdown, network, disk."""


class Unimplemented(CriShimError):
    """This part of the API is not served."""


class ToolFailed(CriShimError):
    """A program we run (OCI runtime, conmon, CNI plugin, skopeo) failed; the text is its own."""


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
    """An ordinary user's namespaces cannot be made or entered; the text says what to do."""


class RuntimeStopped(CriShimError):
    """The runtime object was shut down, or never finished starting."""
