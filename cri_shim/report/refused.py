"""What a start would refuse: the files and programs that the configuration names.

Each check calls the code that reads the file at the start, and reports every refusal.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cri_shim.config import Config, devices
from cri_shim.config.source import place
from cri_shim.errors import ConfigError, CriShimError, InvalidArgument
from cri_shim.hooks.directories import Hooks
from cri_shim.isolation import sysctls
from cri_shim.linux import timezone
from cri_shim.problems import node, programs
from cri_shim.problems.finding import Finding, Level
from cri_shim.spec import capabilities
from cri_shim.store.pins import Pins
from cri_shim.store.trust import policy
from cri_shim.streaming.certificate import Certificate
from cri_shim.untrusted import read_file, reason

_POLICY_MAX = 4 << 20  # bytes


def look(config: Config) -> list[Finding]:
    """Return a finding for each thing that prevents the start, or that a pull would refuse."""
    found = [programs.conmon(config), programs.skopeo(config), node.registries_conf(config)]
    checks: dict[str, Callable[[], None]] = {
        "streaming.tls_cert_file": lambda: _certificate(config),
        "metrics.tls_cert_file": lambda: _metrics_certificate(config),
        "hooks_dir": lambda: _hooks(config),
        "default_sysctls": lambda: _sysctls(config),
        "containers.default_capabilities": lambda: _capabilities(config),
        "containers.timezone": lambda: _timezone(config),
        "image.pinned_images": lambda: _pins(config),
        "signature_policy_path": lambda: _policy(config),
        "image.registries_conf": lambda: _named(config.image.registries_conf),
        "default_mounts_file": lambda: _named(config.default_mounts_file),
        "image.mount_program": lambda: _named(config.image.mount_program),
    }
    for key, check in checks.items():
        try:
            check()
        except (CriShimError, OSError, ValueError) as e:
            found.append(Finding(key, Level.FAILS, _placed(config, key, e), key=key))
    return [*found, *_seccomp(config), *_devices(config)]


def _placed(config: Config, key: str, error: Exception) -> str:
    """Return the error after the file and line of the key that it is about, and the key once."""
    text = str(error).removeprefix(f"{key}: ")
    origin = config.origin.get(key, "default")
    if origin == "default":
        return text if key in text else f"{key}: {text}"
    return text if origin in text else f"{place(origin, key)}: {text}"


def _certificate(config: Config) -> None:
    if config.streaming.tls_cert_file:
        ours = config.streaming
        files = Path(ours.tls_cert_file), Path(ours.tls_key_file)
        Certificate(*files, ours.tls_min_version).load()


def _metrics_certificate(config: Config) -> None:
    ours = config.metrics
    if ours.tls_cert_file:
        authorities = Path(ours.tls_client_ca_file) if ours.tls_client_ca_file else None
        files = Path(ours.tls_cert_file), Path(ours.tls_key_file)
        Certificate(*files, section="metrics", client_authorities=authorities).load()


def _hooks(config: Config) -> None:
    ours = config.origin["hooks_dir"] == "default"
    Hooks(
        [Path(directory) for directory in config.hooks_dir],
        must_exist=config.hooks_dir_not_exist_fatal and not ours,
        strict=config.hooks_bad_file_fatal,
        optional=ours,
        env={},
    ).usable()


def _sysctls(config: Config) -> None:
    try:
        sysctls.check_defaults(dict(each.split("=", 1) for each in config.default_sysctls))
    except InvalidArgument as e:
        raise ConfigError(str(e)) from e


def _capabilities(config: Config) -> None:
    capabilities.named(config.containers.default_capabilities)


def _timezone(config: Config) -> None:
    if config.containers.timezone:
        timezone.file_of(config.containers.timezone)


def _devices(config: Config) -> Iterator[Finding]:
    key = "containers.additional_devices"
    for text in config.containers.additional_devices:
        path = devices.parse(text)[0]
        if not os.path.exists(path):  # noqa: PTH110 - never raises
            sentence = f"{path} is not there: every container would be refused"
            yield Finding(key, Level.WARNING, _placed(config, key, ConfigError(sentence)), key=key)


def _pins(config: Config) -> None:
    Pins(config.image.pinned_images, [])


def _policy(config: Config) -> None:
    """policy.json, and those of namespaces. A pull reads them; a mistake refuses every image."""
    files = [Path(named) for named in (config.image.signature_policy_path,) if named]
    if directory := config.image.signature_policy_dir:
        files += sorted(Path(directory).glob("*.json"))
        _named(directory)
    for file in files:
        try:
            policy.parse(read_file(file, _POLICY_MAX))
        except (OSError, ValueError) as e:
            raise ConfigError(f"{file} cannot be used: {reason(e)}") from e


def _named(file: str) -> None:
    """Refuse a file that is named and is not there."""
    if file and not Path(file).exists():
        raise ConfigError(f"{file} does not exist")


def _seccomp(config: Config) -> Iterator[Finding]:
    for name, table in config.runtimes.items():
        if table.seccomp_profile and not Path(table.seccomp_profile).is_file():
            key = f"runtimes.{name}.seccomp_profile"
            sentence = f"{table.seccomp_profile} is not there: RuntimeDefault would be refused"
            yield Finding(key, Level.WARNING, _placed(config, key, ConfigError(sentence)), key=key)
    if config.seccomp_profile and not any(Path(file).is_file() for file in config.seccomp_profile):
        tried = ", ".join(config.seccomp_profile)
        key = "seccomp_profile"
        sentence = f"none of these files exists: {tried}: RuntimeDefault would be refused"
        yield Finding(key, Level.WARNING, _placed(config, key, ConfigError(sentence)), key=key)
