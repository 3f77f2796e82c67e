"""What the process tests share: the program under test, a folder with a source for it, a daemon to torment.

    class Locks(harness.WorldCase):
        def test_...(self):
            world = self.world(users=100)
            world.start()
            world.await_equal()

Waits poll for an answer and have a deadline; nothing here sleeps for an effect. Only processes started here are ever
ended. Database files are touched through SQLite only: opening and closing one as a plain file would drop the locks
that this process holds on it.

A test file ends with harness.main(), which takes `--binary PATH`, and `--nightly` to run what takes long.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

import oracle
import source_gen
import story

POLL_SECONDS = 0.03
CALL_SECONDS = 240


class Program:
    """Set by main()."""

    binary = ""
    nightly = False
    slowness = 1  # sanitizers: deadlines stretch, samples shrink


def main():
    arguments = sys.argv[1:]
    if "--nightly" in arguments:
        arguments.remove("--nightly")
        Program.nightly = True
    if "--binary" not in arguments:
        raise SystemExit("usage: %s --binary build/release/daemon/admetricsd [--nightly] [unittest's arguments]" % sys.argv[0])
    at = arguments.index("--binary")
    Program.binary = os.path.abspath(arguments[at + 1])
    del arguments[at : at + 2]
    version = subprocess.run([Program.binary, "--version"], stdout=subprocess.PIPE, check=True, timeout=60).stdout.decode()
    if "thread" in version or "address" in version:
        Program.slowness = 4
    unittest.main(argv=[sys.argv[0]] + arguments)


def nightly(test):
    """For a test that takes minutes."""
    def run(self):
        if not Program.nightly:
            self.skipTest("takes long: --nightly runs it")
        test(self)
    run.__name__ = test.__name__
    return run


class Done:
    """How a command ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "exit %d\nstdout:\n%s\nstderr:\n%s" % (self.code, self.out, self.err)


def call(*arguments, binary=None, **more):
    done = subprocess.run([binary or Program.binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=CALL_SECONDS * Program.slowness, check=False, **more)
    return Done(done.returncode, done.stdout.decode("utf-8", "strict"), done.stderr.decode("utf-8", "replace"))


def wait_until(condition, what, seconds=30):
    """Polls until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds * Program.slowness
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s: %s" % (seconds * Program.slowness, what() if callable(what) else what))
        time.sleep(POLL_SECONDS)


class World:
    """A folder with the pipeline's databases, a configuration, and the program at work on them."""

    def __init__(self, directory):
        self.directory = directory
        self.settings = {
            "source.sqlite": {"product_db": source_gen.PRODUCT_DB, "ads_db": source_gen.ADS_DB},
            "state": {"dir": "state"}, "reporting": {"as_of": "2025-07-31"}, "engine": {"workers": 2}, "http": {"listen": ""},
            "log": {"level": "info"},
        }
        self.config = self.path("admetricsd.toml")
        self.log_path = self.path("daemon.log")
        self.daemon = None
        self.pipeline = None
        self.story = None
        self.runs = 0
        self.write_config()

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # Configuration ------------------------------------------------------------------------------------

    def write_config(self):
        lines = []
        for section, keys in self.settings.items():
            lines += ["[%s]" % section] + ["%s = %s" % (key, json.dumps(value)) for key, value in keys.items()] + [""]
        self.write_config_text("\n".join(lines))

    def write_config_text(self, text):
        """At once, so that a daemon that reloads never reads half a file."""
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.config + ".new", self.config)

    def configure(self, **sections):
        """configure(log={"level": "debug"}, sink_sqlite={"path": "metrics.db"}): None takes a key away."""
        for name, keys in sections.items():
            section = self.settings.setdefault(name.replace("_", "."), {})
            for key, value in keys.items():
                if value is None:
                    section.pop(key, None)
                else:
                    section[key] = value
        self.write_config()

    # The source -----------------------------------------------------------------------------------------

    def tell_story(self, wal=True):
        self.story = story.Story(self.directory, wal)
        return self.story

    def draw_source(self, seed=1, users=150, days=30, wal=True, hostile=0.0):
        source = source_gen.create_source(self.directory, seed, users, days, hostile, wal)
        self.pipeline = source_gen.Pipeline(self.directory, random.Random("writes %s" % seed), wal)
        self.configure(reporting={"as_of": source.as_of})

    def demo(self, users, days=40):
        done = call("demo", self.directory, "--users", str(users), "--days", str(days), "--last-day", "2025-07-31")
        if done.code != 0:
            raise AssertionError("demo: %r" % done)
        self.write_config()

    @property
    def product_db(self):
        return self.path(source_gen.PRODUCT_DB)

    @property
    def ads_db(self):
        return self.path(source_gen.ADS_DB)

    @property
    def sink_db(self):
        return self.path(self.settings.get("sink.sqlite", {}).get("path", source_gen.PRODUCT_DB))

    def pipeline_writes(self, steps=3):
        """A few of the well-behaved ways in which the pipeline writes."""
        p = self.pipeline
        for step in p.rng.choices((p.insert_events, p.insert_users, p.update_attribution, p.day_reload, p.update_products,
                                   p.meta_day_replace, p.meta_delete_and_reload, p.delete_some_events), k=steps):
            step()

    def sql(self, path, *statements):
        """Runs statements as somebody else would, and gives the last one's rows."""
        with contextlib.closing(source_gen.connect(path)) as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
            return rows

    # The program ----------------------------------------------------------------------------------------

    def call(self, command, *arguments):
        return call(command, "--config", self.config, *arguments)

    def run_once(self, *arguments):
        done = self.call("run", "--once", *arguments)
        if done.code != 0:
            raise AssertionError("run --once: %r" % done)
        return done

    def start(self, *arguments):
        if self.daemon is not None:
            raise AssertionError("a daemon is running already")
        self.runs += 1
        with open(self.log_path, "ab") as log:
            log.write(b"---- run %d\n" % self.runs)
            log.flush()  # before the daemon's first line
            self.daemon = subprocess.Popen([Program.binary, "run", "--config", self.config, *arguments], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=subprocess.STDOUT)

    def log(self):
        """What the running daemon, or the last one, has logged."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read().rpartition("---- run ")[2].partition("\n")[2]

    def await_log(self, text, seconds=30):
        return wait_until(lambda: text in self.log(), lambda: "%r in the log:\n%s" % (text, self.tail()), seconds)

    def tail(self, lines=25):
        return "\n".join(self.log().splitlines()[-lines:])

    def ended(self):
        """The exit code of the daemon, or None while it runs."""
        return None if self.daemon is None else self.daemon.poll()

    def signal(self, number):
        self.daemon.send_signal(number)

    def reload(self):
        self.signal(signal.SIGHUP)

    def kill(self):
        """kill -9."""
        self.daemon.kill()
        self.daemon.wait()
        self.daemon = None

    def wait_for_end(self, seconds):
        """(exit code, seconds it took)"""
        started = time.monotonic()
        wait_until(lambda: self.ended() is not None, "the end of the daemon; its log:\n" + self.tail(), seconds)
        code, self.daemon = self.daemon.returncode, None
        return code, time.monotonic() - started

    def stop(self, seconds=20):
        if self.ended() is not None:
            raise AssertionError("the daemon ended by itself with %d:\n%s" % (self.daemon.returncode, self.tail()))
        self.signal(signal.SIGTERM)
        code, _ = self.wait_for_end(seconds)
        if code != 0:
            raise AssertionError("SIGTERM ended the daemon with %d:\n%s" % (code, self.tail()))

    # Asking -----------------------------------------------------------------------------------------------

    def status(self):
        done = self.call("status", "--json")
        return done.json() if done.out else {}

    def await_epochs(self, number=1, seconds=30):
        self.await_alive(lambda: self.status().get("epochs_total", 0) >= number, "%d epochs" % number, seconds)

    def await_alive(self, condition, what, seconds):
        """wait_until, which the daemon must live through."""
        def check():
            found = condition()
            if not found and self.ended() is not None:
                raise AssertionError("the daemon ended with %d while waiting for %s:\n%s" % (self.daemon.returncode, what, self.tail()))
            return found
        return wait_until(check, lambda: "%s; the daemon's log:\n%s" % (what, self.tail()), seconds)

    def verify(self, *arguments):
        return self.call("verify", *arguments)

    def is_equal(self):
        done = self.verify()
        if done.code not in (0, 1, 2):
            raise AssertionError("verify: %r" % done)
        self.last_verify = done
        return done.code == 0

    def await_equal(self, seconds=30):
        """Until `verify`, and where the source is small the oracle, find no difference."""
        try:
            self.await_alive(self.is_equal, "equality", seconds)
        except AssertionError as error:
            raise AssertionError("%s\nverify: %r" % (error, self.last_verify)) from None
        self.judge()

    def judge(self):
        """A second opinion; both sides must stand still."""
        if self.pipeline is None and self.story is None:
            return
        reporting = self.settings["reporting"]
        want = oracle.expected(self.product_db, self.ads_db, reporting["as_of"], reporting.get("time_zone", "UTC"),
                               reporting.get("trial_length_days", 7))
        found = oracle.compare(want, self.sink_db) + oracle.check_invariants(self.sink_db)
        if found:
            raise AssertionError("verify says equal, the oracle: " + "\n".join(map(oracle.describe, found[:10])))

    def close(self):
        if self.daemon is not None:
            if self.daemon.poll() is None:
                self.daemon.kill()
            self.daemon.wait()
        for part in (self.pipeline, self.story):
            if part is not None:
                part.close()


class WorldCase(unittest.TestCase):
    maxDiff = None

    def empty_world(self):
        directory = tempfile.mkdtemp(prefix="admetricsd-test-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        world = World(directory)
        self.addCleanup(world.close)
        return world

    def world(self, **how):
        world = self.empty_world()
        world.draw_source(**how)
        return world

    def one_line(self, done, *parts):
        """The errors beyond log lines: one line, which names everything in `parts`."""
        lines = [line for line in done.err.splitlines() if not is_log_line(line)]
        self.assertEqual(len(lines), 1, done)
        self.assertTrue(lines[0].startswith("admetricsd: "), done)
        for part in parts:
            self.assertIn(part, lines[0])
        return lines[0]


def is_log_line(line):
    return line[:4].isdigit() and line[4:5] == "-" and len(line) > 24 and line[24:32].strip() in ("debug", "info", "warning", "error")


def hold_write_lock(path):
    """A connection that holds a database's write lock until it is closed."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    wait_until(lambda: try_execute(connection, "BEGIN IMMEDIATE"), "the write lock of " + path)
    return connection


def try_execute(connection, sql):
    try:
        connection.execute(sql)
        return True
    except sqlite3.OperationalError:
        return False
