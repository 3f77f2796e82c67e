"""docs/operations.md followed as written: every block that is marked `<!-- run -->`, in order, on a sample source; every log line in the
code, every metric and every link there.

    python3 operations_test.py --binary build/release/daemon/admetricsd
"""

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
    for room in ("core", "sources", "sinks", "state", "backfill", "verify", "dashboard", "daemon"):
        for path in glob.glob(os.path.join(ROOT, room, "**/*.cpp"), recursive=True):
            joined = re.sub(r'"\s*\n\s*"', "", read(path))
            found += [text.replace('\\"', '"') for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined)]
    return found


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
        world.configure(http={"listen": "127.0.0.1:0"})
        world.start()
        world.await_epochs()
        port = harness.wait_until(lambda: re.search(r"serving HTTP at [0-9.]+:(\d+)", world.log()), "the port").group(1)
        for _ in range(2):  # the first answer is counted in the second
            with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % port, timeout=30) as answer:
                text = answer.read().decode()
        world.stop()
        served = set(re.findall(r"(?m)^# TYPE (\S+)", text))
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


if __name__ == "__main__":
    harness.main()
