#!/usr/bin/env python3
"""The HTTP side under load: the daemon serves tables that are filled already, and bench_http_load asks.

    bench/serving.py --daemon build/release/daemon/admetricsd --load build/release/bench/bench_http_load --config FILE

The configuration names a source that `run --once` has caught up with (1,000,000 users: `admetricsd demo DIR --users 1000000
--days 365`, then `run --once`). It is not changed but for what --writes N does: N small commits to the product database, to see
what an epoch takes while nothing is served and while everything is.

Says nothing about good or bad: the targets stand beside the figures. "uncached" asks a different range each time.
"""
import argparse
import datetime
import json
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

DATA, CHART = "/api/dashboard/analytics/data", "/api/dashboard/analytics/chart-data"
OVERVIEW = "/api/dashboard/analytics/overview-roas-chart"


class Bench:
    def __init__(self, options):
        self.options = options
        self.config = Path(options.config)
        settings = tomllib.loads(self.config.read_text())
        self.product = self.config.parent / settings["source"]["sqlite"]["product_db"]
        sink = self.config.parent / settings.get("sink", {}).get("sqlite", {}).get("path", settings["source"]["sqlite"]["product_db"])
        with sqlite3.connect(f"file:{sink}?mode=ro", uri=True) as tables:
            self.last = datetime.date.fromisoformat(tables.execute("SELECT max(date) FROM daily_mixpanel_metrics WHERE entity_type = 'campaign'")
                                                    .fetchone()[0])
            self.first = datetime.date.fromisoformat(tables.execute("SELECT min(date) FROM daily_mixpanel_metrics WHERE entity_type = 'campaign'")
                                                     .fetchone()[0])
            since = (self.last - datetime.timedelta(days=90)).isoformat()
            self.entities = [row for level in ("campaign", "adset", "ad") for row in tables.execute(
                "SELECT DISTINCT entity_type, entity_id FROM daily_mixpanel_metrics WHERE entity_type = ? AND date >= ?", (level, since))]
        self.daemon = None
        self.port = 0
        self.figures = []

    def start(self):
        self.daemon = subprocess.Popen([self.options.daemon, "run", "--config", str(self.config)], stderr=subprocess.PIPE, text=True)
        while not self.port:
            line = self.daemon.stderr.readline()
            if not line:
                sys.exit("bench: the daemon ended")
            found = re.search(r"serving HTTP at [^ ]*:(\d+)", line)
            self.port = int(found.group(1)) if found else 0
        for _ in range(3000):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz").read()
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("bench: not ready")

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()

    def ranges(self, days, count):
        span = (self.last - self.first).days - days
        for i in range(count):
            end = self.last - datetime.timedelta(days=i % max(span, 1))
            yield f"start_date={end - datetime.timedelta(days=days - 1)}&end_date={end}"

    def charts(self, count):
        rng = random.Random(1)
        for i in range(count):
            level, entity_id = rng.choice(self.entities)
            query = next(self.ranges(rng.choice((14, 28)), 1))
            if i % 2:
                end = self.last - datetime.timedelta(days=rng.randrange(60))
                query = f"start_date={end - datetime.timedelta(days=27)}&end_date={end}"
            yield f"{CHART}?{query}&entity_type={level}&entity_id={entity_id}"

    def load(self, name, targets, connections, seconds, target="", fields=""):
        done = subprocess.run([self.options.load, "127.0.0.1", str(self.port), str(connections), str(seconds), fields],
                              input="\n".join(targets) + "\n", stdout=subprocess.PIPE, text=True, check=False)
        figure = json.loads(done.stdout)
        self.figures.append(dict(figure, name=name, target=target))
        print(f"  {name:<62} {figure['per_second']:>9.0f}/s  p50 {figure['p50_ms']:>8.2f}  p99 {figure['p99_ms']:>8.2f} ms  "
              f"{figure['bytes_each'] / 1e3:>8.0f} kB  {figure['failures']} failed  {target}", flush=True)

    def epochs(self, name, count):
        """Wakes the pipeline by small commits, and says how long its epochs took."""
        durations, seen = [], None
        with sqlite3.connect(self.product, timeout=30, isolation_level=None) as product:
            users = [row[0] for row in product.execute(
                "SELECT DISTINCT distinct_id FROM user_product_metrics JOIN mixpanel_user USING (distinct_id) WHERE has_abi_attribution "
                "LIMIT ?", (count,))]
            for user in users:
                product.execute("UPDATE user_product_metrics SET current_value = current_value + 1 WHERE distinct_id = ?", (user,))
                for _ in range(400):
                    status = json.load(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status"))
                    epoch = status["last_epoch"]
                    if epoch and epoch["id"] != seen and status["lag"]["records"] == 0:
                        seen = epoch["id"]
                        durations.append(epoch["duration_ms"])
                        break
                    time.sleep(0.005)
        if durations:
            figure = {"name": name, "p50_ms": statistics.median(durations), "mean_ms": statistics.mean(durations)}
            self.figures.append(figure)
            print(f"  {name:<62} p50 {figure['p50_ms']:>8.2f}  mean {figure['mean_ms']:>8.2f} ms", flush=True)

    def run(self):
        s = self.options.seconds
        self.start()
        try:
            self.load("chart of one entity, 50 connections", self.charts(20000), 50, s, "3,000/s, p99 5 ms")
            self.load("chart of one entity, 1 connection", self.charts(20000), 1, s)
            self.load("overview of 28 days, uncached", [f"{OVERVIEW}?{q}" for q in self.ranges(28, 330)], 1, s, "p99 20 ms")
            campaigns = [f"{DATA}?group_by=campaign&{q}" for q in self.ranges(28, 330)]
            self.load("data of 28 days, campaigns with children, uncached", campaigns, 1, 2 * s, "p99 100 ms")
            self.load("the same, with gzip", campaigns, 1, 2 * s, fields="Accept-Encoding: gzip")
            self.load("the same, cached", campaigns[:1], 1, s)
            self.load("the same, cached, with gzip", campaigns[:1], 1, s, "p99 5 ms", "Accept-Encoding: gzip")
            if self.options.writes:
                self.epochs("an epoch while nothing is asked", self.options.writes)
                background = subprocess.Popen([self.options.load, "127.0.0.1", str(self.port), "20", str(10 * s), ""],
                                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
                background.stdin.write("\n".join(self.charts(20000)) + "\n")
                background.stdin.close()
                self.epochs("an epoch while 20 connections ask for charts", self.options.writes)
                background.terminate()
                background.wait()
        finally:
            self.stop()
        if self.options.json:
            Path(self.options.json).write_text(json.dumps(self.figures, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--daemon", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--writes", type=int, default=0)
    parser.add_argument("--json")
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
