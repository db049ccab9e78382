"""The name of an object that has no record, from the OCI document that it left."""

from typing import Any

from cri_shim.activity import Subject
from cri_shim.comparison.place import Place
from cri_shim.oci import bundle

_CRI = "io.kubernetes.cri."


def of_container(place: Place, id: str) -> Subject:
    """Return NAMESPACE/POD/NAME as its document has it; only the id if there is none."""
    found = _annotations(place, id)
    pod = _pod(found)
    name = str(found.get(f"{_CRI}container-name", ""))
    return Subject("container", f"{pod}/{name}" if pod and name else "", id)


def of_pod(place: Place, id: str) -> Subject:
    """Return NAMESPACE/NAME as the document of its pause process has it; else only the id."""
    try:
        found = bundle.spec(place.paths.pod(id) / "pause").get("annotations")
    except (OSError, ValueError, AttributeError):
        found = None
    return Subject("pod", _pod(found if isinstance(found, dict) else {}), id, id)


def _annotations(place: Place, id: str) -> dict[str, Any]:
    try:
        found = bundle.spec(place.paths.bundle(id)).get("annotations")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _pod(found: dict[str, Any]) -> str:
    namespace, name = (
        str(found.get(f"{_CRI}sandbox-{part}", "")) for part in ("namespace", "name")
    )
    return f"{namespace}/{name}" if namespace and name else ""
