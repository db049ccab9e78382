"""The whole driver as one value, for the verbs of pods and containers."""

from collections.abc import Mapping
from dataclasses import dataclass

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.oci.conmon import Conmon
from cri_shim.oci.exits import Exits
from cri_shim.oci.handlers import Handler
from cri_shim.oci.runtime import OciRuntime


@dataclass(frozen=True, slots=True)
class OciDriver:
    runtime: OciRuntime
    conmon: Conmon
    exits: Exits
    handlers: Mapping[str, Handler]  # by name, with those that do not work
    default_handler: str

    def handler(self, name: str) -> Handler:
        """Return the OCI runtime of this name, "" for the default; it must exist and work."""
        chosen = self.handlers.get(name or self.default_handler)
        if chosen is None:
            known = ", ".join(sorted(self.handlers)) or "none"
            raise InvalidArgument(
                "runtime_handler", f"no handler {name!r} is configured; there are: {known}"
            )
        if chosen.problem:
            raise WrongState(f"runtime handler {chosen.name} does not work: {chosen.problem}")
        return chosen
