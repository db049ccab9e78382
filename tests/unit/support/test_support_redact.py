"""Secrets are taken out of texts and values; what explains a problem stays."""

import json

import pytest

from cri_shim.support import redact

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "value",
    [
        {"envs": [{"key": "DB", "value": SECRET}]},
        {"env": [f"DB={SECRET}"]},
        {"annotations": {"vault": SECRET}},
        {"command": ["sh", "-c", f"login {SECRET}"]},
        {"args": [SECRET]},
        {"plugins": [{"type": "x", "etcd_password": SECRET}]},
        {"k8s_auth_token": SECRET},
        {"kubernetes": {"kubeconfig": SECRET}},
        {"message": f"pull https://me:{SECRET}@host/x failed"},
        {"message": f"--registry-password={SECRET}"},
        {"message": f'{{"token": "{SECRET}"}}'},
        {"message": f"Authorization: Bearer {SECRET}"},
    ],
)
def test_a_secret_is_not_shown(value: dict[str, object]) -> None:
    shown = json.dumps(redact.json_value(value))
    assert SECRET not in shown
    assert redact.GONE in shown


def test_names_and_structure_stay() -> None:
    value = {
        "envs": [{"key": "DB", "value": "x"}],
        "annotations": {"a/b": "x"},
        "command": ["sh", "-c"],
        "labels": {"app": "web"},
        "exitCode": 7,
        "tls_cert_file": "/etc/cert",
        "message": "exec format error",
    }
    assert redact.json_value(value) == {
        "envs": [{"key": "DB", "value": redact.GONE}],
        "annotations": {"a/b": redact.GONE},
        "command": ["sh", redact.GONE],
        "labels": {"app": "web"},
        "exitCode": 7,
        "tls_cert_file": "/etc/cert",
        "message": "exec format error",
    }


def test_variables_keep_their_names_and_the_path() -> None:
    assert redact.variables(["PATH=/bin", f"X={SECRET}"]) == ["PATH=/bin", f"X={redact.GONE}"]
