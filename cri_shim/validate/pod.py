"""Checks of a PodSandboxConfig."""

import re

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.validate import fields
from cri_shim.validate.resources import check_resources
from cri_shim.validate.security import check_pod_security

MAX_HOSTNAME_BYTES = 64  # the limit of sethostname(2)
# More than RFC 1123 allows, like other runtimes: names with _ are common. The host name is a word
# of /etc/hosts.
_HOSTNAME = re.compile(r"[A-Za-z0-9._-]+")

# The kubelet's limits. A resolver reads three servers and silently ignores the rest.
MAX_DNS_SERVERS = 3
MAX_DNS_SEARCHES = 32
MAX_DNS_SEARCH_CHARACTERS = 2048

# The rule of Kubernetes, and interface names (`net/ipv4/conf/eth0.100/forwarding`).
MAX_SYSCTL_LENGTH = 253
_SYSCTL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_*-]*([./][A-Za-z0-9_][A-Za-z0-9_*-]*)+")


def check_pod(at: str, config: api.PodSandboxConfig) -> None:
    """Check a pod's config; `at` is the path of `config` in the request."""
    for field in ("name", "namespace", "uid"):
        fields.name(f"{at}.metadata.{field}", getattr(config.metadata, field))
    _hostname(f"{at}.hostname", config.hostname)
    if config.log_directory:
        fields.absolute(f"{at}.log_directory", config.log_directory)
        fields.without_parents(f"{at}.log_directory", config.log_directory)
    _dns(f"{at}.dns_config", config.dns_config)
    for index, mapping in enumerate(config.port_mappings):
        _port(f"{at}.port_mappings[{index}]", mapping)
    if config.HasField("windows"):
        raise InvalidArgument(f"{at}.windows", "this runtime is for Linux")
    _linux(f"{at}.linux", config.linux)


def _hostname(at: str, hostname: str) -> None:
    """Empty means the node's name (host network), or the kernel's default."""
    if not hostname:
        return
    if len(hostname.encode()) > MAX_HOSTNAME_BYTES:
        raise InvalidArgument(at, f"{hostname!r} is longer than {MAX_HOSTNAME_BYTES} bytes")
    if not _HOSTNAME.fullmatch(hostname):
        raise InvalidArgument(at, f"{hostname!r} has characters other than letters, digits, . _ -")


def _dns(at: str, dns: api.DNSConfig) -> None:
    """Servers are addresses; searches and options are words of lines in resolv.conf."""
    if len(dns.servers) > MAX_DNS_SERVERS:
        raise InvalidArgument(f"{at}.servers", f"more than {MAX_DNS_SERVERS}")
    for index, server in enumerate(dns.servers):
        fields.address(f"{at}.servers[{index}]", server)
    if len(dns.searches) > MAX_DNS_SEARCHES:
        raise InvalidArgument(f"{at}.searches", f"more than {MAX_DNS_SEARCHES}")
    if len(" ".join(dns.searches)) > MAX_DNS_SEARCH_CHARACTERS:
        raise InvalidArgument(f"{at}.searches", f"longer than {MAX_DNS_SEARCH_CHARACTERS} in all")
    for field in ("searches", "options"):
        for index, word in enumerate(getattr(dns, field)):
            fields.word(f"{at}.{field}[{index}]", word)


def _port(at: str, mapping: api.PortMapping) -> None:
    """A mapping with host_port 0 has no effect, but must be well-formed, too."""
    fields.known(f"{at}.protocol", mapping.protocol, api.Protocol.DESCRIPTOR)
    fields.between(f"{at}.container_port", mapping.container_port, 0, 65535)
    fields.between(f"{at}.host_port", mapping.host_port, 0, 65535)
    if mapping.host_port and not mapping.container_port:
        raise InvalidArgument(f"{at}.container_port", f"host port {mapping.host_port} needs one")
    if mapping.host_ip:
        fields.address(f"{at}.host_ip", mapping.host_ip)


def _linux(at: str, linux: api.LinuxPodSandboxConfig) -> None:
    fields.without_parents(f"{at}.cgroup_parent", linux.cgroup_parent)
    for name, value in linux.sysctls.items():
        if len(name) > MAX_SYSCTL_LENGTH or not _SYSCTL.fullmatch(name):
            raise InvalidArgument(
                f"{at}.sysctls", f"{name[:80]!r} is not the name of a kernel parameter"
            )
        fields.plain(f"{at}.sysctls[{name}]", value)
    check_resources(f"{at}.overhead", linux.overhead)
    check_resources(f"{at}.resources", linux.resources)
    check_pod_security(f"{at}.security_context", linux.security_context)
