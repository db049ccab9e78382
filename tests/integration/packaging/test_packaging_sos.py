"""The plugin of sosreport, run by the sosreport of this distribution."""

import subprocess
import sys
import tarfile
from pathlib import Path

PLUGIN = Path(__file__).parents[3] / "deploy" / "sos"

# sos has its own PATH, and looks for plugins in the path of their package.
_RUN = """
import os, sys
import sos.policies, sos.report.plugins
directory, target = sys.argv[1:]
sos.report.plugins.__path__.append(directory)
sos.policies.load()  # sets PATH
os.environ["PATH"] = target + "/bin:" + os.environ["PATH"]
sos.SoS(
    ["report", "--batch", "--quiet", "-o", "cri_shim", "--tmp-dir", target,
     "--config-file", target + "/sos.conf"]
).execute()
"""


def test_the_archive_has_the_report_and_what_the_commands_print(tmp_path: Path) -> None:
    (tmp_path / "sos.conf").write_text("[global]\n")
    program = tmp_path / "bin" / "cri-shim"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m cri_shim --socket {tmp_path}/none "$@"\n'
    )
    program.chmod(0o755)

    command = ["/usr/bin/python3", "-c", _RUN, str(PLUGIN), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("sosreport-*.tar.*z")
    with tarfile.open(archive) as tar:
        sizes = {member.name.partition("sos_commands/")[2]: member.size for member in tar}
        (report,) = [name for name in tar.getnames() if name.endswith("cri_shim/report.tar.gz")]
        with tarfile.open(fileobj=tar.extractfile(report)) as inner:
            assert any(name.endswith("contents.json") for name in inner.getnames())
    for words in ("version", "check", "ps_-a", "pods"):
        assert sizes[f"cri_shim/cri-shim_{words}"] > 0
