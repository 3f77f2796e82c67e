"""A daemon under load for a while: its memory and its file descriptors come to rest, and its rows are right in the end.

    python3 load_test.py --binary build/release/daemon/admetricsd [--seconds 1800]

Without --seconds it takes a minute, and allows as much as a beginning needs.
"""

import os
import re
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request

import harness
import source_gen
from harness import WorldCase


class Load(WorldCase):
    SECONDS = 60

    def measure(self, pid):
        with open("/proc/%d/status" % pid, encoding="ascii") as file:
            resident_kb = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        return resident_kb, len(os.listdir("/proc/%d/fd" % pid))

    def keep_size(self, world):
        """The source does not grow: constant memory is asked of constant data."""
        for table, value in source_gen.META_TABLES.items():
            # Rows with a NULL in their key are added by every INSERT OR REPLACE.
            key = ", ".join(("ad_id", "date") + ((value,) if value else ()))
            world.sql(world.ads_db, "DELETE FROM %s WHERE rowid NOT IN (SELECT min(rowid) FROM %s GROUP BY %s)" % (
                table, table, key))
        for table in ("mixpanel_user", "mixpanel_event", "user_product_metrics"):
            rows = world.sql(world.product_db, "SELECT count(*) FROM %s" % table)[0][0]
            at_first = self.rows_at_first.setdefault(table, rows)
            world.sql(world.product_db, "DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %s ORDER BY random() LIMIT %d)" % (
                table, table, max(0, rows - at_first)))

    def ask(self, port, over, answers):
        paths = ("/api/status", "/metrics", "/readyz",
                 "/api/dashboard/analytics/data?start_date=2025-07-01&end_date=2025-07-31&group_by=campaign")
        while not over.is_set():
            for path in paths:
                try:
                    with urllib.request.urlopen("http://127.0.0.1:%s%s" % (port, path), timeout=30) as answer:
                        answer.read()
                        answers.append(answer.status)
                except urllib.error.HTTPError as error:
                    answers.append(error.code)
                    error.close()
            over.wait(0.2)

    def test_memory_and_descriptors_come_to_rest(self):
        world = self.world(users=400, seed=21)
        self.rows_at_first = {}
        world.configure(http={"listen": "127.0.0.1:0"}, engine={"memory_limit": "512MiB", "heartbeat_interval": "1s"})
        world.start()
        world.await_equal()
        port = harness.wait_until(lambda: re.search(r"serving HTTP at [0-9.]+:(\d+)", world.log()), "the port").group(1)
        over, answers = threading.Event(), []
        asker = threading.Thread(target=self.ask, args=(port, over, answers))
        asker.start()
        samples = []
        try:
            end = time.monotonic() + self.SECONDS
            turn = 0
            while time.monotonic() < end:
                world.pipeline_writes(3)
                turn += 1
                self.keep_size(world)
                if turn % 40 == 0:
                    world.reload()
                self.assertIsNone(world.ended(), world.tail())
                samples.append(self.measure(world.daemon.pid))
                time.sleep(0.05)
        finally:
            over.set()
            asker.join(60)
        epochs = world.status()["epochs_total"]
        self.assertGreater(epochs, 20)
        self.assertGreater(answers.count(200), 20)
        self.assertLessEqual(set(answers), {200, 503}, "503: not ready for a moment")
        quarter = len(samples) // 4
        second = samples[quarter:2 * quarter]
        last = samples[-quarter:]
        resident = [statistics.median(kb for kb, _ in part) for part in (second, last)]
        descriptors = [max(count for _, count in part) for part in (second, last)]
        print("%d s, %d epochs, %d answers: resident %d and then %d kB, at most %d and then %d descriptors" % (
            self.SECONDS, epochs, len(answers), *resident, *descriptors), file=sys.stderr)
        self.assertLessEqual(resident[1], resident[0] * 1.2 + 16_384)
        self.assertLessEqual(descriptors[1], descriptors[0] + 4)
        world.await_equal(60)
        world.stop()


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        at = sys.argv.index("--seconds")
        Load.SECONDS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    harness.main()
