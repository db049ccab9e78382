"""precreate hooks: programs that read the OCI document of a container and may write a new one."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from cri_shim.activity import Step
from cri_shim.aio import child
from cri_shim.errors import TimedOut, ToolFailed
from cri_shim.spec.document import Document, encode
from cri_shim.spec.hooks import PRECREATE, Definition, edited

LIMIT_S = 10.0  # for a hook without a timeout: CreateContainer waits for it
MAX_DOCUMENT = 16 << 20  # bytes of a hook's output that are read


async def edit(
    document: Document,
    definitions: Sequence[Definition],
    *,
    bundle: Path,
    env: Mapping[str, str],
) -> Document:
    """Pass the document through every precreate hook, in order; each runs in `bundle`.

    `env` is for hooks without an environment of their own. ToolFailed names a hook that fails,
    writes no usable document or does not end in time. It is then killed with all it started.
    """
    for definition in definitions:
        if PRECREATE in definition.hook.stages:
            document = await _through(definition, document, bundle, env)
    return document


async def _through(
    definition: Definition, document: Document, bundle: Path, env: Mapping[str, str]
) -> Document:
    hook = definition.hook
    what = f"precreate hook {definition.file}"
    own = dict(entry.split("=", 1) for entry in hook.env)
    limit = hook.timeout or LIMIT_S
    try:
        with Step(
            f"hook {PurePath(hook.path).name}", f"{what}, {hook.path}", limit=limit, program=True
        ):
            done = await child.run(
                [*(hook.args or (hook.path,))],
                executable=hook.path,
                stdin=encode(document),
                env=own or env,
                cwd=str(bundle),
                timeout=limit,
                limit=MAX_DOCUMENT,
                session=True,
            )
            if done.returncode:
                raise ToolFailed(f"{hook.path}: {done.complaint()}")  # noqa: TRY301
    except (TimedOut, ToolFailed) as e:
        raise ToolFailed(f"{what}: {e}") from e
    try:
        return edited(document, done.stdout)
    except ValueError as e:
        raise ToolFailed(f"{what}: {hook.path}: {e}") from e
