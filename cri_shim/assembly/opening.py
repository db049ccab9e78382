"""Opens everything, in the order that recovery needs: first locks and state, then the slow tests
of OCI runtimes at the same time.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from cri_shim.aio import own_process, reaper
from cri_shim.aio.cleanup import Closing
from cri_shim.aio.live import Live
from cri_shim.assembly import drivers, limits, node, probing, settings
from cri_shim.assembly.programs import Programs
from cri_shim.config import Config
from cri_shim.config.user import unprivileged_user
from cri_shim.containers import first_line
from cri_shim.engine import Engine, Paths, Profiles, Settings
from cri_shim.isolation.apparmor import AppArmor
from cri_shim.isolation.selinux import SELinux
from cri_shim.linux import boot, marks, null_device, process
from cri_shim.log import event
from cri_shim.objects import ObjectStore
from cri_shim.oci import handlers
from cri_shim.oci.driver import OciDriver, Offered
from cri_shim.oci.exits import Exits
from cri_shim.oci.handlers import Handler
from cri_shim.oci.runtime import OciRuntime
from cri_shim.pb.state_pb2 import ImageRecord, LayerRecord
from cri_shim.pods import exits, timeline
from cri_shim.state import records
from cri_shim.timeline import Timelines

_log = logging.getLogger(__name__)


async def open_engine(
    current: Callable[[], Config], programs: Programs, closing: Closing
) -> Engine:
    """Open everything below the daemon's own directories; `closing` closes what was opened.

    `current` returns the configuration of now, which a reload replaces.
    """
    config = current()
    defaults, pulls = settings.defaults(config, programs), settings.images(config, programs)
    # Resolved: runc refuses a symlink in the path of a root file system, and /var/run is often one.
    places = (config.server.root, config.server.run_root, config.network.netns_dir)
    paths = Paths(*(place.resolve() for place in places))
    await limits.refuse_unsupported(config, programs.conmon, paths.root)
    reaper.start()
    closing.add("the reaper", _stop_reaping)
    process.become_subreaper()
    own_process.use()
    closing.add("looks at callers' paths", own_process.close)
    cgroups = node.cgroups(config, paths)
    closing.add("cgroups", cgroups.prune)
    handlers.release_leftovers(paths.run_root / handlers.BINARIES, config.runtimes)
    trials = asyncio.create_task(probing.probe(config, paths, cgroups))
    try:
        store = drivers.records(config.state, paths.root / "state", paths.run_root)
        closing.add("the state", store.close)
        objects = ObjectStore(store, config.namespace)
        closing.add("the objects", objects.close)
        objects.load()
        closing.add("names in the log", event.name_objects(objects.named))
        images = drivers.image_store(config, paths, pulls, store, objects)
        closing.add("the image store", images.close)
        await images.recover(
            records.load(store, "image", ImageRecord), records.load(store, "layer", LayerRecord)
        )
        network = drivers.network(config, paths)
        closing.add("the network", network.stop)
        await network.start()
    finally:
        found = {handler.name: handler for handler in await trials}
        closing.add("the mounts of OCI runtimes", lambda: _release(found.values()))
    null_device.restore()  # a create may have changed it when the last daemon died
    systemd = cgroups.driver == "systemd"
    environment = drivers.environment(config)
    oci = OciRuntime(exec_dir=paths.run_root / "exec", systemd_cgroup=systemd, env=environment)
    await oci.end_leftovers()
    offered = Offered(found, probing.default(config, list(found.values())), {})
    live = Live(Settings(defaults, offered, pulls))
    images.follow(lambda: live.get().images)
    timelines = Timelines(
        paths.root / "timelines",
        partial(timeline.pod_named, objects),
        partial(first_line.entry, objects),
    )
    closing.add("the timelines", timelines.close)
    watched = Exits()
    closing.add("the watch of exits", watched.close)
    engine = Engine(
        objects=objects,
        images=images,
        network=network,
        oci=OciDriver(
            runtime=oci,
            conmon=drivers.conmon(config, paths, programs, cgroups, oci),
            exits=watched,
            offered=lambda: live.get().offered,
        ),
        cgroups=cgroups,
        host=node.host(cgroups),
        paths=paths,
        boot_id=boot.boot_id(),
        profiles=Profiles(
            apparmor=AppArmor(
                paths.run_root / "apparmor",
                env=environment,
                unprivileged_user=unprivileged_user() is not None,
            ),
            selinux=SELinux(),
        ),
        live=live,
        timelines=timelines,
    )
    engine.work.operations.follow(timelines.note)
    watching = asyncio.create_task(exits.follow(engine), name="exits")
    closing.add("the watch of exits", lambda: _cancel(watching))
    closing.add("work in hand", lambda: engine.work.drain(config.server.shutdown_grace))
    if any(handler.lacked_room for handler in found.values()):
        again = partial(probing.probe_again, current, paths, cgroups, live)
        engine.work.retrier.add("try the OCI runtimes again", again, now=False)
    return engine


def mark_alive(run_root: Path, boot_id: str) -> None:
    """Write the mark that this boot's state has been refreshed: the last step of a start."""
    try:
        marks.write(run_root / "alive", boot_id)
    except OSError as e:  # it is only for people and other programs
        _log.warning("cannot write %s: %s", run_root / "alive", e.strerror)


def _stop_reaping() -> None:
    """Let init inherit orphans again, if no other runtime of this process would reap them."""
    reaper.stop()
    if not reaper.active():
        process.become_subreaper(False)


def _release(found: Iterable[Handler]) -> None:
    for handler in found:
        handlers.release(handler)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
