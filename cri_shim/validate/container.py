"""Checks of a ContainerConfig: metadata, process, mounts, devices."""

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import mounts
from cri_shim.validate import fields
from cri_shim.validate.resources import check_resources
from cri_shim.validate.security import check_container_security

MAX_LOG_NAME_BYTES = 255 - len(".tmp")  # NAME_MAX without the suffix that conmon appends


def check_container(at: str, config: api.ContainerConfig) -> None:
    """Check a container's config; `at` is the path of `config` in the request."""
    fields.name(f"{at}.metadata.name", config.metadata.name)
    fields.image(f"{at}.image.image", config.image.image)
    _process(at, config)
    for index, mount in enumerate(config.mounts):
        _mount(f"{at}.mounts[{index}]", mount)
    for index, device in enumerate(config.devices):
        _device(f"{at}.devices[{index}]", device)
    _log_path(f"{at}.log_path", config.log_path)
    if config.HasField("windows"):
        raise InvalidArgument(f"{at}.windows", "this runtime is for Linux")
    check_resources(f"{at}.linux.resources", config.linux.resources)
    check_container_security(f"{at}.linux.security_context", config.linux.security_context)


def _log_path(at: str, path: str) -> None:
    """conmon cuts a path at a colon, and makes a new log as `NAME.tmp`. Empty means no log."""
    if not path:
        return
    fields.inside(at, path)
    name = path.rpartition("/")[2]
    if name in ("", "."):
        raise InvalidArgument(at, f"{path!r} does not end with the name of a file")
    if ":" in name:
        raise InvalidArgument(at, f"the name {name!r} has a colon")
    if len(name.encode()) > MAX_LOG_NAME_BYTES:
        raise InvalidArgument(at, f"its name is longer than {MAX_LOG_NAME_BYTES} bytes")


def _process(at: str, config: api.ContainerConfig) -> None:
    for field in ("command", "args"):
        for index, word in enumerate(getattr(config, field)):
            if "\0" in word:
                raise InvalidArgument(f"{at}.{field}[{index}]", "has a NUL byte")
    if config.working_dir:
        fields.absolute(f"{at}.working_dir", config.working_dir)
    for index, entry in enumerate(config.envs):
        here = f"{at}.envs[{index}]"
        if not entry.key or "=" in entry.key or "\0" in entry.key:
            raise InvalidArgument(f"{here}.key", f"{entry.key!r} cannot be a variable's name")
        if b"\0" in entry.value:
            raise InvalidArgument(f"{here}.value", f"the value of {entry.key} has a NUL byte")
    fields.known(f"{at}.stop_signal", config.stop_signal, api.Signal.DESCRIPTOR)


def _mount(at: str, mount: api.Mount) -> None:
    """Check a bind mount, which has a host path, or an image volume, which has an image."""
    fields.absolute(f"{at}.container_path", mount.container_path)
    if mounts.cleaned(mount.container_path) == "/":
        raise InvalidArgument(f"{at}.container_path", "the root itself cannot be mounted over")
    fields.known(f"{at}.propagation", mount.propagation, api.MountPropagation.DESCRIPTOR)
    if mount.HasField("image"):
        fields.image(f"{at}.image.image", mount.image.image, f"{at}: ")
        fields.inside(f"{at}.image_sub_path", mount.image_sub_path)
    else:
        fields.absolute(f"{at}.host_path", mount.host_path)
    mounts.check(at, mount)


def _device(at: str, device: api.Device) -> None:
    """An empty container_path means the path on the host; empty permissions mean all of them."""
    fields.absolute(f"{at}.host_path", device.host_path)
    if device.container_path:
        fields.absolute(f"{at}.container_path", device.container_path)
    letters = device.permissions
    if set(letters) - set("rwm") or len(set(letters)) != len(letters):
        raise InvalidArgument(f"{at}.permissions", f"{letters!r} is not made of r, w and m")
