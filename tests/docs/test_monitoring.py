"""What is given to Prometheus and Grafana, against the metrics that the code writes, the guide, and
promtool. Against a daemon that runs: tests/integration/test_dashboard.py."""

import json
import re
import subprocess

import pytest
from project import REPO, SRC

FOLDER = REPO / "conf" / "monitoring"
GUIDE = REPO / "docs" / "monitoring.md"
TESTS = sorted((REPO / "tests" / "monitoring").glob("*.test.yml"))
DASHBOARD = FOLDER / "grafana-dashboard.json"


def families():
    """Each metric with its type, as the code names it."""
    text = (SRC / "admin" / "metrics.c").read_text()
    text = re.sub(r'"\s+"', "", text)
    found = dict(re.findall(r'metrics_(?:family|lone)\(\s*out,\s*"(\w+)",\s*"(\w+)"', text))
    found.update(re.findall(r'\{"(sasha_\w+)", "(counter|gauge)"', text))
    for name in re.findall(r'"((?:sasha|process)_\w+)"', text):
        found.setdefault(name, "counter" if name.endswith("_total") else "gauge")
    return found


def used_metrics(expr):
    """The families that an expression reads: a histogram's parts count as it."""
    names = set(re.findall(r"\b(?:sasha|process)_\w+", expr))
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in families() else name
            for name in names}


def alerts():
    return re.findall(r"^      - alert: (\w+)$", (FOLDER / "alerts.yml").read_text(), re.M)


def promtool(*arguments):
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                          cwd=REPO)


def test_guide_lists_each_metric_with_its_type():
    section = GUIDE.read_text().split("## Metrics\n")[1]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| \S", section, re.M)
    assert dict(row[:2] for row in rows) == families()
    assert len(rows) == len(families())


def test_guide_says_what_to_do_at_each_alert():
    text = (FOLDER / "alerts.yml").read_text()
    wanted = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", text, re.S)
    section = GUIDE.read_text().split("## Alerts\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (Sasha\w+) \| (\w+) \| (\S.{20,}) \|$", section, re.M)
    assert [row[:2] for row in rows] == wanted
    assert len(set(alerts())) == len(alerts()) == len(wanted)


def test_guide_links_to_headings_that_exist():
    for file, anchor in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", GUIDE.read_text()):
        headings = re.findall(r"^#+ (.*)$", (GUIDE.parent / file).read_text(), re.M)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
                   for heading in headings}
        assert anchor in anchors, (file, anchor)


def test_alerts_name_only_metrics_that_exist():
    text = re.sub(r"#.*", "", (FOLDER / "alerts.yml").read_text())
    assert used_metrics(text) <= set(families()), used_metrics(text) - set(families())


def test_rules_and_scrape_are_valid():
    for arguments in (("check", "rules", FOLDER / "alerts.yml"),
                      ("check", "config", FOLDER / "prometheus.yml")):
        result = promtool(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_unit_test():
    tested = set()
    for path in TESTS:
        tested |= set(re.findall(r"^  - name: (Sasha\w+)$", path.read_text(), re.M))
    assert tested == set(alerts())


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alerts_fire_when_they_should(path):
    result = promtool("test", "rules", path)
    assert result.returncode == 0, result.stdout + result.stderr


# ---- the dashboard ----

@pytest.fixture(scope="module")
def dashboard():
    return json.loads(DASHBOARD.read_text())


def targets(dashboard):
    return [(panel, target) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_dashboard_can_be_imported(dashboard):
    """What Grafana asks for, as far as its schema says."""
    assert dashboard["title"] and re.fullmatch(r"[\w-]{1,40}", dashboard["uid"])
    assert "id" not in dashboard or dashboard["id"] is None
    assert dashboard["schemaVersion"] >= 36
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["type"] == "datasource"
    for panel, target in targets(dashboard):
        assert panel["type"] in ("stat", "table", "timeseries")
        assert panel["datasource"] == target["datasource"] == {
            "type": "prometheus", "uid": "${datasource}"}
        assert panel["title"] and panel["fieldConfig"]["defaults"]["unit"]
    for panel in dashboard["panels"]:
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(refs)) == len(refs)
        assert panel["type"] == "row" or refs, panel["title"]


def test_dashboard_has_its_rows(dashboard):
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Intake", "Store", "Sinks", "Rotation", "Process"]


def test_panels_do_not_overlap(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        pos = panel["gridPos"]
        assert 0 <= pos["x"] and pos["x"] + pos["w"] <= 24
        cells = {(x, y) for x in range(pos["x"], pos["x"] + pos["w"])
                 for y in range(pos["y"], pos["y"] + pos["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


def test_dashboard_shows_every_metric_and_no_other(dashboard):
    used = set()
    for _, target in targets(dashboard):
        used |= used_metrics(target["expr"])
    assert used == set(families())


def test_every_expression_keeps_to_the_variables(dashboard):
    for panel, target in targets(dashboard):
        selectors = re.findall(r"\b(?:sasha|process)_\w+(\{[^}]*\})?", target["expr"])
        assert all('job=~"$job",instance=~"$instance"' in selector for selector in selectors), \
            (panel["title"], target["expr"])
