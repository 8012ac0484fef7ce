"""A real Prometheus and a real Alertmanager, on ports and in directories of their own."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.http import request
from support.process import Process
from support.programs import REPOSITORY
from support.site import free_port
from support.waiting import wait_until

RULES = REPOSITORY / "packaging" / "prometheus" / "driftd.rules.yml"


class Service(Process):
    """A server with an HTTP interface that tells when it is ready."""

    port: int

    def get_json(self, path: str) -> Any:
        self.assert_running()
        answer = request(self.port, path)
        assert answer.status == 200, f"{path} answers {answer.status}: {answer.body!r}"
        return json.loads(answer.body)

    def _is_ready(self) -> bool:
        self.assert_running()
        return request(self.port, "/-/ready").status == 200

    def wait_ready(self) -> None:
        wait_until(self._is_ready, bool, f"{self.command[0]} is ready", 60)


class Alertmanager(Service):
    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        config = directory / "alertmanager.yml"
        config.write_text(
            "route: {receiver: nobody, group_wait: 0s, group_interval: 1s}\n"
            "receivers: [{name: nobody}]\n"
            "global: {resolve_timeout: 5s}\n"
        )
        command = [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={directory / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        super().__init__(command, directory / "alertmanager.log")

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """The active alerts of that name."""
        return [alert for alert in self.get_json("/api/v2/alerts?active=true") if alert["labels"]["alertname"] == name]


class Prometheus(Service):
    """Scrapes one target each second, judges the rules each second, sends alerts to one Alertmanager."""

    def __init__(self, directory: Path, target: int, alertmanager: int, rules: Path) -> None:
        self.port = free_port()
        config = directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{json.dumps(str(rules))}]\n"
            "scrape_configs:\n"
            f"- {{job_name: driftd, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}\n"
            "alerting:\n"
            f"  alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]\n"
        )
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            # 1 min by default: the time for which an alert is resent is derived from it.
            "--rules.alert.resend-delay=1s",
        ]
        super().__init__(command, directory / "prometheus.log")

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The instant vector now: labels and value of each series."""
        answer = self.get_json(f"/api/v1/query?query={quote(expression)}")
        assert answer["status"] == "success", answer
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def values(self, expression: str) -> list[float]:
        return [value for _, value in self.query(expression)]

    def firing(self) -> set[str]:
        alerts = self.get_json("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
