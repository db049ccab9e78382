"""The OCI hooks that are for a container, put into its document when it is made."""

from cri_shim.engine import Engine
from cri_shim.hooks import precreate
from cri_shim.pb import state_pb2 as state
from cri_shim.spec import hooks
from cri_shim.spec.document import Document


async def apply(
    engine: Engine, pod: state.PodRecord, container: state.ContainerRecord, document: Document
) -> Document:
    """The document with the hooks that match; the precreate ones have been run over it.

    ConfigError for a wrong hook where that is fatal, ToolFailed for a precreate hook that fails.
    """
    of = hooks.subject(document, pod.config.annotations, container.config.mounts)
    matching = [found for found in engine.defaults.hooks.usable() if hooks.matches(found.hook, of)]
    if not matching:
        return document
    document = hooks.inject(document, [found.hook for found in matching])
    bundle = engine.paths.bundle(container.id)
    return await precreate.edit(document, matching, bundle=bundle, env=engine.defaults.hooks.env)
