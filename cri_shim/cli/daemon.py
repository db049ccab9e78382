"""The connection of a command to the daemon: which socket, and how long a call may take."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim import config

if TYPE_CHECKING:
    from cri_shim.rpc.client import Client

SOCKET_VARIABLE = "CRI_SHIM_SOCKET"
ENDPOINT_VARIABLE = "CONTAINER_RUNTIME_ENDPOINT"  # crictl's: unix:///PATH

_TIMEOUT_S = 120.0  # as the kubelet's


def socket(args: argparse.Namespace, settings: config.Config | None = None) -> Path:
    """Return the daemon's socket: from a flag, else the environment, else the configuration."""
    settings = settings or config.load(args.config, args.overrides)
    if "server.socket" not in args.overrides:
        endpoint = os.environ.get(ENDPOINT_VARIABLE, "").removeprefix("unix://")
        if named := os.environ.get(SOCKET_VARIABLE) or endpoint:
            return Path(named).absolute()
    return settings.server.socket


def client(
    args: argparse.Namespace, settings: config.Config | None = None, *, patient: bool = False
) -> "Client":
    """Return a client of the daemon. `patient`: a call may take as long as it needs.

    The flag --timeout sets another limit for both.
    """
    from cri_shim.rpc.client import Client

    limit = args.call_timeout or (None if patient else _TIMEOUT_S)
    return Client(socket(args, settings), timeout=limit)
