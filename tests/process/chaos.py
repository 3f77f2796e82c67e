"""Drives the real daemon beside a random pipeline, and lets the oracle judge what it wrote.

    chaos.py --binary build/release/daemon/admetricsd --seed 7                  # a run --once after every step
    chaos.py --binary ... --mode stream --seed 7                                # a streaming daemon
    chaos.py --binary ... --mode kill                                           # kill -9 at random instants
    chaos.py --binary ... --mode scan                                           # capture that never writes

What is not given on the command line is drawn from the seed and printed, so a seed alone repeats a run
(instants of kills aside). Exit 0: every comparison was equal. Exit 1: the failing step, the first
differences, the raw rows behind them, the end of the daemon's log. Every wait has a deadline, and only
processes started here are ever ended.

The database files are only ever touched through SQLite: opening and closing one as a plain file would drop
the locks that this process holds on it.
"""

import argparse
import collections
import copy
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import oracle
import source_gen

ZONES = ("UTC", "UTC", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland",
         "Pacific/Apia", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Etc/GMT+12")
RUN_SECONDS = 180
STOP_SECONDS = 30
SHOWN_DIFFERENCES = 20
SHOWN_RAW = 6


class Failure(Exception):
    def __init__(self, message, differences=(), output=""):
        super().__init__(message)
        self.differences, self.output = list(differences), output


class Chaos:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.rng = random.Random("chaos %d" % options.seed)
        self.step, self.history = 0, []
        self.comparisons = self.kills = 0
        self.daemon = self.log = self.pipeline = None
        self.killed_by_us = False
        rng = self.rng
        draw = {
            "workers": rng.choice((1, 2, 3, 4, 7)),
            "zone": rng.choice(ZONES),
            "journal": rng.choice(("wal", "wal", "wal", "delete")),
            "sink": rng.choice(("product", "separate")),
            "hostile": rng.choice((0.0, 0.1, 0.3, 0.6, 1.0)),
            "trial_length": rng.choice((7, 7, 7, 7, 3, 0, 14)),
        }
        for name, value in draw.items():
            if getattr(options, name) is None:
                setattr(options, name, value)
        if options.mode == "scan":
            options.sink = "separate"
        self.source = source_gen.create_source(
            directory, options.seed, options.users, options.days, options.hostile, options.journal == "wal",
            with_processed_days=options.with_processed_days, without_rowid=options.without_rowid)
        self.pipeline = source_gen.Pipeline(directory, random.Random("pipeline %d" % options.seed), options.journal == "wal")
        self.as_of = self.source.as_of
        self.sink = os.path.join(directory, "metrics.db") if options.sink == "separate" else self.source.product_db
        self.config = os.path.join(directory, "admetricsd.toml")
        self.write_config()

    def write_config(self):
        options = self.options
        lines = ["[source.sqlite]", 'product_db = "%s"' % source_gen.PRODUCT_DB, 'ads_db = "%s"' % source_gen.ADS_DB]
        if options.mode == "scan":
            lines += ['capture = "scan"', 'scan_interval = "200ms"']
        else:
            lines += ['capture = "triggers"']
        if options.sink == "separate":
            lines += ["", "[sink.sqlite]", 'path = "metrics.db"']
        lines += ["", "[state]", 'dir = "state/"', "", "[reporting]", 'time_zone = "%s"' % options.zone,
                  "trial_length_days = %d" % options.trial_length, "", "[engine]", "workers = %d" % options.workers,
                  "", "[audit]", 'every = "2s"', "cpu_share = 0.5", "", "[http]", 'listen = ""', "", "[log]", 'level = "info"', ""]
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))

    # The daemon -------------------------------------------------------------------------------------

    def command(self, *arguments):
        return [self.options.binary, arguments[0], "--config", self.config, *arguments[1:]]

    def call(self, *arguments):
        """Runs to the end; (exit code, output)."""
        try:
            done = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=RUN_SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failure("%s did not end within %d s" % (" ".join(arguments), RUN_SECONDS),
                          output=(late.output or b"").decode(errors="replace")) from None
        return done.returncode, done.stdout.decode(errors="replace")

    def run_once(self):
        code, output = self.call("run", "--once", "--as-of", self.as_of)
        if code != 0:
            raise Failure("run --once ended with %d" % code, output=output)

    def tell(self, *arguments):
        """What a command answers as JSON; the exit code of `status` only says whether a daemon runs."""
        done = subprocess.run(self.command(*arguments, "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=RUN_SECONDS, check=False)
        try:
            return json.loads(done.stdout.decode())
        except ValueError as error:
            raise Failure("%s --json ended with %d, and not with JSON: %s" % (arguments[0], done.returncode, error),
                          output=(done.stdout + done.stderr).decode(errors="replace")) from None

    def start(self):
        self.log = open(os.path.join(self.directory, "daemon.log"), "ab")
        self.log.write(b"---- start, step %d, as of %s\n" % (self.step, self.as_of.encode()))
        self.log.flush()
        self.killed_by_us = False
        self.daemon = subprocess.Popen(self.command("run", "--as-of", self.as_of), stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=subprocess.STDOUT)

    def is_running(self):
        """Raises when the daemon ended by itself."""
        if self.daemon is None:
            return False
        code = self.daemon.poll()
        if code is None:
            return True
        self.daemon = None
        self.log.close()
        if not self.killed_by_us:
            raise Failure("the daemon ended by itself with %d" % code)
        return False

    def kill(self):
        daemon = self.daemon
        if daemon is not None and daemon.poll() is None:
            self.killed_by_us = True
            daemon.kill()

    def wait_for_end(self, seconds):
        try:
            return self.daemon.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self.daemon.wait(timeout=seconds)
            raise Failure("SIGTERM did not end the daemon within %d s" % seconds) from None

    def stop(self):
        """SIGTERM, which must end with 0."""
        self.is_running()
        self.daemon.terminate()
        code = self.wait_for_end(STOP_SECONDS)
        self.daemon = None
        self.log.close()
        if code != 0:
            raise Failure("SIGTERM ended the daemon with %d" % code)

    def close(self):
        if self.daemon is not None:
            self.kill()
            self.daemon.wait(timeout=STOP_SECONDS)
            self.daemon = None
        if self.pipeline is not None:
            self.pipeline.close()

    # Judging ----------------------------------------------------------------------------------------

    def wanted(self):
        return oracle.expected(self.source.product_db, self.source.ads_db, self.as_of, self.options.zone,
                               self.options.trial_length)

    def differences(self, want):
        return oracle.compare(want, self.sink)

    def judge(self, want=None):
        found = self.differences(want or self.wanted()) or oracle.check_invariants(self.sink)
        if found:
            raise Failure("the tables differ", found)
        self.comparisons += 1

    def judge_all(self):
        want = self.wanted()
        self.judge(want)
        self.judge_rejects(want)

    def judge_rejects(self, want):
        found = oracle.compare_rejects(want, self.tell("rejects", "--limit", "100000"))
        status = self.tell("status")
        found += oracle.compare_unmapped(want, status["unmapped"])
        counts = collections.Counter((reject.table, reject.reason) for reject in want["rejects"])
        told = {(one["table"], one["reason"]): one["rows"] for one in status["rejects"]}
        found += [oracle.Difference(oracle.REJECTS, key, "status", counts.get(key), told.get(key))
                  for key in sorted(counts.keys() | told.keys()) if counts.get(key) != told.get(key)]
        if found:
            raise Failure("what does not count, or is not mapped, is told wrongly", found)

    def await_equal(self):
        want = self.wanted()
        deadline = time.monotonic() + self.options.deadline
        pause = 0.02
        while True:
            self.is_running()
            try:
                found = self.differences(want)
            except sqlite3.OperationalError as error:  # not there yet, or a lock
                found = [oracle.Difference("the sink", None, None, "readable", str(error))]
            if not found:
                break
            if time.monotonic() > deadline:
                raise Failure("the tables still differ after %g s" % self.options.deadline, found)
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
        self.judge(want)

    def look(self):
        """What any reader may rely on at any moment."""
        try:
            found = oracle.check_invariants(self.sink)
        except sqlite3.OperationalError:
            return  # the tables are not there yet
        if found:
            raise Failure("a reader saw a half-applied change", found)

    def verify(self):
        if not self.options.verify:
            return
        code, output = self.call("verify", "--as-of", self.as_of)
        if code != 0:
            raise Failure("verify ended with %d although the oracle agrees" % code, output=output)

    # The source as others see it ----------------------------------------------------------------------

    def schema_of_sources(self):
        schema = []
        for path in (self.source.product_db, self.source.ads_db):
            connection = oracle.open_to_read(path)
            schema.append(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall())
            connection.close()
        return schema

    def content_of_sources(self):
        digest = hashlib.sha256()
        for path, schema in zip((self.source.product_db, self.source.ads_db), self.schema_of_sources()):
            digest.update(repr(schema).encode("utf-8", "surrogateescape"))
            connection = oracle.open_to_read(path)
            for kind, name, _, _ in schema:
                if kind == "table":
                    rows = sorted(map(repr, connection.execute('SELECT * FROM "%s"' % name)))
                    digest.update("\n".join(rows).encode("utf-8", "surrogateescape"))
            connection.close()
        return digest.hexdigest()

    def check_untouched(self):
        for schema in self.schema_of_sources():
            for row in schema:
                if row[1].startswith("_admetrics") or "_admetrics" in (row[3] or ""):
                    raise Failure("the daemon left %s %s in a source that it may only read" % (row[0], row[1]))

    # The modes --------------------------------------------------------------------------------------

    def advance(self):
        self.step += 1
        try:
            self.history.append(self.pipeline.random_step())
        except sqlite3.Error as error:
            raise Failure("the pipeline's own statement failed: %s: %s" % (type(error).__name__, error)) from error

    def move_today(self):
        day = oracle.parse_calendar_day(self.as_of) + self.rng.choice((1, 1, 1, 2, 7, 30, -1, -3, -10))
        last = oracle.parse_calendar_day(self.source.last_day)
        self.as_of = oracle.day_text(min(max(day, last - 40), last + 45))
        self.history.append("today is " + self.as_of)

    def once(self):
        self.run_once()
        self.judge_all()
        while self.step < self.options.steps:
            before = oracle.bookkeeping(self.sink)
            first = len(self.history)
            for _ in range(self.rng.choice((1, 1, 1, 1, 2, 5))):
                self.advance()
            if self.rng.random() < 0.15:
                self.move_today()
            self.run_once()
            self.judge_all()
            after = oracle.bookkeeping(self.sink)
            found = oracle.check_bookkeeping(before, after)
            if found:
                raise Failure("rows were rewritten or renumbered", found)
            if all(name.startswith(("identical", "rollback", "update_nothing", "vacuum")) for name in self.history[first:]):
                self.must_be_the_same(before, after, "a change without effect wrote rows")
            if self.rng.random() < 0.05:
                self.run_once()
                self.must_be_the_same(after, oracle.bookkeeping(self.sink), "a run without any change wrote rows")
        self.verify()

    def must_be_the_same(self, before, after, message):
        if before != after:
            changed = [oracle.Difference(table, key, None, before[table].get(key), after[table].get(key))
                       for table in oracle.TABLES for key in before[table].keys() | after[table].keys()
                       if before[table].get(key) != after[table].get(key)]
            raise Failure(message, changed)

    def stream(self):
        self.start()
        if self.rng.random() < 0.5:
            self.await_equal()
        rest = self.rng.randrange(1, 9)
        while self.step < self.options.steps:
            self.advance()
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0, 0.15))
            if self.rng.random() < 0.2:
                self.look()
            rest -= 1
            if rest == 0:
                rest = self.rng.randrange(1, 9)
                self.checkpoint()
        self.checkpoint()
        self.stop()
        self.judge()
        for _ in range(3):  # while the daemon is down
            self.advance()
        if self.options.mode == "scan":
            self.check_untouched()
        self.run_once()
        self.judge_all()
        self.verify()

    def checkpoint(self):
        if self.options.mode != "scan":
            return self.await_equal()
        before = self.content_of_sources()
        self.await_equal()
        self.check_untouched()
        if self.content_of_sources() != before:
            raise Failure("the content of a source changed while only the daemon was at work")

    scan = stream

    def kill_and_restart(self):
        rest = 0
        while self.step < self.options.steps:
            self.start()
            timer = threading.Timer(self.rng.choice((0.0, 0.02, 0.05, 0.1, 0.3, 1.0)) * self.rng.random(), self.kill)
            timer.daemon = True
            if rest > 0:
                rest -= 1
                steps_left = self.rng.randrange(5)
                timer.start()
                while self.is_running():
                    if steps_left > 0 and self.rng.random() < 0.5:
                        steps_left -= 1
                        self.advance()
                    else:
                        time.sleep(self.rng.uniform(0, 0.02))
                timer.join()
            else:  # left alone for once: it must get there
                rest = self.rng.randrange(2, 12)
                if self.kills:
                    self.await_equal()
                    self.look()
                    for _ in range(self.rng.randrange(3)):
                        self.advance()
                        time.sleep(self.rng.uniform(0, 0.05))
                else:
                    time.sleep(self.rng.uniform(0, 0.1))  # within the first backfill
                self.kill()
                self.daemon.wait(timeout=STOP_SECONDS)
                self.is_running()
            self.kills += 1
            self.look()
            for _ in range(self.rng.choice((0, 0, 1, 3))):
                self.advance()
            if self.rng.random() < 0.15:
                self.move_today()
        self.run_once()
        self.judge_all()
        self.verify()

    def run(self):
        {"once": self.once, "stream": self.stream, "scan": self.scan, "kill": self.kill_and_restart}[self.options.mode]()
        self.judge_self_audit()

    def judge_self_audit(self):
        """Nobody else writes our tables here, and nothing passes the triggers: whatever it says it found is a false alarm."""
        path = os.path.join(self.directory, "daemon.log")
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            alarms = [line for line in file if "self-audit: " in line and ("repaired" in line or "somebody" in line)]
        if alarms:
            raise Failure("the self-audit raised a false alarm", output="".join(alarms[:10]))

    # Telling ----------------------------------------------------------------------------------------

    def settings(self):
        o = self.options
        return ("--mode %s --seed %d --steps %d --users %d --days %d --workers %d --zone %s --journal %s --sink %s --hostile %g"
                " --trial-length %d%s%s" % (o.mode, o.seed, o.steps, o.users, o.days, o.workers, o.zone, o.journal, o.sink, o.hostile,
                                            o.trial_length, " --with-processed-days" if o.with_processed_days else "",
                                            " --without-rowid" if o.without_rowid else ""))

    def report(self, failure):
        out = ["FAILED at step %d: %s" % (self.step, failure), "settings: " + self.settings(), "today: " + self.as_of,
               "last steps: " + ", ".join(self.history[-12:]), "files: " + self.directory]
        found = failure.differences
        if found:
            out.append("%d differences, the first %d:" % (len(found), min(len(found), SHOWN_DIFFERENCES)))
        for position, difference in enumerate(found[:SHOWN_DIFFERENCES]):
            out.append("  " + oracle.describe(difference))
            if position < SHOWN_RAW and difference.table in oracle.TABLES:
                try:
                    out += oracle.raw_behind(self.source.product_db, self.source.ads_db, difference)
                except (sqlite3.Error, KeyError) as error:
                    out.append("    (no raw rows: %s)" % error)
        if failure.output:
            out += ["output:"] + ["  " + line for line in failure.output.splitlines()[-40:]]
        log = os.path.join(self.directory, "daemon.log")
        if os.path.exists(log):
            with open(log, encoding="utf-8", errors="replace") as file:
                out += ["daemon's log:"] + ["  " + line.rstrip() for line in file.readlines()[-25:]]
        return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seed", type=int, nargs="+", help="one after another; drawn when absent")
    parser.add_argument("--many", type=int, default=1, help="how many seeds to draw")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--mode", choices=("once", "stream", "kill", "scan"), default="once")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--zone")
    parser.add_argument("--journal", choices=("wal", "delete"))
    parser.add_argument("--sink", choices=("product", "separate"), help="the product database, or a file of its own")
    parser.add_argument("--hostile", type=float, help="share of hostile values, 0 to 1")
    parser.add_argument("--trial-length", type=int)
    parser.add_argument("--with-processed-days", action="store_true", help="the source declares which event days are whole")
    parser.add_argument("--without-rowid", action="store_true", help="source tables WITHOUT ROWID where they can be")
    parser.add_argument("--deadline", type=float, default=30, help="seconds within which a streaming daemon must catch up")
    parser.add_argument("--no-verify", dest="verify", action="store_false")
    parser.add_argument("--keep", metavar="DIR", help="work in this folder and keep it; it must be empty or absent")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    draw = random.SystemRandom()
    for seed in options.seed or [draw.randrange(1 << 31) for _ in range(options.many)]:
        one = copy.copy(options)
        one.seed = seed
        if run_seed(one) != 0:
            return 1
    return 0


def run_seed(options):
    if options.keep:
        directory = os.path.abspath(options.keep)
        os.makedirs(directory, exist_ok=True)
        if os.listdir(directory):
            raise SystemExit("%s is not empty" % options.keep)
    else:
        directory = tempfile.mkdtemp(prefix="admetricsd-chaos-")
    started = time.monotonic()
    print("seed %d, %s" % (options.seed, options.mode), flush=True)
    chaos = None
    try:
        chaos = Chaos(options, directory)
        chaos.run()
    except Failure as failure:
        print(chaos.report(failure), flush=True)
        return 1
    except (sqlite3.Error, OSError) as error:
        if chaos is None:
            raise
        message = "%s: %s" % (type(error).__name__, error)
        print(chaos.report(Failure(message, output=traceback.format_exc())), flush=True)
        return 1
    finally:
        if chaos is not None:
            chaos.close()
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    print("ok: %s; %d steps, %d comparisons, %d kills, %.1f s"
          % (chaos.settings(), chaos.step, chaos.comparisons, chaos.kills, time.monotonic() - started), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
