#!/usr/bin/env python3
"""The change log as a source: logs are drawn, written in each shape, cut, torn, duplicated, rotated and compressed at drawn places,
read with kills between, and the landed rows compared with the history that they tell. `verify` judges the rest."""

import base64
import contextlib
import gzip
import json
import os
import random
import resource
import signal
import shutil
import sqlite3
import subprocess
import unittest

import harness

TABLES = {
    "mixpanel_user": (["distinct_id"], ["abi_ad_id", "abi_campaign_id", "abi_ad_set_id", "country", "region", "has_abi_attribution"]),
    "mixpanel_event": (["event_uuid"], ["event_name", "distinct_id", "event_time", "revenue_usd"]),
    "user_product_metrics": (["user_product_id"], ["distinct_id", "product_id", "credited_date", "store", "current_value",
                                                   "trial_conversion_rate"]),
    "ad_performance_daily": (["ad_id", "date"], ["adset_id", "campaign_id", "ad_name", "spend", "impressions", "clicks"]),
    "ad_performance_daily_country": (["ad_id", "date", "country"], ["adset_id", "campaign_id", "spend"]),
}
DAYS = ["2025-07-%02d" % day for day in range(1, 29)]


class History:
    """What happened at a source: changes of rows, in transactions, and the rows that stand at the end."""

    def __init__(self, seed, operations=250):
        self.rng = random.Random("history %s" % seed)
        self.rows = {table: {} for table in TABLES}
        self.changes = []  # (op, table, before, after, transaction)
        transaction = 0
        while len(self.changes) < operations:
            transaction += 1
            for _ in range(self.rng.choice((1, 1, 2, 5, 12))):
                self.change(transaction)
        self.transactions = transaction

    def draw_row(self, table):
        r = self.rng
        if table == "mixpanel_user":
            return {"distinct_id": "u%d" % r.randrange(25), "abi_ad_id": "a%d" % r.randrange(4), "abi_campaign_id": r.choice(["c1", "c2", None]),
                    "abi_ad_set_id": "s%d" % r.randrange(3), "country": r.choice(["US", "DE", None, "Ü\"\\"]), "region": r.choice(["CA", ""]),
                    "has_abi_attribution": r.choice([1, 1, 0])}
        if table == "mixpanel_event":
            return {"event_uuid": "e%d" % r.randrange(90), "event_name": r.choice(["RC Trial started", "RC Trial converted", "RC Initial purchase",
                    "RC Cancellation", "Other"]), "distinct_id": "u%d" % r.randrange(25), "event_time": r.choice(DAYS) + "T10:11:12Z",
                    "revenue_usd": r.choice([0, 9.99, -4.5, None, 12])}
        if table == "user_product_metrics":
            number = r.randrange(1, 40)
            return {"user_product_id": number, "distinct_id": "u%d" % (number % 25), "product_id": "p%d" % number, "credited_date": r.choice(DAYS),
                    "store": r.choice(["APP_STORE", "play_store", None]), "current_value": r.choice([1.25, 30]), "trial_conversion_rate": 0.5}
        row = {"ad_id": "a%d" % r.randrange(4), "date": r.choice(DAYS), "adset_id": "s1", "campaign_id": r.choice(["c1", "c2"]), "spend": r.choice([1.5, 20])}
        if table == "ad_performance_daily":
            return dict(row, ad_name=r.choice(["one", "two"]), impressions=r.randrange(1000), clicks=r.randrange(50))
        return dict(row, country=r.choice(["US", "DE", ""]))

    def change(self, transaction):
        r = self.rng
        if r.random() < 0.004:
            table = r.choice(list(TABLES))
            self.rows[table].clear()
            self.changes.append(("t", table, None, None, transaction))
            return
        table = r.choices(list(TABLES), weights=(3, 6, 2, 3, 1))[0]
        row = self.draw_row(table)
        key = tuple(row[name] for name in TABLES[table][0])
        before = self.rows[table].get(key)
        if before is not None and r.random() < 0.3:
            del self.rows[table][key]
            self.changes.append(("d", table, before, None, transaction))
        else:
            self.rows[table][key] = row
            self.changes.append(("c" if before is None else "u", table, before, row, transaction))


def debezium(history, rng, wrapped, places):
    """Lines of a Debezium log; `places`: "lsn", "ms" or "coarse", where many records share a time."""
    sizes = {}
    for change in history.changes:
        sizes[change[4]] = sizes.get(change[4], 0) + 1
    seen, lines = {}, []
    with_transactions = rng.random() < 0.6
    for number, (op, table, before, after, transaction) in enumerate(history.changes, 1):
        ms = 1_750_000_000_000 + (number if places != "coarse" else number // 7)
        source = {"connector": "test", "db": "raw", "table": table, "ts_ms": ms, "snapshot": "false"}
        if places == "lsn":
            source["lsn"] = 1000 + number
        value = {"before": before, "after": after, "source": source, "op": op, "ts_ms": ms + 5, "transaction": None}
        if with_transactions:
            seen[transaction] = seen.get(transaction, 0) + 1
            value["transaction"] = {"id": "tx%d" % transaction, "total_order": seen[transaction], "data_collection_order": 1}
            if seen[transaction] == 1:
                lines.append(json.dumps({"status": "BEGIN", "id": "tx%d" % transaction, "event_count": None, "data_collections": None}))
        lines.append(json.dumps({"schema": {"type": "struct", "fields": []}, "payload": value} if wrapped else value))
        if op == "d" and rng.random() < 0.3:
            lines.append(rng.choice(["null", '{"schema":null,"payload":null}']))
        if with_transactions and seen[transaction] == sizes[transaction]:
            lines.append(json.dumps({"status": "END", "id": "tx%d" % transaction, "event_count": sizes[transaction], "data_collections": [
                {"data_collection": "raw.mixpanel_event", "event_count": sizes[transaction]}]}))
    return lines


def plain(history, rng):
    lines = []
    with_transactions = rng.random() < 0.6
    for number, (op, table, before, after, transaction) in enumerate(history.changes, 1):
        record = {"table": table, "op": {"c": "upsert", "u": "upsert", "d": "delete", "t": "truncate"}[op], "seq": number}
        if op == "d":
            record["key"] = {name: before[name] for name in TABLES[table][0]}
        if after is not None:
            record["row"] = after
        if with_transactions:
            record["tx"] = "t%d" % transaction
            record["tx_end"] = number == len(history.changes) or history.changes[number][4] != transaction
        lines.append(json.dumps(record, ensure_ascii=rng.random() < 0.5))
    return lines


class Writer:
    """Writes a log as a crashing, rotating, re-sending producer does. What it wrote in whole lines tells the whole history."""

    def __init__(self, folder, lines, rng):
        self.folder, self.rng = folder, rng
        os.makedirs(folder)
        self.number = 1
        self.closed = []
        break_line = rng.choice([b"\n", b"\r\n"])
        pieces, torn = [], 0
        for at, line in enumerate(lines):
            data = line.encode()
            if rng.random() < 0.01:
                pieces.append(b"no record at all" + break_line)
            if rng.random() < 0.02 and len(data) > 20:  # a crash: half a line, and the line again behind it
                pieces.append(data[: rng.randrange(1, len(data) - 1)])
                torn += 1
            pieces.append(data + break_line)
            if rng.random() < 0.02:  # sent again, from somewhere before
                pieces += [again.encode() + break_line for again in lines[max(0, at - rng.randrange(1, 30)): at + 1]]
            if rng.random() < 0.01 and at > 5:
                pieces.append(lines[rng.randrange(at)].encode() + break_line)
        self.stream = b"".join(pieces)
        if rng.random() < 0.3:
            self.stream = b"\xef\xbb\xbf" + self.stream
        self.at = 0

    def path(self):
        return os.path.join(self.folder, "log-%04d.ndjson" % self.number)

    @property
    def done(self):
        return self.at == len(self.stream)

    def step(self):
        """Some more bytes, which may end in the middle of a line; and sometimes a new file, or an old one under another name."""
        r = self.rng
        size = r.choice((10, 500, 5_000, 20_000))
        piece = self.stream[self.at: self.at + size]
        with open(self.path(), "ab") as file:
            file.write(piece)
        self.at += len(piece)
        if r.random() < 0.4:
            self.closed.append(self.path())
            self.number += 1
        if self.closed and r.random() < 0.4:
            path = self.closed.pop(r.randrange(len(self.closed)))
            how = r.choice(("gzip", "zstd", "rename"))
            if how == "gzip":
                with open(path, "rb") as file, gzip.open(path + ".gz.tmp", "wb") as packed:
                    shutil.copyfileobj(file, packed)
                os.replace(path + ".gz.tmp", path + ".gz")
                os.unlink(path)
            elif how == "zstd" and shutil.which("zstd"):
                subprocess.run(["zstd", "-q", "--rm", path], check=True)
            elif how == "rename":
                os.rename(path, path.replace(".ndjson", ".old.ndjson"))


class ChangelogCase(harness.WorldCase):
    def changelog_world(self, path="changes", **settings):
        world = self.empty_world()
        world.settings.pop("source.sqlite")
        world.settings["source.changelog"] = dict({"path": path}, **settings)
        world.settings["sink.sqlite"] = {"path": "metrics.db"}
        world.write_config()
        return world

    def landed(self, world):
        with contextlib.closing(sqlite3.connect(world.path("state", "landing.db"), timeout=30)) as database:
            found = {}
            for table, (key, columns) in TABLES.items():
                rows = database.execute("SELECT %s FROM %s" % (", ".join(key + columns), table)).fetchall()
                found[table] = {row[: len(key)]: dict(zip(key + columns, row)) for row in rows}
            return found

    def assert_landed(self, world, history, label):
        found = self.landed(world)
        for table in TABLES:
            want = history.rows[table]
            differing = {key: (found[table].get(key), want.get(key)) for key in found[table].keys() | want.keys()
                         if found[table].get(key) != want.get(key)}
            self.assertEqual(differing, {}, "%s, %s: landed, and as it should be" % (label, table))

    def letters(self, world):
        path = world.path("state", "dead_letters.ndjson")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class Drawn(ChangelogCase):
    def live(self, seed):
        """One log, read by a daemon that is killed now and then."""
        label = "seed %s" % seed
        rng = random.Random("life %s" % seed)
        history = History(seed)
        shape = rng.choice(("lsn", "ms", "coarse", "plain"))
        lines = plain(history, rng) if shape == "plain" else debezium(history, rng, rng.random() < 0.5, shape)
        world = self.changelog_world()
        writer = Writer(world.path("changes"), lines, rng)
        while not writer.done:
            writer.step()
            if rng.random() < 0.35:
                if world.daemon is None:
                    world.start()
                elif rng.random() < 0.7:
                    world.kill()
                else:
                    world.signal(signal.SIGTERM)
                    world.wait_for_end(30)
        if world.daemon is not None:
            world.kill()
        world.run_once()
        self.assert_landed(world, history, "%s, %s" % (label, shape))
        self.assertTrue(world.is_equal(), "%s: %r" % (label, getattr(world, "last_verify", None)))
        ids = [letter["id"] for letter in self.letters(world)]
        self.assertEqual(ids, sorted(set(ids)), label)

    def test_histories_land_as_they_were(self):
        for seed in range(1, 9):
            with self.subTest(seed=seed):
                self.live(seed)

    @harness.nightly
    def test_many_histories(self):
        for seed in range(100, 300):
            with self.subTest(seed=seed):
                self.live(seed)


class Files(ChangelogCase):
    def user(self, name, **more):
        return json.dumps(dict({"table": "mixpanel_user", "op": "upsert", "row": {"distinct_id": name, "country": "US"}}, **more))

    def users(self, world):
        return sorted(key[0] for key in self.landed(world)["mixpanel_user"])

    def append(self, path, *lines, end="\n"):
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + end)

    def test_a_growing_file_is_followed_through_rotation_by_renaming(self):
        world = self.changelog_world("log.ndjson")
        path = world.path("log.ndjson")
        self.append(path, self.user("a"))
        world.start()
        world.await_epochs(1)
        world.await_alive(lambda: self.users(world) == ["a"], "a", 30)
        self.append(path, self.user("b"))
        os.rename(path, path + ".1")
        self.append(path + ".1", self.user("c"))
        self.append(path, self.user("d"))
        world.await_alive(lambda: self.users(world) == ["a", "b", "c", "d"], "a to d", 30)
        world.kill()
        os.rename(path + ".1", path + ".2")
        os.rename(path, path + ".1")
        self.append(path + ".1", self.user("e"))
        self.append(path, self.user("f"))
        world.run_once()
        self.assertEqual(self.users(world), list("abcdef"))
        self.assertEqual(world.status()["changelog"]["records_total"], 6)

    def test_a_file_that_is_copied_and_truncated_goes_on_where_it_was(self):
        world = self.changelog_world("log.ndjson")
        path = world.path("log.ndjson")
        self.append(path, self.user("a"), self.user("b"))
        world.run_once()
        self.append(path, self.user("c"))
        shutil.copy(path, path + ".1")
        os.truncate(path, 0)
        self.append(path, self.user("d"))
        world.run_once()
        self.assertEqual(self.users(world), list("abcd"))
        self.assertEqual(world.status()["changelog"]["records_total"], 4)

    def country(self, world):
        return {key[0]: row["country"] for key, row in self.landed(world)["mixpanel_user"].items()}

    def of_country(self, name, country):
        """Without `seq`: of two of these the later one in the log counts."""
        return json.dumps({"table": "mixpanel_user", "row": {"distinct_id": name, "country": country}})

    def test_the_rest_of_a_copied_file_comes_before_what_was_written_after_the_truncation(self):
        world = self.changelog_world("log.ndjson")
        path = world.path("log.ndjson")
        self.append(path, self.of_country("u", "1"))
        world.run_once()
        self.append(path, self.of_country("u", "2"))
        shutil.copy(path, path + ".1")
        os.truncate(path, 0)
        self.append(path, self.of_country("u", "3"))
        world.run_once()
        self.assertEqual(self.country(world), {"u": "3"})
        self.assertEqual(world.status()["changelog"]["records_total"], 3)

    def test_a_truncated_file_that_begins_as_it_did_before_is_new(self):
        world = self.changelog_world("log.ndjson")
        path = world.path("log.ndjson")
        for country in ("1", "2", "1"):
            self.append(path, self.of_country("u", country))
            world.run_once()
            os.truncate(path, 0)
        self.assertEqual(self.country(world), {"u": "1"})

    def test_new_files_in_the_place_of_old_ones_are_read_by_their_names(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        for number in "12":
            self.append(world.path("changes", number + ".ndjson"), self.of_country("u", number))
        world.run_once()
        for old, new in ("14", "23"):  # as when the file system gives an inode again
            path = world.path("changes", new + ".ndjson")
            os.rename(world.path("changes", old + ".ndjson"), path)
            os.truncate(path, 0)
            self.append(path, self.of_country("u", new))
        world.run_once()
        self.assertEqual(self.country(world), {"u": "4"})

    def test_a_copy_under_any_name_is_known(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        path = world.path("changes", "current")
        self.append(path, *[self.user("u%d" % i) for i in range(50)])
        world.run_once()
        self.append(path, self.user("more"))
        shutil.copy(path, world.path("changes", "archive-7"))
        os.truncate(path, 0)
        self.append(path, self.user("last"))
        world.run_once()
        self.assertEqual(world.status()["changelog"]["records_total"], 52)

    def test_a_link_is_no_other_file(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        self.append(world.path("changes", "1.ndjson"), self.user("a"))
        os.symlink("1.ndjson", world.path("changes", "current.ndjson"))
        os.link(world.path("changes", "1.ndjson"), world.path("changes", "hard.ndjson"))
        world.run_once()
        self.assertEqual(world.status()["changelog"]["records_total"], 1)

    def test_a_compressed_file_that_stops_short_is_told_once(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        path = world.path("changes", "1.ndjson.gz")
        noise = random.Random(1)
        whole = gzip.compress("".join(self.user("u%d" % i, note="%x" % noise.getrandbits(400)) + "\n" for i in range(3000)).encode())
        with open(path, "wb") as file:
            file.write(whole[: len(whole) // 2])
        world.run_once()
        self.assertEqual(self.letters(world), [])
        before = len(self.users(world))
        self.assertGreater(before, 0)
        os.utime(path, (1_700_000_000, 1_700_000_000))  # nobody writes to it
        for _ in range(2):
            world.run_once()
            self.assertEqual(sorted(letter["reason"] for letter in self.letters(world)), ["damaged_file", "torn"])
        with open(path, "ab") as file:
            file.write(whole[len(whole) // 2:])
        world.run_once()
        self.assertGreaterEqual(len(self.users(world)), 2999)  # but for the line that was told as torn

    def test_nuls_before_a_record_do_no_harm(self):
        world = self.changelog_world("log.ndjson")
        with open(world.path("log.ndjson"), "wb") as file:
            file.write(self.user("a").encode() + b"\n" + bytes(4096) + self.user("b").encode() + b"\r\n\r\n" + self.user("c").encode() + b"\n")
        world.run_once()
        self.assertEqual(self.users(world), ["a", "b", "c"])
        self.assertEqual(self.letters(world), [])

    def test_a_line_that_is_too_long_and_never_ends_is_a_dead_letter(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        with gzip.open(world.path("changes", "1.gz"), "wb", compresslevel=1) as file:
            file.write(self.user("a").encode() + b"\n" + b'{"' + b"x" * (20 << 20))
        self.append(world.path("changes", "2"), self.user("b"))
        for _ in range(2):
            world.run_once()
            self.assertEqual(self.users(world), ["a", "b"])
            letter, = self.letters(world)
            self.assertEqual((letter["reason"], letter["size"]), ("too_long", 2 + (20 << 20)))

    def test_a_consumed_file_may_go(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        self.append(world.path("changes", "1.ndjson"), self.user("a"))
        world.run_once()
        os.unlink(world.path("changes", "1.ndjson"))
        self.append(world.path("changes", "2.ndjson"), self.user("b"))
        world.run_once()
        self.assertEqual(self.users(world), ["a", "b"])

    def test_half_a_line_waits_for_its_other_half(self):
        world = self.changelog_world()
        os.mkdir(world.path("changes"))
        line = self.user("whole")
        self.append(world.path("changes", "1.ndjson"), line[:30], end="")
        self.append(world.path("changes", "2.ndjson"), self.user("next"))
        world.run_once()
        self.assertEqual(self.users(world), ["next"])
        self.append(world.path("changes", "1.ndjson"), line[30:])
        world.run_once()
        self.assertEqual(self.users(world), ["next", "whole"])
        self.assertEqual(self.letters(world), [])

    def test_a_line_that_is_too_long_is_a_dead_letter(self):
        world = self.changelog_world("log.ndjson")
        self.append(world.path("log.ndjson"), self.user("a"), self.user("x" * (17 << 20)), self.user("b" * (15 << 20)), self.user("c"))
        self.assertIn("1 lines of the change log were not understood", world.run_once().err)
        self.assertNotIn("not understood", world.run_once().err, "it was said")
        self.assertEqual([name[:1] for name in self.users(world)], ["a", "b", "c"])
        letter, = self.letters(world)
        self.assertEqual((letter["reason"], letter["offset"], letter["truncated"]), ("too_long", len(self.user("a")) + 1, True))
        self.assertGreater(letter["size"], 17 << 20)
        self.assertEqual(len(letter["text"]), 65536)

    def test_standard_input_is_read_to_its_end(self):
        world = self.changelog_world("-")
        log = "\n".join([self.user("a"), "what", self.user("b")])
        done = subprocess.run([harness.Program.binary, "run", "--config", world.config, "--once"], input=log.encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=harness.CALL_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"1 lines of the change log were not understood", done.stderr)
        self.assertEqual(self.users(world), ["a", "b"])
        self.assertEqual([letter["reason"] for letter in self.letters(world)], ["not_json"])

    def test_a_path_that_is_not_there_is_named(self):
        world = self.changelog_world("nowhere")
        done = world.call("run", "--once")
        self.assertEqual(done.code, 2)
        self.one_line(done, world.path("nowhere"))


class Order(ChangelogCase):
    def record(self, op, before=None, after=None, **source):
        return json.dumps({"before": before, "after": after, "op": op, "source": dict({"table": "mixpanel_user"}, **source)})

    def final(self, *lines, **settings):
        world = self.changelog_world("log.ndjson", **settings)
        with open(world.path("log.ndjson"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        world.run_once()
        return {key[0]: row["country"] for key, row in self.landed(world)["mixpanel_user"].items()}

    @staticmethod
    def row(country):
        return {"distinct_id": "u", "country": country}

    def test_a_snapshot_never_overwrites_what_was_streamed(self):
        streamed = self.record("u", None, self.row("new"), ts_ms=50)
        for snapshot in ({"ts_ms": 10}, {"ts_ms": 99}, {}):
            read = self.record("r", None, self.row("old"), **snapshot)
            self.assertEqual(self.final(read, streamed), {"u": "new"}, snapshot)
            self.assertEqual(self.final(streamed, read), {"u": "new"}, snapshot)

    def test_a_snapshot_with_a_later_position_is_newer(self):
        self.assertEqual(self.final(self.record("u", None, self.row("old"), lsn=5), self.record("r", None, self.row("new"), lsn=6)), {"u": "new"})

    def test_a_deletion_beats_an_older_record_that_comes_later(self):
        gone = self.record("d", self.row("x"), None, ts_ms=50)
        for late in (self.record("r", None, self.row("old"), ts_ms=10), self.record("c", None, self.row("old"), ts_ms=10)):
            self.assertEqual(self.final(gone, late), {})
        self.assertEqual(self.final(gone, self.record("c", None, self.row("new"), ts_ms=60)), {"u": "new"})

    def test_a_truncation_leaves_what_is_newer(self):
        truncation = self.record("t", ts_ms=50)
        newer = self.record("c", None, self.row("new"), ts_ms=60)
        older = self.record("c", None, self.row("old"), ts_ms=40)
        self.assertEqual(self.final(older, truncation, newer), {"u": "new"})
        self.assertEqual(self.final(older, newer, truncation), {"u": "new"})
        self.assertEqual(self.final(truncation, older), {})

    def test_a_moved_key_leaves_nothing_behind(self):
        moved = self.record("u", {"distinct_id": "u", "country": "a"}, {"distinct_id": "v", "country": "a"}, ts_ms=60)
        self.assertEqual(self.final(self.record("c", None, self.row("a"), ts_ms=50), moved), {"v": "a"})

    def test_encoded_days_times_and_decimals_are_read_by_the_schema(self):
        fields = [{"field": "event_uuid", "type": "string"}, {"field": "event_time", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
                  {"field": "revenue_usd", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}}]
        row = {"event_uuid": "e", "event_time": 1753869600123000, "distinct_id": "u", "event_name": "x",
               "revenue_usd": base64.b64encode((-999).to_bytes(2, "big", signed=True)).decode()}
        line = json.dumps({"schema": {"fields": [{"field": "after", "fields": fields}]},
                           "payload": {"after": row, "op": "c", "source": {"table": "mixpanel_event"}}})
        world = self.changelog_world("log.ndjson")
        with open(world.path("log.ndjson"), "w", encoding="utf-8") as file:
            file.write(line + "\n")
        world.run_once()
        landed = self.landed(world)["mixpanel_event"][("e",)]
        self.assertEqual((landed["event_time"], landed["revenue_usd"]), ("2025-07-30 10:00:00.123000", -9.99))


    def test_decimals_without_a_declared_scale_are_read(self):
        world = self.changelog_world("log.ndjson")
        value = {"scale": 3, "value": base64.b64encode((12345).to_bytes(2, "big")).decode()}
        with open(world.path("log.ndjson"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"after": {"event_uuid": "e", "revenue_usd": value}, "op": "c", "source": {"table": "mixpanel_event"}}) + "\n")
        world.run_once()
        self.assertEqual(self.landed(world)["mixpanel_event"][("e",)]["revenue_usd"], 12.345)

    def test_a_row_that_comes_and_goes_within_one_millisecond_stays(self):
        def change(op, order, before, after):
            return json.dumps({"before": before, "after": after, "op": op, "source": {"table": "mixpanel_user", "ts_ms": 50},
                               "transaction": {"id": "t%d" % order, "total_order": 1}})
        lines = [change("c", 1, None, self.row("x")), change("d", 2, self.row("x"), None), change("c", 3, None, self.row("x"))]
        ends = [json.dumps({"status": "END", "id": "t%d" % order, "event_count": 1}) for order in (1, 2, 3)]
        log = [line for pair in zip(lines, ends) for line in pair]
        self.assertEqual(self.final(*log), {"u": "x"})
        self.assertEqual(self.final(*(log + log[:2])), {"u": "x"})


class Transactions(ChangelogCase):
    def put(self, world, *records):
        with open(world.path("log.ndjson"), "a", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record) + "\n")

    def upsert(self, name, **more):
        return dict({"table": "mixpanel_user", "row": {"distinct_id": name}}, **more)

    def users(self, world):
        return sorted(key[0] for key in self.landed(world)["mixpanel_user"])

    def test_a_transaction_becomes_visible_whole(self):
        world = self.changelog_world("log.ndjson")
        self.put(world, self.upsert("z", tx="0", tx_end=True), self.upsert("a", tx="1"), self.upsert("free"))
        world.run_once()
        self.assertEqual(self.users(world), ["free", "z"])
        self.assertEqual(world.status()["changelog"]["transactions_open"], 1)
        self.put(world, self.upsert("b", tx="1"))
        world.start()
        world.await_epochs(1)
        world.kill()
        self.assertEqual(self.users(world), ["free", "z"])
        self.put(world, {"tx": "1", "tx_end": True})
        world.run_once()
        self.assertEqual(self.users(world), ["a", "b", "free", "z"])

    def test_one_that_is_larger_than_what_memory_holds_lands_whole(self):
        world = self.changelog_world("log.ndjson")
        filling = "x" * 900
        self.put(world, *[self.upsert("u%05d" % i, tx="large", note=filling) for i in range(20_000)])
        world.run_once()
        self.put(world, {"table": "mixpanel_user", "op": "delete", "key": {"distinct_id": "u00000"}, "tx": "large", "tx_end": True})
        world.run_once()
        self.assertEqual(len(self.users(world)), 19_999)

    def of_postgres(self, name, place, order):
        return {"op": "c", "after": {"distinct_id": name}, "source": {"table": "mixpanel_user", "lsn": place},
                "transaction": {"id": "571:%d" % place, "total_order": order}}

    def test_one_whose_records_each_have_an_id_of_their_own_becomes_visible_whole(self):
        world = self.changelog_world("log.ndjson")
        begin = [{"status": "BEGIN", "id": "571:10"}, self.of_postgres("a", 11, 1), self.of_postgres("b", 12, 2)]
        end = {"status": "END", "id": "571:13", "event_count": 2, "data_collections": [{"data_collection": "public.mixpanel_user", "event_count": 2}]}
        self.put(world, *begin)
        world.run_once()
        self.assertEqual(self.users(world), [])
        self.put(world, end)
        world.run_once()
        self.assertEqual(self.users(world), ["a", "b"])
        self.put(world, *begin)  # sent again: nothing is awaited
        world.run_once()
        self.assertEqual(world.status()["changelog"]["transactions_open"], 0)
        self.put(world, {"status": "BEGIN", "id": "571:90"}, self.of_postgres("c", 91, 1))  # the number came round
        world.run_once()
        self.assertEqual(self.users(world), ["a", "b"])
        self.assertEqual(world.status()["changelog"]["transactions_open"], 1)

    def test_what_records_say_of_their_place_costs_no_memory(self):
        world = self.changelog_world("log.ndjson")
        self.put(world, {"status": "END", "id": "marks", "event_count": 0})
        self.put(world, *[{"op": "c", "after": {"distinct_id": "u%d" % i}, "source": {"table": "mixpanel_user"},
                           "transaction": {"id": "%d" % i + "x" * 100_000 * (i % 2), "total_order": 60_000_000}} for i in range(900)])
        world.run_once()
        self.assertEqual(world.status()["changelog"]["transactions_open"], 900)
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, 700 << 10)

    def test_one_that_never_ends_is_given_up_with_a_warning(self):
        world = self.changelog_world("log.ndjson", hold_transactions_max="0s")
        self.put(world, {"status": "BEGIN", "id": "7"}, {"op": "c", "after": {"distinct_id": "a"}, "source": {"table": "mixpanel_user"},
                                                         "transaction": {"id": "7", "total_order": 1}})
        done = world.run_once()
        self.assertIn("transaction 7 of the change log is not held back any longer", done.err)
        self.assertEqual(self.users(world), ["a"])


class Replay(ChangelogCase):
    def test_mended_lines_count_once(self):
        world = self.changelog_world("log.ndjson")
        good = '{"table":"mixpanel_user","row":{"distinct_id":"%s"}}'
        with open(world.path("log.ndjson"), "wb") as file:
            file.write((good % "a").encode() + b"\n" + (good % "b").encode()[:-1] + b"\n\xff\xfe\n")
        world.run_once()
        letters = self.letters(world)
        self.assertEqual([letter["reason"] for letter in letters], ["not_json", "not_utf8"])
        self.assertEqual(base64.b64decode(letters[1]["text_base64"]), b"\xff\xfe")
        letters[0]["text"] += "}"
        with open(world.path("mended.ndjson"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(letter) + "\n" for letter in letters))
        for _ in range(2):
            done = world.call("replay", "--dead-letters", world.path("mended.ndjson"))
            self.assertEqual(done.code, 1, done)
            self.assertIn("mended.ndjson:2: still not understood: not_utf8", done.out)
            world.run_once()
        self.assertEqual(sorted(key[0] for key in self.landed(world)["mixpanel_user"]), ["a", "b"])
        self.assertEqual(world.status()["changelog"]["records_total"], 2)
        self.assertEqual(len(self.letters(world)), 2)

    def test_a_running_daemon_takes_them_up(self):
        world = self.changelog_world("log.ndjson")
        with open(world.path("log.ndjson"), "w", encoding="utf-8") as file:
            file.write('{"table":"mixpanel_users","row":{"distinct_id":"a"}}\n')
        world.start()
        world.await_epochs(1)
        letter, = self.letters(world)
        letter["text"] = letter["text"].replace("_users", "_user")
        with open(world.path("mended.ndjson"), "w", encoding="utf-8") as file:
            file.write(json.dumps(letter) + "\n")
        self.assertEqual(world.call("replay", "--dead-letters", world.path("mended.ndjson")).code, 0)
        world.await_alive(lambda: self.landed(world)["mixpanel_user"], "the mended row", 30)
        world.stop()


class Mixpanel(ChangelogCase):
    def test_a_days_export_makes_rows_without_any_other_source(self):
        world = self.changelog_world("export.ndjson")
        properties = {"time": 1753869600, "distinct_id": "u1", "$insert_id": "i1", "abi_campaign_id": "c1", "abi_ad_id": 77,
                      "mp_country_code": "DE", "$region": "Berlin", "$city": "Berlin"}
        events = [{"event": "RC Trial started", "properties": properties},
                  {"event": "RC Trial converted", "properties": dict(properties, **{"$insert_id": "i2", "time": 1753873200, "revenue": 9.99})},
                  {"event": "RC Trial started", "properties": properties},
                  {"event": "App open", "properties": {"time": 1753876800, "distinct_id": "u1", "$insert_id": "i3", "mp_country_code": "FR"}}]
        random.Random(3).shuffle(events)
        with open(world.path("export.ndjson"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(event) + "\n" for event in events))
        world.run_once()
        landed = self.landed(world)
        self.assertEqual(landed["mixpanel_event"][("i2",)], {"event_uuid": "i2", "event_name": "RC Trial converted", "distinct_id": "u1",
                                                              "event_time": "2025-07-30 11:00:00", "revenue_usd": 9.99})
        self.assertEqual(landed["mixpanel_user"][("u1",)], {"distinct_id": "u1", "abi_ad_id": "77", "abi_campaign_id": "c1", "abi_ad_set_id": None,
                                                            "country": "FR", "region": "Berlin", "has_abi_attribution": 1})
        rows = world.sql(world.sink_db, "SELECT entity_type, trial_users_count, actual_revenue_usd FROM daily_mixpanel_metrics ORDER BY 1")
        self.assertEqual([tuple(row) for row in rows], [("ad", 1, 9.99), ("campaign", 1, 9.99)])
        self.assertTrue(world.is_equal())

    def test_an_event_without_an_id_counts_once_however_it_is_written(self):
        world = self.changelog_world("export.ndjson")
        event = json.dumps({"event": "x", "properties": {"time": 1753869600, "distinct_id": "u1"}}).encode()
        with open(world.path("export.ndjson"), "wb") as file:
            file.write(b"\xef\xbb\xbf" + event + b"\n" + event + b"\r\n  " + event + b" \n")
        world.run_once()
        self.assertEqual(len(self.landed(world)["mixpanel_event"]), 1)

    def test_names_of_properties_may_be_written_with_escapes(self):
        world = self.changelog_world("export.ndjson")
        world.configure(source_changelog_mixpanel={"region": ["Größe"]})
        with open(world.path("export.ndjson"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"event": "x", "properties": {"distinct_id": "u", "time": 1753869600, "$insert_id": "i", "Größe": "L"}}) + "\n")
        world.run_once()
        self.assertEqual(self.landed(world)["mixpanel_user"][("u",)]["region"], "L")

    def test_the_mapping_is_configuration(self):
        world = self.changelog_world("export.ndjson", format="mixpanel")
        world.configure(source_changelog_mixpanel={"revenue_usd": ["gross", "net"], "time_zone": "Europe/Berlin", "distinct_id": "user"})
        with open(world.path("export.ndjson"), "w", encoding="utf-8") as file:
            file.write(json.dumps({"event": "x", "properties": {"user": 5, "time": 1753869600, "$insert_id": "i", "net": 2, "gross": 3}}) + "\n")
        world.run_once()
        self.assertEqual(self.landed(world)["mixpanel_event"][("i",)], {"event_uuid": "i", "event_name": "x", "distinct_id": "5",
                                                                         "event_time": "2025-07-30 08:00:00", "revenue_usd": 3})


if __name__ == "__main__":
    harness.main()
