# A plugin of sosreport(1): copy it to sos/report/plugins/ of the installed sos.

from sos.report.plugins import IndependentPlugin, Plugin


class CriShim(Plugin, IndependentPlugin):
    """The state of cri-shim, without the secrets of its containers."""

    short_desc = "cri-shim, a Kubernetes container runtime"
    plugin_name = "cri_shim"
    profiles = ("container", "kubernetes")
    packages = ("cri-shim",)
    services = ("cri-shim",)

    def setup(self):
        self.add_journal(units="cri-shim")
        report = self.get_cmd_output_path(name="report.tar.gz", make=True)
        self.add_cmd_output(f"cri-shim report -o {report}")
        self.add_cmd_output(
            ["cri-shim version", "cri-shim check", "cri-shim ps -a", "cri-shim pods"]
        )
