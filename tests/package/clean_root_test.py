#!/usr/bin/env python3
"""The package in a clean Debian root without systemd: installed, upgraded, removed, purged and installed again."""

import os
import shutil
import tempfile
import unittest

from package_support import CleanRoot, Settings, base_root, field, main, need_root, next_version, read, run

CONFIG = "/etc/admetricsd/admetricsd.toml"
STATE = "/var/lib/admetricsd"
CHANGED = "\n# An administrator was here.\n"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = base_root(Settings.package)
        cls.folder = tempfile.mkdtemp(prefix="admetricsd-next-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.next_package = next_version(Settings.package, cls.folder)

    def setUp(self):
        self.root = CleanRoot(self.base)
        self.addCleanup(self.root.close)

    def install(self, package=None):
        # The root holds what the package depends on, so dpkg alone must do. Without a terminal it keeps changed conffiles.
        return self.root.do("dpkg", "--force-confdef", "--force-confold", "--install", self.root.bring(package or Settings.package)).stdout

    def change_config(self):
        with open(self.root.file(CONFIG), "a", encoding="utf-8") as file:
            file.write(CHANGED)

    def passwd(self):
        """The service's user without its numbers: name, home, shell; or None."""
        found = self.root.do("getent", "passwd", "admetricsd", check=False).stdout.strip().split(":")
        return (found[0], found[4].rstrip(","), found[5], found[6]) if len(found) == 7 else None

    def leave_state(self):
        self.root.do("touch", STATE + "/ledger.db")

    def has(self, path):
        return os.path.exists(self.root.file(path))

    def test_a_fresh_install_works_at_once(self):
        said = self.install()
        hints = [line for line in said.splitlines() if "not started" in line]
        self.assertEqual(len(hints), 1, said)
        self.assertIn(CONFIG, hints[0])
        self.assertIn(field(Settings.package, "Version").split("-")[0], self.root.do("admetricsd", "--version").stdout)
        self.root.do("admetricsd", "check-config", "--config", CONFIG)
        self.assertEqual(self.passwd(), ("admetricsd", "admetricsd daemon", STATE, "/usr/sbin/nologin"))
        self.assertEqual(self.root.do("stat", "--format=%U:%G %a", STATE).stdout.strip(), "admetricsd:admetricsd 750")
        self.assertFalse(self.has("/etc/systemd/system/multi-user.target.wants/admetricsd.service"))
        self.assertEqual(self.root.do("dpkg", "--audit").stdout, "")
        self.assertEqual(self.root.do("dpkg", "--verify", "admetricsd").stdout, "")

    def test_the_installed_program_works_as_the_services_user(self):
        self.install()
        self.root.do("install", "-d", "-o", "admetricsd", "/srv/sample")
        as_service = ("setpriv", "--reuid=admetricsd", "--regid=admetricsd", "--clear-groups", "admetricsd")
        self.root.do(*as_service, "demo", "/srv/sample", "--users", "200", "--days", "5")
        self.root.do(*as_service, "run", "--once", "--config", "/srv/sample/admetricsd.toml")
        self.assertIn("equal", self.root.do(*as_service, "verify", "--config", "/srv/sample/admetricsd.toml").stdout)

    def test_the_user_is_the_one_that_systemd_would_make(self):
        if shutil.which("systemd-sysusers") is None:
            self.skipTest("systemd-sysusers is not installed")
        self.install()
        by_adduser = self.passwd()
        self.root.do("userdel", "admetricsd")
        run("systemd-sysusers", "--root=" + self.root.path, "admetricsd.conf")
        self.assertEqual(self.passwd(), by_adduser)

    def test_an_upgrade_keeps_what_an_administrator_changed(self):
        self.install()
        self.change_config()
        self.leave_state()
        said = self.install(self.next_package)
        self.assertNotIn("not started", said)
        self.assertIn(CHANGED, read(self.root.file(CONFIG)))
        self.assertIn("next version", read(self.root.file(CONFIG + ".dpkg-dist")))
        self.assertTrue(self.has(STATE + "/ledger.db"))
        self.assertTrue(self.root.do("dpkg-query", "--show", "admetricsd").stdout.strip().endswith("+next"))

    def test_an_upgrade_renews_what_nobody_changed(self):
        self.install()
        self.install(self.next_package)
        self.assertIn("next version", read(self.root.file(CONFIG)))
        self.assertFalse(self.has(CONFIG + ".dpkg-dist"))

    def test_removed_and_installed_again_it_is_as_before(self):
        self.install()
        self.change_config()
        self.leave_state()
        self.root.do("dpkg", "--remove", "admetricsd")
        self.assertFalse(self.has("/usr/bin/admetricsd"))
        self.assertFalse(self.has("/usr/lib/systemd/system/admetricsd.service"))
        self.assertIn(CHANGED, read(self.root.file(CONFIG)))
        self.assertTrue(self.has(STATE + "/ledger.db"))
        self.assertIsNotNone(self.passwd())
        self.install()
        self.assertIn(CHANGED, read(self.root.file(CONFIG)))
        self.assertTrue(self.has(STATE + "/ledger.db"))
        self.root.do("admetricsd", "check-config", "--config", CONFIG)

    def test_a_purge_leaves_nothing_but_the_pipelines_data(self):
        before = self.root.tree()
        self.install()
        self.leave_state()
        self.root.do("install", "-D", "/dev/null", "/srv/pipeline/data/mixpanel_data.db")
        self.root.do("dpkg", "--purge", "admetricsd")
        self.assertIsNone(self.passwd())
        self.assertEqual(sorted(self.root.tree() ^ before),
                         ["/srv/pipeline", "/srv/pipeline/data", "/srv/pipeline/data/mixpanel_data.db"])
        # A second life after all of it.
        self.assertIn("not started", self.install())

    def test_a_purge_after_a_removal_leaves_nothing_either(self):
        before = self.root.tree()
        self.install()
        self.leave_state()
        self.root.do("dpkg", "--remove", "admetricsd")
        self.root.do("dpkg", "--purge", "admetricsd")
        self.assertIsNone(self.passwd())
        self.assertEqual(self.root.tree() ^ before, set())


if __name__ == "__main__":
    need_root()
    main(needs_package=True)
