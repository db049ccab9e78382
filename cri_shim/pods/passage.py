"""Lets the root users of pods reach their root file systems: see linux.privacy."""

from cri_shim.engine import Engine
from cri_shim.linux import privacy
from cri_shim.spec import userns


def update(engine: Engine) -> None:
    """Give search permission to the roots of recorded pods with user namespaces, to no others."""
    pods, _ = engine.objects.everything()
    maps = [userns.of_pod(pod.config) for pod in pods]
    groups = {ids.groups.host_id for ids in maps if ids is not None}
    for directory in (engine.paths.pods(), engine.paths.containers()[0]):
        directory.mkdir(mode=0o700, exist_ok=True)
        privacy.let_groups_pass(directory, groups)
