"""deploy/config.toml, and the table of keys in docs/settings.md, from the schema."""

from cri_shim import config
from cri_shim.cli.config_text import by_table, shown
from cri_shim.config.keys import Key, When
from cri_shim.config.schema import HANDLER_KEYS, KEYS, SOCKET_KEYS, SocketTable, current

_WIDTH = 100  # columns; a longer list has one entry on each line

_HEAD = """\
# cri-shim: /etc/cri-shim/config.toml
#
# Every key with its default; take away the # before a key to change it. Keys at the top have
# libpod's names, and a libpod.conf may stand in for this file. Files below
# /etc/cri-shim/config.d/*.toml are read after this one, in the order of their names; flags win over
# both. `cri-shim config` shows the values in force and where each came from; `cri-shim config
# --check` checks them.
#
# A change takes effect at the next start, or by `cri-shim reload` for keys that say so.
#
# For a daemon of an unprivileged user this file is ~/.config/cri-shim/config.toml, and its own
# directories take the place of those below.
"""
_SOCKETS = """\
# Further sockets, for peers that may not do everything: as many tables as you need. A peer is known
# by the kernel (SO_PEERCRED)."""
_HANDLERS = """\
# Runtime handlers, as a RuntimeClass names them. Two are known; each may have all keys."""

_PAGE = """\
# Settings

Every configuration key: its default, and when a change of it takes effect. `hack/docs` writes this
page from the source. `cri-shim config --docs` shows the values of a node, and `deploy/config.toml`
is a file with all keys.

    cri-shim config --check             # validate the files
    cri-shim config --diff              # what differs from the defaults, and from what runs
    cri-shim reload                     # or: systemctl reload cri-shim, or SIGHUP
    systemctl restart cri-shim          # ends no container

- `reload`: calls that begin after the reload have the new value. A call that runs keeps the value
  of its beginning.
- `reload, for new pods`: pods that are there keep what they were made with.
- `restart`: a reload reports the change and keeps the running value.

A reload reads the files and the flags as a start does. If a file has an error, if it names a file
that a start would refuse, or if no OCI runtime would work any more, nothing changes; the error
names file and line. Flags of the running daemon keep their precedence.

| Key | Default | Takes effect by | Meaning |
| --- | --- | --- | --- |
"""


def text() -> str:
    """Return the sample file."""
    lines = [_HEAD]
    defaults = config.Config()
    table = ""
    for name in by_table(KEYS):
        key = KEYS[name]
        if key.table != table and "." in name:
            table = key.table
            lines += [f"[{table}]", ""]
        lines += [f"# {key.doc}", *_when(key), *_commented(key.name, current(defaults, key)), ""]
    lines.append(_HANDLERS)
    for handler, found in defaults.runtimes.items():
        lines += [f"#[runtimes.{handler}]", *_one_line("path", found.path)]
        if handler == "crun":
            for field, key in HANDLER_KEYS.items():
                if field != "path":
                    lines += [f"# {key.doc}", *_when(key), *_commented(field, key.default)]
    lines += ["", _SOCKETS, "#[[sockets]]", '#path = "/run/cri-shim/watch.sock"']
    own = SocketTable()
    for name, key in SOCKET_KEYS.items():
        if name != "path":
            lines += [f"# {key.doc}", f"#{name} = {shown(getattr(own, name))}"]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return docs/settings.md."""
    rows = [_row(KEYS[name].name, KEYS[name]) for name in by_table(KEYS)]
    rows += [_row(key.name, key) for key in HANDLER_KEYS.values()]
    rows += [_row(f"[[sockets]] {name}", key) for name, key in SOCKET_KEYS.items()]
    return _PAGE + "\n".join(rows) + "\n"


def _row(name: str, key: Key) -> str:
    default = shown(key.default)
    default = f"`{default}`" if len(default) <= 40 else "a list"
    return f"| `{name}` | {default} | {key.when.value} | {key.doc.replace('|', chr(92) + '|')} |"


def _when(key: Key) -> list[str]:
    return [] if key.when is When.RESTART else [f"# takes effect by a {key.when.value}"]


def _one_line(name: str, value: tuple[str, ...]) -> list[str]:
    return [f"#{name} = [{', '.join(map(shown, value))}]"]


def _commented(name: str, value: object) -> list[str]:
    """Return the lines of a key; the toml package ends lists with a comma, which is left out."""
    short = name.rpartition(".")[2]
    items = [shown(item) for item in value] if isinstance(value, tuple) else None
    line = f"#{short} = {shown(value) if items is None else '[' + ', '.join(items) + ']'}"
    if items is None or len(line) <= _WIDTH:
        return [line]
    return [f"#{short} = [", *(f"#    {item}," for item in items), "#]"]
