"""The process of a container (arguments, environment, directory), and of an exec in it."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2
from cri_shim.spec import origins as of
from cri_shim.spec.document import Document
from cri_shim.spec.host import Host
from cri_shim.spec.image_config import ImageConfig
from cri_shim.spec.origins import OFF, Origins
from cri_shim.spec.users import User
from cri_shim.untrusted import printable

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_TERM = "xterm"
_LONGEST_PATH = 4095  # bytes: PATH_MAX without its NUL
# Keys of a container's first process only: an exec has its own terminal and arguments.
_NOT_FOR_EXEC = ("consoleSize", "terminal", "args")


def arguments(
    config: api_pb2.ContainerConfig, image: ImageConfig, origins: Origins = OFF
) -> list[str]:
    """Return process.args. `command` replaces ENTRYPOINT and drops CMD; `args` replaces CMD."""
    found = [*config.command, *config.args]
    if not config.command:
        found = [*image.entrypoint, *(config.args or image.cmd)]
    if not found:
        problem = "no command: none in the request, no ENTRYPOINT and no CMD in the image"
        raise InvalidArgument("config.command", problem)
    _possible_path(found[0], "config.command", "the program")
    if origins:
        own = len(config.command or image.entrypoint)
        program = of.cri("config.command") if config.command else of.image("Entrypoint")
        others = of.image("Cmd") if not (config.command or config.args) else of.cri("config.args")
        for number in range(len(found)):
            origins.put(program if number < own else others, "process", "args", str(number))
    return found


def environment(
    config: api_pb2.ContainerConfig,
    image: ImageConfig,
    hostname: str,
    home: str,
    default: Mapping[str, str] = MappingProxyType({}),
    origins: Origins = OFF,
) -> list[str]:
    """Return process.env; a later name replaces: ours, the node's, the image's, the request's.

    `default` has the node's variables.

    CRI values are bytes, but JSON has only text. Bytes that are not UTF-8 become U+FFFD, so that a
    pod with a binary secret in its variables can start.
    """
    variables = {"PATH": DEFAULT_PATH}
    if config.tty:
        variables["TERM"] = DEFAULT_TERM
    if hostname:
        variables["HOSTNAME"] = hostname
    variables |= default
    for entry in image.env:
        name, _, value = entry.partition("=")
        variables[name] = value
    variables |= {entry.key: entry.value.decode("utf-8", "replace") for entry in config.envs}
    variables.setdefault("HOME", home or "/")
    if origins:
        origins.put(of.image("/etc/passwd") if home else of.BUILT_IN, "process", "env", "HOME")
        origins.put(of.BUILT_IN, "process", "env", "PATH")
        origins.put(of.cri("config.tty"), "process", "env", "TERM")
        origins.put(of.cri("sandbox_config.hostname"), "process", "env", "HOSTNAME")
        for name in default:
            origins.put(of.default("containers.default_env"), "process", "env", name)
        for entry in image.env:
            origins.put(of.image("Env"), "process", "env", entry.partition("=")[0])
        for number, each in enumerate(config.envs):
            origins.put(of.cri(f"config.envs[{number}]"), "process", "env", each.key)
    return [f"{name}={value}" for name, value in variables.items()]


def working_directory(
    config: api_pb2.ContainerConfig, image: ImageConfig, origins: Origins = OFF
) -> str:
    """Return process.cwd: the request's, else the image's, else /."""
    found = config.working_dir or "/" + image.working_dir.lstrip("/")
    _possible_path(found, "config.working_dir", "the working directory")
    if origins:
        of_image = of.image("WorkingDir") if image.working_dir else of.BUILT_IN
        origin = of.cri("config.working_dir") if config.working_dir else of_image
        origins.put(origin, "process", "cwd")
    return found


def user(resolved: User) -> dict[str, Any]:
    """Return process.user."""
    return _user_ids(resolved)


def _user_ids(resolved: User) -> dict[str, Any]:
    return {
        "uid": resolved.uid,
        "gid": resolved.gid,
        "additionalGids": list(resolved.additional_gids),
    }


def limits(
    host: Host,
    default: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    origins: Origins = OFF,
) -> dict[str, Any]:
    """Return process.rlimits: those of the node, which the CRI has no field for.

    That of open files is always there if the daemon has raised its own.
    """
    found = {} if host.open_files is None else {"RLIMIT_NOFILE": host.open_files}
    found |= default
    if origins:
        origins.put(of.node("limit of open files"), "process", "rlimits", "RLIMIT_NOFILE")
        for kind in default:
            origins.put(of.default("containers.default_ulimits"), "process", "rlimits", kind)
    limits = [{"type": kind, "soft": s, "hard": h} for kind, (s, h) in sorted(found.items())]
    return {"rlimits": limits} if limits else {}


@dataclass(frozen=True, slots=True)
class ExecChanges:
    """The values of an exec that are not the container's; an empty one means the container's."""

    environment: Sequence[str] = ()  # NAME=VALUE, added to the container's
    working_dir: str = ""
    user: str = ""  # name|uid[:group|gid]


NO_CHANGES = ExecChanges()


def exec_process(
    spec: Document,
    command: Sequence[str],
    *,
    tty: bool,
    changes: ExecChanges = NO_CHANGES,
    user: User | None = None,
) -> Document:
    """Return the complete OCI process object for an exec in the container of `spec`.

    User, capabilities, environment, directory, rlimits and labels are the container's, as far as
    `changes` has no others; arguments and terminal are those of the call. `user` is the resolved
    user of `changes`. It gets its own HOME, as with podman.
    """
    process: Document = copy.deepcopy(
        {key: value for key, value in spec["process"].items() if key not in _NOT_FOR_EXEC}
    )
    process |= {"terminal": tty, "args": list(command)}
    variables = dict(entry.partition("=")[::2] for entry in process["env"])
    if tty:
        variables.setdefault("TERM", DEFAULT_TERM)
    if user is not None:
        process["user"] = {**process["user"], **_user_ids(user)}
        variables["HOME"] = user.home or "/"
    variables |= dict(entry.partition("=")[::2] for entry in changes.environment)
    process["env"] = [f"{name}={value}" for name, value in variables.items()]
    if changes.working_dir:
        _possible_path(changes.working_dir, "working_dir", "the working directory")
        process["cwd"] = changes.working_dir
    return process


def _possible_path(path: str, field: str, what: str) -> None:
    """Refuse a path that is too long.

    runc repeats it in its error, and conmon waits forever for an error that does not fit into a
    pipe.
    """
    if len(path.encode(errors="replace")) > _LONGEST_PATH:
        problem = f"{what} has a path longer than {_LONGEST_PATH} bytes: {printable(path, 40)}"
        raise InvalidArgument(field, problem)
