"""The whole driver as one value, for the verbs of pods and containers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.oci.conmon import Conmon
from cri_shim.oci.exits import Exits
from cri_shim.oci.handlers import Handler
from cri_shim.oci.runtime import OciRuntime


@dataclass(frozen=True, slots=True)
class Offered:
    """The handlers of the configuration, which a reload replaces.

    `retired` are those that a reload took out of the configuration: containers that they run are
    still executed into, stopped and removed, and get no new pods.
    """

    handlers: Mapping[str, Handler]  # by name, with those that do not work
    default: str
    retired: Mapping[str, Handler]


@dataclass(frozen=True, slots=True)
class OciDriver:
    """`offered` returns the handlers of this call; see aio.live."""

    runtime: OciRuntime
    conmon: Conmon
    exits: Exits
    offered: Callable[[], Offered]

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return self.offered().handlers

    @property
    def default_handler(self) -> str:
        return self.offered().default

    def every(self) -> list[Handler]:
        """Return all handlers that a record may have, also those that are retired."""
        offered = self.offered()
        return [*offered.handlers.values(), *offered.retired.values()]

    def known(self, name: str) -> Handler | None:
        """Return the handler in a record, also one that is retired or does not work."""
        offered = self.offered()
        return offered.handlers.get(name) or offered.retired.get(name)

    def handler(self, name: str) -> Handler:
        """Return the handler in a record; it must exist and work, and may be retired."""
        retired = self.offered().retired.get(name)
        if retired is not None and name not in self.handlers and not retired.problem:
            return retired
        return self.chosen(name)

    def chosen(self, name: str) -> Handler:
        """Return the handler for a new pod, "" for the default; it must exist and work."""
        chosen = self.handlers.get(name or self.default_handler)
        if chosen is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise InvalidArgument(
                "runtime_handler", f"no handler {name!r} is configured; there are: {known}"
            )
        if chosen.problem:
            raise WrongState(f"runtime handler {chosen.name} does not work: {chosen.problem}")
        return chosen
