"""The defaults of a node without configuration change no document."""

from cri_shim.spec import capabilities, node_defaults


def test_without_configuration_only_the_default_capabilities_are_set() -> None:
    none = node_defaults.NONE
    assert none.capabilities == capabilities.DEFAULT
    assert not (none.rlimits or none.env or none.inheritable)
    assert not (none.devices or none.allowed_devices)


def test_a_handler_without_configuration_lets_nothing_through_and_refuses_nothing() -> None:
    none = node_defaults.NONE_OF_HANDLER
    assert not (none.allowed_annotations or none.annotations or none.seccomp_profile)
    assert (none.min_memory, none.host_devices) == (0, True)
