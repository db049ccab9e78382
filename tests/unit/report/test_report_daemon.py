"""The daemon's own part of `info`."""

from cri_shim.report.daemon import files


def test_the_files_of_the_configuration_are_those_of_its_values() -> None:
    origin = {
        "a": "/etc/cri-shim/config.toml:3",
        "b": "default",
        "c": "flag c",
        "d": "/etc/cri-shim/config.d/1:2.toml:7",
        "e": "/etc/cri-shim/config.toml:9",
    }

    assert files(origin) == ["/etc/cri-shim/config.toml", "/etc/cri-shim/config.d/1:2.toml"]
