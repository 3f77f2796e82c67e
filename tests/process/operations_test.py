"""docs/operations.md followed as written: every block that is marked `<!-- run -->`, in order, on a sample source; every log line in the
code, every metric and every link there; and the symptoms that can be brought about here.

    python3 operations_test.py --binary build/release/daemon/admetricsd
"""

import contextlib
import glob
import os
import re
import shutil
import socket
import subprocess
import urllib.request

import harness
from harness import Program, WorldCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs/operations.md")
RULES = os.path.join(ROOT, "config/admetricsd.rules.yml")

# What SQLite, the service manager or Prometheus says; the page quotes it, the code does not.
NOT_OURS = ("database is locked", "database or disk is full", "file is not a database", "attempt to write a readonly database",
            "Watchdog timeout")

# The machine that the page is written for, in as far as its commands touch it.
SYSTEMCTL = r"""#!/bin/sh
pid="$WORLD/daemon.pid"
case $1 in
  start) admetricsd run --config "$WORLD/admetricsd.toml" 2>>"$WORLD/daemon.log" >/dev/null & echo $! >"$pid"
    for i in $(seq 600); do [ -S "$WORLD/state/control.sock" ] && exit 0; sleep 0.05; done; exit 1 ;;
  stop) kill "$(cat "$pid")"; while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.05; done; rm "$pid" ;;
  reload) kill -HUP "$(cat "$pid")" ;;
  *) exit 64 ;;
esac
"""
STANDS_FOR = {
    "systemctl": SYSTEMCTL,
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "runuser": '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n',
    "journalctl": '#!/bin/sh\ngrep -E " (warning|error) " "$WORLD/daemon.log" || true\n',
}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def free_port():
    """The page's url has to be known before the daemon chooses one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def without_blocks(markdown):
    return re.sub(r"(?ms)^```.*?^```", "", markdown)


def anchors(markdown):
    """The names under which a page's headings can be linked to."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"(?m)^#+ (.*)$", without_blocks(markdown))}


def literals():
    """Every text in our code, those that go on over several lines as one."""
    found = []
    for room in ("core", "sources", "sinks", "follow", "state", "backfill", "verify", "dashboard", "daemon"):
        for path in glob.glob(os.path.join(ROOT, room, "**/*.cpp"), recursive=True):
            joined = re.sub(r'"\s*\n\s*"', "", read(path))
            found += [text.replace('\\"', '"') for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined)]
    return found


def serve(world):
    world.configure(http={"listen": "127.0.0.1:0"})
    world.start()
    world.await_epochs()


def scrape(world):
    port = harness.wait_until(lambda: re.search(r"serving HTTP at [0-9.]+:(\d+)", world.log()), "the port").group(1)
    with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % port, timeout=30) as answer:
        return answer.read().decode()


class Followed(WorldCase):
    def follow(self, world, script):
        programs = world.path("bin")
        os.mkdir(programs)
        os.symlink(Program.binary, os.path.join(programs, "admetricsd"))
        for name, text in STANDS_FOR.items():
            with open(os.path.join(programs, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(os.path.join(programs, name), 0o755)
        environment = dict(os.environ, PATH=programs + ":" + os.environ["PATH"], WORLD=world.directory)
        output = world.path("said")
        try:
            with open(output, "wb") as said:
                done = subprocess.run(["sh", "-euxc", script], stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
                                      timeout=240 * Program.slowness, check=False, env=environment)
        finally:
            if os.path.exists(world.path("daemon.pid")):
                subprocess.run([os.path.join(programs, "systemctl"), "stop"], env=environment, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, read(output)[-4000:] + "\nthe daemon's log:\n" + read(world.path("daemon.log"))[-3000:])
        return read(output)

    def test_every_block_in_order(self):
        for program in ("sqlite3", "curl"):
            if shutil.which(program) is None:
                self.skipTest(program + " is not installed")
        world = self.empty_world()
        world.demo(users=300, days=10)
        port = free_port()
        world.configure(http={"listen": "127.0.0.1:%d" % port}, engine={"commit_interval": "0ms"})
        blocks = re.findall(r"<!-- run -->\n```sh\n(.*?)```", read(PAGE), re.DOTALL)
        self.assertGreater(len(blocks), 12)
        self.assertEqual(len(blocks), read(PAGE).count("```sh"), "a block that nobody tries")
        places = {"/etc/admetricsd/admetricsd.toml": world.config, "/srv/pipeline/data": world.directory,
                  "/var/lib/admetricsd": world.path("state"), "/var/backups/admetricsd": world.path("backup"),
                  "127.0.0.1:8787": "127.0.0.1:%d" % port}
        for place, here in places.items():
            self.assertIn(place, blocks[0])
            blocks[0] = blocks[0].replace(place, here)
        for block in blocks[1:]:
            for place in places:
                self.assertNotIn(place, block)
        # Between backup and restore the pipeline writes, or the restore would have nothing to do.
        restore = next(n for n, block in enumerate(blocks) if ".restore " in block)
        blocks.insert(restore, 'sqlite3 $data/mixpanel_data.db ".timeout 10000" "UPDATE mixpanel_user SET country = \'QQ\'"\n'
                               "admetricsd sync --config $config\n")
        said = self.follow(world, "\n".join(blocks).replace("/tmp/admetricsd-verify.json", world.path("verify.json")))
        self.assertIn("integrity_check", said)
        self.assertEqual(said.count("\ndiffers\n"), 1, said)
        log = read(world.path("daemon.log"))
        for line in ("reload: the new configuration is good; streaming goes on under new limits", "paused: ", "resumed",
                     "(everything was read: nothing was read yet)", "holds rows that this ledger did not write", "backfill: done, "):
            self.assertIn(line, log)
        self.assertEqual(world.verify().code, 0)
        self.assertEqual(world.sql(world.product_db, "SELECT count(*) FROM mixpanel_user WHERE country = 'QQ'"), [(0,)])


class Truthful(WorldCase):
    def test_log_lines_are_the_codes(self):
        texts = literals()
        quoted = re.findall(r"(?ms)^- \*\*Log\*\* (.*?)(?=^- \*\*|^\n|^#|^<|\Z)", read(PAGE))
        self.assertGreater(len(quoted), 15)
        pieces = 0
        for text in quoted:
            for line in re.findall(r"`([^`]+)`", text):
                for piece in re.split("…", line):
                    piece = piece.strip(" ;:()")
                    if len(piece) < 6 or piece in NOT_OURS or " " not in piece:
                        continue
                    pieces += 1
                    self.assertTrue(self.said(piece, texts), "%r of %r is in no message" % (piece, line))
        self.assertGreater(pieces, 30)

    def said(self, piece, texts):
        """Whether the piece is in one message, or runs through several that the code puts together."""
        if any(piece in text for text in texts):
            return True
        rest = piece
        for foreign in NOT_OURS + ("engine.memory_limit",):
            rest = rest.replace(foreign, "")
        for text in sorted(texts, key=len, reverse=True):
            part = text.strip(" ;:()")
            if len(part) > 5:
                rest = rest.replace(part, "")
        return len(re.sub(r"\W", "", rest)) <= 10

    def test_every_metric_is_served(self):
        world = self.empty_world()
        world.demo(users=200, days=5)
        serve(world)
        scrape(world)  # the first answer is counted in the second
        served = set(re.findall(r"(?m)^# TYPE (\S+)", scrape(world)))
        world.stop()
        named = set(re.findall(r"`(admetricsd_[a-z_]+)", read(PAGE)))
        self.assertGreater(len(named), 15)
        self.assertLessEqual(named, served)

    def test_links_and_runbooks_lead_somewhere(self):
        page = read(PAGE)
        for target in re.findall(r"\]\(([^)]+)\)", without_blocks(page)):
            file, _, anchor = target.partition("#")
            there = read(os.path.join(ROOT, "docs", file)) if file else page
            if anchor:
                self.assertIn(anchor, anchors(there), target)
        runbooks = re.findall(r"operations\.md#(\S+)", read(RULES))
        self.assertGreater(len(runbooks), 10)
        self.assertLessEqual(set(runbooks), anchors(page))


class Symptoms(WorldCase):
    """What the page says of a symptom is what a daemon in trouble logs and serves."""

    def setUp(self):
        self.streaming = self.empty_world()
        self.streaming.demo(users=200, days=10)
        serve(self.streaming)

    def metric(self, name):
        return float(re.search(r"(?m)^admetricsd_%s (\S+)$" % re.escape(name), scrape(self.streaming)).group(1))

    def await_metric(self, name, value):
        world = self.streaming
        world.await_alive(lambda: self.metric(name) == value, "admetricsd_%s %g" % (name, value), 30)

    def await_symptom(self, log, **metrics):
        self.streaming.await_log(log)
        for name, value in metrics.items():
            self.await_metric(name, value)

    def test_a_lock(self):
        world = self.streaming
        with contextlib.closing(harness.hold_write_lock(world.product_db)) as lock:
            lock.execute("UPDATE mixpanel_user SET country = 'XX'")
            lock.execute("COMMIT")
            lock.execute("BEGIN IMMEDIATE")
            self.await_symptom("database is locked; attempt 1, trying again in 50 ms", failing=1)
            self.await_metric('phase{phase="waiting"}', 1)
            self.assertGreater(self.metric("lag_seconds"), 0)
        self.await_metric("failing", 0)
        world.await_equal()

    def test_a_table_that_is_gone_for_a_while(self):
        world = self.streaming
        world.sql(world.product_db, "ALTER TABLE mixpanel_user RENAME TO elsewhere")
        self.await_symptom("table mixpanel_user is missing; let the pipeline create it; attempt 1, trying again in 50 ms", failing=1)
        world.sql(world.product_db, "ALTER TABLE elsewhere RENAME TO mixpanel_user")
        self.await_symptom("was dropped, replaced or altered", failing=0, reconciliations_total=2)

    def test_triggers_that_are_gone(self):
        self.streaming.sql(self.streaming.product_db, "DROP TRIGGER _admetrics_mixpanel_user_insert")
        self.await_symptom("capture had to be installed or repaired", reconciliations_total=2)

    def test_a_torn_day(self):
        world = self.streaming
        day = world.sql(world.product_db, "SELECT max(date_day) FROM processed_event_days")[0][0]
        row = world.sql(world.product_db, "SELECT * FROM processed_event_days WHERE date_day = '%s'" % day)[0]
        world.sql(world.product_db, "DELETE FROM processed_event_days WHERE date_day = '%s'" % day)
        self.await_symptom("is being reloaded: its row in processed_event_days is gone", held_days=1)
        values = ", ".join("NULL" if value is None else "'%s'" % value for value in row)
        world.sql(world.product_db, "INSERT INTO processed_event_days VALUES (%s)" % values)
        self.await_symptom("is whole again", held_days=0)

    def test_a_reload_that_is_refused(self):
        world = self.streaming
        world.configure(log={"level": "loud"})
        world.reload()
        self.await_symptom("reload refused: ", config_last_reload_successful=0)
        self.await_metric('config_reloads_total{result="refused"}', 1)
        world.configure(log={"level": "info"})
        world.reload()
        self.await_symptom("reload: the new configuration is good", config_last_reload_successful=1)

    def test_a_pause(self):
        self.assertEqual(self.streaming.call("pause").code, 0)
        self.await_symptom("paused: changes are recorded, no epoch begins")
        self.await_metric('phase{phase="paused"}', 1)
        self.assertEqual(self.streaming.call("resume").code, 0)
        self.await_metric('phase{phase="streaming"}', 1)

    def test_truncated_results(self):
        world = self.streaming
        rows = world.sql(world.sink_db, "SELECT count(*) FROM daily_mixpanel_metrics")[0][0]
        world.sql(world.sink_db, "DELETE FROM daily_mixpanel_metrics")
        self.await_symptom("self-audit: somebody emptied daily_mixpanel_metrics; every row is compared")
        self.await_metric('audit_mismatches_total{kind="foreign_write"}', rows)
        self.assertEqual(world.verify().code, 0)
        world.sql(world.sink_db, "UPDATE daily_mixpanel_metrics SET meta_clicks = meta_clicks + 1")
        self.assertEqual(world.verify().code, 1)
        self.assertEqual(world.call("backfill", "--wait").code, 0)
        self.await_metric('backfill_state{state="done"}', 1)
        self.assertEqual(self.metric("backfill_items"), self.metric("backfill_items_done"))
        self.assertEqual(world.verify().code, 0)


if __name__ == "__main__":
    harness.main()
