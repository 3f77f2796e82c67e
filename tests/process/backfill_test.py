"""Backfills beside a streaming daemon: what they find, what they leave alone, and that nothing stops them for good.

    python3 backfill_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import signal

import harness
from harness import Program, WorldCase, wait_until

FINE, NO, CANNOT = 0, 1, 2


class Backfills(WorldCase):
    def streaming(self, *arguments, **how):
        world = self.world(**{"users": 200, "seed": 21, **how})
        world.start(*arguments)
        world.await_equal()
        return world

    def backfill(self, world, *arguments, code=FINE):
        done = world.call("backfill", *arguments)
        self.assertEqual(done.code, code, done)
        return done

    def spoil(self, world, where="1"):
        """What nobody notices at once: what the tables' ends do not show."""
        inside = "metric_id NOT IN (SELECT min(metric_id) FROM {0} UNION SELECT max(metric_id) FROM {0})"
        world.sql(world.sink_db, "PRAGMA busy_timeout = 20000",
                  "UPDATE daily_mixpanel_metrics SET meta_spend = coalesce(meta_spend, 0) + 1 WHERE metric_id % 3 = 0 AND " + where,
                  "DELETE FROM daily_mixpanel_metrics_breakdown WHERE metric_id % 4 = 0 AND " + where + " AND "
                  + inside.format("daily_mixpanel_metrics_breakdown"),
                  "UPDATE daily_mixpanel_metrics SET trial_users_list = '[]' WHERE metric_id % 5 = 0 AND " + where,
                  "UPDATE OR REPLACE daily_mixpanel_metrics SET entity_type = 'ad', entity_id = 'a stranger' WHERE metric_id = (SELECT "
                  "max(metric_id) FROM daily_mixpanel_metrics WHERE metric_id % 15 = 0 AND " + where + ")")

    def test_puts_right_what_was_spoiled_and_writes_nothing_else(self):
        world = self.streaming()
        self.backfill(world, "--wait")
        written = world.status()["rows_written_total"]
        self.spoil(world)
        world.sql(world.sink_db, "DELETE FROM id_name_mapping WHERE rowid % 2", "DELETE FROM id_hierarchy_mapping WHERE rowid % 2")
        self.assertFalse(world.is_equal())
        untouched = dict(world.sql(world.sink_db, "SELECT metric_id, computed_at FROM daily_mixpanel_metrics WHERE metric_id % 15 NOT IN (0, 3, 5, 6, 9, 10, 12)"))
        self.backfill(world, "--wait")
        self.assertTrue(world.is_equal(), world.last_verify)
        world.judge()
        self.assertGreater(world.status()["rows_written_total"], written)
        now = dict(world.sql(world.sink_db, "SELECT metric_id, computed_at FROM daily_mixpanel_metrics"))
        for metric_id, computed_at in untouched.items():
            if metric_id in now:
                self.assertEqual(now[metric_id], computed_at)
        written = world.status()["rows_written_total"]
        self.backfill(world, "--wait")
        self.assertEqual(world.status()["rows_written_total"], written)
        world.stop()

    def test_keeps_to_its_days_and_its_entity(self):
        world = self.streaming()
        days = [row[0] for row in world.sql(world.sink_db, "SELECT DISTINCT date FROM daily_mixpanel_metrics ORDER BY date")]
        first, last = days[len(days) // 3], days[2 * len(days) // 3]
        self.spoil(world)
        self.backfill(world, "--since", first, "--until", last, "--wait")
        done = world.verify("--since", first, "--until", last)
        self.assertEqual(done.code, FINE, done)
        self.assertEqual(world.verify().code, NO)
        entity = world.sql(world.sink_db, "SELECT entity_id FROM daily_mixpanel_metrics WHERE entity_type = 'campaign' GROUP BY 1 ORDER BY count(*) DESC")[0][0]
        self.backfill(world, "--entity-type", "campaign", "--entity-id", entity, "--wait")
        listed = world.verify("--differences", "1000000").out
        self.assertNotIn(" campaign %s " % entity, listed)
        self.backfill(world, "--wait")
        self.assertTrue(world.is_equal(), world.last_verify)
        world.stop()

    def test_what_streams_meanwhile_wins(self):
        world = self.streaming()
        self.spoil(world)
        self.backfill(world, "--rate", "400")
        while world.status()["backfill"]["state"] in ("planning", "running"):
            world.pipeline_writes(2)
            self.assertEqual(world.call("sync").code, FINE)
        self.assertEqual(world.status()["backfill"]["state"], "done")
        world.await_equal()
        world.stop()

    def test_goes_on_after_a_kill(self):
        world = self.streaming()
        self.spoil(world)
        self.backfill(world, "--rate", "100")
        for _ in range(3):
            done = world.status()["backfill"]["items_done"]
            world.await_alive(lambda: world.status()["backfill"]["items_done"] > done, "progress", 20)
            done = world.status()["backfill"]["items_done"]
            world.kill()
            world.start()
            world.await_alive(lambda: world.status()["running"] and world.status().get("backfill"), "the backfill after a restart", 20)
            self.assertGreaterEqual(world.status()["backfill"]["items_done"], done)
        self.backfill(world, "--cancel")
        self.backfill(world, "--wait")
        self.assertTrue(world.is_equal(), world.last_verify)
        world.stop()

    def test_pauses_resumes_and_is_cancelled(self):
        world = self.streaming()
        self.backfill(world, "--rate", "50")
        wait_until(lambda: world.status()["backfill"]["state"] == "running", "the plan")
        self.backfill(world, "--pause")
        wait_until(lambda: world.status()["backfill"]["state"] == "paused", "the pause")
        done = self.backfill(world, code=CANNOT)
        self.one_line(done, "one is paused already")
        world.pipeline_writes(2)
        world.await_equal()  # streaming does not pause
        self.backfill(world, "--resume")
        wait_until(lambda: world.status()["backfill"]["state"] == "running", "the resumption")
        self.assertIn("left", world.call("status").out)
        self.backfill(world, "--cancel")
        wait_until(lambda: world.status()["backfill"]["state"] == "cancelled", "the end")
        world.stop()

    def test_the_flag_of_run_does_the_same(self):
        world = self.streaming()
        world.stop()
        self.spoil(world)
        world.start("--backfill")
        world.await_equal(60)
        world.await_log("backfill: done")
        world.stop()
        self.spoil(world)
        world.run_once("--backfill")
        self.assertTrue(world.is_equal(), world.last_verify)

    def test_wrong_wishes_are_named(self):
        world = self.streaming()
        for arguments in (("--since", "soon"), ("--entity-type", "ad"), ("--entity-type", "user", "--entity-id", "1"), ("--rate", "-1")):
            self.assertEqual(world.call("backfill", *arguments).code, 64, arguments)
        done = self.backfill(world, "--since", "2025-07-02", "--until", "2025-07-01", code=CANNOT)
        self.one_line(done, "since is after until")
        world.stop()
        self.one_line(self.backfill(world, code=CANNOT), "no daemon runs")

    def test_a_reload_and_a_stop_do_not_lose_it(self):
        world = self.streaming()
        self.spoil(world)
        self.backfill(world, "--rate", "200")
        world.configure(engine={"workers": 1})
        world.signal(signal.SIGHUP)
        wait_until(lambda: world.log().count("reading ") == 2, "the second beginning")
        world.await_alive(lambda: world.status()["backfill"]["state"] == "done", "the end of the backfill", 60 * Program.slowness)
        world.await_equal()
        world.stop()


if __name__ == "__main__":
    harness.main()
