#!/usr/bin/env python3
"""What docs/install.md tells to type, typed."""

import os
import re
import shutil
import sqlite3
import tempfile
import unittest

from package_support import ROOT, Settings, main, read, run

INSTALL = os.path.join(ROOT, "docs/install.md")


class Remove(unittest.TestCase):
    def test_what_recorded_changes_goes(self):
        if shutil.which("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        folder = tempfile.mkdtemp(prefix="admetricsd-docs-")
        self.addCleanup(shutil.rmtree, folder)
        run(Settings.binary, "demo", folder, "--users", "50", "--days", "3")
        run(Settings.binary, "run", "--once", "--config", os.path.join(folder, "admetricsd.toml"))
        self.assertGreater(len(self.recorders(folder)), 10)

        section = read(INSTALL).split("\n## Remove\n")[1]
        commands = re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1)
        self.assertIn("/srv/pipeline/data/", commands)
        for _ in range(2):  # the second time there is nothing left to do
            done = run("sh", "-euc", commands.replace("/srv/pipeline/data", folder))
            self.assertEqual(done.stdout, "")
            self.assertEqual(self.recorders(folder), [])

    def recorders(self, folder):
        """Triggers and tables of capture; the sink's own tables are results."""
        found = []
        for name in ("mixpanel_data.db", "meta_analytics.db"):
            connection = sqlite3.connect(os.path.join(folder, name))
            found += [row[0] for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'trigger') AND name GLOB '_admetrics_*'"
                " AND name NOT GLOB '_admetrics_sink*'")]
            connection.close()
        return found


class Commands(unittest.TestCase):
    def test_every_command_exists(self):
        named = set(re.findall(r"\badmetricsd ([a-z][a-z-]*) .*--config", read(INSTALL)))
        self.assertGreater(len(named), 3)
        for command in named:
            run(Settings.binary, command, "--help")


if __name__ == "__main__":
    main()
