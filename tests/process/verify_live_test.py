"""`verify` beside a streaming daemon and a writer that never rests: it ends, says equal, starves no checkpoint, and still
finds what is wrong."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import harness
import source_gen

FINE, NO = 0, 1
USERS, DAYS = 2000, 30
VERIFY_SECONDS_MAX = 45  # beside everything else on this machine; a verification in quiet takes two
# A log never shrinks: begun anew, it is as long as its longest stretch; never begun anew, as long as the test.
WAL_BYTES_OF_A_ROW = 6500
WAL_SECONDS_MAX, WAL_BYTES_ALWAYS_FINE = 2, 160 << 20  # the daemon writes its rows into it, too


class Writer:
    """The pipeline in a hurry: one row a commit, as fast as it goes, and now and then a whole day. A process of its own."""

    def __init__(self, directory, seed):
        self.rng = random.Random("writer %d" % seed)
        self.product = source_gen.connect(os.path.join(directory, source_gen.PRODUCT_DB))
        self.ads = source_gen.connect(os.path.join(directory, source_gen.ADS_DB))
        for connection in (self.product, self.ads):
            connection.execute("PRAGMA synchronous = OFF")
        ask = lambda sql: [row[0] for row in self.product.execute(sql)]
        self.users = ask("SELECT distinct_id FROM mixpanel_user")
        self.hot = self.rng.sample(self.users, 3)
        self.events = ask("SELECT event_uuid FROM mixpanel_event WHERE event_name LIKE 'RC%'")
        self.days = ask("SELECT date_day FROM processed_event_days")
        self.places = self.product.execute("SELECT DISTINCT abi_campaign_id, abi_ad_set_id, abi_ad_id FROM mixpanel_user "
                                           "WHERE has_abi_attribution AND abi_ad_id IS NOT NULL").fetchall()
        self.ad_days = self.ads.execute("SELECT ad_id, date FROM ad_performance_daily").fetchall()
        self.number = 0

    def add_event(self):
        """Or puts another one in its place, perhaps another user's: the source shall not outgrow the test."""
        rng = self.rng
        self.number = (self.number + 1) % (5 * USERS)
        name, revenue = rng.choice((("RC Trial started", 0), ("RC Initial purchase", 9.99), ("RC Trial converted", 29.99),
                                    ("RC Cancellation", -9.99)))
        self.product.execute(
            "INSERT OR REPLACE INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, revenue_usd) VALUES (?, ?, ?, ?, ?)",
            ("live-%d" % self.number, name, rng.choice(self.users),
             "%sT%02d:00:00Z" % (rng.choice(self.days), rng.randrange(24)), revenue))

    def hammer_one(self):
        """The same few users over and over."""
        user = self.rng.choice(self.hot)
        for _ in range(self.rng.randrange(5, 60)):
            self.rng.choice((self.move_user, self.change_value))(user)

    def move_user(self, user=None):
        self.product.execute("UPDATE mixpanel_user SET abi_campaign_id = ?, abi_ad_set_id = ?, abi_ad_id = ? WHERE distinct_id = ?",
                             (*self.rng.choice(self.places), user or self.rng.choice(self.users)))

    def to_and_fro(self):
        """A user leaves a row and comes back: looked at before and after, nothing happened."""
        user = self.rng.choice(self.users)
        was = self.product.execute("SELECT abi_campaign_id, abi_ad_set_id, abi_ad_id FROM mixpanel_user WHERE distinct_id = ?",
                                   (user,)).fetchone()
        for place in (self.rng.choice(self.places), was) * self.rng.randrange(1, 4):
            self.product.execute("UPDATE mixpanel_user SET abi_campaign_id = ?, abi_ad_set_id = ?, abi_ad_id = ? "
                                 "WHERE distinct_id = ?", (*place, user))

    def replace_user(self):
        self.product.execute("INSERT OR REPLACE INTO mixpanel_user SELECT * FROM mixpanel_user WHERE distinct_id = ?",
                             (self.rng.choice(self.users),))

    def remove_event(self):
        self.product.execute("DELETE FROM mixpanel_event WHERE event_uuid = ?", (self.rng.choice(self.events),))

    def change_value(self, user=None):
        self.product.execute("UPDATE user_product_metrics SET current_value = ? WHERE distinct_id = ?",
                             (self.rng.randrange(10000) / 100, user or self.rng.choice(self.users)))

    def change_spend(self):
        self.ads.execute("UPDATE ad_performance_daily SET spend = ?, impressions = impressions + 1 WHERE ad_id = ? AND date = ?",
                         (self.rng.randrange(100000) / 100, *self.rng.choice(self.ad_days)))

    def remap(self):
        self.product.execute("UPDATE meta_country_mapping SET is_active = NOT is_active WHERE rowid = "
                             "(SELECT rowid FROM meta_country_mapping ORDER BY random() LIMIT 1)")

    def reload_day(self):
        """As the pipeline does it, torn in the middle (pitfalls.md)."""
        day = self.rng.choice(self.days[-5:])
        between = (day, day + "T99")
        rows = self.product.execute("SELECT * FROM mixpanel_event WHERE event_time >= ? AND event_time < ?", between).fetchall()
        status = self.product.execute("SELECT * FROM processed_event_days WHERE date_day = ?", (day,)).fetchall()
        self.product.execute("BEGIN IMMEDIATE")
        self.product.execute("DELETE FROM mixpanel_event WHERE event_time >= ? AND event_time < ?", between)
        self.product.execute("DELETE FROM processed_event_days WHERE date_day = ?", (day,))
        self.product.execute("COMMIT")
        for part in (rows[::2], rows[1::2]):
            self.product.execute("BEGIN IMMEDIATE")
            for row in part:
                self.product.execute("INSERT OR IGNORE INTO mixpanel_event VALUES (%s)" % ", ".join("?" * len(row)), row)
            self.product.execute("COMMIT")
        for row in status:
            self.product.execute("INSERT INTO processed_event_days VALUES (%s)" % ", ".join("?" * len(row)), row)

    ACTS = {add_event: 120, move_user: 60, to_and_fro: 15, replace_user: 15, remove_event: 10, change_value: 30,
            change_spend: 60, hammer_one: 4, reload_day: 0.06, remap: 0.004}

    def run(self):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
        acts, weights = list(self.ACTS), list(self.ACTS.values())
        while not stop:
            for act in self.rng.choices(acts, weights, k=20):
                act(self)
        print(self.product.total_changes + self.ads.total_changes)


class VerifyBesideWriting(harness.WorldCase):
    def streaming_world(self, sink=None, audited=True):
        world = self.empty_world()
        world.demo(USERS, DAYS)
        if not audited:
            world.configure(audit={"every": "0s"})
        if sink:
            world.configure(sink_sqlite={"path": sink})
        world.start()
        world.await_equal()
        return world

    def writer(self, world, seed=1):
        writer = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--write", world.directory, str(seed)],
                                  stdout=subprocess.PIPE)
        self.addCleanup(writer.stdout.close)
        self.addCleanup(writer.wait)
        self.addCleanup(writer.kill)
        harness.wait_until(lambda: world.status()["epochs_total"] > 5, "the first writes")
        return writer

    def verify(self, world, *arguments):
        """A verification in bounded time, and the largest write-ahead log beside it."""
        started = time.monotonic()
        process = subprocess.Popen([harness.Program.binary, "verify", "--config", world.config, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        largest = 0
        logs = [path + "-wal" for path in {world.product_db, world.ads_db, world.sink_db}]
        while process.poll() is None:
            largest = max([largest] + [os.stat(log).st_size for log in logs if os.path.exists(log)])
            self.assertLess(time.monotonic() - started, VERIFY_SECONDS_MAX * harness.Program.slowness)
            time.sleep(0.02)
        out, err = process.communicate()
        return harness.Done(process.returncode, out.decode(), err.decode()), largest

    def end(self, world, writer):
        self.assertIsNone(writer.poll(), "the writer failed")
        writer.send_signal(signal.SIGTERM)
        rows = int(writer.communicate(timeout=60)[0])
        world.await_equal(60)
        return rows

    def write_and_verify(self, world, seconds, seed):
        writer = self.writer(world, seed)
        began = time.monotonic()
        rounds, slowest, largest = 0, 0, 0
        while time.monotonic() - began < seconds:
            started = time.monotonic()
            done, log_bytes = self.verify(world)
            self.assertEqual(done.code, FINE, "a false alarm, or none at all: %r" % done)
            self.assertIn("equal", done.out)
            rounds, slowest, largest = rounds + 1, max(slowest, time.monotonic() - started), max(largest, log_bytes)
        self.assertIsNone(world.ended(), world.tail())
        took = time.monotonic() - began
        rows = self.end(world, writer)
        print("%d verifications in %.0f s, the slowest %.1f s, beside %.0f rows/s; largest log %.1f MB"
              % (rounds, took, slowest, rows / took, largest / 1e6), file=sys.stderr)
        self.assertGreater(rounds, 1)
        self.assertLess(largest, max(WAL_BYTES_ALWAYS_FINE, WAL_SECONDS_MAX * rows / took * WAL_BYTES_OF_A_ROW),
                        "a checkpoint was starved")

    def test_no_false_alarm_where_the_sink_is_the_product_database(self):
        self.write_and_verify(self.streaming_world(), 12, 1)

    def test_no_false_alarm_where_the_sink_is_a_file_of_its_own(self):
        self.write_and_verify(self.streaming_world("metrics.db"), 12, 2)

    @harness.nightly
    def test_no_false_alarm_for_ten_minutes(self):
        self.write_and_verify(self.streaming_world("metrics.db"), 600, 3)

    def test_what_is_wrong_is_found_while_writing_goes_on(self):
        world = self.streaming_world("metrics.db", audited=False)  # which would repair it first
        writer = self.writer(world, 4)
        # What nobody has a reason to write again while the test lasts.
        with contextlib.closing(sqlite3.connect(world.sink_db, timeout=60)) as sink:
            # Not inserted: the daemon looks at once at rows that it has not numbered.
            sink.execute("UPDATE daily_mixpanel_metrics SET entity_id = 'planted' WHERE metric_id = 5")
            sink.execute("UPDATE id_name_mapping SET frequency_count = frequency_count + 1 WHERE rowid = 2")
            sink.execute("DELETE FROM id_hierarchy_mapping WHERE rowid = 3")
            sink.commit()
        for _ in range(2):
            done, _ = self.verify(world, "--json")
            self.assertEqual(done.code, NO, done)
            found = {(d["table"], d["kind"]) for d in done.json()["differences"]}
            # The row that was renamed is missing until somebody writes to it.
            self.assertEqual(found - {("daily_mixpanel_metrics", "missing_row")},
                             {("daily_mixpanel_metrics", "extra_row"), ("id_hierarchy_mapping", "missing_row"),
                              ("id_name_mapping", "column")}, done)
        self.assertIsNone(writer.poll())

    def test_it_can_be_stopped_at_any_time(self):
        world = self.streaming_world()
        writer = self.writer(world, 5)
        before = set(os.listdir(world.path("state")))
        for number, delay in ((signal.SIGINT, 0.05), (signal.SIGTERM, 0.3), (signal.SIGTERM, 0.9)):
            process = subprocess.Popen([harness.Program.binary, "verify", "--config", world.config], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            process.send_signal(number)
            asked = time.monotonic()
            process.wait(30)
            self.assertLess(time.monotonic() - asked, 2 * harness.Program.slowness)
        left = {name for name in os.listdir(world.path("state")) if "verify-" in name} - before
        self.assertEqual(left, set())
        self.assertIsNone(world.ended(), world.tail())
        self.end(world, writer)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--write":
        Writer(sys.argv[2], int(sys.argv[3])).run()
    else:
        harness.main()
