"""A PostgreSQL server of its own, out of Debian's package postgresql-15: in a temporary folder, on a Unix socket, as an
ordinary user. It ends with the test."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

PROGRAMS = "/usr/lib/postgresql/15/bin"
PR_SET_PDEATHSIG = 1


def problem():
    """Why there is none, or None."""
    return None if os.access(os.path.join(PROGRAMS, "postgres"), os.X_OK) else "no PostgreSQL 15 server (Debian's postgresql-15)"


def program(name):
    return os.path.join(PROGRAMS, name)


class Server:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="admetrics-pg-", dir="/tmp")
        self.process = None
        self.user = {}
        if os.geteuid() == 0:  # the server refuses to be root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        subprocess.run([program("initdb"), "-D", self.data, "-U", "admetrics", "-A", "trust", "--no-sync", "-E", "UTF8",
                        "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write("listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nshared_buffers = '32MB'\n" % self.folder)

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    @property
    def conninfo(self):
        return "host=%s dbname=postgres user=admetrics" % self.folder

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen([program("postgres"), "-D", self.data], stdout=log, stderr=subprocess.STDOUT,
                                            cwd=self.folder, preexec_fn=die_with_parent, **self.user)
        deadline = time.monotonic() + 60
        while subprocess.run([program("pg_isready"), "-h", self.folder, "-q"], check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError("the server does not start: " + self.folder)
            time.sleep(0.05)

    def processes(self):
        """The postmaster and its children."""
        found = [self.process.pid]
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == self.process.pid:
                        found.append(int(name))
            except OSError:
                pass
        return found

    def signal_all(self, number):
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def hang(self):
        self.signal_all(signal.SIGSTOP)

    def go_on(self):
        self.signal_all(signal.SIGCONT)

    def stop(self, number=signal.SIGINT):
        """SIGINT: fast shutdown; SIGKILL: of the postmaster, whose children then end by themselves."""
        children = self.processes()
        self.process.send_signal(number)
        self.process.wait()
        for child in children:  # a new postmaster refuses while one of them lives
            while os.path.exists("/proc/%d" % child):
                time.sleep(0.01)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.go_on()
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text):
        """What a statement answers, as psql prints it unaligned."""
        done = subprocess.run(["psql", "-X", "-q", "-At", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo, "-c", text],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)
        if done.returncode != 0:
            raise AssertionError("psql: %s" % done.stderr.decode())
        out = done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
        return [row.split("\x1f") for row in out.split("\x1e")] if out else []


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
