"""Which plugin set which field of which container: two plugins must not set the same one.

A plugin may clear what another one set, and set it itself: it is the owner then.
"""

from cri_shim.errors import ToolFailed
from cri_shim.pb import nri_pb2 as pb

_CLEARED = "-"  # prefix of a plugin that has cleared a field


class Owners:
    """The owners of the fields of some containers, as the message that validators get."""

    def __init__(self) -> None:
        self.message = pb.OwningPlugins()

    def claim(self, id: str, field: str, plugin: str, key: str | None = None) -> None:
        """Make the plugin the owner of a field, or of the entry `key` of one.

        ToolFailed names both plugins if another one is the owner.
        """
        owner = self.of(id, field, key)
        if owner and owner != _CLEARED + plugin:
            what, other = field if key is None else f"{field} {key}", owner.removeprefix(_CLEARED)
            if other == plugin:
                raise ToolFailed(f"NRI plugin {plugin} sets {what} of container {id} twice")
            raise ToolFailed(
                f"NRI plugins {plugin} and {other} both set {what} of container {id};"
                " remove one of them"
            )
        self._set(id, field, plugin, key)

    def clear(self, id: str, field: str, plugin: str, key: str | None = None) -> None:
        """Note that a plugin cleared a field, which only this plugin may set from now on."""
        self._set(id, field, _CLEARED + plugin, key)

    def add(self, id: str, field: str, plugin: str) -> None:
        """Make the plugin one of the owners of a field to which several may add."""
        owner = self.of(id, field)
        self._set(id, field, f"{owner},{plugin}" if owner else plugin, None)

    def of(self, id: str, field: str, key: str | None = None) -> str:
        """Return the owner of a field or entry; "" if there is none."""
        fields, number = self.message.owners[id], pb.Field.Value(field)
        if key is None:
            return fields.simple.get(number, "")
        return fields.compound[number].owners.get(key, "")

    def entries(self, id: str, field: str) -> dict[str, str]:
        """Return the owner of each entry of a field, without entries that were only cleared."""
        found = self.message.owners[id].compound[pb.Field.Value(field)].owners
        return {key: owner for key, owner in found.items() if not owner.startswith(_CLEARED)}

    def copy(self) -> "Owners":
        """Return a copy, for claims that may be given up."""
        copy = Owners()
        copy.message.CopyFrom(self.message)
        return copy

    def _set(self, id: str, field: str, owner: str, key: str | None) -> None:
        fields, number = self.message.owners[id], pb.Field.Value(field)
        if key is None:
            fields.simple[number] = owner
        else:
            fields.compound[number].owners[key] = owner
