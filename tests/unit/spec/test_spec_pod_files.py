"""The files of a pod have different names in its directory."""

from cri_shim.spec.pod_files import ALWAYS, CONFIGURED


def test_each_file_has_its_own_name_and_an_absolute_path() -> None:
    together = ALWAYS | CONFIGURED
    assert len(set(together.values())) == len(ALWAYS) + len(CONFIGURED)
    assert all(path.startswith("/") for path in together)
