"""`Network`: the interface of the pods' networks for the rest of the runtime.

    network = Network(conf_dir, bin_dirs, cache_dir)
    await network.start()
    record.network.attachments.extend(network.plan(record))     # the intent: store it, then
    attached = await network.attach(record)
    ...
    await network.detach(record)                                # from the record alone

The status is kept in memory (see readiness); no verb reads the configuration directory.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cri_shim.activity import subject
from cri_shim.aio.cleanup import Step, raise_all, run_all
from cri_shim.aio.keyed_lock import KeyedLock
from cri_shim.aio.readers_writer import ReadersWriterLock
from cri_shim.errors import CriShimError, Unavailable
from cri_shim.faults import fault_point
from cri_shim.network import capabilities, leftovers, records, result, verbs
from cri_shim.network.bundled import BUNDLED, Bundled, OwnNetwork, subnets_of
from cri_shim.network.cache import Cache, CachedResult
from cri_shim.network.catalog import Catalog
from cri_shim.network.driver import Attached, Networks, NetworkStatus
from cri_shim.network.exec import Plugins
from cri_shim.network.readiness import Readiness
from cri_shim.network.verbs import Attachment
from cri_shim.pb import api_pb2, state_pb2

POLL_S = 5.0  # the largest age of a status if no event reported a change
_ANY_PORT = {"hostPort": 1, "containerPort": 1, "protocol": "tcp"}
GC_PATIENCE_S = 5.0  # how long a GC may delay new pods while it waits for running ADDs

_log = logging.getLogger(__name__)


class Network:
    def __init__(
        self,
        conf_dir: Path,
        bin_dirs: Sequence[Path],
        cache_dir: Path,
        *,
        default_network: str = "",
        bundled: Bundled | None = BUNDLED,
        add_timeout: float,
        del_timeout: float,
        unmapped_host_ports: bool = False,
        poll: float = POLL_S,
    ) -> None:
        """`default_network` "" means the first by file name; times are in seconds.

        The network `bundled` is used while `conf_dir` has no file. `unmapped_host_ports`: pods may
        have host ports of which no plugin gets the mappings.
        """
        self._mark = str(cache_dir)
        self._plugins = Plugins(bin_dirs, {leftovers.MARK: self._mark})
        catalog = Catalog(conf_dir, self._plugins, default_network)
        self._readiness = Readiness(self._plugins, catalog, [conf_dir, *bin_dirs], poll)
        self._cache = Cache(cache_dir)
        self._own = OwnNetwork(cache_dir, bundled)
        self._add_s, self._del_s = add_timeout, del_timeout
        self._allows_unmapped = unmapped_host_ports
        self._locks = KeyedLock()
        self._gate = ReadersWriterLock("a GC of the networks")

    def limit(self, add: float, delete: float) -> None:
        """Set the seconds that an ADD and a DEL may take which begin from now on."""
        self._add_s, self._del_s = add, delete

    async def start(self) -> None:
        """Return when the status is known; from then on changes are followed."""
        await leftovers.end(self._mark, self._plugins.directories)
        self._own.read_pod_cidr()
        self._readiness.own = self._own.listed()
        await self._readiness.start()

    async def stop(self) -> None:
        """End the watch; pods stay attached."""
        await self._readiness.stop()

    def status(self) -> NetworkStatus:
        """Return whether pods can be attached now, from memory."""
        return self._readiness.status()

    def networks(self) -> Networks:
        """Return what the last look found; each configuration file that it did not use is a
        problem.
        """
        view = self._readiness.view
        default = view.default.name if view.default is not None else ""
        return Networks(default, [network.listed() for network in view.usable], view.problems)

    def plugins(self) -> dict[str, Path]:
        """Return the installed plugin binaries, by type."""
        return self._plugins.installed()

    async def set_pod_cidr(self, cidr: str) -> None:
        """Set the node's pod subnets ("10.1.0.0/24,fd00::/64"), and keep them over restarts.

        The bundled network uses them, and plugins that declare `ipRanges` get them. Pods that are
        attached keep their addresses. Raises InvalidArgument.
        """
        if self._own.set_pod_cidr(cidr):
            self._readiness.own = self._own.listed()
            await self._readiness.look()

    def plan(self, pod: state_pb2.PodRecord) -> list[state_pb2.NetworkAttachment]:
        """Return the intent: all that `attach` will do for this pod, independent of later settings.

        Raises Unavailable if no network is ready, InvalidArgument for invalid requests of the pod.
        """
        if pod.network.host or _wants_host_network(pod.config):
            return []
        status, default = self.status(), self._readiness.view.default
        if default is None or not status.ready:
            named = subject.pod(pod.config.metadata, pod.id)  # it is not one of the objects yet
            raise Unavailable(f"{named} cannot be attached: {status.message}")
        capabilities.check_names(pod)
        given = capabilities.arguments(pod, self._own.pod_cidr)
        if not self._allows_unmapped:
            capabilities.check_host_ports(pod.config, default)
        return [
            records.intent(network, f"eth{n}", given)
            for n, network in enumerate([default])  # one network a pod
        ]

    async def attach(self, record: state_pb2.PodRecord) -> Attached:
        """Run ADD for every planned network; all or nothing.

        After a failed ADD everything is detached before the error is raised. After a cancellation
        the plugin is dead, and the caller has to run `detach`. Raises PluginError (a ToolFailed),
        TimedOut; ToolFailed also for a network that gives the pod no address.
        """
        attached: list[Attached] = []
        async with self._gate.shared(), self._locks(record.id):
            try:
                for planned in record.network.attachments:
                    at = records.attachment(record, planned)
                    final = await verbs.add(self._plugins, at, self._add_s)
                    self._remember(at, final)
                    attached.append(Attached(verbs.addresses(at, final), verbs.result_json(final)))
            except Exception:
                await self._clean_up(record)
                raise
        return attached[0] if attached else Attached([], b"")

    async def detach(self, record: state_pb2.PodRecord) -> None:
        """Run DEL for every attachment of the record, the last one first; idempotent.

        It needs only the record. Every attachment is tried; ToolFailed has all errors, and then
        the caller may call it again.
        """
        planned = reversed(record.network.attachments)
        async with self._locks(record.id):
            failures = await run_all(("", partial(self._detach_one, record, p)) for p in planned)
        raise_all(f"pod {record.id}", failures)

    async def gc(self, valid: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Detach the cached attachments that no (pod id, interface) of `valid()` claims, and free
        the addresses of the bundled network that no such pod has.

        Only the plugins of the bundled network get GC: the others may have further users, whose
        pods it would detach. ToolFailed has all errors.
        """
        claimed = set(valid())
        steps: list[Step] = [
            ("", partial(self._detach_stale, entry))
            for entry in list(self._cache.entries())
            if (entry.container_id, entry.interface) not in claimed
        ]
        failures = await run_all([*steps, ("", partial(self._gc_bundled, valid))])
        raise_all("GC of networks", failures)

    async def _gc_bundled(self, valid: Callable[[], Iterable[tuple[str, str]]]) -> None:
        view = self._readiness.view
        if not view.bundled or view.default is None:
            return
        async with self._gate.alone(GC_PATIENCE_S):
            claims = list(valid())
            await verbs.gc(self._plugins, view.default, claims, verbs.GC_S)
            self._own.free_unclaimed(view.default.name, {id for id, _ in claims})
            self._cache.drop_unreadable()

    async def forget(self, pod_id: str) -> None:
        """Run DEL of the bundled network for a pod of which nothing is recorded; idempotent.

        It removes what its plugins find by the id: rules of host ports, and addresses.
        """
        if (listed := self._own.listed()) is None:
            return
        # Without a host port portmap removes none; it finds the rules by the id alone.
        plugins = capabilities.inline(listed.plugins, {"portMappings": [_ANY_PORT]})
        oldest = replace(listed, version=listed.versions[-1], plugins=plugins)
        async with self._locks(pod_id):
            at = Attachment(pod_id, "", "eth0", (), oldest)
            await verbs.delete(self._plugins, at, None, self._del_s)

    def subnets(self) -> list[str]:
        """Return the subnets of the bundled network; none if it is not used."""
        listed = self._own.listed()
        return [] if listed is None else subnets_of(listed)

    async def uninstall(self) -> None:
        """Remove the bridge and the masquerade rules of the bundled network from this node.

        For a forced shutdown, after every pod was detached; this ends the watch, too. WrongState
        while a pod is still attached.
        """
        await self.stop()
        await self._own.uninstall()

    async def _detach_one(
        self, record: state_pb2.PodRecord, planned: state_pb2.NetworkAttachment
    ) -> None:
        at = records.attachment(record, planned)
        final = self._final_result(record, planned)
        await verbs.delete(self._plugins, at, final, self._del_s)
        fault_point("network.detach.cache")
        self._cache.remove(planned.network, record.id, planned.interface)

    async def _detach_stale(self, entry: CachedResult) -> None:
        at = records.cached_attachment(entry)
        async with self._locks(entry.container_id):
            await verbs.delete(self._plugins, at, entry.result, self._del_s)
            self._cache.remove(entry.network, entry.container_id, entry.interface)

    async def _clean_up(self, record: state_pb2.PodRecord) -> None:
        for planned in reversed(record.network.attachments):
            try:
                await self._detach_one(record, planned)
            except (CriShimError, OSError) as e:  # the caller detaches again, and retries
                _log.warning("pod %s: clean-up after a failed ADD: %s", record.id, e)

    def _remember(self, at: Attachment, final: result.Result) -> None:
        fault_point("network.attach.cache")
        try:
            self._cache.write(records.cache_entry(at, final))
        except OSError as e:  # DEL works without it
            _log.warning("pod %s: its CNI result is not cached: %s", at.container_id, e)

    def _final_result(
        self, record: state_pb2.PodRecord, planned: state_pb2.NetworkAttachment
    ) -> result.Result | None:
        """Return the result of ADD from the cache or the record; None if neither has it."""
        entry = self._cache.read(planned.network, record.id, planned.interface)
        if entry is not None and entry.result is not None:
            return dict(entry.result)
        return records.kept_result(record, planned)


def _wants_host_network(config: api_pb2.PodSandboxConfig) -> bool:
    return config.linux.security_context.namespace_options.network == api_pb2.NODE
