"""Credentials of registries: asked for, read, and kept in a file of containers-auth.json(5)."""

import base64
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

from cri_shim.cli.exit_codes import UsageError
from cri_shim.errors import InvalidArgument
from cri_shim.registry.auth_files import MAX_FILE, places
from cri_shim.untrusted import parse_json, read_file

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_LONGEST = 1 << 16  # characters of a password on standard input


def file(explicit: str) -> Path:
    """Return the auth file to write: the named one, else the first that is read."""
    return places(explicit, os.environ)[0]


def user_and_password(text: str) -> tuple[str, str]:
    """Return both of USER[:PASSWORD]; without a password, ask for it on the terminal."""
    user, colon, password = text.partition(":")
    if not user:
        raise UsageError("the user name is empty: use USER or USER:PASSWORD")
    return user, password if colon else asked_password(user)


def asked_user() -> str:
    if not sys.stdin.isatty():
        raise UsageError("input is not a terminal: use --username, and --password-stdin")
    return input("Username: ").strip()


def asked_password(user: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            f"no password for {user}, and input is not a terminal: give it on standard input"
        )
    return getpass.getpass(f"Password for {user}: ")


def read_line() -> str:
    """Return standard input without its line end."""
    text = sys.stdin.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise UsageError(f"standard input has more than {_LONGEST} characters: is it a password?")
    if not (line := text.rstrip("\r\n")):
        raise UsageError("standard input is empty")
    return line


def of(explicit: str, registry: str) -> tuple[str, str] | None:
    """Return user and password of a registry in one auth file; None if it has none."""
    entry = _content(Path(explicit)).get("auths", {}).get(registry)
    encoded = entry.get("auth") if isinstance(entry, dict) else None
    if not isinstance(encoded, str):
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as e:
        raise InvalidArgument("", f"{explicit}: the entry of {registry} is not base64") from e
    return user, password


def keep(path: Path, registry: str, user: str, password: str) -> None:
    """Write the credential of a registry; only its owner can read the file."""
    content = _content(path)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    content.setdefault("auths", {})[registry] = {"auth": encoded}
    _write(path, content)


def forget(path: Path, registry: str) -> bool:
    """Remove the credential of a registry; return whether it was there."""
    content = _content(path)
    found = content.get("auths", {}).pop(registry, None) is not None
    if found:
        _write(path, content)
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(read_file(path, MAX_FILE))
    except FileNotFoundError:
        return {}
    except ValueError as e:
        raise InvalidArgument("", f"{path} is not a file of credentials: {e}") from e
    if not isinstance(found, dict) or not isinstance(found.get("auths", {}), dict):
        raise InvalidArgument("", f"{path} is not a file of credentials")
    return found


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, _NEW, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
