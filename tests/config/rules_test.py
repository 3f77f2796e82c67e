"""promtool's word on the alert rules: they can be loaded, each fires when it should, and none when it should not. And on the
dashboard: each expression can be parsed.

    python3 rules_test.py
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RULES = os.path.join(ROOT, "config/admetricsd.rules.yml")
DASHBOARD = os.path.join(ROOT, "config/grafana-dashboard.json")
OPERATIONS = os.path.join(ROOT, "docs/operations.md")
TESTS = os.path.join(HERE, "rules_test.yml")
OWN_PROMTOOL = os.path.join(ROOT, "build/tools/promtool")  # scripts/setup.sh --test
PROMTOOL = shutil.which("promtool") or shutil.which(OWN_PROMTOOL)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Rules(unittest.TestCase):
    maxDiff = None

    def promtool(self, *arguments, cwd=None):
        done = subprocess.run([PROMTOOL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, cwd=cwd, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_can_be_loaded(self):
        self.promtool("check", "rules", RULES)

    def test_the_scrape_job_of_the_operations_page_is_good(self):
        (block,) = re.findall(r"```yaml\n(.*?)```", read(OPERATIONS), re.DOTALL)
        installed = "/usr/share/admetricsd/admetricsd.rules.yml"
        self.assertIn(installed, block)
        self.assertIn("job_name: admetricsd\n", block)
        with tempfile.TemporaryDirectory(prefix="admetricsd-rules-") as folder:
            path = os.path.join(folder, "prometheus.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(block.replace(installed, RULES))
            self.promtool("check", "config", path)

    def test_fire_and_are_silent(self):
        with tempfile.TemporaryDirectory(prefix="admetricsd-rules-") as folder:
            for path in (RULES, TESTS):
                shutil.copy(path, folder)
            self.promtool("test", "rules", os.path.basename(TESTS), cwd=folder)

    def test_the_dashboard_can_be_parsed(self):
        rules = []
        for panel in json.loads(read(DASHBOARD))["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "5m")
                rules.append({"record": "panel:%d:%s" % (panel["id"], target["refId"]), "expr": expression})
        with tempfile.TemporaryDirectory(prefix="admetricsd-rules-") as folder:
            path = os.path.join(folder, "dashboard.yml")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
            self.promtool("check", "rules", path)

    def test_every_alert_has_both_tests(self):
        alerts = re.findall(r"- alert: (\w+)", read(RULES))
        self.assertGreater(len(alerts), 10)
        tests = read(TESTS)
        for alert in alerts:
            self.assertEqual(tests.count("name: %s fires\n" % alert), 1, alert)
            self.assertEqual(tests.count("alertname=\"%s\"" % alert), 1, alert)
            self.assertEqual(tests.count("name: '%s is silent: " % alert), 1, alert)


if __name__ == "__main__":
    if PROMTOOL is None:
        print("skipped: promtool is not there (scripts/setup.sh --test)")
        sys.exit(77)
    unittest.main()
