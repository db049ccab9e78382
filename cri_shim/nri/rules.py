"""The default validator: what no plugin may adjust, and which plugins must be there."""

from dataclasses import dataclass

from cri_shim.errors import ToolFailed
from cri_shim.nri.owners import Owners
from cri_shim.pb import nri_pb2 as pb
from cri_shim.spec import yaml_file

REQUIRED = "required-plugins.noderesource.dev"  # annotation of a pod: a list of plugins, as YAML
_SECCOMP = {
    pb.SecurityProfile.UNCONFINED: ("unconfined", "unconfined"),
    pb.SecurityProfile.RUNTIME_DEFAULT: ("runtime_default", "runtime default"),
    pb.SecurityProfile.LOCALHOST: ("custom", "custom"),
}
_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}


@dataclass(frozen=True, slots=True)
class Rules:
    """True: adjustments of this are rejected. `unconfined` and the next two: of such a filter."""

    hooks: bool = False
    unconfined: bool = False
    runtime_default: bool = False
    custom: bool = False
    namespaces: bool = False
    sysctls: bool = False
    required: tuple[str, ...] = ()  # names of plugins, with or without their index
    tolerate: str = ""  # annotation of pods that run without required plugins

    def check(self, request: pb.ValidateContainerAdjustmentRequest, owners: Owners) -> None:
        """ToolFailed if the adjustments break a rule."""
        id = request.container.id
        if self.hooks and (owner := owners.of(id, "OciHooks")):
            raise _rejected(owner, "hooks")
        if owner := owners.of(id, "SeccompPolicy"):
            profile = request.container.linux.seccomp_profile
            has_one = request.container.linux.HasField("seccomp_profile")
            kind = profile.profile_type if has_one else pb.SecurityProfile.UNCONFINED
            rule, name = _SECCOMP[kind]
            if getattr(self, rule):
                raise _rejected(owner, f"the {name} seccomp policy")
        if self.namespaces and (found := owners.entries(id, "Namespace")):
            raise _rejected(_listed(found), f"namespaces ({', '.join(sorted(found))})")
        if self.sysctls and (found := owners.entries(id, "Sysctl")):
            raise _rejected(_listed(found), f"kernel parameters ({', '.join(sorted(found))})")
        self._check_required(request)

    def _check_required(self, request: pb.ValidateContainerAdjustmentRequest) -> None:
        name = request.container.name
        if self.tolerate:
            value = _annotation(request.pod, self.tolerate, name)
            if value in _TRUE:
                return
            if value not in ("", *_FALSE):
                raise ToolFailed(f"annotation {self.tolerate}: {value!r} is not true or false")
        required = [*self.required, *_named(_annotation(request.pod, REQUIRED, name))]
        present = {plugin.name for plugin in request.plugins}
        present |= {f"{plugin.index}-{plugin.name}" for plugin in request.plugins}
        if missing := sorted(set(required) - present):
            raise ToolFailed(
                f"container {name} needs NRI plugins that are not connected: {', '.join(missing)}"
            )


def _annotation(pod: pb.PodSandbox, key: str, container: str) -> str:
    """Return the annotation for a container, or else for its pod; "" if there is none."""
    keys = (f"{key}/container.{container}", f"{key}/pod", key)
    return next((pod.annotations[k] for k in keys if k in pod.annotations), "")


def _named(value: str) -> list[str]:
    if not value:
        return []
    try:
        found = yaml_file.parse(value.encode())
    except ValueError as e:
        raise ToolFailed(f"annotation {REQUIRED} {e}") from e
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ToolFailed(f"annotation {REQUIRED} is not a list of names")
    return found


def _rejected(owners: str, what: str) -> ToolFailed:
    return ToolFailed(f"NRI plugin {owners} adjusts {what}, which this node does not allow")


def _listed(found: dict[str, str]) -> str:
    return ", ".join(sorted(set(found.values())))
