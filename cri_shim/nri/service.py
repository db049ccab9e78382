"""Opens everything of NRI on a recovered runtime, and closes it."""

from cri_shim.aio.cleanup import Closing
from cri_shim.config import NRI
from cri_shim.engine import Engine
from cri_shim.errors import ConfigError
from cri_shim.node_plugins import NodePlugins
from cri_shim.nri import changes, preinstalled
from cri_shim.nri.joining import Limits
from cri_shim.nri.lifecycle import Reports
from cri_shim.nri.listener import Listener
from cri_shim.nri.plugins import Plugins
from cri_shim.nri.rules import Rules
from cri_shim.nri.validation import Validators
from cri_shim.pb import nri_pb2 as pb


async def open_plugins(engine: Engine, settings: NRI, closing: Closing) -> None:
    """Start the installed plugins and accept others; `closing` ends them.

    A plugin that cannot be started is only logged. ConfigError for an unprivileged user.
    Unavailable if the socket cannot be made.
    """
    if engine.host.rootless:
        raise ConfigError("nri.enabled: plugins need a daemon that runs as root")
    reports = Reports(engine, Validators(rules(settings)))

    async def update(plugin: str, request: pb.UpdateContainersRequest) -> list[pb.ContainerUpdate]:
        return await changes.asked(engine, plugin, request)

    limits = Limits(settings.registration_timeout, settings.request_timeout)
    plugins = Plugins(limits, update, reports.known)
    reports.open(plugins)
    engine.plugins = reports
    closing.add("the reports to NRI plugins", lambda: _forget(engine, reports))
    closing.add("the NRI plugins", plugins.close)
    await preinstalled.start(plugins, settings.plugin_directory, settings.plugin_config_directory)
    if not settings.disable_connections:
        listener = Listener(settings.socket, plugins)
        closing.add("the NRI socket", listener.close)
        listener.open()


def _forget(engine: Engine, reports: Reports) -> None:
    reports.close()
    engine.plugins = NodePlugins()


def rules(settings: NRI) -> Rules | None:
    """Return the default validator; None if it is off."""
    if not settings.default_validator:
        return None
    return Rules(
        hooks=settings.reject_hooks,
        unconfined=settings.reject_unconfined_seccomp,
        runtime_default=settings.reject_runtime_default_seccomp,
        custom=settings.reject_custom_seccomp,
        namespaces=settings.reject_namespaces,
        sysctls=settings.reject_sysctls,
        required=settings.required_plugins,
        tolerate=settings.tolerate_missing_annotation,
    )
