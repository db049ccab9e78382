"""Takes secrets out of texts and of JSON-able values. Pure."""

import re
from typing import Any

GONE = "REDACTED"

# Whole values that are never shown, by key: what tenants chose for their programs.
_VALUES = frozenset({"annotations", "stdin", "configData", "sysctls"})
_SECRET = re.compile(
    r"pass|secret|token|credential|auth|private|kubeconfig|api_?key|cert|signature", re.IGNORECASE
)
_KNOWN_GOOD = frozenset(
    {"tls_cert_file", "tls_client_ca_file", "signature_policy_path", "signature_policy_dir"}
)
_IN_URL = re.compile(r"://[^/@\s\"']+@")
_ASSIGNED = re.compile(
    r"(?i)((?:[\w-]*(?:pass|secret|token|credential|authorization|api_?key)[\w-]*)"
    r"[\"']?\s*[=:]\s*(?:bearer |basic )?[\"']?)[^\s\"',;]+"
)


def text(value: str) -> str:
    """Return a text without credentials in URLs and in assignments like password=x."""
    return _ASSIGNED.sub(rf"\1{GONE}", _IN_URL.sub(f"://{GONE}@", value))


def json_value(value: Any, key: str = "") -> Any:
    """Return a JSON-able value without secrets; keys and structure stay."""
    if key in _VALUES:
        return _emptied(value)
    if key in ("envs", "env", "environment"):
        return [_variable(item) for item in value] if isinstance(value, list) else GONE
    if key in ("command", "args", "cmd") and isinstance(value, list):
        return [*value[:1], *(GONE for _ in value[1:])] if key != "args" else [GONE] * len(value)
    if isinstance(value, dict):
        return {str(name): json_value(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [json_value(item, "") for item in value]
    if isinstance(value, str) and value and _is_secret(key):
        return GONE
    return text(value) if isinstance(value, str) else value


def variables(assignments: list[str]) -> list[str]:
    """Return NAME=VALUE settings without their values; PATH stays whole."""
    return [each if each.startswith("PATH=") else _variable(each) for each in assignments]


def _is_secret(key: str) -> bool:
    last = key.rpartition(".")[2]
    return last not in _KNOWN_GOOD and bool(_SECRET.search(last))


def _emptied(value: Any) -> Any:
    return dict.fromkeys(value, GONE) if isinstance(value, dict) else GONE if value else value


def _variable(item: Any) -> Any:
    if isinstance(item, dict):
        return {"key": item.get("key", item.get("name", "")), "value": GONE}
    return f"{str(item).partition('=')[0]}={GONE}"
