"""The defaults of a node without configuration change no document."""

from cri_shim.spec import capabilities, node_defaults


def test_without_configuration_only_the_default_capabilities_are_set() -> None:
    none = node_defaults.NONE
    assert none.capabilities == capabilities.DEFAULT
    assert not (none.rlimits or none.env or none.inheritable)
