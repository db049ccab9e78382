"""The answers of Status and RuntimeConfig: from memory, because the kubelet calls them often."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cri_shim.engine import Engine
from cri_shim.images import running
from cri_shim.pb import api_pb2 as api
from cri_shim.problems import daemon
from cri_shim.problems.watch import Problems
from cri_shim.untrusted import one_line


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Reads the engine at each call; `config` returns the effective configuration."""

    engine: Engine
    config: Callable[[], dict[str, Any]]
    problems: Problems

    def status(self, *, verbose: bool) -> api.StatusResponse:
        """Return the conditions, every handler, and the features that were probed.

        Verbose adds `config` (the effective configuration), `problems`, `network`, `retries`,
        `inProgress`, `pulls` and `pullCounters` as JSON.
        """
        answer = api.StatusResponse(
            status=api.RuntimeStatus(
                conditions=[self._runtime_ready(), self._network_ready(), *self._limits()]
            ),
            runtime_handlers=self._handlers(),
            features=api.RuntimeFeatures(
                supplemental_groups_policy=True,
                user_namespaces_host_network=any(
                    not handler.userns_problem for handler in self.engine.oci.handlers.values()
                ),
                mount_options=True,
            ),
        )
        if verbose:
            answer.info.update({key: json.dumps(value) for key, value in self._verbose().items()})
        return answer

    def runtime_configuration(self) -> api.LinuxRuntimeConfiguration:
        """Return the cgroup driver; the kubelet uses the same one."""
        systemd = self.engine.cgroups.driver == "systemd"
        return api.LinuxRuntimeConfiguration(cgroup_driver=api.SYSTEMD if systemd else api.CGROUPFS)

    def _runtime_ready(self) -> api.RuntimeCondition:
        default = self.engine.oci.handlers.get(self.engine.oci.default_handler)
        works = default is not None and not default.problem
        return api.RuntimeCondition(
            type="RuntimeReady",
            status=works,
            reason="" if works else "RuntimeHandlerNotWorking",
            message="" if works else self._sentences(daemon.OCI_RUNTIME),
        )

    def _network_ready(self) -> api.RuntimeCondition:
        network = self.engine.network.status()
        about = (daemon.NETWORK, daemon.MASQUERADING, daemon.WATCHING)
        return api.RuntimeCondition(
            type="NetworkReady",
            status=network.ready,
            reason=network.reason,
            message=self._sentences(*about),
        )

    def _sentences(self, *about: str) -> str:
        """Return the problems of some things, as the log and `info` have them."""
        found = self.problems.problems()
        return one_line("; ".join(problem.text for problem in found if problem.what in about))

    def _limits(self) -> list[api.RuntimeCondition]:
        """Return a condition for an unprivileged user's runtime, which the kubelet ignores."""
        if not self.engine.host.rootless:
            return []
        problem = self.engine.cgroups.problem
        return [
            api.RuntimeCondition(
                type="ResourceLimits",
                status=not problem,
                reason="NotDelegated" if problem else "",
                message=one_line(problem),
            )
        ]

    def _handlers(self) -> list[api.RuntimeHandler]:
        """Return each working handler, and the default one under the name ""."""
        working = [handler for handler in self.engine.oci.handlers.values() if not handler.problem]
        named = [
            ("", handler) for handler in working if handler.name == self.engine.oci.default_handler
        ]
        named += [(handler.name, handler) for handler in working]
        return [
            api.RuntimeHandler(
                name=name,
                features=api.RuntimeHandlerFeatures(
                    recursive_read_only_mounts=handler.features.rro,
                    user_namespaces=not handler.userns_problem,
                ),
            )
            for name, handler in named
        ]

    def _verbose(self) -> dict[str, Any]:
        return {
            "config": self.config(),
            "problems": [problem.facts() for problem in self.problems.problems()],
            "handlers": {
                handler.name: {
                    "path": str(handler.path) if handler.is_found else None,
                    "version": handler.version,
                    "problem": handler.problem,
                    "userNamespaces": handler.userns_problem or "available",
                }
                for handler in self.engine.oci.handlers.values()
            },
            "layerStore": dataclasses.asdict(self.engine.images.layer_store),
            "pulls": running.facts(self.engine),
            "pullCounters": self.engine.images.pulls.counters.facts(),
            "network": {"problems": self.engine.network.networks().problems},
            "resourceLimits": self.engine.cgroups.problem or "available",
            "retries": self.engine.retries(),
            "inProgress": self.engine.work.operations.facts(),
        }
