"""Configuration: TOML files and flags become one frozen `Config`.

- `schema`: every key with its default, its meaning and its check, in one place
- `keys`: what a key is, and when a change of it takes effect
- `checks`, `ulimits`, `devices`: the checks of values, of limits of a process, and of devices
- `source`: reads one file or flag list into entries that remember file and line
- `foreign`: recognises the files of other runtimes
- `failures`: collects errors, so that all are told at once
- `changes`: what a new configuration changes in a running one
- `load`: the files and their order; builds the `Config`
- `values`: converts an entry to its key's type; defaults that depend on other keys
- `handlers`: the order of runtime handlers
- `absent`: keys that operators look for and that there are not
- `sockets`: the tables of [[sockets]]
- `libpod`: the forms that only a libpod.conf may have
- `user`: root, or an unprivileged user with directories of its own

Order, later wins: defaults; one main file (`--config FILE`, else /etc/cri-shim/config.toml, else
libpod's own places for libpod.conf); drop-ins /etc/cri-shim/config.d/*.toml by name; flags. For an
unprivileged user ~/.config/cri-shim replaces /etc/cri-shim.
"""

from cri_shim.config.load import Places, load
from cri_shim.config.schema import (
    NRI,
    Config,
    Containers,
    Image,
    Metrics,
    Network,
    RuntimeTable,
    Server,
    Streaming,
    Tracing,
    deep_copy,
)

__all__ = [
    "NRI",
    "Config",
    "Containers",
    "Image",
    "Metrics",
    "Network",
    "Places",
    "RuntimeTable",
    "Server",
    "Streaming",
    "Tracing",
    "deep_copy",
    "load",
]
