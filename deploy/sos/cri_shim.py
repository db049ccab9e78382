# A plugin of sosreport(1): copy it to sos/report/plugins/ of the installed sos.

from pathlib import Path

from sos.report.plugins import DebianPlugin, IndependentPlugin, Plugin


# The sos of Debian 12 knows DebianPlugin only.
class CriShim(Plugin, IndependentPlugin, DebianPlugin):
    """The state of cri-shim, without the secrets of its containers."""

    short_desc = "cri-shim, a Kubernetes container runtime"
    plugin_name = "cri_shim"
    profiles = ("container", "kubernetes")
    packages = ("cri-shim",)
    services = ("cri-shim",)

    def setup(self):
        self.add_journal(units="cri-shim")
        report = Path(self.get_cmd_output_path(), "report.tar.gz")
        self.add_cmd_output(f"cri-shim report -o {report}")
        self.add_cmd_output(
            ["cri-shim version", "cri-shim check", "cri-shim ps -a", "cri-shim pods"]
        )
