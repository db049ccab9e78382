"""OCI hooks, decided without I/O: what a definition says, whom it concerns, where it goes.

A definition (oci-hooks(5), read by spec/hook_files.py) has a hook, its stages, and conditions. In
the 1.0.0 form all conditions that are given must hold, in the older one any of them will do.
Patterns are looked for anywhere in the text unless they are anchored.

Besides the stages of the OCI runtime there is `precreate`: the daemon itself runs such a hook when
the container is made, gives it the OCI document on standard input, and goes on with what it writes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.pb import api_pb2
from cri_shim.spec.document import Document, decode

PRECREATE = "precreate"
RUNTIME_STAGES = (
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
)
STAGES = (PRECREATE, *RUNTIME_STAGES)
# What the daemon goes by after the document is made; a precreate hook must leave it as it is.
_OURS = (("root", "path"), ("linux", "cgroupsPath"), ("process", "terminal"))


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a definition; None or empty: not given."""

    always: bool | None = None
    annotations: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = ()  # key, value
    commands: tuple[re.Pattern[str], ...] = ()  # any of them matches process.args[0]
    bind_mounts: bool | None = None
    any_will_do: bool = False  # one condition is enough: the 0.1.0 form

    def given(self) -> bool:
        """Whether there is any condition at all."""
        flags = self.always is not None or self.bind_mounts is not None
        return flags or bool(self.annotations or self.commands)


@dataclass(frozen=True, slots=True)
class Hook:
    """One definition. `args` includes argv[0]; a timeout of 0 is none (seconds)."""

    path: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    timeout: int
    when: When
    stages: tuple[str, ...]

    def on_host(self) -> bool:
        """Whether its program is looked for on the host: a startContainer hook's is not."""
        return any(stage != "startContainer" for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Definition:
    """A hook that can be used, and the file it is from."""

    file: Path
    hook: Hook

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True, slots=True)
class Subject:
    """What of a container the conditions look at."""

    command: str
    annotations: Mapping[str, str]
    bind_mounts: bool


def subject(
    document: Document, pod_annotations: Mapping[str, str], mounts: Iterable[api_pb2.Mount]
) -> Subject:
    """Of the container that `document` describes; `mounts` are those that were asked for.

    Annotations of the pod count too, since users of Kubernetes can set no others; where both have
    a key, the container's is the one.
    """
    arguments = document.get("process", {}).get("args") or [""]
    return Subject(
        command=arguments[0],
        annotations={**pod_annotations, **document.get("annotations", {})},
        bind_mounts=any(mount.host_path for mount in mounts),
    )


def matches(hook: Hook, container: Subject) -> bool:
    """Whether the hook is for this container. A condition that is given as false never holds."""
    when = hook.when
    held = [
        *([when.always] if when.always is not None else []),
        *([when.bind_mounts and container.bind_mounts] if when.bind_mounts is not None else []),
        *(_annotated(key, value, container.annotations) for key, value in when.annotations),
    ]
    if when.commands:
        held.append(any(pattern.search(container.command) for pattern in when.commands))
    return any(held) if when.any_will_do else bool(held) and all(held)


def _annotated(
    key: re.Pattern[str], value: re.Pattern[str], annotations: Mapping[str, str]
) -> bool:
    return any(key.search(k) and value.search(v) for k, v in annotations.items())


def inject(document: Document, hooks: Sequence[Hook]) -> Document:
    """The document with the hooks of all runtime stages behind those it has already, in order."""
    stages: dict[str, list[dict[str, Any]]] = {
        stage: list(entries) for stage, entries in document.get("hooks", {}).items()
    }
    for hook in hooks:
        for stage in hook.stages:
            if stage != PRECREATE:
                stages.setdefault(stage, []).append(_entry(hook))
    return {**document, "hooks": stages} if stages else document


def _entry(hook: Hook) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": hook.path}
    if hook.args:
        entry["args"] = list(hook.args)
    if hook.env:
        entry["env"] = list(hook.env)
    if hook.timeout:
        entry["timeout"] = hook.timeout
    return entry


def edited(before: Document, output: bytes) -> Document:
    """What a precreate hook made of the document. ValueError says what is wrong with it.

    Where the root file system is, the cgroup, and whether there is a terminal cannot be changed.
    """
    after = decode(output)
    for part in ("process", "root", "linux"):
        if not isinstance(after.get(part), dict):
            raise ValueError(f"the document it wrote has no {part}")  # noqa: TRY004
    arguments = after["process"].get("args")
    if not isinstance(arguments, list) or not arguments or not _all_texts(arguments):
        raise ValueError("the document it wrote has no process.args, a list of texts")
    for part, name in _OURS:
        if after[part].get(name) != before[part].get(name):
            raise ValueError(f"it changed {part}.{name}, which a hook may not")
    return after


def _all_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
