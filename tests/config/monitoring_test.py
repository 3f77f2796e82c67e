"""Alert rules and the dashboard against what the real daemon serves: no expression waits for a name that nobody says.

    python3 monitoring_test.py --binary build/release/daemon/admetricsd
"""

import json
import os
import re
import urllib.request

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = os.path.join(ROOT, "config/admetricsd.rules.yml")
DASHBOARD = os.path.join(ROOT, "config/grafana-dashboard.json")
OF_PROMETHEUS = {"job", "instance", "le"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rule_expressions():
    """The expr: of each alert, also where it goes on over several lines."""
    found = re.findall(r"(?m)^ {8}expr: (.*(?:\n {10,}.*)*)", read(RULES))
    return [re.sub(r"^>-\s*|\n\s*", " ", text) for text in found]


class Dashboard:
    def __init__(self, path):
        self.model = json.loads(read(path))
        self.panels = []
        for panel in self.model["panels"]:
            self.panels += [panel] + panel.get("panels", [])

    def expressions(self):
        return [target["expr"] for panel in self.panels for target in panel.get("targets", [])]


class Monitoring(harness.WorldCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.served = {}  # name -> label -> values

    def setUp(self):
        if not self.served:
            self.ask_a_daemon()

    def ask_a_daemon(self):
        world = self.empty_world()
        world.demo(users=200, days=5)
        world.configure(http={"listen": "127.0.0.1:0"})
        world.start()
        world.await_epochs()
        port = harness.wait_until(lambda: re.search(r"serving HTTP at [0-9.]+:(\d+)", world.log()), "the port").group(1)
        for _ in range(2):  # the first answer is counted in the second
            with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % port, timeout=30) as answer:
                text = answer.read().decode()
        for name, labels in re.findall(r"(?m)^([a-z_]+)(?:\{(.*)\})? \S+$", text):
            known = self.served.setdefault(name, {})
            for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
                known.setdefault(label, set()).add(value)
        world.stop()

    def check(self, expression):
        names = re.findall(r"\b(admetricsd_[a-z_]+)(?:\{(.*?)\})?", expression)
        self.assertTrue(names or "up{" in expression, expression)
        for name, selectors in names:
            self.assertIn(name, self.served, expression)
            for label, operator, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', selectors):
                if label in OF_PROMETHEUS:
                    continue
                self.assertIn(label, self.served[name], expression)
                if operator == "=":
                    self.assertIn(value, self.served[name][label], expression)

    def test_rules_name_what_is_served(self):
        expressions = rule_expressions()
        self.assertEqual(len(expressions), read(RULES).count("- alert: "))
        for expression in expressions:
            self.check(expression)

    def test_each_rule_says_what_to_do(self):
        for rule in read(RULES).split("- alert: ")[1:]:
            self.assertRegex(rule, r"severity: (critical|warning)")
            self.assertRegex(rule, r"summary: \S")
            self.assertRegex(rule, r"description: >-\n\s+Run: \S+ ")
            self.assertRegex(rule, r"runbook_url: file:///usr/share/doc/admetricsd/operations\.md#\S+")

    def test_the_dashboard_names_what_is_served(self):
        expressions = Dashboard(DASHBOARD).expressions()
        self.assertGreater(len(expressions), 20)
        for expression in expressions:
            self.check(expression)

    def test_the_dashboard_is_sound(self):
        dashboard = Dashboard(DASHBOARD)
        self.assertIsNone(dashboard.model["id"], "an import gives it one")
        self.assertGreaterEqual(dashboard.model["schemaVersion"], 36)
        ids = [panel["id"] for panel in dashboard.panels]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in dashboard.panels:
            self.assertTrue(panel["title"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"] + " lies on another panel")
            taken |= cells
            if panel["type"] != "row":
                self.assertTrue(panel["description"], panel["title"])
                self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
                references = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(references), len(set(references)), panel["title"])


if __name__ == "__main__":
    harness.main()
