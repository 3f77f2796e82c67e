#!/usr/bin/env python3
"""The whole system against its floors.

Writes a sample source, lets the daemon work on copies of it, and prints each figure beside what the same machine needs for the
bare reading or writing, measured in the same run. Says nothing about good or bad: time is not asserted anywhere.

    bench/system.py --daemon build/release/daemon/admetricsd --floor build/release/bench/bench_floor --dir build/bench-data

Only the standard library. The writer in these measurements is Python's SQLite, as a foreign pipeline's would be.
"""
import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

PRODUCT, ADS = "mixpanel_data.db", "meta_analytics.db"
WAIT_S = 900


class Table:
    """What is printed and written: one figure a line, and how often it holds the floor (or what else stands beside it)."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, unit, floor=None, floor_name="", note=""):
        row = {"name": name, "value": value, "unit": unit, "floor": floor, "floor_name": floor_name, "note": note}
        if floor:
            row["ratio"] = value / floor
        self.rows.append(row)
        line = f"  {name:<58} {self.number(value):>10} {unit:<8}"
        if floor:
            line += f"  {self.number(value / floor):>6} x {self.number(floor)} {unit} ({floor_name})"
        print(line + (f"  {note}" if note else ""), flush=True)

    @staticmethod
    def number(value):
        return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def wait_until(what, condition, pause_s=0.0005):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"bench: gave up waiting: {what}")
        time.sleep(pause_s)


class Bench:
    def __init__(self, options):
        self.options = options
        self.dir = Path(options.dir)
        self.pristine = self.dir / "source"
        self.table = Table()
        self.as_of = options.last_day

    # --- the daemon ------------------------------------------------------------------------------------------------------

    def call(self, *arguments):
        """Runs the daemon's program to its end; gives wall seconds, processor seconds and peak bytes."""
        started = time.perf_counter()
        process = subprocess.Popen([self.options.daemon, *map(str, arguments)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if process.returncode != 0:
            sys.exit(f"bench: {arguments} failed: {(err or out).decode()[-2000:]}")
        return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}

    def once(self, folder, *arguments):
        return self.call("run", "--config", folder / "admetricsd.toml", "--once", "--as-of", self.as_of, *arguments)

    def floor(self, *arguments):
        """Rows and seconds of bench_floor, the best of some runs."""
        best = None
        for _ in range(self.options.repeat):
            for path in self.dir.glob("floor.db*"):
                path.unlink()
            text = subprocess.run([self.options.floor, *map(str, arguments)], check=True, capture_output=True,
                                  text=True).stdout.split()
            result = (int(text[1]), float(text[3]))
            best = result if best is None or result[1] < best[1] else best
        return best

    def copy(self, name):
        folder = self.dir / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.pristine, folder)
        return folder

    @staticmethod
    def connect(path):
        return sqlite3.connect(path, isolation_level=None, timeout=60)

    def status(self, folder):
        return json.loads((folder / "state" / "status.json").read_text())

    # --- the measurements ------------------------------------------------------------------------------------------------

    def write_source(self):
        shutil.rmtree(self.pristine, ignore_errors=True)
        taken = self.call("demo", self.pristine, "--users", self.options.users, "--days", self.options.days, "--last-day",
                          self.as_of)
        counts = {}
        for file, tables in ((PRODUCT, ("mixpanel_user", "mixpanel_event", "user_product_metrics")),
                             (ADS, ("ad_performance_daily", "ad_performance_daily_country", "ad_performance_daily_region",
                                    "ad_performance_daily_device"))):
            with contextlib.closing(self.connect(self.pristine / file)) as database:
                for table in tables:
                    counts[table] = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        print(f"source: {', '.join(f'{n:,} {t}' for t, n in counts.items())}; written in {taken['wall']:.1f} s")
        return counts

    def backfill(self):
        print("catching up")
        runs = []
        for _ in range(self.options.repeat):
            folder = self.copy("backfill")
            runs.append(self.once(folder))
        best = min(runs, key=lambda run: run["wall"])
        scan_rows, scan_s = self.floor("scan", folder / PRODUCT, folder / ADS)
        _, stored_s = self.floor("stored", folder / PRODUCT)
        rows, insert_s = self.floor("insert", folder / PRODUCT, self.dir / "floor.db")
        for path in self.dir.glob("floor.db*"):
            path.unlink()
        self.table.add("bare scan of the columns read", scan_s, "s", note=f"{scan_rows:,} rows")
        self.table.add("bare scan of the stored rows", stored_s, "s")
        self.table.add("bare insert of the result rows", insert_s, "s", note=f"{rows:,} rows, WAL, same indexes")
        self.table.add("backfill into empty tables", best["wall"], "s", scan_s + insert_s, "scan + insert")
        self.table.add("  its processor time", min(run["cpu"] for run in runs), "s")
        self.table.add("  its peak memory", best["peak"] / 2**20, "MiB")
        self.table.add("  rows a second", rows / best["wall"], "rows/s")
        again = [self.once(folder, "--backfill") for _ in range(self.options.repeat)]
        self.table.add("backfill with nothing changed", min(run["wall"] for run in again), "s", scan_s + stored_s,
                       "both scans", "reads everything, renders everything, compares with every stored row")
        self.table.add("  its processor time", min(run["cpu"] for run in again), "s")
        restart = [self.once(folder) for _ in range(max(3, self.options.repeat))]
        self.table.add("restart with nothing new", min(run["wall"] for run in restart), "s")
        verify = self.call("verify", "--config", folder / "admetricsd.toml")
        self.table.add("verify", verify["wall"], "s", scan_s + stored_s, "both scans")
        return folder

    def stream(self, folder):
        print("streaming")
        daemon = subprocess.Popen([self.options.daemon, "run", "--config", str(folder / "admetricsd.toml"), "--as-of",
                                   self.as_of], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until("the daemon to stream", lambda: (folder / "state" / "status.json").exists()
                       and self.status(folder)["pid"] == daemon.pid and self.status(folder)["phase"] == "streaming")
            self.memory(folder, daemon.pid)
            self.one_event(folder)
            self.storms(folder, daemon.pid)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()

    def memory(self, folder, pid):
        status = self.status(folder)
        users = status["users"]
        resident = next(int(line.split()[1]) * 1024 for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                        if line.startswith("VmRSS"))
        self.table.add("users that stand in rows", users, "users")
        self.table.add("ledger in memory", status["memory"]["ledger_bytes"] / users, "B/user")
        self.table.add("resident after the start", resident / 2**20, "MiB")
        self.table.add("ledger on disk", (folder / "state" / "ledger.db").stat().st_size / users, "B/user",
                       note="users, Meta contributions, dictionary")

    def one_event(self, folder):
        """A committed event until its rows show it to a reader of the result tables."""
        writer, reader = self.connect(folder / PRODUCT), self.connect(folder / PRODUCT)
        writer.execute("PRAGMA wal_autocheckpoint = 0")  # a checkpoint after the commit would hide the daemon behind it
        people = reader.execute(
            "SELECT u.distinct_id, u.abi_ad_id, e.event_time, date(e.event_time) FROM mixpanel_user u JOIN mixpanel_event e "
            "USING (distinct_id) WHERE u.has_abi_attribution AND u.abi_ad_id <> '' AND e.event_name = 'RC Trial started' "
            "AND date(e.event_time) IS NOT NULL GROUP BY 1 HAVING count(*) = 1").fetchall()
        random.Random(1).shuffle(people)
        look = ("SELECT actual_revenue_usd FROM daily_mixpanel_metrics WHERE entity_type = 'ad' AND entity_id = ? AND "
                "date = ?")
        commits, visible, altogether = [], [], []
        for n, (user, ad, when, day) in enumerate(people):
            if len(visible) == self.options.events:
                break
            before = reader.execute(look, (ad, day)).fetchone()
            if before is None:
                continue
            started = time.perf_counter()
            writer.execute("INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, revenue_usd) VALUES "
                           "(?, 'RC Trial converted', ?, ?, 12.34)", (f"bench-{n}", user, when))
            committed = time.perf_counter()
            wait_until("an event's rows", lambda: reader.execute(look, (ad, day)).fetchone() != before, 0.0001)
            seen = time.perf_counter()
            commits.append((committed - started) * 1e3)
            visible.append((seen - committed) * 1e3)
            altogether.append((seen - started) * 1e3)
        visible.sort()
        events = f"{len(visible)} events, one at a time"
        self.table.add("one committed event, until its rows are visible, p50", statistics.median(visible), "ms",
                       statistics.median(commits), "the writer's own commit", events)
        self.table.add("one committed event, until its rows are visible, p99", visible[int(len(visible) * 0.99) - 1], "ms")
        self.table.add("  counted from the beginning of the writer's statement, p50", statistics.median(altogether), "ms")
        self.settle(folder, lambda: writer.execute("DELETE FROM mixpanel_event WHERE event_uuid GLOB 'bench-*'"))

    def settle(self, folder, act):
        """Performs `act`; gives its seconds, and those until the sink stands at the last change."""
        with contextlib.closing(self.connect(folder / PRODUCT)) as database:
            started = time.perf_counter()
            act()
            committed = time.perf_counter()
            last = database.execute("SELECT seq FROM sqlite_sequence WHERE name = '_admetrics_changes'").fetchone()[0]
            wait_until("the daemon to catch up", lambda: database.execute(
                "SELECT json_extract(position, '$.product.seq') FROM _admetrics_sink").fetchone()[0] >= last)
            settled = time.perf_counter()
            wait_until("the status", lambda: self.status(folder)["position"]["product"]["seq"] >= last, 0.01)
            return committed - started, settled - committed

    def storms(self, folder, pid):
        """Everybody dirty at once."""
        writer = self.connect(folder / PRODUCT)
        acts = [
            ("a column that is not read, for all users", "UPDATE mixpanel_user SET last_updated = '2026-01-01'"),
            ("all users replaced by equal rows", "INSERT OR REPLACE INTO mixpanel_user SELECT * FROM mixpanel_user"),
            ("all events replaced by equal rows", "INSERT OR REPLACE INTO mixpanel_event SELECT * FROM mixpanel_event"),
            ("every product's value raised by a dollar", "UPDATE user_product_metrics SET current_value = current_value + 1"),
        ]
        for name, sql in acts:
            before = self.rows_written(folder)
            write_s, settle_s = self.settle(folder, lambda: writer.execute(sql))
            written = self.rows_written(folder) - before
            self.table.add(f"storm: {name}, until settled", settle_s, "s", write_s, "the writer's statement",
                           f"{written:,} rows written")
        peak = next(int(line.split()[1]) * 1024 for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if line.startswith("VmHWM"))
        self.table.add("peak memory over the storms", peak / 2**20, "MiB")

    def rows_written(self, folder):
        return self.status(folder)["rows_written_total"]

    def capture(self, folder):
        """The writer's own statements, with our triggers and without; no daemon runs."""
        print("what capture costs the writer (no daemon running)")
        database = self.connect(folder / PRODUCT)
        columns = [row[1] for row in database.execute("PRAGMA table_info(mixpanel_event)")]
        rows = self.options.capture_rows
        database.execute("PRAGMA temp_store = MEMORY")
        database.execute(f"CREATE TEMP TABLE batch AS SELECT * FROM mixpanel_event LIMIT {rows}")
        database.execute("UPDATE batch SET event_uuid = 'bench-' || event_uuid")
        rows = database.execute("SELECT count(*) FROM batch").fetchone()[0]
        names = ", ".join(columns)
        singles = self.options.single_commits
        uuids = [row[0] for row in database.execute("SELECT event_uuid FROM batch LIMIT ?", (singles,))]

        def bulk(sql):
            started = time.process_time()
            database.execute(sql)
            return (time.process_time() - started) / rows * 1e6

        def one_by_one():
            started = time.perf_counter()
            for uuid in uuids:
                database.execute(f"INSERT INTO mixpanel_event ({names}) SELECT {names} FROM batch WHERE event_uuid = ?",
                                 (uuid,))
            return (time.perf_counter() - started) / len(uuids) * 1e6

        database.execute("CREATE INDEX temp.batch_key ON batch (event_uuid)")
        triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name GLOB "
                                    "'_admetrics_*'").fetchall()
        # By row number: with triggers SQLite deletes in that order, without them in the order of the index that it searches.
        last = database.execute("SELECT max(rowid) FROM mixpanel_event").fetchone()[0]
        copy = f"INTO mixpanel_event ({names}) SELECT {names} FROM batch"
        best = {}
        for round_number in range(2 * max(3, self.options.repeat)):
            armed = round_number % 4 in (0, 3)  # who goes first finds the caches colder: take turns
            for name, sql in triggers:
                database.execute(f'DROP TRIGGER IF EXISTS "{name}"')
                if armed:
                    database.execute(sql)
            figures = {
                "bulk INSERT, processor time": bulk("INSERT " + copy),
                "bulk INSERT OR REPLACE of equal rows, processor time": bulk("INSERT OR REPLACE " + copy),
                "bulk UPDATE of a column that is read, processor time": bulk(
                    f"UPDATE mixpanel_event SET revenue_usd = coalesce(revenue_usd, 0) + 1 WHERE rowid > {last}"),
                "bulk UPDATE of a column that is not, processor time": bulk(
                    f"UPDATE mixpanel_event SET currency = 'EUR' WHERE rowid > {last}"),
                "bulk DELETE, processor time": bulk(f"DELETE FROM mixpanel_event WHERE rowid > {last}"),
                "one INSERT a transaction, wall time": one_by_one(),
            }
            database.execute("DELETE FROM mixpanel_event WHERE rowid > ?", (last,))
            database.execute("DELETE FROM _admetrics_changes")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for name, figure in figures.items():
                best[name, armed] = min(figure, best.get((name, armed), figure))
        for name in figures:
            self.table.add(name, best[name, True], "us/row", best[name, False], "without triggers",
                           f"{len(uuids) if name.startswith('one') else rows:,} rows")

    def legacy(self):
        """What a team does without the daemon, for the same one event."""
        print("the alternative: bench/legacy.sql, everything again")
        folder = self.copy("legacy")
        script = (Path(__file__).parent / "legacy.sql").read_text()
        best = None
        for _ in range(2):
            database = self.connect(folder / PRODUCT)
            database.execute("ATTACH ? AS ads", (str(folder / ADS),))
            database.execute("CREATE TEMP TABLE legacy_today AS SELECT ? AS day", (self.as_of,))
            started = time.perf_counter()
            database.executescript(script)
            taken = time.perf_counter() - started
            best = taken if best is None else min(best, taken)
            database.close()
        events = [row["value"] / 1e3 for row in self.table.rows if row["name"].endswith("visible, p50")]
        self.table.add("one event by truncating and filling again", best, "s", events[0] if events else None,
                       "the daemon's p50", "main table and country breakdown only")

    def run(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        load = os.getloadavg()[0]
        print(f"machine: {os.cpu_count()} processors, load {load:.1f} at the start; best of {self.options.repeat} runs")
        counts = self.write_source()
        if "backfill" in self.options.parts:
            folder = self.backfill()
        else:
            folder = self.copy("backfill")
            self.once(folder)
        for part, measure in (("stream", self.stream), ("capture", self.capture)):
            if part in self.options.parts:
                measure(folder)
        if "legacy" in self.options.parts:
            self.legacy()
        result = {"machine": {"processors": os.cpu_count(), "load_at_start": load, "load_at_end": os.getloadavg()[0]},
                  "source": counts, "options": {k: v for k, v in vars(self.options).items() if k not in ("daemon", "floor", "dir", "json")},
                  "figures": self.table.rows}
        if self.options.json:
            Path(self.options.json).write_text(json.dumps(result, indent=2) + "\n")
            print(f"written: {self.options.json}")
        if not self.options.keep:
            shutil.rmtree(self.dir)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True, help="the admetricsd program")
    parser.add_argument("--floor", required=True, help="the bench_floor program")
    parser.add_argument("--dir", required=True, help="a folder of its own, for some two gigabytes; removed at the end")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--users", type=int, default=int(os.environ.get("BENCH_USERS", 100_000)))
    parser.add_argument("--days", type=int, default=int(os.environ.get("BENCH_DAYS", 90)))
    parser.add_argument("--last-day", default="2026-10-31", help="the source's last day, and today")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--events", type=int, default=300, help="events measured one by one")
    parser.add_argument("--capture-rows", type=int, default=50_000)
    parser.add_argument("--single-commits", type=int, default=500)
    parser.add_argument("--parts", default="backfill,stream,capture,legacy", help="what to measure")
    parser.add_argument("--keep", action="store_true", help="leave the folder as it is")
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
