"""The OCI runtimes of a node by the names that the kubelet uses."""

from pathlib import Path
from typing import Any, cast

import pytest

from cri_shim.errors import InvalidArgument, WrongState
from cri_shim.oci.driver import OciDriver, Offered
from cri_shim.oci.handlers import Handler

NONE = cast(Any, None)


def handler(name: str, problem: str = "") -> Handler:
    return Handler(name, Path("/bin/true"), Path("/bin/true"), Path("/run"), problem=problem)


@pytest.fixture
def driver() -> OciDriver:
    handlers = {"crun": handler("crun"), "runc": handler("runc", "it is too old")}
    retired = {"youki": handler("youki")}
    return OciDriver(NONE, NONE, NONE, lambda: Offered(handlers, "crun", retired))


def test_the_empty_name_is_the_default_handler(driver: OciDriver) -> None:
    assert driver.handler("") is driver.handler("crun")


def test_an_unknown_handler_is_refused_with_the_known_names(driver: OciDriver) -> None:
    with pytest.raises(InvalidArgument, match="'kata' is configured; there are: crun, runc"):
        driver.handler("kata")


def test_a_handler_that_does_not_work_is_refused_with_its_problem(driver: OciDriver) -> None:
    with pytest.raises(WrongState, match="runc does not work: it is too old"):
        driver.handler("runc")


def test_a_node_without_a_handler_refuses_the_default() -> None:
    with pytest.raises(InvalidArgument, match="there are: none"):
        OciDriver(NONE, NONE, NONE, lambda: Offered({}, "", {})).handler("")


def test_a_handler_that_a_reload_took_out_serves_its_containers_and_no_new_pod(
    driver: OciDriver,
) -> None:
    assert driver.handler("youki") is driver.known("youki") is not None
    with pytest.raises(InvalidArgument, match="'youki' is configured; there are: crun, runc"):
        driver.chosen("youki")


def test_a_record_finds_its_handler_also_if_it_does_not_work(driver: OciDriver) -> None:
    assert (driver.known("runc") is not None, driver.known("kata")) == (True, None)
    assert [handler.name for handler in driver.every()] == ["crun", "runc", "youki"]
