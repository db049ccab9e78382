"""promtool of Prometheus accepts the files of deploy/metrics, and the alerts fire as intended."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parents[3]
DEPLOY = TOP / "deploy" / "metrics"
CASES = Path(__file__).with_name("alerts_test.yaml")


def promtool(*arguments: str | Path) -> str:
    """Return what promtool says; fail with it if it finds a mistake."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return Path(shutil.copy(DEPLOY / "alerts.yaml", tmp_path))


def test_the_alerts_are_valid(rules: Path) -> None:
    assert "SUCCESS: 17 rules found" in promtool("check", "rules", rules)


def test_the_alerts_fire_as_intended(rules: Path) -> None:
    cases = shutil.copy(CASES, rules.parent)

    assert "SUCCESS" in promtool("test", "rules", cases)


def test_the_expressions_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    recorded = [
        {"record": f"r:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))

    assert f"SUCCESS: {len(expressions)} rules found" in promtool("check", "rules", file)


def test_the_scrape_configuration_is_valid(rules: Path) -> None:
    """Debian's Prometheus has no discovery of Kubernetes: a fixed target takes its place."""
    config = yaml.safe_load((DEPLOY / "scrape.yaml").read_text())
    (job,) = config["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "node"}]
    job["static_configs"] = [{"targets": ["192.0.2.1:9920"]}]
    file = rules.parent / "prometheus.yaml"
    file.write_text(yaml.safe_dump(config))

    assert "SUCCESS" in promtool("check", "config", "--syntax-only", file)
