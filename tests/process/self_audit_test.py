"""The self-audit of a running daemon: what it finds while somebody else writes our tables, and that it is silent otherwise.

    python3 self_audit_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import contextlib
import re

import harness
import source_gen
from harness import WorldCase

MAIN, BREAKDOWN = "daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown"
# Found by looking at every row again and again, not by what shows at the ends of the tables.
IN_THE_MIDDLE = {
    "a number": "UPDATE {main} SET meta_spend = meta_spend + 1 WHERE metric_id % 7 = 0",
    "a list": "UPDATE {main} SET trial_users_list = '[\"x\"]' WHERE metric_id % 11 = 0",
    "a breakdown's number": "UPDATE {breakdown} SET profit_usd = profit_usd - 1 WHERE metric_id % 7 = 0",
    "a breakdown's key": "UPDATE {breakdown} SET breakdown_value = breakdown_value || '?' WHERE metric_id % 13 = 0",
    "rows that are gone": "DELETE FROM {breakdown} WHERE metric_id % 5 = 0 AND metric_id NOT IN (SELECT min(metric_id) FROM {breakdown} UNION "
                          "SELECT max(metric_id) FROM {breakdown})",
    "a row of a stranger": "UPDATE {main} SET entity_id = 'stranger' WHERE metric_id = (SELECT metric_id FROM {main} ORDER BY 1 LIMIT 1 OFFSET 3)",
    "a row of no entity": "UPDATE {main} SET entity_type = 'planet' WHERE metric_id = (SELECT metric_id FROM {main} ORDER BY 1 LIMIT 1 OFFSET 4)",
    "names": "UPDATE id_name_mapping SET canonical_name = canonical_name || '?'",
    "pairs": "UPDATE id_hierarchy_mapping SET campaign_id = 'elsewhere'",
}
AT_ONCE = {
    "a truncated table": "DELETE FROM {main}",
    "another": "DELETE FROM {breakdown}",
    "no name left": "DELETE FROM id_name_mapping",
    "a row that was added": "INSERT INTO {main} (entity_type, entity_id, date) VALUES ('ad', 'stranger', '2025-07-01')",
    "a row that nobody could want": "INSERT INTO {main} (entity_type, entity_id, date) VALUES ('planet', 'x', 'soon')",
    "the newest rows": "DELETE FROM {main} WHERE metric_id > (SELECT max(metric_id) - 9 FROM {main})",
}


class SelfAudit(WorldCase):
    def streaming(self, every, **how):
        world = self.world(**{"users": 120, "seed": 31, **how})
        world.configure(audit={"every": every, "cpu_share": 1})
        world.start()
        world.await_equal()
        return world

    def audit(self, world):
        return world.status()["self_audit"]

    def found(self, world):
        return self.audit(world)["mismatches_total"]

    def plant(self, world, what, statement):
        before = self.found(world)
        world.sql(world.sink_db, "PRAGMA busy_timeout = 20000", statement.format(main=MAIN, breakdown=BREAKDOWN))
        world.await_alive(lambda: self.found(world)["foreign_write"] > before["foreign_write"], "a find of " + what, 40)
        world.await_equal(40)
        self.assertEqual(self.found(world)["missed_change"], before["missed_change"], what)

    def test_finds_and_repairs_what_somebody_else_wrote(self):
        world = self.streaming("2s")
        for what, statement in {**IN_THE_MIDDLE, **AT_ONCE}.items():
            with self.subTest(what):
                self.plant(world, what, statement)
        latest = self.audit(world)["last_mismatches"]
        self.assertTrue(0 < len(latest) <= 20, latest)
        self.assertEqual({entry["kind"] for entry in latest}, {"foreign_write"})
        self.assertIn("somebody else wrote or deleted its stored row; repaired", world.log())
        world.stop()

    def test_notices_the_ends_of_the_tables_at_once(self):
        world = self.streaming("7d")
        for what, statement in AT_ONCE.items():
            with self.subTest(what):
                self.plant(world, what, statement)
        self.assertIn("self-audit: somebody emptied %s; every row is compared" % MAIN, world.log())
        world.stop()

    def test_truncated_again_and_again_while_the_pipeline_writes(self):
        world = self.streaming("2s")
        for _ in range(8):
            world.sql(world.sink_db, "PRAGMA busy_timeout = 20000", "DELETE FROM " + MAIN, "DELETE FROM " + BREAKDOWN)
            world.pipeline_writes(2)
            self.assertEqual(world.call("sync").code, 0)
        world.await_equal(60)
        self.assertEqual(self.found(world)["missed_change"], 0)
        world.stop()

    def test_finds_a_change_that_capture_missed(self):
        world = self.streaming("2s")
        with contextlib.closing(source_gen.connect(world.product_db)) as product:
            product.execute("PRAGMA busy_timeout = 20000")
            product.execute("BEGIN IMMEDIATE")
            triggers = product.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'user_product_metrics'").fetchall()
            for name, _ in triggers:
                product.execute('DROP TRIGGER "%s"' % name)
            product.execute("UPDATE user_product_metrics SET current_value = 17 WHERE rowid % 3 = 0")
            for _, sql in triggers:
                product.execute(sql)
            product.execute("COMMIT")
        world.await_alive(lambda: self.found(world)["missed_change"] > 0, "a find", 40)
        world.await_equal(40)
        self.assertEqual(self.found(world)["foreign_write"], 0)
        self.assertIn("no change record named it, and reading it again gave something else", world.log())
        world.stop()

    def test_is_silent_beside_the_pipeline_and_over_restarts(self):
        world = self.streaming("2s")
        for _ in range(3):
            for _ in range(6):
                world.pipeline_writes(3)
            world.await_alive(lambda: self.audit(world)["verified_total"] > 0, "a look", 20)
            world.kill()
            world.pipeline_writes(2)
            world.start()
        world.await_equal()
        self.assertEqual(self.found(world), {"missed_change": 0, "foreign_write": 0})
        self.assertIsNone(re.search(r"self-audit: .*repaired", world.log()))
        world.stop()

    def test_looks_at_everything_without_an_epoch(self):
        world = self.streaming("2s")
        epochs = world.status()["last_epoch"]["id"]
        done = self.audit(world)["verified_total"]
        world.await_alive(lambda: self.audit(world)["verified_total"] > done + 3 * self.audit(world)["items_total"] > 0, "three cycles", 60)
        self.assertEqual(world.status()["last_epoch"]["id"], epochs)
        self.assertLess(self.audit(world)["oldest_unverified_seconds"], 60)
        world.stop()

    def test_a_restart_goes_on_with_the_cycle(self):
        world = self.streaming("7d")
        world.await_alive(lambda: self.audit(world)["items_done"] > 0, "a share", 20)
        before = self.audit(world)
        world.kill()
        world.start()
        world.await_alive(lambda: world.status().get("running") and self.audit(world)["cycle_state"] == "running", "the cycle", 20)
        after = self.audit(world)
        self.assertEqual(after["cycle_started_at"], before["cycle_started_at"])
        self.assertGreaterEqual(after["items_done"], before["items_done"])
        world.stop()

    def test_off_is_off(self):
        world = self.streaming("0s")
        audit = self.audit(world)
        self.assertEqual((audit["every_seconds"], audit["cycle_state"], audit["verified_total"]), (0, "none", 0))
        self.plant(world, "a truncated table", AT_ONCE["a truncated table"])  # this is noticed all the same
        world.stop()


if __name__ == "__main__":
    harness.main()
