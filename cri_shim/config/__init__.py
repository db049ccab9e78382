"""Configuration: TOML files and flags become one frozen `Config`.

- `schema`: every key with its default, its meaning and its check, in one place
- `source`: one file or flag list read into entries that remember file and line
- `load`: which files are read in which order, and how entries become values
- `libpod`: the forms that only a libpod.conf may have
- `user`: root, or an ordinary user with places of its own

Order, later wins: defaults; one main file (`--config FILE`, else /etc/cri-shim/config.toml, else
libpod's own places for libpod.conf); drop-ins /etc/cri-shim/config.d/*.toml by name; flags. For an
ordinary user ~/.config/cri-shim takes the place of /etc/cri-shim.
"""

from cri_shim.config.copying import deep_copy
from cri_shim.config.load import Places, load
from cri_shim.config.schema import (
    Config,
    Containers,
    Image,
    Network,
    RuntimeTable,
    Server,
    Streaming,
)

__all__ = [
    "Config",
    "Containers",
    "Image",
    "Network",
    "Places",
    "RuntimeTable",
    "Server",
    "Streaming",
    "deep_copy",
    "load",
]
