"""Collects the adjustments of a new container that the plugins make, one plugin after another.

Each plugin gets the container with the changes of those before it. An entry whose name begins with
`-` removes what has the rest of the name. Two plugins that set the same field are an error.
"""

from collections.abc import Callable, MutableMapping, MutableSequence, Sequence
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message

from cri_shim.nri import limits
from cri_shim.nri.owners import Owners
from cri_shim.nri.updates import Updates
from cri_shim.pb import nri_pb2 as pb

_STAGES = (
    *("prestart", "create_runtime", "create_container", "start_container"),
    *("poststart", "poststop"),
)
# Fields of the linux part that are set as a whole: name -> name in the ownership.
_WHOLE = {
    "oom_score_adj": "OomScoreAdj",
    "io_priority": "IoPriority",
    "seccomp_policy": "SeccompPolicy",
    "scheduler": "LinuxSched",
    "memory_policy": "MemoryPolicy",
}
_RDT = {
    "clos_id": "RdtClosID",
    "schemata": "RdtSchemata",
    "enable_monitoring": "RdtEnableMonitoring",
}

AnyEntry = TypeVar("AnyEntry", bound=Message)


class Creation:
    """The adjustments so far; `request` is what the next plugin gets."""

    def __init__(self, request: pb.CreateContainerRequest) -> None:
        self.request = request
        self.adjust = pb.ContainerAdjustment()
        self.owners = Owners()
        self.updates = Updates(self.owners, creating=request.container.id)

    def add(self, plugin: str, response: pb.CreateContainerResponse) -> None:
        """Add the answer of a plugin. ToolFailed if it contradicts an earlier one."""
        adjust = response.adjust
        container, collected = self.request.container, self.adjust
        self._map("Annotations", plugin, adjust.annotations, container.annotations,
                  collected.annotations)  # fmt: skip
        self._list("Mounts", plugin, adjust.mounts, container.mounts, collected.mounts,
                   "destination")  # fmt: skip
        self._env(plugin, adjust.env)
        self._args(plugin, adjust.args)
        self._hooks(plugin, adjust.hooks)
        for limit in adjust.rlimits:
            self.owners.claim(self._id, "Rlimits", plugin, limit.type)
            container.rlimits.append(limit)
            collected.rlimits.append(limit)
        for device in adjust.CDI_devices:
            self.owners.claim(self._id, "CdiDevices", plugin, device.name)
            collected.CDI_devices.append(device)
        if adjust.HasField("linux"):
            self._linux(plugin, adjust.linux)
        self.updates.add(plugin, response.update, response.evict)

    @property
    def _id(self) -> str:
        return self.request.container.id

    def _linux(self, plugin: str, adjust: pb.LinuxContainerAdjustment) -> None:
        container, collected = self.request.container.linux, self.adjust.linux
        self._list("Devices", plugin, adjust.devices, container.devices, collected.devices,
                   "path")  # fmt: skip
        limits.collect(self.owners, self._id, plugin, adjust.resources, container.resources,
                       collected.resources)  # fmt: skip
        for rules in (container.resources.devices, collected.resources.devices):
            rules.extend(adjust.resources.devices)
        if adjust.cgroups_path:
            self.owners.claim(self._id, "CgroupsPath", plugin)
            container.cgroups_path = collected.cgroups_path = adjust.cgroups_path
        for name, field in _WHOLE.items():
            if adjust.HasField(name):  # type: ignore[arg-type]
                self.owners.claim(self._id, field, plugin)
                getattr(collected, name).CopyFrom(getattr(adjust, name))
                if name != "memory_policy":  # the container has no field for it
                    getattr(container, name).CopyFrom(getattr(adjust, name))
        self._namespaces(plugin, adjust.namespaces)
        self._map("Sysctl", plugin, adjust.sysctl, container.sysctl, collected.sysctl)
        self._messages("LinuxNetDevices", plugin, adjust.net_devices, container.net_devices,
                       collected.net_devices)  # fmt: skip
        if adjust.HasField("rdt"):
            self._rdt(plugin, adjust.rdt)

    def _map(
        self,
        field: str,
        plugin: str,
        wanted: MutableMapping[str, str],
        container: MutableMapping[str, str],
        collected: MutableMapping[str, str],
    ) -> None:
        for key in [key[1:] for key in wanted if key.startswith("-")]:
            if collected.pop(key, None) is not None or key in wanted:
                self.owners.clear(self._id, field, plugin, key)
            container.pop(key, None)
            collected[f"-{key}"] = ""
        for key in [key for key in wanted if not key.startswith("-")]:
            self.owners.claim(self._id, field, plugin, key)
            container[key] = collected[key] = wanted[key]

    def _messages(
        self, field: str, plugin: str, wanted: Any, container: Any, collected: Any
    ) -> None:
        """Do what `_map` does, for maps whose values are messages."""
        for key in [key[1:] for key in wanted if key.startswith("-")]:
            if key in collected or key in wanted:
                self.owners.clear(self._id, field, plugin, key)
            for known in (container, collected):
                if key in known:
                    del known[key]
            collected[f"-{key}"].SetInParent()
        for key in [key for key in wanted if not key.startswith("-")]:
            self.owners.claim(self._id, field, plugin, key)
            container[key].CopyFrom(wanted[key])
            collected[key].CopyFrom(wanted[key])

    def _list(
        self,
        field: str,
        plugin: str,
        wanted: Sequence[AnyEntry],
        container: MutableSequence[AnyEntry],
        collected: MutableSequence[AnyEntry],
        name: str,
    ) -> None:
        """Collect entries that are named by their field `name`."""

        def named(entry: AnyEntry) -> str:
            return str(getattr(entry, name))

        new = [entry for entry in wanted if not named(entry).startswith("-")]
        names = {named(entry) for entry in new}
        removals = {named(e)[1:]: e for e in wanted if named(e).startswith("-")}
        for key in removals:
            if key in names or key in map(named, collected):
                self.owners.clear(self._id, field, plugin, key)
        _keep(collected, lambda entry: named(entry) not in removals)
        _keep(container, lambda entry: named(entry) not in removals.keys() | names)
        for entry in new:
            self.owners.claim(self._id, field, plugin, named(entry))
        collected.extend(entry for key, entry in removals.items() if key not in names)
        collected.extend(new)
        container.extend(new)

    def _env(self, plugin: str, wanted: Sequence[pb.KeyValue]) -> None:
        container = self.request.container
        parts = [entry.partition("=") for entry in container.env]
        before = [pb.KeyValue(key=key, value=value) for key, _, value in parts]
        self._list("Env", plugin, wanted, before, self.adjust.env, "key")
        del container.env[:]
        container.env.extend(f"{entry.key}={entry.value}" for entry in before)

    def _args(self, plugin: str, wanted: Sequence[str]) -> None:
        if not wanted:
            return
        arguments = list(wanted)
        if not arguments[0]:  # they replace those of another plugin
            self.owners.clear(self._id, "Args", plugin)
            del arguments[0]
        self.owners.claim(self._id, "Args", plugin)
        for target in (self.adjust, self.request.container):
            del target.args[:]
            target.args.extend(arguments)

    def _hooks(self, plugin: str, wanted: pb.Hooks) -> None:
        stages = [stage for stage in _STAGES if getattr(wanted, stage)]
        for stage in stages:
            for target in (self.adjust.hooks, self.request.container.hooks):
                getattr(target, stage).extend(getattr(wanted, stage))
        if stages:
            self.owners.add(self._id, "OciHooks", plugin)

    def _namespaces(self, plugin: str, wanted: Sequence[pb.LinuxNamespace]) -> None:
        container = self.request.container.linux.namespaces
        for namespace in wanted:
            kind = namespace.type.removeprefix("-")
            self.owners.claim(self._id, "Namespace", plugin, kind)
            _keep(container, partial(_is_another, kind))
            if not namespace.type.startswith("-"):
                container.append(namespace)
            self.adjust.linux.namespaces.append(namespace)

    def _rdt(self, plugin: str, wanted: pb.LinuxRdt) -> None:
        collected = self.adjust.linux.rdt
        if wanted.remove:
            for field in _RDT.values():
                self.owners.clear(self._id, field, plugin)
            collected.CopyFrom(pb.LinuxRdt(remove=True))
        for name, field in _RDT.items():
            if wanted.HasField(name):  # type: ignore[arg-type]
                self.owners.claim(self._id, field, plugin)
                getattr(collected, name).CopyFrom(getattr(wanted, name))


def _is_another(kind: str, namespace: pb.LinuxNamespace) -> bool:
    return namespace.type != kind


def _keep(entries: MutableSequence[AnyEntry], wanted: Callable[[AnyEntry], bool]) -> None:
    kept = [entry for entry in entries if wanted(entry)]
    del entries[:]
    entries.extend(kept)
