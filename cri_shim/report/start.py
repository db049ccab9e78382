"""The last line of a start: one look at it shows with what, and from what, the daemon serves."""

from pathlib import Path

from cri_shim.engine import Engine
from cri_shim.errors import CriShimError
from cri_shim.oci.program_versions import Inventory
from cri_shim.problems.daemon import short
from cri_shim.recovery import Recovered
from cri_shim.version import __version__


async def version(inventory: Inventory, program: Path) -> str:
    """Return "conmon 2.1.6"; the path if the program does not tell its version."""
    try:
        return short(await inventory.version(program))
    except (CriShimError, OSError):
        return str(program)


def line(engine: Engine, conmon: str, socket: Path, recovered: Recovered, seconds: float) -> str:
    """Return the line. `seconds`: how long the start took."""
    parts = [
        ", ".join(_runtimes(engine)) or "no OCI runtime",
        conmon,
        f"cgroup v{engine.cgroups.version()}, {engine.cgroups.driver}",
        f"network {engine.network.networks().default}" if _networked(engine) else "no network",
        str(recovered),
    ]
    took = f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
    return f"cri-shim {__version__} serving on {socket}: {'; '.join(parts)}, in {took}"


def _runtimes(engine: Engine) -> list[str]:
    default = engine.oci.default_handler
    working = [handler for handler in engine.oci.handlers.values() if not handler.problem]
    working.sort(key=lambda handler: handler.name != default)
    return [
        short(handler.version) + (" (default)" if handler.name == default else "")
        for handler in working
    ]


def _networked(engine: Engine) -> bool:
    return engine.network.status().ready
