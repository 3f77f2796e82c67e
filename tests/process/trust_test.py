"""`explain`, `compare`, `run --backfill --plan`, and `verify` beside heavy writing: the commands by which people trust the rows."""

import collections
import contextlib
import fractions
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time

import harness
import oracle

FINE, NO, CANNOT, USAGE = 0, 1, 2, 64
MAIN, BREAKDOWN = oracle.MAIN, oracle.BREAKDOWN
MONEY = ("meta_spend", "actual_revenue_usd", "actual_refunds_usd", "estimated_revenue_usd")
COUNTS = ("meta_impressions", "meta_clicks", "meta_trial_count", "meta_purchase_count")


def rounded(number, digits):
    """Half away from zero."""
    scaled = abs(number) * 10 ** digits
    whole = int(scaled + fractions.Fraction(1, 2))
    return fractions.Fraction(whole if number >= 0 else -whole, 10 ** digits)


def value_of(filled):
    """The value of a formula with its numbers in it. A division by zero is 0."""
    filled = re.sub(r"\s*\([^()]*[a-zA-Z][^()]*\)", "", filled).replace("×", "*")
    if not re.fullmatch(r"[-+*/(). 0-9]+", filled):
        return None
    try:
        return eval(re.sub(r"\d+(\.\d+)?", lambda m: "F('%s')" % m.group(), filled), {"F": fractions.Fraction})  # pylint: disable=eval-used
    except ZeroDivisionError:
        return fractions.Fraction(0)


def rows_of(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM " + table)]


def key_of(table, row):
    return tuple(row[column] for column in oracle.KEY_COLUMNS[table])


class TrustCase(harness.WorldCase):
    def explain(self, world, row, *arguments, code=FINE):
        where = ["--entity-type", row["entity_type"], "--entity-id", row["entity_id"], "--date", row["date"]]
        if "breakdown_type" in row:
            where += ["--breakdown", "%s=%s" % (row["breakdown_type"], row["breakdown_value"])]
        done = world.call("explain", *where, *arguments)
        self.assertEqual(done.code, code, done)
        return done

    def filled_world(self, **how):
        world = self.world(**how)
        world.run_once()
        return world


class Explain(TrustCase):
    def check(self, row, told):
        """What is told against the stored row, with nothing but arithmetic."""
        given = collections.defaultdict(fractions.Fraction)
        named = collections.defaultdict(set)
        for user in told["users"]:
            for column in user["lists"]:
                named[column].add(user["distinct_id"])
        for raw in [raw for user in told["users"] for raw in user["rows"]] + told["meta"]:
            for gift in raw["gives"]:
                if re.fullmatch(r"-?[0-9.]+", gift.get("amount", "")):
                    given[gift["column"]] += fractions.Fraction(gift["amount"])
        for column in told["columns"]:
            name, stored = column["column"], row[column["column"]]
            self.assertTrue(column["equal"], column)
            if column["stored"].startswith("["):
                self.assertEqual(set(json.loads(stored)), named[name], name)
                continue
            if name in MONEY:
                self.assertEqual(rounded(given[name], 2), fractions.Fraction(str(stored)), name)
            if name in COUNTS:
                self.assertEqual(given[name], stored, name)
            value = value_of(column["filled"])
            if value is not None and "…" not in column["filled"]:
                digits = 0 if isinstance(stored, int) and name.endswith("count") else len(column["expected"].partition(".")[2])
                self.assertEqual(max(rounded(value, digits), 0) if name == "data_quality_score" else rounded(value, digits),
                                 fractions.Fraction(str(stored)), column)

    def test_rows_of_drawn_sources_add_up(self):
        for seed, hostile in ((1, 0.0), (2, 0.25)):
            world = self.filled_world(seed=seed, users=120, days=15, hostile=hostile)
            rng = random.Random(seed)
            checked = 0
            for table in (MAIN, BREAKDOWN):
                rows = [row for row in rows_of(world.sink_db, table) if all(c.isprintable() for c in str(row["entity_id"])
                                                                            + str(row.get("breakdown_value", "")))]
                for row in rng.sample(rows, min(40, len(rows))):
                    self.check(row, self.explain(world, row, "--json").json())
                    checked += 1
            self.assertGreater(checked, 40)

    def example(self):
        """The example of docs/metrics.md section 6, and a user who started twice."""
        world = self.empty_world()
        story = world.tell_story()
        world.configure(reporting={"as_of": "2026-01-20"})
        place = {"campaign": "c1", "adset": "s1", "ad": "a1", "country": "US", "region": "CA"}
        for user in ("u1", "u2", "u3", "u4", "u5"):
            story.user(user, **place)
        for user in ("u1", "u2", "u3"):
            story.event(user, "2026-01-03T10:00:00Z", "RC Trial started")
        for user in ("u1", "u2"):
            story.event(user, "2026-01-10T10:00:00Z", "RC Trial converted", 9.99)
        story.event("u1", "2026-01-15T10:00:00Z", "RC Cancellation", -9.99)
        story.event("u4", "2026-01-03T12:00:00Z", "RC Initial purchase", 49.99)
        story.event("u5", "2026-01-03T12:00:00Z", "RC Trial started")
        story.event("u5", "2026-01-05T12:00:00Z", "RC Trial started")
        story.event("u3", "no time", "RC Trial started", uuid="broken")
        story.item("u1", value=5, conversion=0.4, trial_refund=0.1)
        story.item("u2", value=25.5, conversion=0.6, trial_refund=0.2)
        story.item("u3", value=12, conversion=0.35)
        story.item("u4", value=40, purchase_refund=0.05)
        story.meta("a1", "2026-01-03", adset="s1", campaign="c1", spend=120, impressions=10000, clicks=250, trials=4, purchases=1)
        world.run_once()
        return world, {"entity_type": "campaign", "entity_id": "c1", "date": "2026-01-03"}

    def test_the_documented_example(self):
        world, row = self.example()
        told = self.explain(world, row, "--json").json()
        columns = {column["column"]: column for column in told["columns"]}
        self.assertEqual(columns["estimated_revenue_usd"]["filled"], "5.00 + 25.50 + 12.00 + 40.00")
        self.assertEqual(columns["adjusted_estimated_revenue_usd"]["filled"], "82.50 × 4 / 3")
        self.assertEqual(columns["trial_conversion_rate_estimated"]["filled"], "(0.4 + 0.6 + 0.35) / 3")
        self.assertEqual(columns["trial_conversion_rate_actual"]["filled"], "2 / 3")
        self.assertEqual(columns["estimated_roas"]["expected"], "0.9167")
        users = {user["distinct_id"]: user for user in told["users"]}
        self.assertEqual(sorted(users), ["u1", "u2", "u3", "u4"])
        gifts = [gift for raw in users["u1"]["rows"] for gift in raw["gives"]]
        self.assertIn({"column": "actual_refunds_usd", "amount": "9.99"}, gifts)
        self.assertIn({"column": "trial_refund_user_ids"}, gifts)
        self.assertEqual([raw["note"] for raw in users["u3"]["rows"] if raw["key"] == "broken"], ["rejected: bad_time, event_time"])
        self.assertEqual([(user["distinct_id"], user["rows"][0]["note"]) for user in told["elsewhere"]],
                         [("u5", "counts on trial day 2026-01-05")])
        self.assertEqual(told["meta"][0]["cells"]["spend"], "120")
        text = self.explain(world, row).out
        self.assertIn("agrees in every column", text)
        self.assertIn("82.50 × 4 / 3", text)
        self.assertIn("last changed", text)
        only = self.explain(world, row, "--column", "estimated_roas", "--json").json()["columns"]
        self.assertEqual([column["column"] for column in only], ["estimated_roas"])

    def test_a_planted_difference_is_named_in_every_column(self):
        world, row = self.example()
        where = "WHERE entity_type = 'campaign' AND entity_id = 'c1' AND date = '2026-01-03'"
        for table, extra in ((MAIN, {}), (BREAKDOWN, {"breakdown_type": "country", "breakdown_value": "US"})):
            condition = where + "".join(" AND %s = '%s'" % pair for pair in extra.items())
            for column in self.explain(world, dict(row, **extra), "--json").json()["columns"]:
                name = column["column"]
                old = world.sql(world.sink_db, "SELECT quote(%s) FROM %s %s" % (name, table, condition))[0][0]
                world.sql(world.sink_db, "UPDATE %s SET %s = 'planted' %s" % (table, name, condition))
                told = self.explain(world, dict(row, **extra), "--json", code=NO).json()
                self.assertEqual([c["column"] for c in told["columns"] if not c["equal"]], [name])
                self.assertFalse(told["agrees"])
                world.sql(world.sink_db, "UPDATE %s SET %s = %s %s" % (table, name, old, condition))
            self.explain(world, dict(row, **extra))

    def test_rows_that_are_missing_too_many_or_nowhere(self):
        world, row = self.example()
        world.sql(world.sink_db, "DELETE FROM %s WHERE entity_type = 'campaign' AND date = '2026-01-03'" % MAIN,
                  "INSERT INTO %s (entity_type, entity_id, date) VALUES ('ad', 'ghost', '2026-01-03')" % MAIN)
        self.assertIn("MISSING", self.explain(world, row, code=NO).out)
        self.assertIn("TOO MANY", self.explain(world, {"entity_type": "ad", "entity_id": "ghost", "date": "2026-01-03"}, code=NO).out)
        self.assertIn("no such row", self.explain(world, {"entity_type": "ad", "entity_id": "x", "date": "2026-01-03"}).out)

    def test_wrong_usage_and_changes_that_wait(self):
        world, row = self.example()
        self.one_line(world.call("explain", "--entity-type", "ad", "--entity-id", "a1", "--date", "2026-01-03", "--breakdown", "city=X"),
                      "city=X")
        self.assertEqual(self.explain(world, row, "--column", "nonsense", code=USAGE).code, USAGE)
        world.story.event("u2", "2026-01-12T10:00:00Z", "RC Cancellation", -9.99)
        told = self.explain(world, row, "--json", code=NO).json()
        self.assertIn("may be behind", told["notes"][0])


class Plan(TrustCase):
    def test_a_plan_is_what_the_backfill_then_does(self):
        rng = random.Random(3)
        for seed in (1, 2):
            world = self.filled_world(seed=seed, users=100, days=15)
            for table in (MAIN, BREAKDOWN):
                ids = [i for (i,) in world.sql(world.sink_db, "SELECT metric_id FROM " + table)]
                chosen = rng.sample(ids, 9)
                world.sql(world.sink_db, "UPDATE %s SET meta_spend = 77 WHERE metric_id IN (%d, %d, %d)" % (table, *chosen[:3]),
                          "DELETE FROM %s WHERE metric_id IN (%d, %d, %d)" % (table, *chosen[3:6]))
            world.sql(world.sink_db, "INSERT INTO %s (entity_type, entity_id, date, meta_spend) VALUES ('ad', 'ghost', '2025-07-01', 5)" % MAIN,
                      "UPDATE id_name_mapping SET canonical_name = 'planted' WHERE rowid % 3 = 0")
            world.pipeline_writes(4)
            before = {table: {key_of(table, row): row for row in rows_of(world.sink_db, table)} for table in oracle.TABLES}
            plan = world.call("run", "--backfill", "--plan", "--json").json()
            self.assertEqual({table: {key_of(table, row): row for row in rows_of(world.sink_db, table)} for table in oracle.TABLES}, before)
            world.run_once("--backfill")
            self.assertEqual(self.plan_of(world, before), {(level["table"], level["level"]): self.told(level) for level in plan["levels"]})
            again = world.call("run", "--backfill", "--plan")
            self.assertIn("would write nothing", again.out)

    @staticmethod
    def told(level):
        days = {day: (d["inserted"], d["updated"], d["deleted"]) for day, d in level["days"].items()}
        money = {column: (round(sums["before"], 2), round(sums["after"], 2)) for column, sums in level["money"].items()}
        return level["inserted"], level["updated"], level["deleted"], days, money

    def plan_of(self, world, before):
        found = {}
        for table in oracle.TABLES:
            after = {key_of(table, row): row for row in rows_of(world.sink_db, table)}
            for key in set(before[table]) | set(after):
                old, new = before[table].get(key), after.get(key)
                level = key[0] if table != oracle.HIERARCHY else "ad"
                rows = found.setdefault((table, level), ([0, 0, 0], {}, {}))
                quiet = ("computed_at", "updated_at", "created_at", "metric_id")
                changed = (0 if old is None else 2 if new is None else
                           1 if any(old[c] != new[c] for c in old if c not in quiet) else None)
                if changed is not None:
                    rows[0][changed] += 1
                    if table in (MAIN, BREAKDOWN):
                        rows[1].setdefault(key[2], [0, 0, 0])[changed] += 1
                if table in (MAIN, BREAKDOWN):
                    for column in MONEY + ("adjusted_estimated_revenue_usd", "profit_usd"):
                        sums = rows[2].setdefault(column, [0, 0])
                        sums[0] += old[column] if old else 0
                        sums[1] += new[column] if new else 0
        return {where: (*rows, {day: tuple(each) for day, each in days.items()},
                        {column: (round(a, 2), round(b, 2)) for column, (a, b) in money.items()})
                for where, (rows, days, money) in found.items()}

    def test_a_plan_needs_no_sink_and_takes_any_shape(self):
        world = self.world(users=60, days=12)
        world.configure(sink_sqlite={"path": "metrics.db"})
        plan = world.call("run", "--backfill", "--plan", "--json")
        self.assertEqual(plan.code, FINE, plan)
        self.assertFalse(os.path.exists(world.sink_db))
        self.assertFalse(os.path.exists(world.path("state")))
        world.sql(world.sink_db, "CREATE TABLE daily_mixpanel_metrics (date DATE, entity_type TEXT, entity_id TEXT)",
                  "INSERT INTO daily_mixpanel_metrics VALUES ('2020-01-01', 'ad', 'old')")
        older = world.call("run", "--backfill", "--plan", "--json").json()
        self.assertEqual(older["inserted"], plan.json()["inserted"])
        self.assertEqual(older["deleted"], 1)
        self.assertEqual(world.call("run", "--plan").code, USAGE)


class Compare(TrustCase):
    def copy(self, world):
        other = world.path("other.db")
        if os.path.exists(other):
            os.remove(other)
        with contextlib.closing(sqlite3.connect(world.sink_db)) as connection:
            connection.execute("VACUUM INTO ?", (other,))
        return other

    def compare(self, world, other, *arguments, code=NO):
        done = world.call("compare", "--with", other, "--json", *arguments)
        self.assertEqual(done.code, code, done)
        return done.json()

    def test_every_column_is_compared(self):
        world = self.filled_world(users=80, days=12)
        other = self.copy(world)
        self.compare(world, other, code=FINE)
        for number, table in enumerate((MAIN, BREAKDOWN)):
            wanted = {column for column in rows_of(other, table)[0] if column not in oracle.KEY_COLUMNS[table] and column not in
                      ("metric_id", "computed_at") and not (table == MAIN and column in ("trial_user_ids", "purchase_user_ids"))}
            for column in sorted(wanted):
                listed = column.endswith("_ids") or column.endswith("_list")
                planted = "'[\"planted\"]'" if listed else "%s + 3" % column
                key = world.sql(other, "SELECT metric_id, quote(%s), quote(entity_id), quote(date) FROM %s ORDER BY random() LIMIT 1"
                                % (column, table))[0]
                world.sql(other, "UPDATE %s SET %s = %s WHERE metric_id = %d" % (table, column, planted, key[0]))
                report = self.compare(world, other)
                found = {c["column"]: c for c in report["tables"][number]["columns"]}
                self.assertEqual([name for name, c in found.items() if c["equal"] != c["compared"]], [column])
                self.assertLess(found[column]["accuracy_percent"], 100)
                self.assertEqual(found[column]["largest"][0]["key"][1], key[2].strip("'"))
                self.assertEqual(sum(cause["rows"] for cause in report["causes"]), 1)
                world.sql(other, "UPDATE %s SET %s = %s WHERE metric_id = %d" % (table, column, key[1], key[0]))
            self.assertEqual(wanted, {c["column"] for c in report["tables"][number]["columns"]})

    def test_older_names_tolerance_and_rows_of_one_side(self):
        world = self.filled_world(users=80, days=12)
        other = world.path("legacy.db")
        world.sql(other, "ATTACH '%s' AS s" % world.sink_db,
                  "CREATE TABLE daily_mixpanel_metrics AS SELECT date, entity_type, entity_id, trial_user_ids, purchase_user_ids, "
                  "trial_users_count, meta_spend FROM s.daily_mixpanel_metrics")
        report = self.compare(world, other, code=FINE)
        columns = {c["column"]: c for c in report["tables"][0]["columns"]}
        self.assertEqual(columns["trial_users_list"]["column_there"], "trial_user_ids")
        self.assertEqual(columns["purchase_users_list"]["column_there"], "purchase_user_ids")
        self.assertIsNone(columns["profit_usd"]["column_there"])
        self.assertGreater(columns["trial_users_list"]["compared"], 0)
        # Another order, blanks, and NULL for an empty list are no difference; a cent is, unless it is tolerated.
        world.sql(other, "UPDATE daily_mixpanel_metrics SET trial_user_ids = (SELECT json_group_array(value) FROM (SELECT value FROM "
                         "json_each(trial_user_ids) ORDER BY value DESC))",
                  "UPDATE daily_mixpanel_metrics SET trial_user_ids = replace(trial_user_ids, ',', ' , ')",
                  "UPDATE daily_mixpanel_metrics SET purchase_user_ids = NULL WHERE purchase_user_ids = '[]'",
                  "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 0.0000001")
        self.compare(world, other, code=FINE)
        world.sql(other, "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 0.01")
        self.assertEqual(self.compare(world, other)["causes"][0]["cause"], "rounding")
        self.compare(world, other, "--tolerance", "0.01", code=FINE)
        self.compare(world, other, "--tolerance", "meta_spend=0.01", code=FINE)
        self.compare(world, other, "--tolerance", "profit_usd=0.01")
        gone = world.sql(other, "SELECT entity_type, entity_id, date FROM daily_mixpanel_metrics LIMIT 1")[0]
        world.sql(other, "DELETE FROM daily_mixpanel_metrics WHERE rowid = (SELECT rowid FROM daily_mixpanel_metrics LIMIT 1)",
                  "INSERT INTO daily_mixpanel_metrics (date, entity_type, entity_id) VALUES ('2025-01-01', 'ad', 'stranger')")
        report = self.compare(world, other, "--tolerance", "1")
        self.assertEqual(report["tables"][0]["only_here"], [list(gone)])
        self.assertEqual(report["tables"][0]["only_there"], [["ad", "stranger", "2025-01-01"]])
        self.compare(world, other, "--tolerance", "1", "--since", "2031-01-01", code=FINE)
        self.one_line(world.call("compare", "--with", other, "--tolerance", "much"), "much")

    def test_many_rows_one_cause(self):
        """A job that counts each start instead of the last one, and one that attributes elsewhere."""
        world = self.empty_world()
        story = world.tell_story()
        for n in range(12):
            story.user("u%d" % n, campaign="c1", adset="s1", ad="a%d" % (n % 3))
            story.event("u%d" % n, "2025-07-0%dT10:00:00Z" % (n % 4 + 1), "RC Trial started")
            story.event("u%d" % n, "2025-07-09T10:00:00Z", "RC Trial started")
        world.run_once()
        other = self.copy(world)
        world.sql(other, "INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date, trial_users_list, trial_users_count) "
                         "SELECT 'campaign', 'c1', substr(event_time, 1, 10), json_group_array(distinct_id), count(*) FROM mixpanel_event "
                         "WHERE event_time < '2025-07-09' GROUP BY 3")
        report = self.compare(world, other)
        self.assertEqual([(c["cause"], c["rows"], c["users"]) for c in report["causes"]], [("user_on_several_days", 4, 12)])
        self.assertIn("there on 2025-07-0", report["causes"][0]["examples"][0])
        other = self.copy(world)
        world.sql(other, "UPDATE daily_mixpanel_metrics SET entity_id = 'a9' WHERE entity_id = 'a1'")
        report = self.compare(world, other)
        self.assertEqual([(c["cause"], c["rows"], c["users"]) for c in report["causes"]][0], ("user_under_another_entity", 2, 4))

    def test_the_page_needs_nothing_else(self):
        world = self.filled_world(users=80, days=12)
        other = self.copy(world)
        world.sql(other, "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 5, trial_users_list = '[\"<b>&\"]'")
        self.compare(world, other, "--html", world.path("page.html"))
        with open(world.path("page.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("<svg", page)
        self.assertIn("prefers-color-scheme", page)
        self.assertIn("&lt;b&gt;&amp;", page)
        self.assertNotIn("<b>&", page)
        self.assertFalse(re.search(r"https?://|<script|<link|src=", page))

    def test_databases_that_cannot_be_compared(self):
        world = self.filled_world(users=60, days=12)
        self.one_line(world.call("compare", "--with", world.path("nowhere.db")), "nowhere.db", "no such file")
        with open(world.path("broken.db"), "wb") as file:
            file.write(b"broken" * 999)
        self.one_line(world.call("compare", "--with", world.path("broken.db")), "broken.db")
        world.sql(world.path("empty.db"), "CREATE TABLE something (a)")
        done = world.call("compare", "--with", world.path("empty.db"))
        self.one_line(done, "daily_mixpanel_metrics")
        self.assertEqual(done.code, CANNOT)
        world.sql(world.path("keyless.db"), "CREATE TABLE daily_mixpanel_metrics (date, entity_type)")
        self.one_line(world.call("compare", "--with", world.path("keyless.db")), "entity_id")


class Verify(TrustCase):
    def test_completeness_names_what_is_missing(self):
        world = self.filled_world(users=80, days=12)
        complete = world.verify("--json").json()["tables"]
        self.assertEqual([(t["completeness_percent"], t["missing"]) for t in complete], [(100, [])] * 4)
        gone = world.sql(world.sink_db, "SELECT entity_type, entity_id, date FROM daily_mixpanel_metrics ORDER BY 1, 2, 3 LIMIT 2")
        world.sql(world.sink_db, *["DELETE FROM daily_mixpanel_metrics WHERE entity_type = '%s' AND entity_id = '%s' AND date = '%s'" % key
                                   for key in gone], "UPDATE daily_mixpanel_metrics SET profit_usd = profit_usd + 1")
        done = world.verify("--json", "--differences", "3")
        self.assertEqual(done.code, NO)
        table = done.json()["tables"][0]
        self.assertEqual(table["missing"], [list(key) for key in gone])
        self.assertLess(table["completeness_percent"], 100)
        self.assertEqual(table["columns"]["profit_usd"], table["rows_expected"] - 2)
        self.assertEqual(table["columns"]["meta_spend"], 0)
        repaired = world.verify("--repair", "--json").json()
        self.assertTrue(repaired["equal"])
        self.assertEqual(repaired["repaired"]["tables"][0], {"table": MAIN, "rewritten": table["rows_expected"] - 2, "inserted": 2,
                                                             "removed": 0})

    def heavy_writing(self, seconds):
        """verify over and over beside a daemon and a writer without pauses: it may not be able to tell, but never alarms."""
        world = self.empty_world()
        world.demo(2000, 30)
        world.start()
        world.await_equal()
        live = subprocess.Popen([harness.Program.binary, "demo", world.directory, "--live", "--pause-ms", "2"], stdout=subprocess.DEVNULL)
        self.addCleanup(live.wait)
        self.addCleanup(live.kill)
        codes = collections.Counter()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done = world.verify()
            self.assertIn(done.code, (FINE, CANNOT), "a false alarm: %r" % done)
            if done.code == CANNOT:
                self.assertIn("has not caught up", done.err)
            codes[done.code] += 1
            self.assertLess(os.stat(world.product_db + "-wal").st_size, 200 << 20)
        live.send_signal(signal.SIGTERM)
        live.wait()
        world.await_equal()
        self.assertGreater(codes[FINE], 0, codes)

    def test_no_false_alarm_beside_heavy_writing(self):
        self.heavy_writing(15)

    @harness.nightly
    def test_no_false_alarm_for_ten_minutes(self):
        self.heavy_writing(600)


if __name__ == "__main__":
    harness.main()
