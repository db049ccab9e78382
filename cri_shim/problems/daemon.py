"""What a running daemon finds: OCI runtimes, the pod network, limits, and its own state."""

from collections.abc import Iterable, Iterator, Mapping

from cri_shim.config import Config
from cri_shim.engine import Engine
from cri_shim.network import masquerade
from cri_shim.network.driver import TURNED_OFF, Networks, NetworkStatus
from cri_shim.network.exec import NOT_INSTALLED
from cri_shim.oci.handlers import Handler
from cri_shim.problems import packages
from cri_shim.problems.finding import Finding, Level

NETWORK, MASQUERADING, WATCHING = "pod network", "masquerading", "watch of CNI"
OCI_RUNTIME = "OCI runtime"


def look(engine: Engine, config: Config) -> list[Finding]:
    """Return what the daemon knows now, from memory."""
    found = [
        *runtimes(engine.oci.handlers, engine.oci.default_handler, config),
        *network(engine.network.status(), engine.network.networks(), engine.host.rootless),
        *_limits(engine),
        *_state(engine.objects.unsaved()),
    ]
    return found + [Finding("configuration", Level.WARNING, text) for text in config.warnings]


def look_at_files(engine: Engine) -> list[Finding]:
    """Return what needs a look at files; blocks."""
    hooks = engine.defaults.hooks.scan().bad
    found = [Finding("hooks", Level.WARNING, text, key="hooks_dir") for text in hooks]
    if problem := engine.defaults.seccomp.problem():
        sentence = f"{problem}: containers that ask for RuntimeDefault are refused"
        found.append(Finding("seccomp", Level.WARNING, sentence, key="seccomp_profile"))
    return found


def runtimes(handlers: Mapping[str, Handler], default: str, config: Config) -> Iterator[Finding]:
    """Yield a finding for each handler, the default one first."""
    chosen = handlers.get(default)
    if chosen is None or chosen.problem:
        yield _no_runtime(handlers.values(), chosen, config)
    else:
        sentence = f"{short(chosen.version)} at {chosen.path}, the default"
        yield Finding(_named(default), Level.OK, sentence)
        if reason := _userns(chosen):
            sentence = f"pods with hostUsers: false are refused with {default}: {reason}"
            yield Finding("user namespaces of pods", Level.NOTE, sentence)
    for handler in handlers.values():
        if handler is not chosen and not (chosen and chosen.problem and handler.problem):
            yield _other(handler, config, chosen)


def _no_runtime(handlers: Iterable[Handler], chosen: Handler | None, config: Config) -> Finding:
    if config.default_runtime and chosen is not None:
        reasons = f"the default OCI runtime {chosen.name} does not work: {chosen.problem}"
        name = chosen.name
    else:
        each = "; ".join(f"{h.name}: {h.problem}" for h in handlers) or "none is configured"
        reasons = f"no OCI runtime works, no pod can run: {each}"
        name = "crun"
    key = f"runtimes.{name}.path"
    return Finding(OCI_RUNTIME, Level.FAILS, reasons, *_to_get(name, key), key)


def _to_get(name: str, key: str) -> tuple[str, str]:
    """Return the remedy for a runtime that is not there, and its package, if one is known."""
    if name not in ("crun", "runc"):
        return f"set {key}", ""
    return f"{packages.install(name)}, or set {key}", packages.of(name)


def _other(handler: Handler, config: Config, default: Handler | None) -> Finding:
    """A handler that is not the default: it works, is not installed, or is broken."""
    what, key = _named(handler.name), f"runtimes.{handler.name}.path"
    if not handler.problem:
        return Finding(what, Level.OK, f"{short(handler.version)} at {handler.path}")
    if default is not None and _was_preferred(handler, default, config):
        return _replaced(handler, default, key)
    if not handler.is_found and config.origin.get(key, "default") == "default":
        return Finding(what, Level.OK, "not installed")
    sentence = f"OCI runtime {handler.name} does not work, its pods are refused: {handler.problem}"
    return Finding(what, Level.WARNING, sentence, f"repair it, or set {key}", key=key)


def _was_preferred(handler: Handler, default: Handler, config: Config) -> bool:
    """Whether the configuration would rather have had this handler as the default."""
    names = [*config.runtimes]
    return not config.default_runtime and names.index(handler.name) < names.index(default.name)


def _replaced(handler: Handler, default: Handler, key: str) -> Finding:
    """The preferred handler, in whose place another one is the default."""
    what, name = _named(handler.name), handler.name
    instead = f"the default OCI runtime is {short(default.version)} in place of {name}"
    sentence = f"{instead}: {handler.problem}"
    if handler.is_found:
        return Finding(what, Level.WARNING, sentence, f"repair {name}, or set runtime", key=key)
    return Finding(what, Level.NOTE, sentence, *_to_get(name, key), key)


def _named(name: str) -> str:
    return f"{OCI_RUNTIME} {name}"


def short(version: str) -> str:
    """Return "crun 1.8.1" for the line "crun version 1.8.1"."""
    return version.replace(" version ", " ", 1)


def _userns(handler: Handler) -> str:
    return "" if handler.options else handler.userns_problem


def network(status: NetworkStatus, networks: Networks, rootless: bool) -> Iterator[Finding]:
    """Yield the findings of the pod network, from its status and its configuration."""
    if status.ready:
        yield Finding(NETWORK, Level.OK, networks.default or "ready")
    else:
        missing, off = NOT_INSTALLED in status.message, status.reason == TURNED_OFF
        yield Finding(
            NETWORK,
            Level.NOTE if off else Level.WARNING if rootless else Level.FAILS,
            status.message,
            packages.install("CNI plugins") if missing else "",
            packages.of("CNI plugins") if missing else "",
            "cni_plugin_dir" if missing else "",
        )
    for note in status.notes:
        what = MASQUERADING if note.startswith("no masquerade rule") else WATCHING
        missing = what == MASQUERADING and note.endswith(masquerade.NOT_INSTALLED)
        yield Finding(
            what,
            Level.WARNING,
            note,
            packages.install("nft") if missing else "",
            packages.of("nft") if missing else "",
        )
    for problem in networks.problems:
        if problem not in status.message and problem not in status.notes:
            sentence = f"CNI configuration not used: {problem}"
            yield Finding("CNI configuration", Level.WARNING, sentence, key="cni_config_dir")


def _limits(engine: Engine) -> Iterator[Finding]:
    if engine.host.rootless:
        problem = engine.cgroups.problem
        level = Level.WARNING if problem else Level.OK
        yield Finding("resource limits", level, problem or "available")
    elif not engine.host.can_raise:
        sentence = "no CAP_SYS_RESOURCE: oom_score_adj of containers is not set below the daemon's"
        yield Finding("capabilities", Level.WARNING, sentence, "give the daemon CAP_SYS_RESOURCE")


def _state(unsaved: Mapping[str, str]) -> Iterator[Finding]:
    if not unsaved:
        return
    error = next(iter(unsaved.values()))
    sentence = f"{len(unsaved)} records are only in memory: {error}"
    remedy = "free some space before the daemon is stopped"
    yield Finding("state", Level.WARNING, sentence, remedy, key="server.root", varies=True)
