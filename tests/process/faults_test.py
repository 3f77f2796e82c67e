"""What goes wrong around a daemon: signals, kills, locks, full disks, files and tables that are replaced under it.

    python3 faults_test.py --binary build/release/daemon/admetricsd [--nightly] [-k PATTERN]

Every story ends with `verify`, and with the oracle where the source is small: the tables are right again.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import harness
import oracle
import source_gen
from harness import Program, WorldCase, hold_write_lock, nightly, wait_until

FINE, NO, CANNOT = 0, 1, 2


class Streaming(WorldCase):
    def streaming(self, *arguments, settings=None, **how):
        """A world whose daemon has caught up."""
        world = self.world(**how)
        world.configure(**(settings or {}))
        world.start(*arguments)
        world.await_equal()
        return world

    def end(self, world):
        """The tables are right, and streaming goes on: then nothing got stuck."""
        world.await_equal(60)
        if world.daemon is not None:
            world.pipeline_writes(1)
            world.await_equal(30)
            world.stop()


class BigBackfill(WorldCase):
    """A backfill that takes seconds, for acts that have to hit it."""

    USERS, DAYS = 200_000, 20

    def big_world(self):
        world = self.empty_world()
        world.demo(users=self.USERS // Program.slowness**2, days=self.DAYS)
        world.configure(sink_sqlite={"path": "metrics.db"})
        return world

    def forget(self, world):
        shutil.rmtree(world.path("state"))
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(world.sink_db + suffix)

    def test_signals_during_a_backfill(self):
        """One source for all of them, because it takes long to make."""
        world = self.big_world()
        started = time.monotonic()
        world.run_once()
        backfill_seconds = time.monotonic() - started
        for share in (0.1, 0.5, 0.8):
            with self.subTest("SIGTERM after %g of a backfill" % share):
                self.forget(world)
                world.start()
                world.await_log("reading ")
                time.sleep(backfill_seconds * share)  # where the signal falls
                world.signal(signal.SIGTERM)
                code, seconds = world.wait_for_end(60)
                self.assertEqual(code, FINE, world.tail())
                self.assertLess(seconds, 5 * Program.slowness)
        self.forget(world)
        with self.subTest("a second SIGTERM does not wait"):
            world.start()
            world.await_log("reading ")
            world.signal(signal.SIGTERM)
            world.signal(signal.SIGTERM)
            code, seconds = world.wait_for_end(10)
            self.assertIn(code, (FINE, CANNOT))
            self.assertLess(seconds, 5 * Program.slowness)
        with self.subTest("SIGTERM ends run --once with a line that says so"):
            world.start("--once")
            world.await_log("reading ")
            world.signal(signal.SIGTERM)
            self.assertEqual(world.wait_for_end(30)[0], CANNOT)
            self.assertIn("asked to stop before the end", world.log())
        with self.subTest("SIGHUP does not lose the backfill"):
            world.start("--backfill", "--as-of", "2025-07-31")
            world.await_log("reading ")
            world.configure(log={"level": "debug"})
            world.reload()
            world.await_log("the new configuration is good")
            world.await_log("(everything was read", 240)
            world.stop(60)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)


class Signals(Streaming):
    def test_sigterm_while_idle_ends_at_once(self):
        world = self.streaming(users=30)
        world.signal(signal.SIGTERM)
        code, seconds = world.wait_for_end(20)
        self.assertEqual(code, FINE)
        self.assertLess(seconds, 2 * Program.slowness)
        self.assertEqual(world.call("status", "--json").json()["phase"], "stopping")

    def test_sigint_does_the_same(self):
        world = self.streaming(users=30)
        world.signal(signal.SIGINT)
        self.assertEqual(world.wait_for_end(20)[0], FINE)

    def test_sighup_takes_a_new_level(self):
        world = self.streaming(users=30)
        self.assertNotIn("debug", world.log())
        world.configure(log={"level": "debug"})
        world.reload()
        world.await_log("the new configuration is good")
        world.pipeline_writes(3)
        world.await_log(" debug ")
        self.end(world)

    def test_sighup_takes_a_new_time_zone(self):
        world = self.streaming(users=100)
        before = oracle.bookkeeping(world.sink_db)
        world.configure(reporting={"time_zone": "Pacific/Auckland", "trial_length_days": 3})
        world.reload()
        self.end(world)
        self.assertNotEqual(set(before[oracle.MAIN]), set(oracle.bookkeeping(world.sink_db)[oracle.MAIN]))

    def test_sighup_with_a_bad_file_changes_nothing(self):
        world = self.streaming(users=60)
        good = world.settings["reporting"]["as_of"]
        for bad in ('[reporting]\ntime_zone = "Mars/Olympus"\n', "[source.sqlite\n", "", '[log]\nlevel = "loud"\n'):
            world.write_config_text(bad)
            refusals = world.log().count("reload refused")
            world.reload()
            wait_until(lambda: world.log().count("reload refused") > refusals, lambda: "a refusal:\n" + world.tail())
        os.remove(world.config)
        refusals = world.log().count("reload refused")
        world.reload()
        wait_until(lambda: world.log().count("reload refused") > refusals, lambda: "a refusal:\n" + world.tail())
        world.write_config()
        self.assertEqual(world.settings["reporting"]["as_of"], good)
        world.pipeline_writes(3)
        self.end(world)

    def test_sighup_towards_a_database_that_is_not_there_keeps_the_daemon(self):
        world = self.streaming(users=60)
        world.configure(source_sqlite={"ads_db": "absent.db"})
        world.reload()
        world.await_log("absent.db")
        self.assertIsNone(world.ended(), world.tail())
        world.configure(source_sqlite={"ads_db": source_gen.ADS_DB})
        world.reload()
        self.end(world)

    def test_ten_sighups_in_a_second(self):
        world = self.streaming(users=60)
        for n in range(10):
            world.configure(log={"level": ("debug", "info")[n % 2]}, reporting={"trial_length_days": 1 + n % 4})
            world.reload()
            world.pipeline_writes(1)
            time.sleep(0.08)  # the pace of the story, not a wait for an effect
        self.end(world)

    def test_sighup_with_retries_pending(self):
        world = self.streaming(users=60)
        lock = hold_write_lock(world.sink_db if "sink.sqlite" in world.settings else world.product_db)
        with contextlib.closing(lock):
            lock.execute("UPDATE mixpanel_user SET country = 'XX'")
            lock.execute("COMMIT")
            lock.execute("BEGIN IMMEDIATE")
            world.await_log("trying again", 60)
            world.configure(log={"level": "debug"})
            world.reload()
            world.await_log("the new configuration is good")
        self.end(world)

    def test_sighup_while_a_table_is_missing(self):
        world = self.streaming(users=60)
        rows = world.sql(world.product_db, "SELECT * FROM mixpanel_user ORDER BY rowid")
        create = world.sql(world.product_db, "SELECT sql FROM sqlite_master WHERE name = 'mixpanel_user'")[0][0]
        world.sql(world.product_db, "DROP TABLE mixpanel_user")
        world.await_log("mixpanel_user", 30)
        world.reload()
        world.await_log("the new configuration is good")
        world.await_alive(lambda: world.log().count("reading ") > 1 or world.log().count("mixpanel_user") > 1, "the second session", 30)
        world.sql(world.product_db, create, *["INSERT INTO mixpanel_user VALUES (%s)" % ", ".join(map(quoted, row)) for row in rows])
        self.end(world)


class Kills(Streaming):
    def test_kills_during_catch_up_cost_nothing(self):
        world = self.world(users=400)
        world.configure(sink_sqlite={"path": "metrics.db"})
        started = time.monotonic()
        world.run_once()
        catch_up = time.monotonic() - started
        for name in ("metrics.db", "metrics.db-wal", "metrics.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(world.path(name))
        shutil.rmtree(world.path("state"))
        for n in range(24):
            world.start()
            time.sleep(catch_up * n / 20)  # where the kill falls is drawn, so to speak
            world.kill()
            if n % 3 == 0:
                world.pipeline_writes(1)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_the_state_folder_can_be_lost(self):
        world = self.streaming(users=100)
        world.stop()
        before = oracle.bookkeeping(world.sink_db)
        shutil.rmtree(world.path("state"))
        world.run_once()
        self.assertEqual(oracle.bookkeeping(world.sink_db), before, "rows that are right are not written")
        world.pipeline_writes(4)
        world.run_once()
        world.judge()


    def test_a_kill_between_arming_and_the_first_commit(self):
        """A table was made again, its triggers are back, and nobody has read it yet: that must not be forgotten."""
        for path, table, change in (("product_db", "mixpanel_user", "UPDATE mixpanel_user SET country = 'VV'"),
                                    ("ads_db", "ad_performance_daily", "UPDATE ad_performance_daily SET spend = 3")):
            with self.subTest(table):
                world = self.world(users=60)
                world.configure(sink_sqlite={"path": "metrics.db"})
                world.run_once()
                path = getattr(world, path)
                recreate(world, path, table, change)
                with contextlib.closing(hold_write_lock(world.sink_db)):
                    world.start()
                    wait_until(lambda: triggers_on(world, path, table), lambda: "triggers:\n" + world.tail())
                    world.kill()
                world.run_once()
                self.assertEqual(world.verify().code, FINE)
                world.judge()


class Locks(Streaming):
    def hold_for(self, world, path, seconds):
        """Somebody commits a change and then keeps the write lock."""
        lock = hold_write_lock(path)
        with contextlib.closing(lock):
            if path == world.product_db:
                lock.execute("UPDATE mixpanel_user SET country = 'XX' WHERE rowid % 2")
                lock.execute("COMMIT")
                lock.execute("BEGIN IMMEDIATE")
            else:
                world.pipeline_writes(2)
            until = time.monotonic() + seconds
            while time.monotonic() < until:  # held, whatever the daemon does meanwhile
                self.assertIsNone(world.ended(), world.tail())
                time.sleep(0.1)

    def test_a_product_database_locked_for_8_seconds(self):
        world = self.streaming(users=100)
        self.hold_for(world, world.product_db, 8)
        self.assertIn("locked", world.log())
        self.end(world)

    def test_a_sink_of_its_own_locked_for_8_seconds(self):
        world = self.streaming(users=100, settings={"sink_sqlite": {"path": "metrics.db"}})
        self.hold_for(world, world.sink_db, 8)
        self.assertIn("locked", world.log())
        self.assertIn("trying again", world.log())
        self.end(world)

    def test_run_once_waits_for_a_lock(self):
        world = self.world(users=60)
        world.run_once()
        world.pipeline_writes(3)
        with lock_holder(world.product_db) as holder:
            timer = threading.Timer(8, holder.kill)
            timer.start()
            done = world.run_once()
        timer.join()
        self.assertIn("locked", done.err)
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    @nightly
    def test_run_once_gives_up_after_a_minute(self):
        world = self.world(users=60)
        world.run_once()
        world.pipeline_writes(3)
        with contextlib.closing(hold_write_lock(world.product_db)):
            done = world.call("run", "--once")
        self.assertEqual(done.code, CANNOT, done)
        self.one_line(done, "locked", world.product_db)
        world.run_once()
        world.judge()

    def test_a_busy_writer_in_delete_mode(self):
        world = self.streaming(users=60, wal=False)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            world.pipeline_writes(2)
            self.assertIsNone(world.ended(), world.tail())
        self.end(world)

    def test_a_reader_that_holds_a_snapshot(self):
        world = self.streaming(users=60)
        with contextlib.closing(oracle.open_to_read(world.product_db)) as reader:
            rows = reader.execute("SELECT count(*) FROM mixpanel_event").fetchall()
            for _ in range(5):
                world.pipeline_writes(2)
            world.await_equal()
            self.assertEqual(reader.execute("SELECT count(*) FROM mixpanel_event").fetchall(), rows)
        self.end(world)


class HotJournals(Streaming):
    """A writer in DELETE mode that dies within its transaction leaves a journal: whoever comes next must roll back."""

    def crash_a_writer(self, path, table):
        script = ("import os, sqlite3, sys\n"
                  "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
                  "c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1'); c.execute('BEGIN IMMEDIATE')\n"
                  "c.execute('DELETE FROM ' + sys.argv[2])\n"
                  "c.execute('CREATE TABLE filler AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000)"
                  " SELECT x, randomblob(900) FROM n')\n"
                  "print(os.path.exists(sys.argv[1] + '-journal'), flush=True)\n"
                  "os.kill(os.getpid(), 9)\n")
        done = subprocess.run([sys.executable, "-c", script, path, table], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        # Said by the writer: a daemon beside it may have rolled back by now.
        self.assertEqual(done.stdout.strip(), "True", "the writer left no journal")

    def test_left_before_the_start(self):
        world = self.world(users=60, wal=False)
        world.run_once()
        for path, table in ((world.product_db, "mixpanel_event"), (world.ads_db, "ad_performance_daily")):
            with self.subTest(table):
                world.pipeline_writes(2)
                self.crash_a_writer(path, table)
                world.run_once()
                self.assertEqual(world.verify().code, FINE)
                world.judge()

    def test_left_while_streaming(self):
        world = self.streaming(users=60, wal=False)
        for path, table in ((world.product_db, "mixpanel_event"), (world.ads_db, "ad_performance_daily")):
            self.crash_a_writer(path, table)
        self.end(world)

    def test_verify_does_not_mind(self):
        world = self.world(users=60, wal=False)
        world.configure(sink_sqlite={"path": "metrics.db"})
        world.run_once()
        self.crash_a_writer(world.ads_db, "ad_performance_daily")
        done = world.verify()
        self.assertEqual(done.code, FINE, done)


class Disks(WorldCase):
    """A file system of a few megabytes, filled to the brim by a file of ours."""

    def mount(self, directory, size):
        os.makedirs(directory, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "admetricsd-test", directory], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        if done.returncode != 0:
            self.skipTest("mounting a tmpfs is not permitted: " + done.stdout.decode(errors="replace").strip())
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=False, timeout=60)

    def setUp(self):
        if shutil.which("mount") is None or os.geteuid() != 0:
            self.skipTest("mounting a tmpfs needs root")

    def fill(self, directory):
        filler = os.path.join(directory, "filler")
        with open(filler, "ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
        return filler

    def full_and_free_again(self, world, directory):
        world.start()
        world.await_equal()
        filler = self.fill(directory)
        rows = oracle.bookkeeping(world.sink_db)
        for _ in range(40):
            world.pipeline_writes(2)
            if "full" in world.log():
                break
        world.await_alive(lambda: "full" in world.log(), "a line that the disk is full", 60)
        self.assertEqual(set(rows), set(oracle.bookkeeping(world.sink_db)), "readers go on")
        self.assertEqual(oracle.check_invariants(world.sink_db), [])
        self.assertLess(len(world.log().splitlines()), 200, "a full disk is not a flood of lines")
        os.remove(filler)
        world.await_equal(60)
        world.stop()
        world.run_once()
        world.judge()

    def test_the_sinks_disk_fills_up(self):
        world = self.world(users=200)
        self.mount(world.path("sink"), 8 << 20)
        world.configure(sink_sqlite={"path": "sink/metrics.db"})
        self.full_and_free_again(world, world.path("sink"))

    def test_the_states_disk_fills_up(self):
        world = self.world(users=200)
        self.mount(world.path("state"), 4 << 20)
        self.full_and_free_again(world, world.path("state"))

    def test_a_disk_that_is_full_from_the_start(self):
        world = self.world(users=200)
        self.mount(world.path("sink"), 1 << 20)
        world.configure(sink_sqlite={"path": "sink/metrics.db"})
        filler = self.fill(world.path("sink"))
        done = world.call("run", "--once")
        self.assertEqual((done.code, done.out), (CANNOT, ""), done)
        self.one_line(done, "full", world.path("sink", "metrics.db"))
        os.remove(filler)
        subprocess.run(["mount", "-o", "remount,size=%d" % (16 << 20), world.path("sink")], check=True, timeout=60)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_a_source_that_cannot_be_written(self):
        world = self.world(users=60)
        world.run_once()
        world.pipeline.close()
        for path in (world.product_db, world.ads_db):
            world.sql(path, "PRAGMA journal_mode = DELETE")
        os.mkdir(world.path("ro"))
        for name in (source_gen.PRODUCT_DB, source_gen.ADS_DB):
            shutil.copy(world.path(name), world.path("ro", name))
        done = subprocess.run(["mount", "--bind", world.path("ro"), world.path("ro")], check=False, timeout=60)
        if done.returncode != 0:
            self.skipTest("a bind mount is not permitted")
        self.addCleanup(subprocess.run, ["umount", "-l", world.path("ro")], check=False, timeout=60)
        subprocess.run(["mount", "-o", "remount,ro,bind", world.path("ro")], check=True, timeout=60)
        world.configure(source_sqlite={"product_db": "ro/" + source_gen.PRODUCT_DB, "ads_db": "ro/" + source_gen.ADS_DB},
                        sink_sqlite={"path": "metrics.db"}, state={"dir": "state2"})
        with self.subTest("triggers that stand need no write"):
            self.assertEqual(world.call("run", "--once").code, FINE)
        with self.subTest("triggers that are missing cannot be written"):
            subprocess.run(["mount", "-o", "remount,rw,bind", world.path("ro")], check=True, timeout=60)
            world.sql(world.path("ro", source_gen.ADS_DB), "DROP TRIGGER _admetrics_ad_performance_daily_insert")
            subprocess.run(["mount", "-o", "remount,ro,bind", world.path("ro")], check=True, timeout=60)
            done = world.call("run", "--once")
            self.assertEqual(done.code, CANNOT, done)
            self.one_line(done, world.path("ro", source_gen.ADS_DB), "scan")
        with self.subTest("scan never writes"):
            world.configure(source_sqlite={"capture": "scan"}, state={"dir": "state3"})
            world.run_once()
            self.assertEqual(world.verify().code, FINE)


class Files(Streaming):
    """A database file that is replaced as a whole."""

    def other_version(self, world, path, change):
        """A changed copy of a database, in a file of its own, without a log beside it."""
        copy = path + ".other"
        with contextlib.closing(source_gen.connect(path)) as ours, contextlib.closing(source_gen.connect(copy)) as other:
            ours.backup(other)
            other.execute(change)
            other.execute("PRAGMA journal_mode = DELETE")
            other.execute("PRAGMA journal_mode = WAL")
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(copy + suffix)
        return copy

    def put_in_place(self, world, copy, path):
        """As a careful operator does it: the old file's log belongs to the old file."""
        world.pipeline.close()
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path + suffix)
        os.replace(copy, path)
        world.pipeline.reconnect()

    def test_the_product_database_is_replaced_while_streaming(self):
        for settings in ({}, {"sink_sqlite": {"path": "metrics.db"}}):
            with self.subTest(settings):
                world = self.streaming(users=100, settings=settings)
                copy = self.other_version(world, world.product_db, "UPDATE mixpanel_user SET country = 'ZZ' WHERE rowid % 3 = 0")
                self.put_in_place(world, copy, world.product_db)
                self.end(world)

    def test_the_ads_database_is_replaced_while_streaming(self):
        world = self.streaming(users=100)
        copy = self.other_version(world, world.ads_db, "UPDATE ad_performance_daily SET spend = 77")
        self.put_in_place(world, copy, world.ads_db)
        self.end(world)

    def test_a_sink_of_its_own_is_deleted_while_streaming(self):
        world = self.streaming(users=100, settings={"sink_sqlite": {"path": "metrics.db"}})
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(world.sink_db + suffix)
        self.end(world)

    def test_the_sources_are_deleted_and_created_again_while_streaming(self):
        world = self.streaming(users=100, settings={"sink_sqlite": {"path": "metrics.db"}})
        world.pipeline.close()
        for path in (world.product_db, world.ads_db):
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path + suffix)
        world.await_log(source_gen.PRODUCT_DB, 20)
        world.draw_source(seed=2, users=80)
        world.configure(reporting={"as_of": "2025-07-31"})
        world.reload()
        self.end(world)

    def test_the_sink_is_deleted_while_stopped(self):
        world = self.streaming(users=100, settings={"sink_sqlite": {"path": "metrics.db"}})
        world.stop()
        os.remove(world.sink_db)
        world.pipeline_writes(2)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def backup_of(self, world, path):
        copy = path + ".backup"
        with contextlib.closing(source_gen.connect(path)) as ours, contextlib.closing(source_gen.connect(copy)) as other:
            ours.backup(other)
        return copy

    def restore(self, world, backup, path):
        """Into the same file, as `.restore` does it."""
        with contextlib.closing(source_gen.connect(path)) as ours, contextlib.closing(source_gen.connect(backup)) as other:
            other.backup(ours)

    def test_a_backup_is_restored_while_stopped(self):
        for steps_after in (0, 1, 30):  # the change log may have grown beyond the position by the time the daemon looks
            with self.subTest(steps_after):
                world = self.world(users=100)
                world.configure(sink_sqlite={"path": "metrics.db"})
                world.run_once()
                world.pipeline_writes(2)
                backups = [(self.backup_of(world, path), path) for path in (world.product_db, world.ads_db)]
                world.pipeline_writes(6)
                world.run_once()
                self.assertEqual(world.verify().code, FINE)
                for backup, path in backups:
                    self.restore(world, backup, path)
                world.pipeline_writes(steps_after)
                world.run_once()
                self.assertEqual(world.verify().code, FINE)
                world.judge()

    def test_a_backup_is_restored_while_streaming(self):
        world = self.streaming(users=100)
        backup = self.backup_of(world, world.product_db)
        world.pipeline_writes(6)
        world.await_equal()
        self.restore(world, backup, world.product_db)
        self.end(world)

    def test_the_sink_goes_back_to_a_backup(self):
        world = self.streaming(users=100, settings={"sink_sqlite": {"path": "metrics.db"}})
        world.stop()
        backup = self.backup_of(world, world.sink_db)
        world.pipeline_writes(4)
        world.run_once()
        self.restore(world, backup, world.sink_db)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()


class Tables(Streaming):
    def test_tables_are_dropped_and_made_again_while_streaming(self):
        for gap in (False, True):
            with self.subTest(gap=gap):
                world = self.streaming(users=100)
                recreate(world, world.product_db, "mixpanel_user", "UPDATE mixpanel_user SET country = 'QQ' WHERE rowid % 2", gap)
                world.await_equal(60)
                recreate(world, world.ads_db, "ad_performance_daily", "UPDATE ad_performance_daily SET spend = 3", gap)
                self.end(world)

    def test_tables_are_dropped_and_made_again_while_stopped(self):
        world = self.world(users=100)
        world.run_once()
        recreate(world, world.product_db, "user_product_metrics", "UPDATE user_product_metrics SET current_value = 3")
        recreate(world, world.ads_db, "ad_performance_daily_device", "DELETE FROM ad_performance_daily_device WHERE rowid % 2")
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_our_triggers_are_dropped_while_streaming(self):
        world = self.streaming(users=100)
        with contextlib.closing(source_gen.connect(world.product_db)) as database:
            database.execute("BEGIN IMMEDIATE")
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()]
            self.assertTrue(names)
            for name in names:
                database.execute('DROP TRIGGER "%s"' % name)
            database.execute("UPDATE mixpanel_user SET country = 'WW' WHERE rowid % 2")  # nobody records this
            database.execute("COMMIT")
        world.await_equal(60)
        again = [row[0] for row in world.sql(world.product_db, "SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        self.assertEqual(sorted(names), sorted(again))
        self.end(world)

    def test_our_triggers_are_dropped_and_put_back_unseen(self):
        world = self.world(users=100)
        world.run_once()
        with contextlib.closing(source_gen.connect(world.product_db)) as database:
            triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in triggers:
                database.execute('DROP TRIGGER "%s"' % name)
            for _, sql in triggers:
                database.execute(sql)
        world.pipeline_writes(3)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_our_log_is_dropped(self):
        """Then the triggers make the writer's statements fail, which nobody wants; the daemon mends it soon."""
        world = self.streaming(users=100)
        world.sql(world.ads_db, "DROP TABLE _admetrics_changes", "DROP TABLE _admetrics_capture")
        wait_until(lambda: world.sql(world.ads_db, "SELECT count(*) FROM sqlite_master WHERE name GLOB '_admetrics_ch*'") == [(1,)],
                   lambda: "a new change log:\n" + world.tail())
        world.pipeline_writes(4)
        self.end(world)

    def test_our_log_is_emptied_by_somebody_else(self):
        world = self.world(users=100)
        world.run_once()
        world.pipeline_writes(4)
        world.sql(world.product_db, "DELETE FROM _admetrics_changes", "UPDATE _admetrics_capture SET acknowledged = 1000000")
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_result_tables_are_truncated(self):
        world = self.world(users=100)
        world.run_once()
        for table in oracle.TABLES:
            world.sql(world.product_db, "DELETE FROM " + table)
            self.assertEqual(world.verify().code, NO)
        world.run_once("--backfill")
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_result_tables_are_dropped_while_stopped(self):
        world = self.world(users=100)
        world.run_once()
        for table in oracle.TABLES:
            world.sql(world.product_db, "DROP TABLE " + table)
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_result_tables_are_dropped_while_streaming(self):
        world = self.streaming(users=100)
        world.sql(world.product_db, *["DROP TABLE " + table for table in oracle.TABLES])
        world.pipeline_writes(3)
        self.end(world)

    def test_writes_during_the_first_backfill(self):
        world = self.world(users=400)
        world.start()
        for _ in range(20):
            world.pipeline_writes(1)
        self.end(world)


def recreate(world, path, table, change, gap=False):
    """The table is dropped and made again with changed content, and nothing records what changed."""
    with contextlib.closing(source_gen.connect(path)) as database:
        create, = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        database.execute("BEGIN IMMEDIATE")
        database.execute("CREATE TEMP TABLE kept AS SELECT * FROM " + table)
        database.execute("DROP TABLE " + table)
        if gap:
            database.execute("COMMIT")
            world.await_log(table, 30)
            database.execute("BEGIN IMMEDIATE")
        database.execute(create)
        database.execute("INSERT INTO %s SELECT * FROM kept" % table)
        database.execute(change)
        database.execute("COMMIT")


def triggers_on(world, path, table):
    return world.sql(path, "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '%s'" % table)


def quoted(value):
    if value is None:
        return "NULL"
    return "'%s'" % value.replace("'", "''") if isinstance(value, str) else repr(value)


@contextlib.contextmanager
def lock_holder(path):
    """A process that holds a database's write lock until it is killed."""
    script = ("import sqlite3, sys\n"
              "c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
              "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()\n")
    process = subprocess.Popen([sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    harness.main()
