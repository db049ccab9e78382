"""The program: `ready_main MODULE` imports a module and waits for one call of its `main`.

Standard input is a socket. Its one message has the arguments, as JSON, and the descriptor that
becomes standard input. The process ends if the socket ends before.
"""

import json
import os
import socket
from importlib import import_module

MESSAGE_LIMIT = 1 << 16  # bytes


def main(module: str) -> None:
    call = import_module(module).main
    with socket.socket(fileno=0) as daemon:
        message, descriptors, _, _ = socket.recv_fds(daemon, MESSAGE_LIMIT, 1)
    if not message:
        os._exit(0)
    os.dup2(descriptors[0], 0)
    os.close(descriptors[0])
    call(*json.loads(message))
