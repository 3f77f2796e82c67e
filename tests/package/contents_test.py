#!/usr/bin/env python3
"""What is in the package, and that what is installed agrees with itself."""

import os
import re
import shutil
import tempfile
import unittest

from package_support import ROOT, Settings, field, main, read, run

# Known and meant: that tag asks for a bug in Debian's own list of wished-for packages.
LINTIAN_SUPPRESSED = "initial-upload-closes-no-bugs"


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="admetricsd-contents-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("dpkg-deb", "--extract", Settings.package, cls.folder)
        run("dpkg-deb", "--control", Settings.package, os.path.join(cls.folder, "DEBIAN"))

    def test_everything_is_there_and_belongs_to_root(self):
        modes = {}
        for line in run("dpkg-deb", "--contents", Settings.package).stdout.splitlines():
            mode, owner, _, _, _, path = line.split(None, 5)
            self.assertEqual(owner, "root/root", path)
            if not path.endswith("/"):
                modes[path[1:]] = mode
        programs = {"/usr/bin/admetricsd", "/usr/lib/systemd/system-generators/admetricsd-generator"}
        for path in programs | {
                "/etc/admetricsd/admetricsd.toml", "/usr/share/admetricsd/admetricsd.toml",
                "/usr/lib/systemd/system/admetricsd.service", "/usr/lib/sysusers.d/admetricsd.conf",
                "/usr/share/man/man1/admetricsd.1.gz", "/usr/share/man/man5/admetricsd.toml.5.gz",
                "/usr/share/doc/admetricsd/copyright", "/usr/share/doc/admetricsd/install.md",
                "/usr/share/doc/admetricsd/operations.md",
                "/usr/share/doc/admetricsd/examples/pipeline.conf"}:
            self.assertEqual(modes.get(path), "-rwxr-xr-x" if path in programs else "-rw-r--r--", path)

    def test_what_monitoring_reads_is_there(self):
        meant = [name for name in os.listdir(os.path.join(ROOT, "config")) if name.endswith((".yml", ".yaml", ".json"))]
        self.assertLessEqual(set(meant), set(os.listdir(os.path.join(self.folder, "usr/share/admetricsd"))))

    def test_the_conffile_is_one(self):
        self.assertEqual(read(self.folder, "DEBIAN/conffiles"), "/etc/admetricsd/admetricsd.toml\n")

    def test_it_depends_on_the_libraries_it_is_linked_to(self):
        self.assertEqual(field(Settings.package, "Package"), "admetricsd")
        depends = field(Settings.package, "Depends")
        for part in ("adduser", "procps", "tzdata", r"libc6 \(>= ", r"libstdc\+\+6 \(>= "):
            self.assertRegex(depends, part)

    def test_unit_and_configuration_agree(self):
        unit = read(self.folder, "usr/lib/systemd/system/admetricsd.service")
        toml = read(self.folder, "etc/admetricsd/admetricsd.toml")
        self.assertEqual(read(self.folder, "usr/share/admetricsd/admetricsd.toml"), toml)
        state = re.search(r"(?m)^StateDirectory=(.+)$", unit).group(1)
        self.assertRegex(toml, r'(?m)^dir = "/var/lib/%s"$' % state)
        # IPAddressAllow=localhost; journald keeps one line a record, and has its own time and level.
        self.assertRegex(toml, r'(?m)^listen = "127\.0\.0\.1:\d+"$')
        self.assertRegex(toml, r'(?m)^format = "text"$')
        # Below the folder that the example drop-in opens.
        opened = re.search(r"(?m)^ReadWritePaths=(.+)$", read(self.folder, "usr/share/doc/admetricsd/examples/pipeline.conf")).group(1)
        for key in ("product_db", "ads_db"):
            self.assertRegex(toml, r'(?m)^%s = "%s/' % (key, opened))
        self.assertNotRegex(toml, r"(?m)^\[sink\.sqlite\]\n(?:[^\[\n].*\n|\n)*?path =", "rows go to the product database unless an administrator says otherwise")
        command = re.search(r"(?m)^ExecStart=(\S+) run --config (\S+)$", unit)
        self.assertTrue(os.access(self.folder + command.group(1), os.X_OK))
        self.assertTrue(os.path.exists(self.folder + command.group(2)))
        documentation = re.search(r"(?m)^Documentation=file://(\S+)$", unit).group(1)
        self.assertTrue(os.path.exists(self.folder + documentation), documentation)

    def test_lintian_is_content(self):
        if shutil.which("lintian") is None:
            self.skipTest("lintian is not installed")
        done = run("lintian", "--allow-root", "--fail-on=error,warning", "--suppress-tags", LINTIAN_SUPPRESSED, Settings.package, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


class Installed(unittest.TestCase):
    """`make install`, which goes to /usr/local unless told otherwise."""

    def test_files_name_the_prefix_in_force(self):
        folder = tempfile.mkdtemp(prefix="admetricsd-install-")
        self.addCleanup(shutil.rmtree, folder)
        install = ("cmake", "--install", Settings.build, "--prefix", "/usr/local")
        run(*install, env={**os.environ, "DESTDIR": folder})
        unit = read(folder, "usr/local/lib/systemd/system/admetricsd.service")
        self.assertIn("\nExecStart=/usr/local/bin/admetricsd run --config /usr/local/etc/admetricsd/admetricsd.toml\n", unit)
        self.assertIn("\nExecReload=/bin/kill ", unit)
        self.assertTrue(os.access(os.path.join(folder, "usr/local/bin/admetricsd"), os.X_OK))
        config = os.path.join(folder, "usr/local/etc/admetricsd/admetricsd.toml")
        with open(config, "a", encoding="utf-8") as file:
            file.write("\n# An administrator was here.\n")
        run(*install, env={**os.environ, "DESTDIR": folder})
        self.assertIn("administrator", read(config))


if __name__ == "__main__":
    main(needs_package=True)
