"""The manual pages cri-shim(8) and cri-shim.toml(5) in roff, from the sources that they describe.

python -m hack.deblib.man DIRECTORY VERSION
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from cri_shim import config
from cri_shim.cli.command_line import parser
from cri_shim.cli.config_text import by_table, line
from cri_shim.config.schema import HANDLER_KEYS, KEYS, current

_SEE_ALSO = {"cri-shim": "cri-shim.toml(5), crictl(1), crun(1), runc(8), conmon(8)"}
_SEE_ALSO["cri-shim.toml"] = "cri-shim(8), containers-registries.conf(5), containers-policy.json(5)"


def program(version: str) -> str:
    """Return cri-shim(8)."""
    top = parser()
    return "\n".join(
        [
            *_head("cri-shim", 8, version, "a Kubernetes container runtime"),
            *_section("synopsis"),
            ".B cri-shim",
            "[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]",
            *_section("description"),
            _escaped(
                "cri-shim serves the Kubernetes Container Runtime Interface on a unix socket and"
                " runs pods with crun or runc, conmon and CNI plugins. The command serve is the"
                " daemon; every other command uses its socket."
            ),
            *_section("options"),
            *_options(top),
            *_section("commands"),
            *_commands(top),
            *_section("files"),
            *_definition("/etc/cri-shim/config.toml", "The configuration; cri-shim.toml(5)."),
            *_definition("/etc/cri-shim/config.d/*.toml", "Drop-ins, read in the order of names."),
            *_definition("/run/cri-shim/cri-shim.sock", "The socket of the CRI."),
            *_definition("/var/lib/cri-shim", "Records, images and writable layers."),
            *_section("see also"),
            _SEE_ALSO["cri-shim"],
            "",
        ]
    )


def configuration(version: str) -> str:
    """Return cri-shim.toml(5)."""
    defaults = config.Config()
    lines = [
        *_head("cri-shim.toml", 5, version, "configuration of the container runtime cri-shim"),
        *_section("description"),
        _escaped(
            "A TOML file. Keys at the top level have the names of libpod.conf; the other keys are"
            " in tables. Drop-ins in /etc/cri-shim/config.d and command line flags take precedence."
            " An unknown key or a value of the wrong type is an error that names file and line."
        ),
    ]
    table: str | None = None
    for name in by_table(KEYS):
        here = name.rpartition(".")[0]
        if here != table:
            table = here
            lines += _section(f"table [{table}]" if table else "top level")
        value = line(name, current(defaults, KEYS[name]), "").removesuffix("#").rstrip(" #")
        effect = f"Takes effect by a {KEYS[name].when.value}."
        lines += _definition(value, f"{KEYS[name].doc}. {effect}")
    lines += _section("tables [runtimes.NAME]")
    for field, key in HANDLER_KEYS.items():
        lines += _definition(field, f"{key.doc}.")
    return "\n".join([*lines, *_section("see also"), _SEE_ALSO["cri-shim.toml"], ""])


def _head(name: str, section: int, version: str, summary: str) -> list[str]:
    title = f'.TH "{name.upper()}" {section} "" "cri-shim {version}"'
    return [title, ".ad l", *_section("name"), _escaped(f"{name} - {summary}")]


def _section(title: str) -> list[str]:
    return [f'.SH "{title.upper()}"' if "[" not in title else f'.SH "{_escaped(title)}"']


def _definition(term: str, text: str) -> list[str]:
    return [".TP", f"\\fB{_escaped(term)}\\fR", _escaped(text)]


def _options(of: argparse.ArgumentParser) -> Iterator[str]:
    for action in of._actions:
        if not isinstance(action, argparse._SubParsersAction) and action.help != "==SUPPRESS==":
            yield from _definition(_invocation(action), action.help or "")


def _invocation(action: argparse.Action) -> str:
    """Return the syntax of an argument: "-n, --lines N", or the name of a positional one."""
    formatter = argparse.HelpFormatter("")
    shown = formatter._format_action_invocation(action)
    return shown.replace("%%", "%")


def _commands(top: argparse.ArgumentParser) -> Iterator[str]:
    """Yield every command, and the commands below it, each with its arguments."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield f'.SS "{_escaped(f"{top.prog} {name}" if top.prog != name else name)}"'
                yield _escaped(sub.description or "")
                yield from _options(sub)
                yield from _commands(sub)


def _escaped(text: str) -> str:
    """Return the text as roff that shows it unchanged."""
    text = " ".join(text.replace("%%", "%").split())
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def main(directory: Path, version: str) -> None:
    (directory / "cri-shim.8").write_text(program(version))
    (directory / "cri-shim.toml.5").write_text(configuration(version))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
