#!/usr/bin/env python3
"""The service unit through systemd's own tools, and what decides between Type=notify and Type=notify-reload.

    unit_test.py --write-docs     writes docs/systemd-security.txt anew
"""

import configparser
import os
import shutil
import stat
import sys
import tempfile
import unittest

from package_support import ROOT, Settings, main, read, run, skip, write

UNIT = os.path.join(ROOT, "systemd/admetricsd.service")
DROP_IN = os.path.join(ROOT, "systemd/pipeline.conf")
GENERATOR = os.path.join(ROOT, "systemd/admetricsd-generator")
EXPOSURE_MAX = 2.0
DOCUMENTED = os.path.join(ROOT, "docs/systemd-security.txt")
DOCUMENTED_VERSION = "252"


def settings(text):
    """Section -> key -> its last value."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str
    parser.read_string(text)
    return parser


def security():
    return run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=%d" % (EXPOSURE_MAX * 10), UNIT,
               check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "COLUMNS": "160"})


def systemd_version():
    return run("systemd-analyze", "--version").stdout.split()[1]


class Unit(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="admetricsd-unit-")
        self.addCleanup(shutil.rmtree, self.folder)

    def test_exposure_is_at_most_two(self):
        done = security()
        self.assertEqual(done.returncode, 0, done.stdout)
        score = float(done.stdout.split("Overall exposure level for admetricsd.service:")[1].split()[0])
        self.assertLessEqual(score, EXPOSURE_MAX)
        self.assertIn(done.stdout.strip().splitlines()[-1], read(ROOT, "docs/install.md"))

    def test_the_documented_exposure_is_the_measured_one(self):
        if systemd_version() != DOCUMENTED_VERSION:
            self.skipTest("the documentation shows what systemd %s says" % DOCUMENTED_VERSION)
        self.assertEqual(read(DOCUMENTED), security().stdout, "write it anew: %s --write-docs" % sys.argv[0])

    def verify(self, *drop_ins):
        """Only the program's place differs from the installed unit."""
        unit = read(UNIT).replace("/usr/bin/admetricsd", Settings.binary)
        unit = unit.replace("/usr/share/doc/admetricsd", os.path.join(ROOT, "docs"))
        write(unit, self.folder, "admetricsd.service")
        os.mkdir(os.path.join(self.folder, "admetricsd.service.d"))
        for drop_in in drop_ins:
            shutil.copy(drop_in, os.path.join(self.folder, "admetricsd.service.d"))
        done = run("systemd-analyze", "verify", os.path.join(self.folder, "admetricsd.service"), check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("admetricsd", done.stdout)

    def test_verify_is_clean(self):
        self.verify()

    def test_verify_is_clean_with_the_example_drop_in(self):
        self.verify(DROP_IN)

    def test_the_example_drop_in_is_clean_with_every_line_in_use(self):
        lines = [line[2:] if line.startswith("# ") and "=" in line.split()[1] else line for line in read(DROP_IN).splitlines()]
        self.assertIn("ProtectHome=no", lines)
        whole = os.path.join(self.folder, "whole.conf")
        write("\n".join(lines) + "\n", whole)
        self.verify(whole)

    def test_what_needs_a_person_is_not_tried_again(self):
        service = settings(read(UNIT))["Service"]
        self.assertEqual(service["Restart"], "on-failure")
        self.assertEqual(sorted(service["RestartPreventExitStatus"].split()), ["64", "78"])
        # Its exit status would not count for RestartPreventExitStatus=.
        self.assertNotIn("ExecStartPre", service)


class Generator(unittest.TestCase):
    """It is run as systemd runs it, with a systemctl that tells the version it is meant to find."""

    def drop_in_under(self, says):
        folder = tempfile.mkdtemp(prefix="admetricsd-generator-")
        self.addCleanup(shutil.rmtree, folder)
        write("#!/bin/sh\necho '%s'\necho '+PAM +AUDIT 999'\n" % says, folder, "systemctl")
        os.chmod(os.path.join(folder, "systemctl"), 0o755)
        places = [os.path.join(folder, name) for name in ("normal", "early", "late")]
        for place in places:
            os.mkdir(place)
        done = run(GENERATOR, *places, env={"PATH": folder + ":/usr/bin:/bin"})
        self.assertEqual(done.stdout, "")
        self.assertEqual(os.listdir(places[1]) + os.listdir(places[2]), [])
        written = os.path.join(places[0], "admetricsd.service.d/10-notify-reload.conf")
        return settings(read(written)) if os.path.exists(written) else None

    def test_an_older_systemd_keeps_the_unit_as_it_is(self):
        for says in ("systemd 252 (252.39-1~deb12u2)", "systemd 247 (247.3-7)", "", "something else"):
            self.assertIsNone(self.drop_in_under(says), says)
        service = settings(read(UNIT))["Service"]
        self.assertEqual(service["Type"], "notify")
        self.assertEqual(service["ExecReload"], "/bin/kill -HUP $MAINPID")

    def test_a_newer_systemd_gets_notify_reload(self):
        for says in ("systemd 253 (253.1-1)", "systemd 257 (257.7-1)", "systemd 260~rc1 (260~rc1-1)"):
            service = self.drop_in_under(says)["Service"]
            self.assertEqual(service["Type"], "notify-reload", says)
            self.assertEqual(service["ExecReload"], "", "the daemon would get two signals")

    def test_it_is_a_program(self):
        self.assertTrue(os.stat(GENERATOR).st_mode & stat.S_IXUSR)


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        skip("systemd-analyze is not installed")
    if "--write-docs" in sys.argv:
        write(security().stdout, DOCUMENTED)
        sys.exit()
    main()
