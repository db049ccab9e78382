"""What pyproject.toml cannot say: the version is the tag's, also in the modules that are built."""

import re
import subprocess
import sys
from email import message_from_string
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).resolve().parent


def version() -> str:
    """Of a source distribution, which has it written down, or of a checkout."""
    written = TOP / "PKG-INFO"
    if written.exists():
        return str(message_from_string(written.read_text())["Version"])
    command = [sys.executable, str(TOP / "hack/version")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Build(build_py):
    """Write the version into the copy of cri_shim/version.py that is packed."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            module = Path(self.build_lib) / "cri_shim/version.py"
            line = f'__version__ = "{self.distribution.get_version()}"'
            text = re.sub(r"^__version__ = .*$", line, module.read_text(), flags=re.MULTILINE)
            module.write_text(text)


setup(version=version(), cmdclass={"build_py": Build})
