"""The dashboard, the alerts and the documentation use metrics and labels that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import cri_shim
from cri_shim.config import Config
from cri_shim.config.schema import KEYS
from cri_shim.metrics.declared import METRICS

TOP = Path(cri_shim.__path__[0]).parent
DEPLOY = TOP / "deploy" / "metrics"
_SELECTOR = re.compile(r"\b((?:cri_shim|process)_[a-z_]+)\{([^}]*)\}")
_NAME = re.compile(r"\b((?:cri_shim|process)_[a-z_]+)\b")
_SUFFIX = re.compile(r"_(bucket|count|sum)$")
_FROM_PROMETHEUS = {"instance", "job", "le"}  # labels of every series, and of buckets


def _dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "dashboard.json").read_text())
    return found


def _rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def _expressions() -> Iterator[str]:
    for panel in _dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in _rules())


def _metric(name: str) -> str:
    return name if name in METRICS else _SUFFIX.sub("", name)


@pytest.mark.parametrize("expression", [*_expressions()])
def test_an_expression_uses_declared_metrics_and_labels(expression: str) -> None:
    for name in _NAME.findall(expression):
        assert _metric(name) in METRICS
    for name, selectors in _SELECTOR.findall(expression):
        labels = set(re.findall(r"([a-z_]+)(?:=|!)", selectors))
        assert labels - _FROM_PROMETHEUS <= set(METRICS[_metric(name)].labels)
    for grouping in re.findall(r"by \(([a-z_, ]+)\)", expression):
        known = {label for name in _NAME.findall(expression) for label in _labels(name)}
        assert set(grouping.split(", ")) <= known | _FROM_PROMETHEUS


def _labels(name: str) -> tuple[str, ...]:
    return METRICS[_metric(name)].labels if _metric(name) in METRICS else ()


def test_the_panels_of_the_dashboard_have_numbers_and_places_of_their_own() -> None:
    panels = _dashboard()["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)


def test_every_alert_says_what_to_do() -> None:
    for rule in _rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_port_is_the_same_everywhere() -> None:
    texts = [path.read_text() for path in (DEPLOY / "scrape.yaml", DEPLOY / "servicemonitor.yaml")]
    texts.append((TOP / "docs" / "metrics.md").read_text())

    assert all(":9920" in text or " 9920" in text for text in texts)
    assert not any(re.search(r"\b99(?!20)\d\d\b", text) for text in texts)


def test_the_objects_of_the_operator_are_of_one_service() -> None:
    service, endpoints, monitor = yaml.safe_load_all((DEPLOY / "servicemonitor.yaml").read_text())
    name = service["metadata"]["name"]

    assert endpoints["metadata"]["labels"]["kubernetes.io/service-name"] == name
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_the_metrics_are_off_by_default() -> None:
    assert Config().metrics.address == ""
    assert KEYS["metrics.address"].default == ""
