#!/usr/bin/env python3
"""The packaged service under a systemd that really runs: a clean Debian root, booted as a container.

The life of one installation, in order: not started, configured, started, fed by a pipeline of another user, reloaded, killed,
upgraded, misconfigured, removed, purged.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from package_support import ENVIRONMENT, CleanRoot, Settings, base_root, main, need_root, next_version, read, run, skip, write

CONFIG = "/etc/admetricsd/admetricsd.toml"
DATA = "/srv/pipeline/data"
DROP_INS = "/etc/systemd/system/admetricsd.service.d"


class Machine:
    """A clean root whose systemd runs."""

    def __init__(self, base):
        self.root = CleanRoot(base)
        self.log = os.path.join(self.root.folder, "console.log")
        command = ["systemd-nspawn", "--quiet", "--register=no", "--directory", self.root.path, "--machine=admetricsd-test",
                   "--private-network", "--boot"]
        if not os.path.isdir("/run/systemd/system"):
            command.insert(1, "--keep-unit")  # there is no manager here to ask for a unit
        # However this test ends, the machine ends with it.
        command = ["setpriv", "--pdeathsig=KILL", *command]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.first = None

    def boot(self, seconds=60):
        """Whether it came up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            children = read("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)).split()
            if children:
                self.first = children[0]
                state = self.do("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return True
            time.sleep(0.2)
        return False

    def do(self, *command, check=True):
        return run("nsenter", "--target", self.first, "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", *command,
                   check=check, env=ENVIRONMENT)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # powers it off
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.root.close()


class Service(unittest.TestCase):
    # In setUpClass, because what cannot be tried here must be able to end the program.
    @classmethod
    def setUpClass(cls):
        cls.machine = Machine(base_root(Settings.package, "systemd", "systemd-sysv", "dbus"))
        cls.addClassCleanup(cls.machine.close)
        if not cls.machine.boot():
            said = read(cls.machine.log).strip().splitlines()
            cls.machine.close()
            skip("systemd does not boot in a container here: " + (said[-1] if said else "it says nothing"))

    def install(self, package):
        return self.machine.do("dpkg", "--force-confdef", "--force-confold", "--force-unsafe-io", "--install",
                               self.machine.root.bring(package, "/srv")).stdout

    def show(self, name):
        return self.machine.do("systemctl", "show", "--property=" + name, "--value", "admetricsd.service").stdout.strip()

    def wait_until(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                said = self.machine.do("journalctl", "--no-pager", "--lines=40", "--unit=admetricsd", check=False).stdout
                self.fail("not within %d s: %s\n%s" % (seconds, what, said))
            time.sleep(0.1)

    def state(self):
        return self.show("ActiveState")

    def is_equal(self):
        return self.machine.do("admetricsd", "verify", "--config", CONFIG, check=False).returncode == 0

    def configure(self):
        """What docs/install.md tells an administrator to do."""
        do = self.machine.do
        do("useradd", "--system", "--user-group", "pipeline")
        do("install", "-d", "-o", "pipeline", "-g", "pipeline", "-m", "2770", DATA)
        do("runuser", "-u", "pipeline", "--", "admetricsd", "demo", DATA, "--users", "300", "--days", "8")
        do("sh", "-c", "chmod g+rw %s/*.db" % DATA)
        do("install", "-D", "-m", "644", "/usr/share/doc/admetricsd/examples/pipeline.conf", DROP_INS + "/pipeline.conf")
        # Absent when the service first starts; there after the next start.
        self.assertNotEqual(do("test", "-e", "/etc/credstore/admetricsd.token", check=False).returncode, 0)
        do("systemctl", "daemon-reload")

    def test_the_life_of_an_installation(self):
        do = self.machine.do
        self.assertIn("not started", self.install(Settings.package))
        self.assertEqual((self.state(), self.show("UnitFileState")), ("inactive", "disabled"))
        verified = do("systemd-analyze", "verify", "admetricsd.service")
        self.assertNotIn("admetricsd", verified.stdout)
        exposure = do("systemd-analyze", "security", "--no-pager", "--threshold=20", "admetricsd.service").stdout
        self.assertIn("Overall exposure", exposure)
        newer = int(re.match(r"systemd (\d+)", do("systemctl", "--version").stdout).group(1)) >= 253
        self.assertEqual(self.show("Type"), "notify-reload" if newer else "notify")

        self.configure()
        do("systemctl", "enable", "--now", "admetricsd.service")
        self.assertEqual(self.state(), "active")
        self.wait_until(self.is_equal, "the first catch-up")
        self.wait_until(lambda: "streaming" in self.show("StatusText"), "a status line that tells the phase")
        self.assertEqual(do("stat", "--format=%U:%G %a", "/var/lib/admetricsd").stdout.strip(), "admetricsd:admetricsd 750")

        with self.subTest("the pipeline writes as its own user, and both keep access"):
            do("runuser", "-u", "pipeline", "--", "timeout", "--preserve-status", "3", "admetricsd", "demo", DATA, "--live", "--pause-ms", "50")
            self.wait_until(self.is_equal, "equality after the pipeline's writes")

        with self.subTest("a reload"):
            process = self.show("MainPID")
            write(read(self.machine.root.file(CONFIG)).replace('level = "info"', 'level = "debug"'), self.machine.root.file(CONFIG))
            do("systemctl", "reload", "admetricsd.service")
            self.wait_until(lambda: "reload: the new configuration is good" in do("journalctl", "--unit=admetricsd", "--no-pager").stdout,
                            "the reload's line in the journal")
            self.wait_until(lambda: (self.state(), self.show("SubState")) == ("active", "running"), "the reload's end")
            self.assertEqual(self.show("MainPID"), process)

        with self.subTest("killed, it comes back"):
            do("kill", "-KILL", process)
            self.wait_until(lambda: self.state() == "active" and self.show("MainPID") not in (process, "0"), "a new process")
            self.assertEqual(self.show("NRestarts"), "1")
            self.wait_until(self.is_equal, "equality after the kill")

        with self.subTest("a credential"):
            do("install", "-d", "-m", "700", "/etc/credstore")
            write("a-secret\n", self.machine.root.file("/etc/credstore/admetricsd.token"))
            do("systemctl", "restart", "admetricsd.service")
            self.assertEqual(do("cat", "/run/credentials/admetricsd.service/admetricsd.token").stdout, "a-secret\n")

        with self.subTest("the watchdog is fed while nothing is to do, and ends a daemon that stands still"):
            short = self.machine.root.file(DROP_INS + "/watchdog.conf")
            write("[Service]\nWatchdogSec=3s\n", short)
            do("systemctl", "daemon-reload")
            do("systemctl", "restart", "admetricsd.service")
            process = self.show("MainPID")
            time.sleep(7)  # more than two of its times
            self.assertEqual((self.state(), self.show("MainPID")), ("active", process))
            do("kill", "-STOP", process)
            self.wait_until(lambda: self.state() == "active" and self.show("MainPID") not in (process, "0"), "a new process")
            self.assertIn("Watchdog timeout", do("journalctl", "--unit=admetricsd", "--no-pager").stdout)
            os.unlink(short)
            do("systemctl", "daemon-reload")

        with self.subTest("an upgrade restarts it and keeps the configuration"):
            process = self.show("MainPID")
            folder = tempfile.mkdtemp(prefix="admetricsd-next-")
            self.addCleanup(shutil.rmtree, folder)
            self.install(next_version(Settings.package, folder))
            self.assertEqual(self.state(), "active")
            self.assertNotEqual(self.show("MainPID"), process)
            self.assertIn('level = "debug"', read(self.machine.root.file(CONFIG)))
            self.wait_until(self.is_equal, "equality after the upgrade")

        with self.subTest("a wrong configuration is not tried again"):
            good = read(self.machine.root.file(CONFIG))
            write(good + "\nno_such_key = 1\n", self.machine.root.file(CONFIG))
            do("systemctl", "restart", "admetricsd.service", check=False)
            self.wait_until(lambda: self.state() == "failed", "the failure")
            time.sleep(2.5)  # RestartSec, and a little: nothing must happen
            self.assertEqual((self.state(), self.show("ExecMainStatus"), self.show("NRestarts")), ("failed", "78", "0"))
            write(good, self.machine.root.file(CONFIG))
            do("systemctl", "start", "admetricsd.service")
            self.assertEqual(self.state(), "active")

        with self.subTest("removed, it is stopped; installed again, it goes on"):
            do("dpkg", "--remove", "admetricsd")
            self.assertEqual(self.state(), "inactive")
            self.install(Settings.package)
            self.assertEqual(self.state(), "active")
            self.wait_until(self.is_equal, "equality after the second installation")

        with self.subTest("purged, it is gone, and the pipeline's data are not"):
            do("dpkg", "--purge", "admetricsd")
            self.assertNotEqual(do("getent", "passwd", "admetricsd", check=False).returncode, 0)
            for path in ("/var/lib/admetricsd", CONFIG, "/etc/systemd/system/multi-user.target.wants/admetricsd.service"):
                self.assertFalse(os.path.lexists(self.machine.root.file(path)), path)
            self.assertTrue(os.path.exists(self.machine.root.file(DATA + "/mixpanel_data.db")))


if __name__ == "__main__":
    if shutil.which("systemd-nspawn") is None:
        skip("systemd-nspawn is not installed (scripts/setup.sh --test)")
    need_root()
    main(needs_package=True)
