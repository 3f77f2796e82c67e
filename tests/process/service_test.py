"""The daemon as a service: what it tells its manager, orders over the control socket, reloads that interrupt nothing.

    python3 service_test.py --binary build/release/daemon/admetricsd [-k PATTERN]
"""

import os
import signal
import socket
import threading
import time

import harness
from harness import Program, WorldCase, wait_until

FINE, CANNOT = 0, 2


class Manager:
    """Stands in for systemd: a notification socket, and all that came over it with its time."""

    def __init__(self, directory, watchdog_seconds=0):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []
        self.environment = {"NOTIFY_SOCKET": self.path}
        if watchdog_seconds:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1e6))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            data = self.socket.recv(65536)
            self.messages.append((time.monotonic(), dict(line.split("=", 1) for line in data.decode().split("\n"))))

    def told(self, key):
        return [(at, message[key]) for at, message in list(self.messages) if key in message]


class Service(WorldCase):
    def served(self, watchdog_seconds=0, streaming=True, world=None):
        world = world or self.world(users=120, seed=5)
        manager = Manager(world.directory, watchdog_seconds)
        before = {key: os.environ.get(key) for key in manager.environment}
        os.environ.update(manager.environment)
        try:
            world.start()
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)
        if streaming:
            world.await_equal()
        return world, manager

    def test_tells_its_manager_how_it_goes(self):
        world, manager = self.served()
        wait_until(lambda: manager.told("READY"), "READY")
        wait_until(lambda: any(line.startswith("streaming; lag 0 records") for _, line in manager.told("STATUS")), "a STATUS line of streaming")
        world.stop()
        self.assertTrue(manager.told("STOPPING"))

    def test_a_reload_announces_itself_with_its_time_and_its_end(self):
        world, manager = self.served()
        wait_until(lambda: manager.told("READY"), "READY")
        for change, restarts in (({"log": {"level": "debug"}}, False), ({"engine": {"workers": 3}}, True)):
            count = len(manager.told("READY"))
            world.configure(**change)
            asked = time.clock_gettime(time.CLOCK_MONOTONIC)
            world.reload()
            wait_until(lambda: len(manager.told("READY")) > count, "READY after the reload")
            began, message = next((at, m) for at, m in reversed(manager.messages) if "RELOADING" in m)
            self.assertGreaterEqual(int(message["MONOTONIC_USEC"]), int(asked * 1e6))
            self.assertGreater(manager.told("READY")[-1][0], began)
            self.assertEqual(world.log().count("reading "), 2 if restarts else 1)
            world.await_equal()
        world.stop()

    def test_a_refused_reload_ends_too_and_is_seen(self):
        world, manager = self.served()
        wait_until(lambda: manager.told("READY"), "READY")
        count = len(manager.told("READY"))
        world.configure(log={"levle": 1})
        world.reload()
        wait_until(lambda: len(manager.told("READY")) > count, "READY after the refused reload")
        wait_until(lambda: any("refused" in line for _, line in manager.told("STATUS")), "a STATUS line of the refusal")
        world.configure(log={"levle": None})
        wait_until(lambda: world.status()["reload"], "the outcome in the status")
        outcome = world.status()["reload"]
        self.assertFalse(outcome["accepted"])
        self.assertIn("levle", outcome["text"])
        self.assertEqual(outcome["refused_total"], 1)
        world.reload()
        wait_until(lambda: world.status()["reload"]["accepted"], "the accepted reload in the status")
        world.stop()

    def test_the_watchdog_is_fed_while_it_streams(self):
        world, manager = self.served(watchdog_seconds=1)
        count = len(manager.told("WATCHDOG"))
        wait_until(lambda: len(manager.told("WATCHDOG")) >= count + 8, "8 signs of life")
        world.stop()

    def test_the_watchdog_is_fed_during_a_backfill(self):
        world = self.empty_world()
        world.demo(users=100_000 // Program.slowness**2, days=20)
        world, manager = self.served(watchdog_seconds=12, streaming=False, world=world)
        world.await_alive(lambda: world.status().get("epochs_total", 0) >= 1, "the first epoch", 120)
        times = [at for at, _ in manager.told("WATCHDOG")]
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertTrue(gaps)
        self.assertLess(max(gaps), 12 * Program.slowness)
        world.stop()


class Orders(WorldCase):
    def streaming(self):
        world = self.world(users=120, seed=6)
        world.start()
        world.await_equal()
        return world

    def order(self, world, name, *arguments):
        done = world.call(name, *arguments)
        self.assertEqual(done.code, FINE, done)

    def test_after_a_sync_everything_is_visible(self):
        world = self.streaming()
        for _ in range(10):
            world.pipeline_writes(2)
            self.order(world, "sync")
            self.assertTrue(world.is_equal(), world.last_verify)
        world.judge()
        world.stop()

    def test_a_pause_writes_nothing_and_loses_nothing(self):
        world = self.streaming()
        self.order(world, "pause")
        wait_until(lambda: world.status()["phase"] == "paused", "the phase paused")
        self.order(world, "pause")
        epochs = world.status()["epochs_total"]
        world.pipeline_writes(5)
        done = world.call("sync", "--timeout", "0.3")
        self.assertEqual(done.code, CANNOT)
        self.one_line(done, "sync", "paused")
        self.assertEqual(world.status()["epochs_total"], epochs)
        self.order(world, "resume")
        self.order(world, "sync")
        world.await_equal()
        world.stop()

    def test_a_drain_leaves_the_databases_alone(self):
        world = self.streaming()
        world.pipeline_writes(5)
        self.order(world, "drain")
        self.assertTrue(world.is_equal(), world.last_verify)
        world.judge()
        with harness.contextlib.closing(harness.hold_write_lock(world.product_db)):
            time.sleep(0.3)  # nobody minds
        self.assertEqual(world.status()["failures_total"], 0)
        self.order(world, "resume")
        world.pipeline_writes(2)
        world.await_equal()
        world.stop()

    def test_a_scan_is_synced_without_its_interval(self):
        world = self.world(users=80, seed=7)
        world.configure(source_sqlite={"capture": "scan", "scan_interval": "1h"})
        world.start()
        world.await_equal()
        world.pipeline_writes(3)
        self.order(world, "sync")
        self.assertTrue(world.is_equal(), world.last_verify)
        world.stop()

    def test_a_pause_outlives_a_reload_and_a_stop_ends_it(self):
        world = self.streaming()
        self.order(world, "pause")
        world.configure(engine={"workers": 1})
        world.reload()
        wait_until(lambda: world.log().count("reading ") == 2, "the second beginning")
        wait_until(lambda: world.status()["phase"] == "paused", "the phase paused")
        world.stop(5)
        done = world.call("resume")
        self.assertEqual(done.code, CANNOT)
        self.one_line(done, "resume", "no daemon runs")

    def test_a_stop_refuses_what_is_open(self):
        world = self.streaming()
        self.order(world, "pause")
        answers = []
        asker = threading.Thread(target=lambda: answers.append(world.call("sync", "--timeout", "60")))
        asker.start()
        time.sleep(0.3)
        world.stop(5)
        asker.join(20)
        self.assertEqual(answers[0].code, CANNOT)

    def test_a_daemon_that_was_killed_leaves_no_trap(self):
        world = self.streaming()
        world.kill()
        self.assertEqual(world.call("sync").code, CANNOT)
        world.start()
        wait_until(lambda: world.call("sync").code == FINE, "an answer of the second daemon")
        world.stop()


class Reloads(WorldCase):
    def test_streaming_does_not_pause_for_levels_and_limits(self):
        world = self.world(users=120, seed=8)
        world.start()
        world.await_equal()
        for change in ({"log": {"level": "debug"}}, {"log": {"format": "json"}}, {"engine": {"memory_limit": "3GiB"}},
                       {"engine": {"commit_interval": "5ms"}}, {"source_sqlite": {"hold_torn_days_max": "10m"}}):
            world.configure(**change)
            count = world.log().count("streaming goes on")
            world.reload()
            wait_until(lambda: world.log().count("streaming goes on") > count, "the reload")
            world.pipeline_writes(2)
            self.assertEqual(world.call("sync").code, FINE)
            self.assertTrue(world.is_equal(), world.last_verify)
        self.assertEqual(world.log().count("reading "), 1)
        self.assertEqual(world.status()["memory"]["limit_bytes"], 3 << 30)
        world.judge()
        world.stop()

    def test_what_needs_it_begins_again_and_nothing_is_lost(self):
        world = self.world(users=120, seed=9)
        world.start()
        world.await_equal()
        world.configure(sink_sqlite={"path": "elsewhere.db"})
        world.pipeline_writes(3)
        for _ in range(10):
            world.signal(signal.SIGHUP)
        world.pipeline_writes(3)
        world.await_equal()
        world.stop()


if __name__ == "__main__":
    harness.main()
