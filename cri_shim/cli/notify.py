"""The daemon's messages to systemd: the sd_notify(3) protocol."""

import asyncio
import os
import socket


def send(state: str) -> bool:
    """Send a state like READY=1; False if there is no receiver.

    sd_notify(3): NOTIFY_SOCKET is a path, or a name of the abstract namespace with a leading @.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:  # a lost notification must not end the daemon
            return False
    return True


def watchdog_interval() -> float:
    """Return the seconds between keep-alive messages: half of systemd's limit; 0 without one."""
    allowed = os.environ.get("WATCHDOG_USEC", "0")
    watched_pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not allowed.isdigit() or watched_pid != str(os.getpid()):
        return 0.0
    return int(allowed) / 2e6


async def watchdog() -> None:
    """Send keep-alive messages until cancelled. A blocked event loop sends none."""
    interval = watchdog_interval()
    while interval:
        send("WATCHDOG=1")
        await asyncio.sleep(interval)
