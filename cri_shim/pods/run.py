"""RunPodSandbox: intent, namespaces, network, then READY.

The work belongs to the daemon: it continues after the caller's deadline, and the next equal request
joins it or returns its result. A failure is undone by the steps that remove a pod.
"""

import asyncio
import os
import secrets

from cri_shim.activity import Step, subject
from cri_shim.activity.error_names import naming_objects
from cri_shim.activity.step import current_operation
from cri_shim.aio.offload import finish, offload
from cri_shim.containers import security
from cri_shim.engine import Engine
from cri_shim.errors import AlreadyExists
from cri_shim.faults import fault_point
from cri_shim.isolation import namespaces, pod_tmpfs, sysctls
from cri_shim.isolation import userns as isolation_userns
from cri_shim.linux import nsenter
from cri_shim.linux.privacy import let_group_pass, make_private
from cri_shim.objects import changed, pod_name
from cri_shim.oci import bundle
from cri_shim.pb import api_pb2 as api
from cri_shim.pb import state_pb2 as state
from cri_shim.pods import draft, files, passage, remove
from cri_shim.spec import pause, userns


async def run(
    engine: Engine,
    request: api.RunPodSandboxRequest,
    lease: "state.Lease.ValueType" = state.LEASE_NONE,
) -> str:
    """Return the id of the READY pod; a `lease` lets the daemon remove it: see leases.py.

    AlreadyExists if a pod of this name, namespace, uid and attempt exists, or is being made from
    another configuration.
    """
    name = pod_name(request.config.metadata)
    holder = engine.objects.pod_named(name)
    if holder is not None and not engine.work.runs.under_way(name):
        raise AlreadyExists(
            f"pod {name[0]}/{name[1]} (uid {name[2]}, attempt {name[3]}) exists: {holder.id};"
            " remove it or use another attempt"
        )
    return await engine.work.runs.do(
        name,
        request,
        lambda: _run(engine, request, lease),
        lambda id: engine.objects.find_pod(id) is not None,
        subject.pod(request.config.metadata),
    )


async def _run(
    engine: Engine, request: api.RunPodSandboxRequest, lease: "state.Lease.ValueType"
) -> str:
    if not engine.work.pods_may_run.is_set():  # a container may use an image that is being loaded
        with Step("preload", "the images of image.preload_dir, which are being loaded"):
            await engine.work.pods_may_run.wait()
    await security.check_pod(engine, request.config)
    record = _intend(engine, request, lease)
    if (operation := current_operation()) is not None:
        operation.subject = engine.objects.pod_subject(record.id)
    try:
        with naming_objects(engine.objects.named):  # abandoning it takes its name
            await _build(engine, record)
    except BaseException:
        await finish(remove.abandon(engine, record.id))
        raise
    return record.id


def _intend(
    engine: Engine, request: api.RunPodSandboxRequest, lease: "state.Lease.ValueType"
) -> state.PodRecord:
    """Check everything that needs no I/O, and write the intent."""
    id = secrets.token_hex(32)
    record = draft.pod(engine, request, id=id, lease=lease)
    if lease and not record.config.log_directory:
        record.config.log_directory = str(engine.paths.logs(id))
    if not record.network.host:
        record.network.attachments.extend(engine.network.plan(record))
    fault_point("pods.run.intend")
    return engine.objects.put(record)


async def _build(engine: Engine, record: state.PodRecord) -> None:
    fault_point("pods.run.directories")
    where = engine.paths.pod(record.id) / "etc"
    if userns.of_pod(record.config) is not None:
        passage.update(engine)
    make_private(engine.paths.pod(record.id) / "ns")
    synced = asyncio.create_task(engine.objects.sync())
    try:
        fault_point("pods.run.files")
        texts = files.of_node(
            record.config,
            record.network.host,
            localtime=engine.defaults.localtime,
            containerenv=engine.defaults.containerenv,
        )
        label = security.pod_labels(engine, record)[1]
        pod_tmpfs.mount_etc(where, files.size(texts), label=label)
        with Step("namespaces", "the pod's namespaces to be made"):
            await _isolate(engine, record)
    finally:
        with Step("sync", "the disk with the state (fsync)"):
            await synced  # the intent is on disk before an address is taken
    engine.warm_up()  # while the plugins run; the first container follows soon
    if not record.network.host:
        fault_point("pods.run.network")
        with Step("network", "the pod's network"):
            attached = await engine.network.attach(record)
        fault_point("pods.run.addresses")
        network = state.PodNetwork()
        network.CopyFrom(record.network)
        network.ips.extend(attached.ips)
        network.result = attached.result
        record = engine.objects.put(changed(record, network=network))
        texts = files.of_pod(texts, record.config, attached.ips, attached.dns)
    fault_point("pods.run.hosts")
    files.write(where, texts, userns.root_of(record.config))  # no container exists before READY
    await _set_up_interfaces(engine, record)
    if draft.shares_pid_namespace(record.config):
        with Step("pause process", "the pause process of the pod to start"):
            record = await _start_pause(engine, record)
    await engine.plugins.pod_made(record)
    fault_point("pods.run.commit")
    engine.objects.put(changed(record, phase=state.POD_READY))


async def _isolate(engine: Engine, record: state.PodRecord) -> None:
    """Pin the pod's own namespaces and mount its /dev/shm."""
    fault_point("pods.run.namespaces")
    pins = {kind: engine.paths.pins(record)[kind] for kind in draft.own_namespaces(record)}
    hostname = None if record.network.host else files.hostname(record.config)
    early = [p for p in draft.parameters(engine, record) if not p.interface]
    ids, shared = userns.of_pod(record.config), not engine.host.rootless
    if ids is None:
        await offload(namespaces.pin, pins, hostname=hostname, sysctls=early, shared=shared)
    else:
        await isolation_userns.pin(pins, ids, hostname=hostname, sysctls=early, shared=shared)
    if "ipc" in pins:
        fault_point("pods.run.shm")
        label = security.pod_labels(engine, record)[1]
        pod_tmpfs.mount_shm(
            engine.paths.pod(record.id) / "shm", owner=userns.root_of(record.config), label=label
        )


async def _set_up_interfaces(engine: Engine, record: state.PodRecord) -> None:
    """Set kernel parameters of interfaces; the pod's network exists now."""
    of_interfaces = [p for p in draft.parameters(engine, record) if p.interface]
    if not of_interfaces:
        return
    fault_point("pods.run.interfaces")
    if userns.of_pod(record.config) is None:
        netns = engine.paths.netns(record.id)
        await offload(nsenter.in_netns, netns, lambda: sysctls.write(of_interfaces))
    else:
        await isolation_userns.write_inside(engine.paths.pins(record), of_interfaces)


async def _start_pause(engine: Engine, record: state.PodRecord) -> state.PodRecord:
    """Start a tiny init that keeps the shared pid namespace and reaps in it; pin the namespace."""
    fault_point("pods.run.pause")
    handler = engine.oci.handler(record.handler)
    where = engine.paths.pod(record.id) / "pause"
    make_private(where)
    (where / "rootfs").mkdir(mode=0o755)
    os.chown(where / "rootfs", *userns.root_of(record.config))
    if userns.of_pod(record.config) is not None:
        for directory in (where.parent, where):
            let_group_pass(directory, userns.root_of(record.config)[1])
    pins = {kind: engine.paths.pins(record)[kind] for kind in draft.own_namespaces(record)}
    document = pause.build(
        pause.PauseInput(
            pod_id=record.id,
            pod=record.config,
            init=engine.defaults.pause_init,
            host=engine.host,
            rootfs=str(where / "rootfs"),
            cgroups_path=engine.cgroups.oci_path(record.cgroup_parent, record.id),
            namespaces={kind: str(path) for kind, path in pins.items()},
            protection=await security.of_pause(engine, record),
            ids=userns.of_pod(record.config) if handler.maps_ids else None,
        )
    )
    bundle.write(where, document)
    started = await engine.oci.conmon.create(
        handler, record.id, where, log=None, tty=False, stdin=False, stdin_once=False
    )
    fault_point("pods.run.pause_record")
    record = engine.objects.put(changed(record, pause=started.init, monitor=started.monitor))
    engine.oci.exits.watch(record.id, where, started.init, started.monitor)
    fault_point("pods.run.pause_start")
    await engine.oci.runtime.start(handler, record.id)
    fault_point("pods.run.pause_pin")
    await offload(
        namespaces.bind_pid_ns,
        started.init.pid,
        started.init.start_time,
        engine.paths.pin(record.id, "pid"),
    )
    return record
