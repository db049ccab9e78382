"""Image names under the name that the store had for them."""

from cri_shim.registry import reference as moved
from cri_shim.store import reference


def test_the_names_are_those_of_the_registry_package() -> None:
    assert {name: getattr(reference, name) for name in reference.__all__} == {
        name: getattr(moved, name) for name in reference.__all__
    }
