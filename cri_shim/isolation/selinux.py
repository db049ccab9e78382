"""SELinux on this node.

If it is off, labels are accepted and have no effect, as with containerd and CRI-O: the same
manifest runs on nodes with and without SELinux. `selinux_relabel` of a mount is not carried out:
volumes must already have a label that containers may use.
"""

import logging
from pathlib import Path

from cri_shim.errors import InvalidArgument
from cri_shim.pb import api_pb2 as api
from cri_shim.spec import selinux
from cri_shim.untrusted import read_file, reason, text

_MAX_FILE = 1 << 20  # bytes
_CONFIG = Path("/etc/selinux/config")

_log = logging.getLogger(__name__)


class SELinux:
    """`filesystem`: the mount point of selinuxfs, if it is mounted."""

    def __init__(self, filesystem: Path = Path("/sys/fs/selinux")) -> None:
        self._filesystem = filesystem
        self.enabled = (filesystem / "enforce").exists()
        self._defaults = selinux.defaults(_contexts()) if self.enabled else selinux.Defaults()

    def labels(
        self, at: str, requested: api.SELinuxOption, pod_id: str, *, privileged: bool
    ) -> tuple[str, str]:
        """Return (process label, mount label), both "" if SELinux is off.

        InvalidArgument for a label that the policy does not know; `at` is the context's path.
        """
        if not self.enabled:
            return "", ""
        process, mount = selinux.labels(requested, pod_id, self._defaults, privileged=privileged)
        for label in filter(None, (process, mount)):
            self._check(f"{at}.selinux_options", label)
        return process, mount

    def _check(self, field: str, label: str) -> None:
        """Let the kernel check the label: it accepts only labels that are valid by its policy."""
        try:
            (self._filesystem / "context").write_bytes(label.encode() + b"\0")
        except OSError as e:
            problem = f"the policy of this node knows no label {label!r}: {e.strerror}"
            raise InvalidArgument(field, problem) from e


def _contexts() -> str:
    """Return the lxc_contexts of the active policy; "" if there is none."""
    try:
        lines = text(read_file(_CONFIG, _MAX_FILE)).splitlines()
        kind = next(s.partition("=")[2].strip() for s in lines if s.startswith("SELINUXTYPE="))
        contexts = _CONFIG.parent / kind / "contexts" / "lxc_contexts"
        return text(read_file(contexts, _MAX_FILE))
    except StopIteration:
        return ""
    except (OSError, ValueError) as e:
        _log.warning("the SELinux contexts of this node are not known: %s", reason(e))
        return ""
