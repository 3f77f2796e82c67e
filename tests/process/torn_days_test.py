"""Days that the pipeline deletes, commits and inserts again, while a daemon streams: nobody sees half a day.

    python3 torn_days_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import harness
from harness import WorldCase, wait_until

ROWS = "SELECT date, entity_type, entity_id, %s FROM daily_mixpanel_metrics ORDER BY 1, 2, 3"


class TornDays(WorldCase):
    def torn_world(self, hold_max="1h", capture="triggers"):
        """A streaming daemon, and the events of the last day that has some, ready to be reloaded."""
        world = self.world(users=200, seed=11)
        world.configure(source_sqlite={"hold_torn_days_max": hold_max, "capture": capture, "scan_interval": "300ms"})
        days = [row[0] for row in world.sql(world.product_db, "SELECT DISTINCT substr(event_time, 1, 10) FROM mixpanel_event "
                                                              "WHERE date(event_time) IS NOT NULL ORDER BY 1")]
        with world.pipeline.writing(world.pipeline.product):
            world.pipeline.product.execute("CREATE TABLE IF NOT EXISTS processed_event_days (date_day DATE PRIMARY KEY, status TEXT)")
            world.pipeline.product.execute("DELETE FROM processed_event_days")
            for day in days:
                world.pipeline.product.execute("INSERT INTO processed_event_days (date_day, status) VALUES (?, 'complete')", (day,))
        self.day = world.sql(world.product_db, "SELECT substr(event_time, 1, 10), count(*) FROM mixpanel_event WHERE date(event_time) "
                                               "IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1")[0][0]
        world.start()
        world.await_equal()
        return world

    def tear(self, world):
        where = "substr(event_time, 1, 10) = '%s'" % self.day
        self.events = world.pipeline.rows(world.pipeline.product, "SELECT * FROM mixpanel_event WHERE " + where)
        self.assertGreater(len(self.events), 3)
        with world.pipeline.writing(world.pipeline.product):
            world.pipeline.product.execute("DELETE FROM mixpanel_event WHERE " + where)
            world.pipeline.product.execute("DELETE FROM processed_event_days WHERE date_day = ?", (self.day,))

    def put_events_back(self, world, count=None):
        with world.pipeline.writing(world.pipeline.product):
            harness.source_gen.put(world.pipeline.product, "mixpanel_event", self.events[:count], "INSERT OR REPLACE")

    def put_day_back(self, world):
        with world.pipeline.writing(world.pipeline.product):
            world.pipeline.product.execute("INSERT INTO processed_event_days (date_day, status) VALUES (?, 'complete')", (self.day,))

    def put_back_and_run_once(self, world):
        self.put_events_back(world)
        self.put_day_back(world)
        world.run_once()
        self.assertTrue(world.is_equal(), world.last_verify)
        world.judge()

    def await_held(self, world, held=True):
        def look():
            days = [entry["day"] for entry in world.status()["held_back"]["days"]]
            return (self.day in days) == held
        world.await_alive(look, "the day to be %s" % ("held" if held else "released"), 20)

    def mixpanel_rows(self, world):
        return world.sql(world.sink_db, ROWS % "trial_users_count, trial_users_list, actual_revenue_usd, computed_at")

    def test_verify_raises_no_alarm_over_what_is_held(self):
        world = self.torn_world()
        self.tear(world)
        self.await_held(world)
        done = world.verify()
        self.assertEqual(done.code, 2, done)
        self.one_line(done, "torn")
        self.put_events_back(world)
        self.put_day_back(world)
        world.await_equal()

    def test_rows_stay_as_they_were_until_the_day_is_back(self):
        world = self.torn_world()
        before = self.mixpanel_rows(world)
        self.tear(world)
        self.await_held(world)
        self.put_events_back(world, len(self.events) // 2)
        spend = "SELECT sum(meta_spend) FROM daily_mixpanel_metrics"
        was = world.sql(world.sink_db, spend)
        world.sql(world.ads_db, "UPDATE ad_performance_daily SET spend = spend + 1 WHERE typeof(spend) IN ('integer', 'real') AND spend < 1e6")
        wait_until(lambda: world.sql(world.sink_db, spend) != was, "spend, which is published meanwhile")
        kept = {row[:3]: row[3:6] for row in self.mixpanel_rows(world)}
        for row in before:
            self.assertEqual(kept.get(row[:3]), row[3:6], row)
        self.assertIn("is being reloaded", world.log())
        self.assertIn(self.day, world.call("status").out)
        self.put_events_back(world)
        self.put_day_back(world)
        self.await_held(world, False)
        world.await_equal()
        self.assertIn("is whole again", world.log())
        world.stop()

    def test_a_restart_and_a_kill_keep_holding(self):
        world = self.torn_world()
        before = self.mixpanel_rows(world)
        self.tear(world)
        self.await_held(world)
        world.stop()
        world.run_once()
        self.assertEqual(self.mixpanel_rows(world), before)
        world.start()
        world.await_epochs(1)
        self.await_held(world)
        world.kill()
        world.run_once()
        self.assertEqual(self.mixpanel_rows(world), before)
        self.put_back_and_run_once(world)

    def test_a_day_that_does_not_come_back_is_given_up(self):
        world = self.torn_world(hold_max="2s")
        before = self.mixpanel_rows(world)
        self.tear(world)
        self.await_held(world)
        self.assertEqual(self.mixpanel_rows(world), before)
        self.await_held(world, False)
        world.await_equal()
        self.assertNotEqual(self.mixpanel_rows(world), before)
        self.assertIn("held back for too long", world.log())
        world.stop()

    def test_a_backfill_waits_for_a_torn_day(self):
        world = self.torn_world()
        before = self.mixpanel_rows(world)
        self.tear(world)
        self.await_held(world)
        world.stop()
        world.run_once("--backfill")
        self.assertEqual(self.mixpanel_rows(world), before)
        self.put_back_and_run_once(world)

    def test_a_scan_holds_too(self):
        world = self.torn_world(capture="scan")
        before = self.mixpanel_rows(world)
        self.tear(world)
        self.await_held(world)
        self.assertEqual(self.mixpanel_rows(world), before)
        self.put_events_back(world)
        self.put_day_back(world)
        self.await_held(world, False)
        world.await_equal()
        world.stop()


if __name__ == "__main__":
    harness.main()
