"""Files that the configuration names: what the daemon would refuse is found before its start."""

from pathlib import Path

import pytest

from cri_shim.config import Places, load
from cri_shim.problems import Level
from cri_shim.report import refused


def _failures(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text(text)
    config = load(file, places=Places(tmp_path / "no", tmp_path / "no.d", ()))
    return [each.text for each in refused.look(config) if each.level is Level.FAILS]


def test_a_right_configuration_has_no_failure(tmp_path: Path) -> None:
    assert _failures(tmp_path, "") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('conmon_path = ["/no/conmon"]', "no conmon found; tried: /no/conmon"),
        ('default_sysctls = ["kernel.x=1"]', "default_sysctls"),
        ('[containers]\ndefault_capabilities = ["FLY"]', "no capability is called 'FLY'"),
        ('[containers]\ntimezone = "No/Where"', "install the package tzdata"),
        ('hooks_dir = ["/no/hooks"]\nhooks_dir_not_exist_fatal = true', "/no/hooks"),
        ('[image]\nregistries_conf = "/no/registries.conf"', "/no/registries.conf does not exist"),
        ('signature_policy_path = "/no/policy.json"', "/no/policy.json cannot be used"),
        (
            '[streaming]\ntls_cert_file = "/no/cert"\ntls_key_file = "/no/key"',
            "cannot serve TLS with /no/cert and /no/key: ",
        ),
    ],
)
def test_what_the_daemon_refuses_is_a_failure_with_the_line(
    tmp_path: Path, text: str, said: str
) -> None:
    (failure,) = _failures(tmp_path, text)
    assert said in failure
    if "conmon" not in text:
        assert failure.startswith(f"{tmp_path}/config.toml:")


def test_all_failures_are_told_at_once(tmp_path: Path) -> None:
    text = 'conmon_path = ["/no/conmon"]\n[image]\nregistries_conf = "/no/r.conf"'
    assert len(_failures(tmp_path, text)) == 2


def test_a_device_that_every_container_would_lack_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[containers]\nadditional_devices = ["/dev/null", "/dev/gone:/dev/x"]\n')
    config = load(file, places=Places(tmp_path / "no", tmp_path / "no.d", ()))
    about = [each for each in refused.look(config) if each.key == "containers.additional_devices"]
    assert [each.level for each in about] == [Level.WARNING]
    assert "/dev/gone is not there" in about[0].text
