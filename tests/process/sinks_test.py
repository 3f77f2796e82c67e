"""Several sinks at once: each ends up equal, by a comparison of its own, whatever its server and the daemon went through.

    python3 sinks_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import contextlib
import glob
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
import unittest

import harness
import oracle
import postgres_server
from harness import Program, WorldCase, wait_until

TABLES = (oracle.MAIN, "daily_mixpanel_metrics_breakdown", "id_name_mapping", "id_hierarchy_mapping")
needs_postgres = unittest.skipIf(postgres_server.problem(), postgres_server.problem())


def create_like(sink_db, path):
    """An empty database with the four tables as the SQLite sink declares them."""
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % sink_db, uri=True)) as theirs:
        texts = [row[0] for row in theirs.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name IN (%s)" %
                                                  ", ".join("?" * len(TABLES)), TABLES)]
    copy = sqlite3.connect(path, isolation_level=None)
    for text in texts:
        copy.execute(text)
    return copy


def stored_columns(copy, table):
    return [row[1] for row in copy.execute('PRAGMA table_xinfo("%s")' % table) if row[6] == 0]


def copy_of_postgres(server, world, path, schema="public"):
    """What the server holds, read by psql, as an SQLite database."""
    with contextlib.closing(create_like(world.sink_db, path)) as copy:
        for table in TABLES:
            columns = stored_columns(copy, table)
            as_text = ["to_char(%s, 'YYYY-MM-DD HH24:MI:SS.MS')" % c if c.endswith("_at") else c for c in columns]
            rows = server.sql("SELECT %s FROM %s.%s" % (", ".join(as_text), schema, table))
            for row in rows:
                for at, column in enumerate(columns):
                    if column.endswith(("_ids", "_list")):  # jsonb prints blanks
                        row[at] = json.dumps(json.loads(row[at]), separators=(",", ":"), ensure_ascii=False)
            copy.executemany("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(columns), ", ".join("?" * len(columns))), rows)


def replay_feed(world, path, pattern="feed/rows-*.ndjson"):
    """The rows that the lines of the change feed lead to, as an SQLite database; every line once, in order, and true."""
    rows = {table: {} for table in TABLES}
    sequence = 0
    for name in sorted(glob.glob(world.path(pattern))):
        with open(name, encoding="utf-8") as file:
            for text in file:
                line = json.loads(text)
                if line["sequence"] != sequence + 1:
                    raise AssertionError("%s: line %d follows %d" % (name, line["sequence"], sequence))
                sequence = line["sequence"]
                key, table = tuple(line["key"].values()), rows[line["table"]]
                old = {column: change["old"] for column, change in line["changed"].items() if "old" in change}
                new = {column: change["new"] for column, change in line["changed"].items() if "new" in change}
                if (line["op"] == "insert") != (key not in table):
                    raise AssertionError("%s of %s" % (line["op"], key))
                if line["op"] == "insert":
                    table[key] = dict(line["key"], **new)
                elif any(table[key][column] != value for column, value in old.items()):
                    raise AssertionError("an old value that nobody was told: %s" % text)
                elif line["op"] == "update":
                    table[key].update(new)
                else:
                    del table[key]
    with contextlib.closing(create_like(world.sink_db, path)) as copy:
        for table, stored in rows.items():
            known = stored_columns(copy, table)
            for number, row in enumerate(stored.values()):
                values = {c: json.dumps(v, separators=(",", ":"), ensure_ascii=False) if isinstance(v, list) else v for c, v in row.items()}
                for column in known:
                    if column.endswith("_at"):
                        values[column] = "2025-01-01 00:00:00.000"  # a line tells its own time only
                if "metric_id" in known:
                    values["metric_id"] = number + 1
                copy.execute("INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(values), ", ".join("?" * len(values))),
                             list(values.values()))
    return sequence


class Sinks(WorldCase):
    def server(self):
        server = postgres_server.Server()
        self.addCleanup(server.close)
        server.start()
        return server

    def expected(self, world):
        reporting = world.settings["reporting"]
        return oracle.expected(world.product_db, world.ads_db, reporting["as_of"])

    def check(self, world, copy_into):
        path = world.path("copy-%d.db" % time.monotonic_ns())
        copy_into(path)
        found = oracle.compare(self.expected(world), path)
        self.assertEqual([], [oracle.describe(one) for one in found[:10]])

    def check_postgres(self, world, server):
        self.check(world, lambda path: copy_of_postgres(server, world, path))

    def check_feed(self, world):
        self.check(world, lambda path: replay_feed(world, path))

    def sink(self, world, name):
        return next(one for one in world.status()["sinks"] if one["sink"] == name)

    def stands(self, world, name):
        """Whether the running daemon says that a sink stands where the ledger stands."""
        status = world.status()
        return status.get("pid") == world.daemon.pid and any(
            one["sink"] == name and one["epoch"] and one["lag_epochs"] == 0 for one in status["sinks"])

    def await_level(self, world, *names, seconds=60):
        """Until these sinks stand where the ledger stands, and the ledger at the source."""
        world.await_equal(seconds)
        for name in names:
            world.await_alive(lambda: self.sink(world, name)["lag_epochs"] == 0 and self.sink(world, name)["last_error"] is None,
                              lambda: "the sink %s: %r" % (name, self.sink(world, name)), seconds)

    def postgres_world(self, server, **how):
        world = self.world(**how)
        world.configure(sink_postgres={"enabled": True, "conninfo": server.conninfo, "connect_timeout": "2s", "statement_timeout": "3s"})
        return world

    @needs_postgres
    def test_once_brings_every_sink_up_to_date(self):
        server = self.server()
        world = self.postgres_world(server, seed=21)
        world.configure(sink_changefeed={"enabled": True, "path": "feed/rows.ndjson"}, sink_postgres={"user_lists": "jsonb"})
        world.run_once()
        for step in range(4):
            world.pipeline_writes(4)
            world.run_once()
            self.check_postgres(world, server) if step else None
        world.judge()
        for name in ("sqlite", "postgres", "changefeed"):
            done = world.verify("--sink", name)
            self.assertEqual(done.code, 0, done)
            other = world.call("compare", "--sink", name, "--with", world.sink_db)
            self.assertEqual(other.code, 0, other)
        self.check_feed(world)

    @needs_postgres
    def test_a_repair_of_a_sink_that_follows(self):
        server = self.server()
        world = self.postgres_world(server, seed=22)
        world.configure(sink_changefeed={"enabled": True, "path": "feed/rows.ndjson"})
        world.run_once()
        server.sql("UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 1")
        server.sql("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('ad', 'nobody', '2025-07-01')")
        world.sql(world.path("state", "changefeed.db"), "DELETE FROM daily_mixpanel_metrics WHERE entity_type = 'ad'")
        for name in ("postgres", "changefeed"):
            done = world.verify("--sink", name)
            self.assertEqual(done.code, 1, done)
            done = world.verify("--sink", name, "--repair")
            self.assertEqual(done.code, 0, done)
        self.check_postgres(world, server)

    @needs_postgres
    def test_a_server_that_stops_hangs_and_dies_under_load(self):
        for seed in range(3 if Program.nightly else 1):
            rng = random.Random("sinks %d" % seed)
            server = self.server()
            world = self.postgres_world(server, seed=23 + seed)
            world.configure(sink_changefeed={"enabled": True, "path": "feed/rows.ndjson", "rotate_size": "64KiB"})
            world.start()
            world.await_epochs()
            for _ in range(8):
                world.pipeline_writes(rng.randint(1, 4))
                way = rng.choice(("stop", "kill", "hang", "kill daemon", "kill both", "nothing"))
                if way == "stop":
                    server.stop(rng.choice((signal.SIGINT, signal.SIGQUIT)))
                elif way in ("kill", "kill both"):
                    server.stop(signal.SIGKILL)
                elif way == "hang":
                    server.hang()
                if way in ("kill daemon", "kill both"):
                    world.kill()
                    world.start()
                world.pipeline_writes(rng.randint(1, 4))
                if way == "hang":
                    # Nobody waits for it: the first sink is equal while it hangs.
                    world.await_equal()
                    server.go_on()
                elif way in ("stop", "kill", "kill both"):
                    world.await_equal()
                    server.start()
                if rng.random() < 0.5:
                    self.await_level(world, "postgres", "changefeed")
                    self.check_postgres(world, server)
            self.await_level(world, "postgres", "changefeed")
            self.check_postgres(world, server)
            self.check_feed(world)
            world.stop(5)

    @needs_postgres
    def test_sigterm_while_the_server_hangs(self):
        server = self.server()
        world = self.postgres_world(server, seed=31)
        world.configure(sink_postgres={"statement_timeout": "1h", "connect_timeout": "1h"})
        world.start()
        self.await_level(world, "postgres")
        server.hang()
        world.pipeline_writes(3)
        world.await_equal()
        world.await_alive(lambda: self.sink(world, "postgres")["lag_epochs"] > 0, "the sink to be behind", 20)
        world.stop(5)
        server.go_on()

    @needs_postgres
    def test_a_reload_adds_and_removes_a_sink(self):
        server = self.server()
        world = self.world(seed=32)
        world.start()
        world.await_equal()
        world.configure(sink_postgres={"enabled": True, "conninfo": server.conninfo})
        world.reload()
        world.await_log("sink postgres: up to date")
        self.await_level(world, "postgres")
        self.check_postgres(world, server)
        world.configure(sink_postgres={"enabled": False})
        world.reload()
        world.await_alive(lambda: [one["sink"] for one in world.status()["sinks"]] == ["sqlite"], "the sink to be gone", 20)
        world.pipeline_writes(3)
        world.await_equal()
        # Back again: only what changed meanwhile is written.
        world.configure(sink_postgres={"enabled": True})
        world.reload()
        world.await_alive(lambda: len(world.status()["sinks"]) == 2, "the sink to be back", 20)
        self.await_level(world, "postgres")
        self.check_postgres(world, server)
        self.assertEqual(world.log().rpartition("begins again")[2].count("every row is compared"), 0)
        world.stop(5)

    @needs_postgres
    def test_what_the_server_refuses_is_told_and_passes(self):
        server = self.server()
        world = self.postgres_world(server, seed=33)
        server.sql("ALTER ROLE admetrics SET default_transaction_read_only = on")
        world.start()
        world.await_equal()
        world.await_alive(lambda: "read-only" in (self.sink(world, "postgres")["last_error"] or ""), "the refusal in the status", 20)
        done = world.call("status")
        self.assertIn("sink postgres", done.out)
        self.assertIn("read-only", done.out)
        server.sql("SET transaction_read_only = off; ALTER ROLE admetrics SET default_transaction_read_only = off")
        self.await_level(world, "postgres")
        self.check_postgres(world, server)
        world.stop(5)

    def test_no_password_is_taken_or_told(self):
        world = self.world(seed=34)
        for conninfo in ("host=/tmp password=hunter2", "postgresql://admetrics:hunter2@localhost/metrics", "host=/tmp hunter2"):
            world.configure(sink_postgres={"enabled": True, "conninfo": conninfo})
            done = world.call("check-config")
            self.assertEqual(done.code, 78, done)
            self.assertIn("sink.postgres.conninfo", done.err)
            self.assertNotIn("hunter2", done.err + done.out)

    @needs_postgres
    def test_a_password_from_the_environment_is_never_told(self):
        server = self.server()
        server.sql("SET password_encryption = 'scram-sha-256'; ALTER ROLE admetrics PASSWORD 'right horse'")
        server.stop()
        with open(os.path.join(server.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write("local all all scram-sha-256\n")
        server.process = None
        os.environ["PGPASSWORD"] = "wrong battery"
        self.addCleanup(os.environ.pop, "PGPASSWORD", None)
        server.start()
        world = self.postgres_world(server, seed=35)
        world.start()
        world.await_equal()
        world.await_alive(lambda: self.sink(world, "postgres")["last_error"], "a refusal", 20)
        told = world.log() + json.dumps(world.status())
        world.kill()
        os.environ["PGPASSWORD"] = "right horse"
        world.start()
        self.await_level(world, "postgres")
        told += world.log() + json.dumps(world.status())
        self.assertNotIn("battery", told)
        self.assertNotIn("horse", told)
        world.stop(5)

    def test_the_change_feed_has_each_line_once_whatever_is_killed(self):
        rng = random.Random("feed")
        world = self.world(seed=36)
        world.configure(sink_changefeed={"enabled": True, "path": "feed/rows.ndjson", "rotate_size": "4KiB"})
        world.start()
        for _ in range(10):
            if rng.random() < 0.7:
                world.await_alive(lambda: self.stands(world, "changefeed"), "the feed", 60)
            world.pipeline_writes(rng.randint(1, 3))
            time.sleep(rng.random() * 0.1)  # an instant to be killed at, nothing that is waited for
            world.kill()
            world.start()
        self.await_level(world, "changefeed")
        self.check_feed(world)
        self.assertGreater(len(glob.glob(world.path("feed/*"))), 2)
        world.stop(5)

    def test_the_change_feed_on_standard_output(self):
        world = self.world(seed=37)
        world.configure(sink_changefeed={"enabled": True, "path": "-"})
        done = world.run_once()
        lines = [json.loads(text) for text in done.out.splitlines() if text.startswith("{")]
        self.assertGreater(len(lines), 10)
        self.assertEqual([line["sequence"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual({line["op"] for line in lines}, {"insert"})

    def test_a_reader_of_standard_output_that_goes_away(self):
        world = self.world(seed=38)
        world.configure(sink_changefeed={"enabled": True, "path": "-"})
        daemon = subprocess.Popen([Program.binary, "run", "--config", world.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        daemon.stdout.close()
        wait_until(lambda: self.sink(world, "changefeed")["last_error"] if world.status().get("sinks") else None, "an error in the status")
        self.assertIsNone(daemon.poll())
        daemon.terminate()
        self.assertEqual(daemon.wait(10), 0)


if __name__ == "__main__":
    harness.main()
