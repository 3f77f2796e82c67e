"""A guest on the pipeline's file: a first fill keeps no writer waiting and shows nobody half of it, ends when it is told to, and leaves
nothing behind; and what tells an operator how the way from the source to the ledger stands.

    python3 guest_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import contextlib
import json
import os
import signal
import sqlite3
import threading

import harness
from harness import Program, WorldCase, wait_until

FINE, NO, CANNOT = 0, 1, 2


class Beside(threading.Thread):
    """Somebody who does one thing over and over, on a connection of his own, until he is told to end."""

    def __init__(self, path, busy_timeout_ms, act):
        super().__init__(daemon=True)
        self.path, self.busy_timeout_ms, self.act = path, busy_timeout_ms, act
        self.done, self.refused, self.failure = 0, 0, None
        self.over = threading.Event()
        self.start()

    def run(self):
        try:
            with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA busy_timeout = %d" % self.busy_timeout_ms)
                while not self.over.is_set():
                    try:
                        self.act(connection)
                        self.done += 1
                    except sqlite3.OperationalError as error:
                        if "locked" not in str(error):
                            raise
                        self.refused += 1
                    self.over.wait(0.003)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def end(self):
        self.over.set()
        self.join(30)
        if self.failure is not None:
            raise self.failure


class FirstFill(WorldCase):
    USERS, DAYS = 30_000, 20

    def large(self):
        """The rows go into the pipeline's own file."""
        world = self.empty_world()
        world.demo(users=self.USERS // Program.slowness, days=self.DAYS)
        return world

    def fill_tables(self, world):
        return [name for name, in world.sql(world.product_db, "SELECT name FROM sqlite_schema WHERE name GLOB '_admetrics_fill*'")]

    def filled(self, world):
        """What is being filled: [(token, items)]."""
        with contextlib.suppress(sqlite3.OperationalError):  # it comes and goes
            return world.sql(world.product_db, "SELECT token, items FROM _admetrics_fill")
        return []

    def start_filling(self, world):
        """Until there are rows aside that this daemon wrote."""
        before = [token for token, _ in self.filled(world)]
        world.start()
        world.await_alive(lambda: any(token not in before and items > 500 for token, items in self.filled(world)), "rows aside", 60)

    def test_no_writer_is_refused_and_no_reader_sees_a_part(self):
        world = self.large()
        world.sql(world.product_db, "CREATE TABLE theirs (n INTEGER)")
        seen = set()

        def look(connection):
            with contextlib.suppress(sqlite3.OperationalError):  # before the tables are made
                seen.add(connection.execute("SELECT count(*) FROM daily_mixpanel_metrics_breakdown").fetchone()[0])

        # The lock's holder may lose the processor on a busy machine: that much beyond the 100 ms that a pipeline may choose.
        writer = Beside(world.product_db, 100 * 4 * Program.slowness, lambda c: c.execute("INSERT INTO theirs VALUES (1)"))
        reader = Beside(world.product_db, 0, look)
        self.start_filling(world)
        world.await_epochs(seconds=120)
        writer.end()
        reader.end()
        self.assertEqual(writer.refused, 0)
        self.assertGreater(writer.done, 20)
        rows = world.sql(world.product_db, "SELECT count(*) FROM daily_mixpanel_metrics_breakdown")[0][0]
        self.assertLessEqual(seen, {0, rows})
        self.assertEqual(world.sql(world.product_db, "SELECT count(*) FROM theirs"), [(writer.done,)])
        self.assertEqual(self.fill_tables(world), [])
        world.await_equal(60)
        fills = [each for each in world.status()["write_locks"] if each["work"] == "fill"]
        self.assertEqual([each["database"] for each in fills], ["sink"])
        # By rows, not by time: a transaction of a fill takes at most some two thousand.
        self.assertGreaterEqual(fills[0]["holds"] * 2_100, rows)
        world.stop()

    def test_signals_while_it_fills(self):
        world = self.large()
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
            with self.subTest(signal.Signals(number).name):
                self.start_filling(world)
                if number == signal.SIGHUP:
                    world.configure(log={"level": "debug"})
                    for _ in range(10):
                        world.signal(number)
                    world.await_log("streaming goes on")
                    world.await_equal(120)
                    world.stop()
                    continue
                world.signal(number)
                code, seconds = world.wait_for_end(60)
                self.assertEqual(code, FINE if number == signal.SIGTERM else -number)
                self.assertLess(seconds, 5 * Program.slowness)
                self.assertEqual(world.sql(world.product_db, "SELECT count(*) FROM daily_mixpanel_metrics"), [(0,)])
                self.assertTrue(self.fill_tables(world))
                # What it left behind is nothing that anybody has to mind.
                done = harness.call("schema", "check", "--config", world.config)
                self.assertEqual(done.code, FINE, done)
                self.assertIn("a first fill is under way", done.out)
        self.assertEqual(self.fill_tables(world), [])
        self.assertEqual(world.verify().code, FINE)

    def test_a_second_sigterm_ends_it_at_once(self):
        world = self.large()
        self.start_filling(world)
        world.signal(signal.SIGTERM)
        world.signal(signal.SIGTERM)
        code, _ = world.wait_for_end(20)
        self.assertIn(code, (FINE, CANNOT))
        world.start()
        world.await_equal(120)
        world.stop()

    def test_a_lock_for_long_only_delays_it(self):
        world = self.large()
        self.start_filling(world)
        with contextlib.closing(harness.hold_write_lock(world.product_db)):
            world.await_log("database is locked; attempt 1", 60)
            (token, standing), = self.filled(world)
        world.await_alive(lambda: all(now != token or items > standing for now, items in self.filled(world)), "that it goes on", 60)
        world.await_equal(120)
        world.stop()


class WholeWay(WorldCase):
    def test_heartbeats_come_through_where_nothing_else_does(self):
        for capture in ("triggers", "scan"):
            with self.subTest(capture):
                world = self.world(users=60, seed=11)
                world.configure(engine={"heartbeat_interval": "300ms"}, source_sqlite={"capture": capture, "scan_interval": "200ms"})
                world.start()
                world.await_equal()
                written = world.status()["rows_written_total"]
                wait_until(lambda: world.status()["passage"]["heartbeats_total"] >= 3, "three heartbeats")
                self.assertEqual(world.status()["rows_written_total"], written)
                logged = "SELECT count(*) FROM sqlite_schema WHERE name = '_admetrics_changes'"
                self.assertEqual(world.sql(world.product_db, logged), [(1 if capture == "triggers" else 0,)])
                world.pipeline_writes(2)
                world.await_equal()
                world.stop()

    def test_none_are_sent_where_none_are_wanted(self):
        world = self.world(users=60, seed=12)
        world.configure(engine={"heartbeat_interval": "0s"})
        world.start()
        world.await_equal()
        epochs = world.status()["epochs_total"]
        self.assertEqual(world.call("sync").code, FINE)
        self.assertEqual(world.status()["passage"]["heartbeats_total"], 0)
        self.assertEqual(world.status()["epochs_total"], epochs)
        world.stop()

    def test_the_outcome_of_verify_is_shown(self):
        world = self.world(users=60, seed=13)
        world.start()
        world.await_equal()
        last = wait_until(lambda: (lambda v: v and v["equal"] and v)(world.status()["last_verification"]), "the outcome")
        self.assertTrue(last["whole"])
        world.sql(world.sink_db, "UPDATE daily_mixpanel_metrics SET meta_clicks = meta_clicks + 1")
        self.assertEqual(world.verify("--sample", "0.9").code, NO)
        last = wait_until(lambda: (lambda v: v and v["equal"] is False and v)(world.status()["last_verification"]), "the difference")
        self.assertGreater(last["differences"], 0)
        self.assertFalse(last["whole"])
        world.stop()

    def test_the_calendar_beside_a_daemon(self):
        world = self.world(users=200, seed=14)
        world.start()
        world.await_equal()
        done = world.call("calendar", "--days", "7", "--json")
        self.assertEqual(done.code, FINE, done)
        calendar = done.json()
        self.assertTrue(calendar["pinned"])
        self.assertEqual(calendar["as_of"], world.settings["reporting"]["as_of"])
        self.assertEqual(len(calendar["days"]), 7)
        for day in calendar["days"]:
            for table, column, rows in (("daily_mixpanel_metrics", "trial_users_count", day["main_rows"]),
                                        ("daily_mixpanel_metrics_breakdown", "mixpanel_trial_count", day["breakdown_rows"])):
                found = world.sql(world.sink_db, "SELECT count(*) FROM %s WHERE date = '%s' AND %s > 0" % (table, day["trial_day"], column))
                self.assertEqual(found, [(rows,)], day)
        self.assertGreater(sum(day["users"] for day in calendar["days"]), 0)
        done = world.call("calendar")
        self.assertEqual(done.code, FINE, done)
        self.assertIn("reporting.as_of pins today", done.out)
        self.assertEqual(len(done.out.splitlines()), 3 + 14)
        world.stop()


class Journal(WorldCase):
    def test_lines_have_priorities_where_the_journal_reads_them(self):
        for form in ("text", "json"):
            with self.subTest(form):
                world = self.world(users=60, seed=15)
                world.configure(log={"format": form})
                with open(world.log_path, "ab") as log:
                    stream = os.fstat(log.fileno())
                os.environ["JOURNAL_STREAM"] = "%d:%d" % (stream.st_dev, stream.st_ino)
                try:
                    world.start()
                finally:
                    del os.environ["JOURNAL_STREAM"]
                world.await_equal()
                world.configure(log={"levle": 1})
                world.reload()
                world.await_log("reload refused")
                lines = world.log().splitlines()
                self.assertTrue(all(line.startswith(("<3>", "<6>")) for line in lines), lines)
                refused = [line for line in lines if "reload refused" in line]
                self.assertTrue(refused[0].startswith("<3>"))
                if form == "json":
                    self.assertIn("levle", json.loads(refused[0][3:])["message"])
                world.stop()


if __name__ == "__main__":
    harness.main()
