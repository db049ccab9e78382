"""OCI hooks without I/O: which hooks match a container, and their entries in the document.

A definition (oci-hooks(5), read by spec/hook_files.py) has a hook, its stages, and conditions. In
version 1.0.0 all given conditions must hold; in version 0.1.0 one of them is enough. A pattern
matches anywhere in the text unless it is anchored.

Besides the stages of the OCI runtime there is `precreate`. The daemon runs such a hook when it
creates the container, writes the OCI document to its standard input, and continues with the hook's
output.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_shim.pb import api_pb2
from cri_shim.spec.document import Document, decode
from cri_shim.spec.origins import OFF, Origins

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
# The daemon relies on these values after the document is made; a precreate hook must not change
# them.
_OURS = (("root", "path"), ("linux", "cgroupsPath"), ("process", "terminal"))


@dataclass(frozen=True, slots=True)
class When:
    """The conditions of a definition; None or empty: not given."""

    always: bool | None = None
    annotations: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = ()  # key, value
    commands: tuple[re.Pattern[str], ...] = ()  # any of them matches process.args[0]
    bind_mounts: bool | None = None
    any_will_do: bool = False  # one condition is enough: version 0.1.0

    def given(self) -> bool:
        """Return whether there is any condition."""
        flags = self.always is not None or self.bind_mounts is not None
        return flags or bool(self.annotations or self.commands)


@dataclass(frozen=True, slots=True)
class Hook:
    """One definition. `args` includes argv[0]; the timeout is in seconds, 0 means no timeout."""

    path: str
    args: tuple[str, ...]
    env: tuple[str, ...]
    timeout: int
    when: When
    stages: tuple[str, ...]

    def on_host(self) -> bool:
        """Return whether the program is on the host; that of a startContainer hook is not."""
        return any(stage != "startContainer" for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Definition:
    """A usable hook, and the file that defines it."""

    file: Path
    hook: Hook

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True, slots=True)
class Subject:
    """The properties of a container that conditions are compared with."""

    command: str
    annotations: Mapping[str, str]
    bind_mounts: bool


def subject(
    document: Document, pod_annotations: Mapping[str, str], mounts: Iterable[api_pb2.Mount]
) -> Subject:
    """Return the Subject of the container of `document`; `mounts` are those of the request.

    Annotations of the pod count too, because users of Kubernetes cannot set annotations of a
    container. If both have a key, the container's value wins.
    """
    arguments = document.get("process", {}).get("args") or [""]
    return Subject(
        command=arguments[0],
        annotations={**pod_annotations, **document.get("annotations", {})},
        bind_mounts=any(mount.host_path for mount in mounts),
    )


def matches(hook: Hook, container: Subject) -> bool:
    """Return whether the hook is for this container. A condition given as false never holds."""
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


def inject(document: Document, hooks: Sequence[Definition], origins: Origins = OFF) -> Document:
    """Append the hooks of all runtime stages to those of the document, in order."""
    stages: dict[str, list[dict[str, Any]]] = {
        stage: list(entries) for stage, entries in document.get("hooks", {}).items()
    }
    for definition in hooks:
        for stage in definition.hook.stages:
            if stage != PRECREATE:
                entries = stages.setdefault(stage, [])
                origins.put(f"hook {definition.file}", "hooks", stage, str(len(entries)))
                entries.append(_entry(definition.hook))
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
    """Return the document that a precreate hook wrote. ValueError says what is wrong with it.

    The hook cannot change the path of the root file system, the cgroup, or the use of a terminal.
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
