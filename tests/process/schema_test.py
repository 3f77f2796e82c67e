"""`schema check`, `migrate` and `rollback`: from every shape that a database may have, and killed at any instant."""

import os
import random
import signal
import subprocess
import time

import harness

MAIN = "daily_mixpanel_metrics"
BREAKDOWN = MAIN + "_breakdown"
OURS = (MAIN, BREAKDOWN, "id_name_mapping", "id_hierarchy_mapping", "_admetrics_sink", "_admetrics_sink_keys")

# As the seed document's first version declares it.
ELEVEN = """CREATE TABLE daily_mixpanel_metrics (metric_id INTEGER PRIMARY KEY AUTOINCREMENT, date DATE NOT NULL,
  entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, trial_users_count INTEGER NOT NULL DEFAULT 0, trial_users_list TEXT,
  purchase_users_count INTEGER NOT NULL DEFAULT 0, purchase_users_list TEXT,
  estimated_revenue_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00, computed_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  data_quality_score DECIMAL(3,2) DEFAULT 1.00, UNIQUE (date, entity_type, entity_id))"""

ROW = ("INSERT INTO daily_mixpanel_metrics (metric_id, date, entity_type, entity_id, trial_users_count, trial_users_list, "
       "estimated_revenue_usd) VALUES (41, '2025-07-01', 'ad', 'old', 2, '[\"a\",\"b\"]', 12.5)")


def picture(world, tables=OURS):
    """Every statement and row of the tables, as they stand."""
    names = ", ".join("'%s'" % table for table in tables)
    objects = world.sql(world.sink_db, "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name IN (%s) ORDER BY 1, 2" % names)
    stand = [name for kind, name, _ in objects if kind == "table"]
    return objects, {table: world.sql(world.sink_db, "SELECT * FROM %s ORDER BY 1, 2" % table) for table in stand}


class SchemaCase(harness.WorldCase):
    def old_world(self, *statements):
        world = self.world(users=60, days=12)
        if statements:
            world.sql(world.sink_db, *statements)
        return world

    def differences(self, world, code=1):
        done = harness.call("schema", "check", "--config", world.config, "--json")
        self.assertEqual(done.code, code, done)
        return [(d["place"], d["required"], d["kind"], d["table"], d["name"]) for d in done.json()["differences"]]

    def schema(self, world, command, *arguments, code=0):
        done = harness.call("schema", command, "--config", world.config, *arguments)
        self.assertEqual(done.code, code, done)
        return done

    def backups(self, world):
        folder = world.path("state", "backups")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def good_after_migrate(self, world):
        self.schema(world, "check")
        before = picture(world)
        self.assertIn("nothing to do", self.schema(world, "migrate").out)
        self.assertEqual(picture(world), before)
        world.run_once()
        self.assertEqual(world.verify().code, 0)
        world.judge()


class Check(SchemaCase):
    def test_names_what_is_missing_at_both_sides(self):
        world = self.old_world("DROP TABLE IF EXISTS meta_country_mapping", "DROP TABLE IF EXISTS processed_event_days",
                               "ALTER TABLE mixpanel_user DROP COLUMN region")
        world.sql(world.ads_db, "DROP TABLE ad_performance_daily_region")
        found = self.differences(world)
        self.assertIn(("source", True, "column", "mixpanel_user", "region"), found)
        self.assertIn(("source", True, "table", "ad_performance_daily_region", "ad_performance_daily_region"), found)
        self.assertIn(("source", False, "table", "meta_country_mapping", "meta_country_mapping"), found)
        self.assertIn(("source", False, "table", "processed_event_days", "processed_event_days"), found)
        for table in OURS:
            self.assertIn(("sink", True, "table", table, table), found)

    def test_names_types_keys_and_indexes(self):
        world = self.old_world()
        world.run_once()
        self.assertEqual([d for d in self.differences(world, 0) if d[1]], [])
        world.sql(world.sink_db,
                  "DROP INDEX idx_breakdown_computed",
                  "DROP TABLE id_name_mapping", "CREATE TABLE id_name_mapping (entity_type TEXT, entity_id TEXT, canonical_name "
                  "TEXT, frequency_count TEXT, last_seen_date DATE, created_at DATETIME, updated_at DATETIME)",
                  "DROP TABLE user_product_metrics", "CREATE TABLE user_product_metrics (user_product_id INTEGER, distinct_id TEXT, "
                  "product_id TEXT, credited_date DATE, store TEXT, current_value TEXT, trial_conversion_rate REAL, "
                  "trial_converted_to_refund_rate REAL, initial_purchase_to_refund_rate REAL)")
        found = self.differences(world)
        self.assertIn(("sink", True, "index", BREAKDOWN, "idx_breakdown_computed"), found)
        self.assertIn(("sink", True, "type", "id_name_mapping", "frequency_count"), found)
        self.assertIn(("sink", True, "key", "id_name_mapping", "entity_type, entity_id"), found)
        self.assertIn(("source", True, "type", "user_product_metrics", "current_value"), found)
        self.assertIn(("source", False, "type", "user_product_metrics", "trial_conversion_rate"), found)
        self.assertIn(("source", False, "key", "user_product_metrics", "distinct_id, product_id"), found)
        self.assertIn(("source", False, "index", "user_product_metrics", "(distinct_id)"), found)

    def test_every_column_of_the_result_tables_is_missed(self):
        world = self.old_world()
        world.run_once()
        for table in (MAIN, BREAKDOWN):
            sql = world.sql(world.sink_db, "SELECT sql FROM sqlite_schema WHERE name = '%s'" % table)[0][0]
            for (name,) in world.sql(world.sink_db, "SELECT name FROM pragma_table_xinfo('%s')" % table):
                kept = [column for (column,) in world.sql(world.sink_db, "SELECT name FROM pragma_table_xinfo('%s')" % table)
                        if column != name]
                copy = world.path("one.db")
                if os.path.exists(copy):
                    os.remove(copy)
                world.sql(copy, "CREATE TABLE %s (%s)" % (table, ", ".join(kept)))
                settings = dict(world.settings)
                world.configure(sink_sqlite={"path": "one.db"})
                self.assertIn(("sink", True, "column", table, name), self.differences(world))
                world.settings = settings
                world.settings.pop("sink.sqlite", None)
                world.write_config()
            self.assertIn("metric_id", sql)

    def test_a_damaged_or_missing_database_is_one_line(self):
        world = self.old_world()
        with open(world.path("broken.db"), "wb") as file:
            file.write(b"not a database" * 1000)
        world.configure(sink_sqlite={"path": "broken.db"})
        for command in ("check", "migrate", "rollback"):
            self.one_line(self.schema(world, command, code=2), "broken.db" if command != "rollback" else "backup")
        world.configure(source_sqlite={"ads_db": "nowhere.db"})
        self.one_line(self.schema(world, "check", code=2), "nowhere.db")


class Migrate(SchemaCase):
    def test_from_nothing(self):
        world = self.old_world()
        self.schema(world, "migrate")
        self.assertEqual(len(self.backups(world)), 1)
        self.good_after_migrate(world)
        self.assertEqual(len(self.backups(world)), 1)  # repeated, it does nothing
        self.schema(world, "rollback")
        self.assertEqual(picture(world), ([], {}))

    def test_from_no_file(self):
        world = self.old_world()
        world.configure(sink_sqlite={"path": "metrics.db"})
        self.schema(world, "migrate")
        self.good_after_migrate(world)

    def test_from_eleven_columns(self):
        world = self.old_world(ELEVEN, ROW, "CREATE INDEX mine ON daily_mixpanel_metrics (computed_at)",
                               "CREATE TRIGGER told AFTER DELETE ON daily_mixpanel_metrics BEGIN SELECT 1; END",
                               "CREATE VIEW shown AS SELECT * FROM daily_mixpanel_metrics",
                               "CREATE VIEW dangling AS SELECT * FROM nowhere")
        before = picture(world)
        raw = world.sql(world.product_db, "SELECT count(*) FROM mixpanel_event")
        self.schema(world, "migrate")
        self.assertEqual(world.sql(world.sink_db, "SELECT metric_id, date, entity_id, trial_users_list, estimated_revenue_usd, "
                                                  "meta_spend, trial_user_ids FROM daily_mixpanel_metrics"),
                         [(41, "2025-07-01", "old", '["a","b"]', 12.5, 0, '["a","b"]')])
        objects = [name for _, name, _ in picture(world)[0]]
        self.assertIn("mine", objects)
        self.assertIn("told", objects)
        self.good_after_migrate(world)
        # What came in meanwhile is the pipeline's, and stays.
        world.sql(world.product_db, "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time) VALUES "
                                    "('later', 'RC Trial started', 'somebody', '2025-07-02T10:00:00Z')")
        self.schema(world, "rollback")
        self.assertEqual(picture(world), before)
        self.assertEqual(world.sql(world.product_db, "SELECT count(*) FROM mixpanel_event")[0][0], raw[0][0] + 1)

    def test_from_the_older_list_names(self):
        world = self.old_world(
            ELEVEN.replace("trial_users_list", "trial_user_ids").replace("purchase_users_list", "purchase_user_ids"),
            ROW.replace("trial_users_list", "trial_user_ids"))
        self.schema(world, "migrate")
        self.assertEqual(world.sql(world.sink_db, "SELECT metric_id, trial_users_list, trial_user_ids FROM " + MAIN),
                         [(41, '["a","b"]', '["a","b"]')])
        self.good_after_migrate(world)

    def test_from_a_breakdown_table_without_some_columns(self):
        rng = random.Random(7)
        for _ in range(4):
            world = self.old_world()
            world.run_once()
            rows = world.sql(world.sink_db, "SELECT count(*) FROM " + BREAKDOWN)
            droppable = [name for (name,) in world.sql(
                world.sink_db, "SELECT name FROM pragma_table_info('%s') WHERE name NOT IN ('metric_id', 'entity_type', 'entity_id', "
                               "'date', 'breakdown_type', 'breakdown_value', 'computed_at')" % BREAKDOWN)]
            gone = rng.sample(droppable, rng.randint(1, 8))
            world.sql(world.sink_db, *["ALTER TABLE %s DROP COLUMN %s" % (BREAKDOWN, name) for name in gone])
            self.one_line(world.call("run", "--once"), "schema migrate")
            self.schema(world, "migrate")
            self.assertEqual(world.sql(world.sink_db, "SELECT count(*) FROM " + BREAKDOWN), rows)
            self.good_after_migrate(world)

    def test_from_a_table_that_must_be_rebuilt(self):
        """The row's number is no key, a count is a text, a key is too narrow, a column of somebody else's wants a value."""
        world = self.old_world(
            "CREATE TABLE daily_mixpanel_metrics_breakdown (metric_id INTEGER, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, "
            "date DATE NOT NULL, breakdown_type TEXT NOT NULL, breakdown_value TEXT NOT NULL, meta_spend TEXT, owner TEXT NOT NULL, "
            "PRIMARY KEY (entity_type, entity_id, date, breakdown_type, breakdown_value), UNIQUE (entity_id, breakdown_value))",
            "INSERT INTO daily_mixpanel_metrics_breakdown VALUES (7, 'ad', 'x', '2025-07-01', 'country', 'US', '12.50', 'me'), "
            "(9, 'ad', 'x', '2025-07-01', 'country', 'DE', NULL, 'me')")
        found = self.differences(world)
        for kind, name in (("key", "metric_id"), ("type", "meta_spend"), ("key", "entity_id, breakdown_value"), ("column", "owner")):
            self.assertIn(("sink", True, kind, BREAKDOWN, name), found)
        self.schema(world, "migrate")
        self.assertEqual(world.sql(world.sink_db, "SELECT metric_id, meta_spend, owner FROM %s ORDER BY 1" % BREAKDOWN),
                         [(7, 12.5, "me"), (9, 0, "me")])
        self.good_after_migrate(world)

    def test_foreign_tables_are_refused_and_left_alone(self):
        for statements, word in (
                (("CREATE TABLE daily_mixpanel_metrics (day DATE, amount REAL)", "INSERT INTO daily_mixpanel_metrics VALUES (1, 2)"),
                 "not a table of ours"),
                (("CREATE VIEW daily_mixpanel_metrics AS SELECT 1 AS one",), "view"),
                ((ELEVEN.replace(", UNIQUE (date, entity_type, entity_id)", ""), ROW, ROW.replace("41", "42")), "several rows have one key"),
                ((ELEVEN.replace("entity_id TEXT NOT NULL", "entity_id TEXT").replace(", UNIQUE (date, entity_type, entity_id)", ""),
                  ROW.replace("'old'", "NULL")), "have no entity_id")):
            world = self.old_world(*statements)
            before = picture(world)
            self.one_line(self.schema(world, "migrate", code=2), word)
            self.one_line(self.schema(world, "migrate", "--plan", code=2), word)
            self.assertEqual(picture(world), before)
            self.assertEqual(self.backups(world), [])

    def test_damaged_pages_are_not_migrated(self):
        world = self.old_world()
        world.configure(sink_sqlite={"path": "metrics.db"})
        world.sql(world.sink_db, "PRAGMA page_size = 1024", ELEVEN,
                  "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO daily_mixpanel_metrics (date, "
                  "entity_type, entity_id) SELECT '2025-07-01', 'ad', 'ad ' || i FROM n", "PRAGMA journal_mode = DELETE")
        with open(world.sink_db, "r+b") as file:
            file.seek(1024 * 40)
            file.write(b"\xff" * 4096)
        self.one_line(self.schema(world, "migrate", code=2), "metrics.db")
        self.assertEqual(self.backups(world), [])

    def test_plan_writes_nothing(self):
        world = self.old_world(ELEVEN, ROW)
        before = picture(world)
        done = self.schema(world, "migrate", "--plan")
        self.assertIn("meta_spend", done.out)
        plan = self.schema(world, "migrate", "--plan", "--json").json()
        self.assertEqual(plan["rows_kept"], [{"table": MAIN, "rows": 1}])
        self.assertEqual(plan["totals"][0]["money"]["estimated_revenue_usd"], {"before": 12.5, "after": 12.5})
        self.assertEqual(picture(world), before)
        self.assertFalse(os.path.exists(world.path("state")))

    def test_refuses_over_a_running_daemon(self):
        world = self.old_world()
        world.start()
        world.await_equal()
        for command in ("migrate", "rollback"):
            self.one_line(self.schema(world, command, code=2), "another admetricsd is running")
        self.schema(world, "migrate", "--plan")
        self.schema(world, "check")

    def test_the_backup_is_a_database_that_opens(self):
        world = self.old_world(ELEVEN, ROW)
        path = self.schema(world, "migrate", "--json").json()["backup"]
        self.assertEqual(world.sql(path, "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(world.sql(path, "SELECT metric_id, estimated_revenue_usd FROM " + MAIN), [(41, 12.5)])

    def test_a_damaged_backup_is_not_restored(self):
        world = self.old_world(ELEVEN, ROW)
        path = self.schema(world, "migrate", "--json").json()["backup"]
        after = picture(world)
        world.sql(path, "PRAGMA journal_mode = DELETE", "DELETE FROM " + MAIN)
        self.one_line(self.schema(world, "rollback", code=2), "has 0 rows, not 1")
        with open(path, "r+b") as file:
            file.seek(0)
            file.write(b"\0" * 100)
        self.one_line(self.schema(world, "rollback", code=2), os.path.basename(path))
        self.assertEqual(picture(world), after)


class Killed(SchemaCase):
    ROWS = 20000

    def test_migrate_and_rollback_are_whole_or_nothing(self):
        """kill -9 at drawn instants: the tables are as before or as after, and the next run of the command ends it."""
        rng = random.Random(11)
        world = self.old_world()
        world.configure(sink_sqlite={"path": "metrics.db"})
        # A key that makes the whole table be rebuilt: the longest way.
        world.sql(world.sink_db, "PRAGMA journal_mode = WAL",
                  ELEVEN.replace("metric_id INTEGER PRIMARY KEY AUTOINCREMENT", "metric_id INTEGER"),
                  "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO daily_mixpanel_metrics (metric_id, "
                  "date, entity_type, entity_id, trial_users_list) SELECT i, '2025-07-01', 'ad', 'ad ' || i, hex(randomblob(60)) FROM n"
                  % self.ROWS)
        before = picture(world)
        seconds = time.monotonic()
        self.schema(world, "migrate")
        seconds = time.monotonic() - seconds
        after = picture(world)
        self.assertEqual([row[:4] for row in world.sql(world.sink_db, "SELECT metric_id, date, entity_type, entity_id FROM " + MAIN
                                                       + " ORDER BY 1")],
                         [row[:4] for row in before[1][MAIN]])
        self.schema(world, "rollback")
        self.assertEqual(picture(world), before)
        seen = set()
        for command, start, end in (("migrate", before, after), ("rollback", after, before)) * 12:
            process = subprocess.Popen([harness.Program.binary, "schema", command, "--config", world.config],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.random() * seconds * 1.1)  # the instant of the accident
            process.send_signal(signal.SIGKILL)
            process.wait()
            found = picture(world)
            self.assertIn(found, (start, end), "after a killed " + command)
            self.assertEqual(world.sql(world.sink_db, "PRAGMA integrity_check"), [("ok",)])
            seen.add((command, found == end))
            self.schema(world, command)
            self.assertEqual(picture(world), end)
        self.assertIn(("migrate", False), seen)
        self.assertIn(("rollback", False), seen)
        self.assertFalse([name for name in self.backups(world) if "unfinished" in name])


if __name__ == "__main__":
    harness.main()
