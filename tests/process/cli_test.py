"""The command line as scripts meet it: exit codes, errors in one line, help that teaches, JSON that parses.

    python3 cli_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import contextlib
import json
import os
import re
import shutil
import signal
import unittest

import harness
import oracle
import source_gen
from harness import World, WorldCase, call
from story import CONVERTED, PURCHASE, TRIAL

FINE, NO, CANNOT, USAGE, CONFIG = 0, 1, 2, 64, 78
COMMANDS = ("run", "verify", "demo", "status", "rejects", "check-config")


def small_story(world):
    """Two users, two ads, a reject and an unmapped value: every column of every table holds something."""
    s = world.tell_story()
    s.user("u1", campaign="c1", adset="s1", ad="a1", country="US", region="CA")
    s.event("u1", "2025-07-01T10:00:00Z", TRIAL)
    s.event("u1", "2025-07-08T10:00:00Z", CONVERTED, 50)
    s.event("u1", "2025-07-09T10:00:00Z", "RC Cancellation", -50)
    s.item("u1", value=12.5, conversion=0.5, trial_refund=0.25)
    s.user("u2", campaign="c1", adset="s1", ad="a2", country="DE")
    s.event("u2", "2025-07-01T12:00:00Z", PURCHASE, 80)
    s.event("u2", "2025-07-03T12:00:00Z", "RC Cancellation", -20)
    s.item("u2", value=60, purchase_refund=0.125)
    for ad in ("a1", "a2"):
        s.meta(ad, "2025-07-01", adset="s1", campaign="c1", names=("Ad " + ad, "Set", "Campaign"), spend=10.5, impressions=1000,
               clicks=30, trials=3, purchases=2)
        s.meta(ad, "2025-07-01", kind="country", value="Atlantis", adset="s1", campaign="c1", spend=10.5)
    s.meta("a1", "2025-07-20", adset="s1", campaign="c1", spend=1)
    s.meta("a2", "2025-02-30", spend=1)
    return s


class CommandLineCase(WorldCase):
    def story_world(self):
        world = self.empty_world()
        small_story(world)
        return world

    def materialized(self):
        world = self.story_world()
        world.run_once()
        return world


class Help(CommandLineCase):
    def test_the_program_teaches_by_example(self):
        done = call("--help")
        self.assertEqual(done.code, FINE)
        for example in ("admetricsd demo ", "admetricsd run --config ", "admetricsd verify --config "):
            self.assertIn(example, done.out)
        for command in COMMANDS:
            self.assertRegex(done.out, r"(?m)^  %s " % re.escape(command))
        self.assertEqual(done.err, "")

    def test_every_command_explains_itself(self):
        for command in COMMANDS:
            with self.subTest(command):
                done = call(command, "--help")
                self.assertEqual((done.code, done.err), (FINE, ""))
                self.assertIn("DIR" if command == "demo" else "--config FILE", done.out)

    def test_every_command_teaches_by_example(self):
        for command in COMMANDS:
            with self.subTest(command):
                self.assertIn("admetricsd %s " % command, call(command, "--help").out)

    def test_the_exit_status_is_told_where_it_is_an_answer(self):
        for command in ("verify", "status", "check-config"):
            self.assertRegex(call(command, "--help").out, "Exit status: 0 ")

    def test_the_version_names_the_libraries(self):
        done = call("--version")
        self.assertEqual(done.code, FINE)
        self.assertRegex(done.out, r"\Aadmetricsd \d+\.\d+\.\d+ ")
        self.assertRegex(done.out, r"SQLite 3\.\d+")


class Usage(CommandLineCase):
    def test_wrong_usage_ends_with_64_and_one_line(self):
        config = self.story_world().config
        for arguments in ((), ("nonsense",), ("run",), ("run", "--config"), ("run", "--config", config, "--nonsense"), ("verify",),
                          ("run", "--config", config, "--since", "2025-07-01"), ("run", "--config", config, "--until", "2025-07-01"),
                          ("run", "--config", config, "--as-of", "yesterday"), ("run", "--config", config, "--as-of", "2025-02-30"),
                          ("verify", "--config", config, "--sample", "2"), ("verify", "--config", config, "--sample", "-0.1"),
                          ("verify", "--config", config, "--since", "2025-7-1"), ("demo",), ("rejects", "--config", config, "--limit", "0"),
                          ("demo", "x", "--users", "0"), ("check-config",), ("status", "--config", config, "extra")):
            with self.subTest(" ".join(arguments).replace(config, "FILE")):
                done = call(*arguments)
                self.assertEqual((done.code, done.out), (USAGE, ""), done)
                self.one_line(done, "--help")

    def test_what_was_wrong_is_named(self):
        config = self.story_world().config
        for arguments, part in ((("run", "--config", config, "--as-of", "2025-02-30"), "2025-02-30"),
                                (("run", "--config", config, "--nonsense"), "--nonsense"), (("run",), "--config"),
                                (("verify", "--config", config, "--sample", "2"), "--sample")):
            self.assertIn(part, self.one_line(call(*arguments)))


class CheckConfig(CommandLineCase):
    GOOD = '[source.sqlite]\nproduct_db = "p.db"\nads_db = "a.db"\n'

    def check(self, text):
        world = self.empty_world()
        world.write_config_text(text)
        return world, call("check-config", "--config", world.config)

    def mistake(self, text, line, key, part):
        """One mistake, and where it is."""
        world, done = self.check(text)
        self.assertEqual((done.code, done.out), (CONFIG, ""), done)
        place = world.config + (":%d" % line if line else "") + ": " + (key + ": " if key else "")
        self.assertEqual(len(done.err.splitlines()), 1, done)
        self.assertTrue(done.err.startswith(place), "%r does not start with %r" % (done.err, place))
        self.assertIn(part, done.err)

    def test_a_good_file_is_good(self):
        world, done = self.check(self.GOOD)
        self.assertEqual((done.code, done.err), (FINE, ""))
        self.assertIn(world.config, done.out)

    def test_every_key_can_be_given(self):
        _, done = self.check("""
            [source.sqlite]
            product_db = "p.db"
            ads_db = "a.db"
            capture = "scan"
            scan_interval = "5m"
            [sink.sqlite]
            path = "m.db"
            [state]
            dir = "s/"
            [reporting]
            time_zone = "America/New_York"
            trial_length_days = 3
            as_of = "2025-07-31"
            [events]
            trial_started = "t"
            initial_purchase = "p"
            trial_converted = "c"
            refund_contains = "r"
            [engine]
            workers = 3
            memory_limit = "512MiB"
            commit_interval = "20ms"
            [http]
            listen = ""
            token_file = "token"
            [log]
            level = "debug"
            format = "json"
            """)
        self.assertEqual((done.code, done.err), (FINE, ""))

    def test_an_unknown_key_suggests_the_nearest(self):
        self.mistake(self.GOOD + '[reporting]\ntimezone = "UTC"\n', 5, "reporting.timezone", "reporting.time_zone")
        self.mistake(self.GOOD + "[engine]\nworker = 2\n", 5, "engine.worker", "engine.workers")
        self.mistake(self.GOOD + '[source.sqlite.x]\ny = 1\n', 5, "source.sqlite.x.y", "did you mean")
        self.mistake('product_db = "x"\n' + self.GOOD, 1, "product_db", "source.sqlite.product_db")
        self.mistake(self.GOOD + '[sinks.sqlite]\npath = "m.db"\n', 5, "sinks.sqlite.path", "sink.sqlite.path")

    def test_wrong_values_are_named_with_their_line(self):
        for section, value, key, part in (
            ("reporting", 'time_zone = "Mars/Olympus"', "reporting.time_zone", "Mars/Olympus"),
            ("reporting", "time_zone = 5", "reporting.time_zone", "text"),
            ("reporting", 'trial_length_days = "7"', "reporting.trial_length_days", "whole number"),
            ("reporting", "trial_length_days = -1", "reporting.trial_length_days", "from 0"),
            ("reporting", "trial_length_days = 7.0", "reporting.trial_length_days", "whole number"),
            ("reporting", 'as_of = "2025-02-30"', "reporting.as_of", "day"),
            ("engine", 'memory_limit = "6GB"', "engine.memory_limit", "GiB"),
            ("engine", "memory_limit = 6", "engine.memory_limit", "unit"),
            ("engine", 'memory_limit = "99999999999TiB"', "engine.memory_limit", "large"),
            ("engine", 'commit_interval = "-5ms"', "engine.commit_interval", "ms"),
            ("engine", 'commit_interval = "1.5s"', "engine.commit_interval", "number"),
            ("engine", "workers = 65", "engine.workers", "64"),
            ("log", 'level = "loud"', "log.level", '"debug", "info", "warning" or "error"'),
            ("log", 'format = "xml"', "log.format", '"text" or "json"'),
            ("http", "listen = 8787", "http.listen", "text"),
            ("events", 'trial_started = ""', "events.trial_started", "empty"),
        ):
            with self.subTest(value):
                self.mistake(self.GOOD + "[%s]\n%s\n" % (section, value), 5, key, part)
        for value, key, part in (('capture = "magic"', "source.sqlite.capture", '"triggers" or "scan"'),
                                 ('scan_interval = "0s"', "source.sqlite.scan_interval", "longer"),
                                 ('scan_interval = "5"', "source.sqlite.scan_interval", "unit")):
            with self.subTest(value):
                self.mistake(self.GOOD + value + "\n", 4, key, part)

    def test_every_mistake_is_named_at_once_in_order_of_lines(self):
        world, done = self.check('[log]\nlevel = 1\nformat = 2\n[source.sqlite]\nproduct_db = "p.db"\nnonsense = 3\n')
        self.assertEqual(done.code, CONFIG)
        places = [line[len(world.config):].split(": ")[:2] for line in done.err.splitlines()]
        self.assertEqual(places, [["", "source.sqlite.ads_db"], [":2", "log.level"], [":3", "log.format"], [":6", "source.sqlite.nonsense"]])

    def test_what_is_missing_is_named(self):
        self.mistake('[source.sqlite]\nads_db = "a.db"\n', 0, "source.sqlite.product_db", "missing")
        self.mistake('[source.sqlite]\nproduct_db = "a.db"\n', 0, "source.sqlite.ads_db", "missing")

    def test_paths_that_contradict_each_other_are_named(self):
        self.mistake('[source.sqlite]\nproduct_db = "x.db"\nads_db = "./x.db"\n', 0, "source.sqlite.ads_db", "another file")
        self.mistake(self.GOOD + '[sink.sqlite]\npath = "sub/../a.db"\n', 0, "sink.sqlite.path", "ads_db")

    def test_what_is_no_toml_is_named_with_its_line(self):
        self.mistake('[source.sqlite]\nproduct_db = "p.db"\nads_db = \n', 3, "", "")
        self.mistake('[log]\nlevel = "info"\nlevel = "info"\n', 3, "", "level")

    def test_a_missing_file_is_named(self):
        world = self.empty_world()
        for command in ("check-config", "run", "verify", "status", "rejects"):
            with self.subTest(command):
                done = call(command, "--config", world.path("absent.toml"))
                self.assertEqual((done.code, done.out), (CONFIG, ""))
                self.assertEqual(len(done.err.splitlines()), 1, done)
                self.assertIn(world.path("absent.toml"), done.err)

    def test_a_folder_is_no_configuration(self):
        world = self.empty_world()
        done = call("check-config", "--config", world.directory)
        self.assertEqual((done.code, len(done.err.splitlines())), (CONFIG, 1), done)
        self.assertNotIn("no such file", done.err)

    def test_relative_paths_are_relative_to_the_file(self):
        world = self.story_world()
        os.mkdir(world.path("elsewhere"))
        os.mkdir(world.path("etc"))
        shutil.move(world.config, world.path("etc", "a.toml"))
        with open(world.path("etc", "a.toml"), encoding="utf-8") as file:
            text = file.read()
        with open(world.path("etc", "a.toml"), "w", encoding="utf-8") as file:
            file.write(text.replace('_db = "', '_db = "../').replace('dir = "state"', 'dir = "../var/state"'))
        done = call("run", "--once", "--config", os.path.join("..", "etc", "a.toml"), cwd=world.path("elsewhere"))
        self.assertEqual(done.code, FINE, done)
        self.assertTrue(os.path.exists(world.path("var", "state", "ledger.db")))
        self.assertEqual(os.listdir(world.path("elsewhere")), [])


class RunErrors(CommandLineCase):
    def fails(self, world, *parts):
        done = world.call("run", "--once")
        self.assertEqual((done.code, done.out), (CANNOT, ""), done)
        return self.one_line(done, *parts)

    def test_a_missing_database_is_named(self):
        world = self.story_world()
        world.story.close()
        for path in (world.ads_db, world.product_db):
            os.rename(path, path + ".away")
            self.fails(world, path, "no such file")
            self.assertFalse(os.path.exists(path), "a source is never created")

    def test_a_missing_table_is_named(self):
        for table in ("mixpanel_event", "ad_performance_daily_region"):
            world = self.story_world()
            database = world.ads_db if "ad_" in table else world.product_db
            world.sql(database, "DROP TABLE " + table)
            self.fails(world, table, database)

    def test_a_missing_column_is_named(self):
        world = self.story_world()
        world.sql(world.product_db, "ALTER TABLE mixpanel_event RENAME COLUMN revenue_usd TO revenue")
        self.fails(world, "mixpanel_event", "revenue_usd", world.product_db)

    def test_a_file_that_is_no_database_is_named(self):
        world = self.empty_world()
        for path in (world.product_db, world.ads_db):
            with open(path, "w", encoding="utf-8") as file:
                file.write("this is a letter, and not a database\n" * 100)
        self.fails(world, world.product_db, "not a database")

    def test_an_empty_file_lacks_tables(self):
        world = self.empty_world()
        for path in (world.product_db, world.ads_db):
            with open(path, "w", encoding="utf-8"):
                pass
        self.fails(world, "mixpanel_user", world.product_db)

    def test_a_folder_in_place_of_a_database_is_named(self):
        world = self.story_world()
        world.story.close()
        os.rename(world.ads_db, world.ads_db + ".away")
        os.mkdir(world.ads_db)
        self.fails(world, world.ads_db)

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_an_unreadable_database_is_named(self):
        world = self.story_world()
        world.story.close()
        os.chmod(world.product_db, 0)
        self.fails(world, world.product_db)

    def test_a_state_folder_that_cannot_be_made_is_named(self):
        world = self.story_world()
        with open(world.path("occupied"), "w", encoding="utf-8"):
            pass
        world.configure(state={"dir": "occupied"})
        self.fails(world, world.path("occupied"))

    def test_a_sink_in_a_missing_folder_is_named(self):
        world = self.story_world()
        world.configure(sink_sqlite={"path": "nowhere/metrics.db"})
        self.fails(world, world.path("nowhere", "metrics.db"))

    def test_result_tables_of_an_older_shape_are_not_touched(self):
        world = self.story_world()
        world.sql(world.product_db, "CREATE TABLE daily_mixpanel_metrics (date DATE, entity_id TEXT)",
                  "INSERT INTO daily_mixpanel_metrics VALUES ('2025-07-01', 'old')")
        self.fails(world, "daily_mixpanel_metrics", "schema migrate")
        self.assertEqual(world.sql(world.product_db, "SELECT * FROM daily_mixpanel_metrics"), [("2025-07-01", "old")])


class Run(CommandLineCase):
    def test_once_prints_what_it_did(self):
        world = self.story_world()
        done = world.run_once()
        rows = sum(len(part) for part in (world.story.expected()[table] for table in oracle.TABLES))
        self.assertRegex(done.out, r"\Aepoch 1: rows inserted %d, updated 0, deleted 0, unchanged 0; [\d.]+ ms\n\Z" % rows)
        world.story.event("u1", "2025-07-02T10:00:00Z", TRIAL)
        self.assertRegex(world.run_once().out, r"\Aepoch 2: rows inserted [1-9]")
        self.assertRegex(world.run_once().out, r"\Aepoch \d+: rows inserted 0, updated 0, deleted 0, unchanged 0; ")
        world.judge()

    def test_as_of_pins_today(self):
        world = self.story_world()
        post_trial = "SELECT post_trial_user_ids FROM daily_mixpanel_metrics WHERE entity_id = 'a1' AND date = '2025-07-01'"
        for as_of, users in (("2025-07-07", "[]"), ("2025-07-08", '["u1"]'), ("2025-07-07", "[]")):
            world.run_once("--as-of", as_of)
            self.assertEqual(world.sql(world.product_db, post_trial), [(users,)])
            self.assertEqual(world.verify("--as-of", as_of).code, FINE)
            self.assertEqual(world.verify().code, FINE, "verify computes for the day that the rows were written for")
        self.assertEqual(world.verify("--as-of", "2025-07-08").code, NO)

    def test_an_event_at_the_very_second_of_a_clock_change_moves_no_other_event(self):
        world = self.empty_world()
        s = world.tell_story()
        world.configure(reporting={"time_zone": "Europe/Berlin"}, engine={"workers": 1})
        s.user("u1", ad="a1")
        s.event("u1", "2025-03-30T01:00:00Z", TRIAL)  # the clock goes from +01:00 to +02:00
        s.event("u1", "2025-03-01T22:30:00Z", PURCHASE, 1)  # 23:30, still the same day
        world.run_once()
        self.assertEqual(world.verify().code, FINE)
        world.judge()

    def test_backfill_mends_what_somebody_else_did_to_the_tables(self):
        world = self.materialized()
        for damage in ("DELETE FROM daily_mixpanel_metrics", "DELETE FROM id_name_mapping", "UPDATE id_hierarchy_mapping SET adset_id = 'x'",
                       "UPDATE daily_mixpanel_metrics_breakdown SET entity_id = 'x' || entity_id"):
            world.sql(world.product_db, damage)
            self.assertEqual(world.verify().code, NO, damage)
            world.run_once("--backfill")
            self.assertEqual(world.verify().code, FINE, damage)
            world.judge()

    def test_backfill_of_a_range_leaves_other_days_alone(self):
        world = self.materialized()
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_clicks = meta_clicks + 1")
        world.run_once("--backfill", "--since", "2025-07-02", "--until", "2025-07-20")
        self.assertEqual(world.verify("--since", "2025-07-02").code, FINE)
        self.assertEqual(world.verify("--until", "2025-07-01").code, NO)

    def test_a_second_daemon_on_the_same_state_is_refused(self):
        world = self.story_world()
        world.start()
        world.await_epochs()
        done = world.call("run")
        self.assertEqual((done.code, done.out), (CANNOT, ""))
        self.one_line(done, world.path("state"), "another admetricsd")
        self.assertEqual(world.call("run", "--once").code, CANNOT)
        world.stop()
        world.run_once()

    def test_logs_can_be_json_lines(self):
        world = self.story_world()
        world.configure(log={"level": "debug", "format": "json"}, source_sqlite={"product_db": "./mixpanel_data.db"})
        done = world.run_once()
        lines = [json.loads(line) for line in done.err.splitlines()]
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\Z")
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
            self.assertTrue(line["message"])
        self.assertTrue(any(world.product_db in line["message"] for line in lines))

    def test_json_logs_survive_hostile_names(self):
        directory = self.empty_world().path('q"uote\\back\ttab é')
        os.mkdir(directory)
        world = World(directory)
        small_story(world)
        self.addCleanup(world.close)
        world.configure(log={"format": "json"})
        done = world.run_once()
        self.assertTrue(any(world.product_db in json.loads(line)["message"] for line in done.err.splitlines()), done)
        self.assertEqual(world.verify().code, FINE)

    def test_a_level_keeps_what_is_below_it_away(self):
        world = self.story_world()
        world.configure(log={"level": "warning"})
        self.assertEqual(world.run_once().err, "")


class Status(CommandLineCase):
    def test_before_any_run_there_is_nothing_to_tell(self):
        world = self.story_world()
        done = world.call("status")
        self.assertEqual((done.code, done.out), (CANNOT, ""))
        self.one_line(done, world.path("state"))

    def test_while_running_and_after(self):
        world = self.story_world()
        world.start()
        world.await_epochs()
        done = world.call("status", "--json")
        self.assertEqual(done.code, FINE, done)
        status = done.json()
        self.assertEqual((status["running"], status["pid"], status["as_of"]), (True, world.daemon.pid, "2025-07-31"))
        self.assertEqual(status["last_epoch"]["id"], 1)
        self.assertEqual(status["rejects"], [{"table": "ad_performance_daily", "reason": "bad_key", "rows": 1}])
        self.assertEqual(status["unmapped"], [{"breakdown": "country", "value": "Atlantis", "rows": 2}])
        text = world.call("status")
        self.assertEqual(text.code, FINE)
        for part in ("running, pid %d" % world.daemon.pid, "Atlantis", "bad_key"):
            self.assertIn(part, text.out)
        world.story.event("u1", "2025-07-02T10:00:00Z", TRIAL)
        world.await_alive(lambda: world.status()["last_epoch"]["id"] == 2, "the second epoch in the status", 20)
        world.await_alive(lambda: world.status()["lag_records"] == 0, "no lag", 20)
        world.stop()
        done = world.call("status", "--json")
        self.assertEqual((done.code, done.json()["running"]), (CANNOT, False))
        self.assertIn("not running", world.call("status").out)

    def test_a_restart_still_tells_rejects_and_unmapped_values(self):
        world = self.materialized()
        world.run_once()  # nothing is new
        status = world.status()
        self.assertEqual(status["rejects"], [{"table": "ad_performance_daily", "reason": "bad_key", "rows": 1}])
        self.assertEqual(status["unmapped"], [{"breakdown": "country", "value": "Atlantis", "rows": 2}])

    def test_a_damaged_status_is_no_crash(self):
        world = self.materialized()
        for text in ("", "{", "[]", "{}", '{"pid": "x"}', '{"pid": 1}'):
            with self.subTest(text):
                with open(world.path("state", "status.json"), "w", encoding="utf-8") as file:
                    file.write(text)
                done = world.call("status")
                self.assertEqual(done.code, CANNOT, done)
                self.one_line(done, world.path("state", "status.json"))

    def test_a_finished_run_is_not_running_even_when_its_pid_lives_again(self):
        world = self.materialized()
        path = world.path("state", "status.json")
        with open(path, encoding="utf-8") as file:
            status = json.load(file)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dict(status, pid=os.getpid()), file)
        self.assertFalse(world.status()["running"])


class Rejects(CommandLineCase):
    def test_rejects_name_row_reason_column_and_value(self):
        world = self.materialized()
        self.assertEqual(world.call("rejects", "--json").json(), [
            {"table": "ad_performance_daily", "row": "a2|2025-02-30", "reason": "bad_key", "column": "date", "value": "2025-02-30"}])
        done = world.call("rejects")
        self.assertEqual((done.code, done.err), (FINE, ""))
        self.assertEqual(done.out.splitlines(), ['ad_performance_daily\ta2|2025-02-30\tbad_key\tdate\t"2025-02-30"'])

    def test_a_corrected_row_is_a_reject_no_more(self):
        world = self.materialized()
        world.sql(world.ads_db, "UPDATE ad_performance_daily SET date = '2025-07-02' WHERE date = '2025-02-30'")
        world.run_once()
        self.assertEqual(world.call("rejects", "--json").json(), [])
        world.judge()

    def test_hostile_values_stay_valid_json(self):
        world = self.story_world()
        for value in ("é" * 150, "x" + "é" * 150, "\U0001f680" * 99, 'q"\\\n\t\x01', "a\tb"):
            world.story.event("u1", value, TRIAL, uuid="id " + value[:9])
        world.run_once()
        listed = world.call("rejects", "--json").json()  # call() reads strict UTF-8
        self.assertEqual(oracle.compare_rejects(world.story.expected(), listed), [])
        for line in world.call("rejects").out.splitlines():
            self.assertEqual(len(line.split("\t")), 5, line)

    def test_a_limit_limits(self):
        world = self.story_world()
        for n in range(5):
            world.story.event("u1", "bad", TRIAL)
        world.run_once()
        self.assertEqual(len(world.call("rejects", "--json", "--limit", "3").json()), 3)

    def test_without_a_state_there_is_one_line(self):
        done = self.story_world().call("rejects")
        self.assertEqual((done.code, done.out), (CANNOT, ""))
        self.one_line(done, "ledger.db")


class Verify(CommandLineCase):
    def test_nothing_materialized_cannot_be_verified(self):
        done = self.story_world().verify()
        self.assertEqual((done.code, done.out), (CANNOT, ""), done)
        self.one_line(done, "admetricsd run")

    def test_equal_is_0(self):
        done = self.materialized().verify()
        self.assertEqual((done.code, done.err), (FINE, ""))
        self.assertTrue(done.out.startswith("equal, as of 2025-07-31"))

    def test_a_difference_in_any_column_is_found_and_repaired(self):
        world = self.materialized()
        for table in oracle.TABLES:
            changes = []
            for column, kind in oracle.COLUMNS[table].items():
                grown = "%s || 'x'" % column if kind in (oracle.LIST, oracle.TEXT) else "%s + %s" % (
                    column, 1 if kind == oracle.COUNT else "%.4f" % 10.0 ** -kind)
                world.sql(world.product_db, "UPDATE %s SET %s = %s WHERE rowid = (SELECT max(rowid) FROM %s)" % (table, column, grown, table))
                changes.append(column)
            report = world.verify("--json", "--differences", "1000")
            self.assertEqual(report.code, NO)
            found = {d["column"] for d in report.json()["differences"] if d["table"] == table and d["kind"] == "column"}
            self.assertEqual(sorted(found), sorted(changes), table)
            self.assertEqual(world.verify("--repair").code, FINE, table)
            world.judge()

    def test_each_planted_column_alone_is_enough(self):
        world = self.materialized()
        for table, column in ((oracle.MAIN, "profit_usd"), (oracle.BREAKDOWN, "mixpanel_trial_count"), (oracle.NAMES, "frequency_count"),
                              (oracle.HIERARCHY, "relationship_confidence")):
            world.sql(world.product_db, "UPDATE %s SET %s = %s + 1" % (table, column, column))
            done = world.verify()
            self.assertEqual(done.code, NO)
            self.assertIn("%s: expected" % column, done.out)
            self.assertEqual(world.verify("--repair").code, FINE)

    def test_missing_and_extra_rows_are_found(self):
        world = self.materialized()
        world.sql(world.product_db, "DELETE FROM daily_mixpanel_metrics WHERE entity_id = 'a1' AND date = '2025-07-01'",
                  "UPDATE daily_mixpanel_metrics_breakdown SET breakdown_value = 'Nowhere' WHERE breakdown_value = 'Atlantis' AND entity_id = 'a1'")
        done = world.verify("--json")
        self.assertEqual(done.code, NO)
        kinds = sorted((d["kind"], *d["key"][:2]) for d in done.json()["differences"])
        self.assertEqual(kinds, [("extra_row", "ad", "a1"), ("missing_row", "ad", "a1"), ("missing_row", "ad", "a1")])

    def test_repair_mends_the_differences_and_nothing_else(self):
        world = self.materialized()
        before = oracle.bookkeeping(world.product_db)
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_spend = 99 WHERE entity_id = 'a2'")
        done = world.verify("--repair")
        self.assertEqual(done.code, FINE, done)
        after = oracle.bookkeeping(world.product_db)
        changed = [(table, key) for table in oracle.TABLES for key in before[table] if before[table][key] != after[table][key]]
        self.assertEqual(changed, [(oracle.MAIN, ("ad", "a2", "2025-07-01"))])
        self.assertEqual({table: set(rows) for table, rows in before.items()}, {table: set(rows) for table, rows in after.items()})

    def test_repair_of_equal_tables_writes_nothing(self):
        world = self.materialized()
        before = oracle.bookkeeping(world.product_db)
        self.assertEqual(world.verify("--repair").code, FINE)
        self.assertEqual(oracle.bookkeeping(world.product_db), before)

    def test_repair_in_json_is_one_document(self):
        world = self.materialized()
        world.sql(world.product_db, "DELETE FROM daily_mixpanel_metrics")
        done = world.verify("--repair", "--json")
        self.assertEqual(done.code, FINE, done)
        self.assertTrue(done.json()["equal"])

    def test_repair_beside_a_running_daemon_is_refused(self):
        world = self.story_world()
        world.configure(audit={"every": "0s"})  # which would repair it first
        world.start()
        world.await_epochs()
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 1")
        done = world.verify("--repair")
        self.assertEqual(done.code, CANNOT, done)
        self.one_line(done, "another admetricsd")
        world.stop()

    def test_a_range_compares_its_days_only(self):
        world = self.materialized()
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 1 WHERE date = '2025-07-20'")
        for arguments, code in ((("--since", "2025-07-20"), NO), (("--until", "2025-07-19"), FINE), (("--since", "2025-07-21"), FINE),
                                (("--until", "2025-07-20"), NO), (("--since", "2025-07-02", "--until", "2025-07-19"), FINE)):
            self.assertEqual(world.verify(*arguments).code, code, arguments)

    def test_a_sample_compares_a_part(self):
        world = self.world(users=150)
        world.run_once()
        whole = world.verify("--json").json()["tables"][0]["rows_expected"]
        part = world.verify("--json", "--sample", "0.3")
        self.assertEqual(part.code, FINE)
        self.assertTrue(0 < part.json()["tables"][0]["rows_expected"] < whole * 0.6)
        nothing = world.verify("--sample", "0")
        self.assertEqual(nothing.code, USAGE)
        self.one_line(nothing, "sample")

    def test_json_tells_what_text_tells(self):
        world = self.materialized()
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_spend = 99 WHERE entity_type = 'campaign' AND date = '2025-07-01'")
        report = world.verify("--json").json()
        self.assertEqual((report["equal"], report["difference_count"], report["as_of"]), (False, 1, "2025-07-31"))
        difference = report["differences"][0]
        self.assertEqual((difference["table"], difference["key"], difference["column"]),
                         (oracle.MAIN, ["campaign", "c1", "2025-07-01"], "meta_spend"))
        self.assertEqual({t["table"] for t in report["tables"]}, set(oracle.TABLES))

    def test_the_list_of_differences_is_limited_and_says_so(self):
        world = self.materialized()
        world.sql(world.product_db, "UPDATE daily_mixpanel_metrics SET meta_spend = 99")
        done = world.verify("--differences", "2")
        self.assertEqual(done.code, NO)
        self.assertEqual(len(re.findall(r"meta_spend: expected", done.out)), 2)
        self.assertRegex(done.out, r"and \d+ more")

    def test_changes_that_no_run_has_taken_cannot_be_verified(self):
        world = self.materialized()
        world.story.event("u1", "2025-07-02T10:00:00Z", TRIAL)
        done = world.verify()
        self.assertEqual(done.code, CANNOT, done)
        self.one_line(done)


class Demo(CommandLineCase):
    def test_a_sample_can_be_made_materialized_and_made_again(self):
        directory = self.empty_world().path("sample")
        config = os.path.join(directory, "admetricsd.toml")
        for seed in ("1", "2"):
            done = call("demo", directory, "--users", "300", "--days", "20", "--seed", seed)
            self.assertEqual((done.code, done.err), (FINE, ""), done)
            self.assertIn("admetricsd run --config", done.out)
            self.assertEqual(call("check-config", "--config", config).code, FINE)
            self.assertEqual(call("run", "--once", "--config", config).code, FINE)
            self.assertEqual(call("verify", "--config", config).code, FINE)

    def test_equal_seeds_give_equal_data(self):
        world = self.empty_world()
        rows = []
        for name in ("one", "two"):
            self.assertEqual(call("demo", world.path(name), "--users", "200", "--days", "10", "--last-day", "2025-07-31").code, FINE)
            rows.append(world.sql(world.path(name, source_gen.PRODUCT_DB), "SELECT * FROM mixpanel_event ORDER BY 1, 2"))
        self.assertTrue(rows[0])
        self.assertEqual(rows[0], rows[1])

    def test_other_peoples_files_are_refused(self):
        world = self.story_world()
        before = world.sql(world.product_db, "SELECT * FROM mixpanel_event")
        done = call("demo", world.directory, "--users", "10")
        self.assertEqual((done.code, done.out), (USAGE, ""), done)
        self.one_line(done, world.directory)
        self.assertEqual(world.sql(world.product_db, "SELECT * FROM mixpanel_event"), before)
        empty = self.empty_world()
        with open(empty.product_db, "w", encoding="utf-8") as file:
            file.write("a letter")
        done = call("demo", empty.directory, "--users", "10")
        self.assertEqual(done.code, USAGE, done)
        self.one_line(done, empty.product_db)

    def test_live_needs_a_sample(self):
        done = call("demo", self.empty_world().path("nothing"), "--live")
        self.assertNotIn(done.code, (FINE, NO))
        self.one_line(done, "nothing")

    def test_live_and_a_daemon_beside_it_end_equal(self):
        world = self.empty_world()
        world.demo(users=500, days=20)
        world.start()
        world.await_epochs()
        live = world.path("live.out")
        with open(live, "wb") as out, contextlib.ExitStack() as stack:
            process = harness.subprocess.Popen([harness.Program.binary, "demo", world.directory, "--live", "--pause-ms", "5"],
                                               stdin=harness.subprocess.DEVNULL, stdout=out, stderr=out)
            stack.callback(process.wait)
            stack.callback(process.kill)
            world.await_epochs(20, 60)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), FINE)
        world.await_equal()
        world.stop()


if __name__ == "__main__":
    harness.main()
