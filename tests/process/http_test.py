"""The HTTP side of the real program: each documented request compared field by field with plain Python over the tables, limits,
tokens, reloads, events, the independent path."""

import concurrent.futures
import contextlib
import datetime
import gzip
import http.client
import json
import random
import re
import socket
import sqlite3
import time
import urllib.parse

import harness
import openapi
from http_reference import Reference

class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body.decode("utf-8"))


class HttpCase(harness.WorldCase):
    def serving(self, http=None, start=True, **how):
        world = self.world(**how)
        world.as_of = world.settings["reporting"]["as_of"]
        world.configure(http=dict({"listen": "127.0.0.1:0"}, **(http or {})))
        if start:
            world.start()
            self.await_ready(world)
        return world

    def place(self, world):
        found = world.await_alive(lambda: re.findall(r"serving HTTP at ([0-9.]+):(\d+)", world.log()), "the place of HTTP", 30)
        return found[-1][0], int(found[-1][1])

    def await_ready(self, world):
        harness.wait_until(lambda: self.get(world, "/readyz").status == 200, lambda: "ready:\n" + world.tail())

    def request(self, world, method, path, body=None, headers=None):
        host, port = self.place(world)
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=60)) as connection:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())

    def get(self, world, path, headers=None, **values):
        query = "?" + urllib.parse.urlencode(values) if values else ""
        return self.request(world, "GET", path + query, headers=headers)

    def dashboard(self, world, path, **values):
        answer = self.get(world, "/api/dashboard/" + path, **values)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()


def days_before(date, days):
    return (datetime.date.fromisoformat(date) - datetime.timedelta(days=days)).isoformat()


class Answers(HttpCase):
    def test_every_documented_request_is_what_the_tables_say(self):
        world = self.serving(users=250, days=45)
        reference = Reference(world.sink_db)
        last = reference.dates[-1]
        ranges = [(last, last), (days_before(last, 6), last), (days_before(last, 27), last), (days_before(last, 40), days_before(last, 20)),
                  ("2024-01-01", "2024-01-05")]
        rng = random.Random(1)
        for start, end in ranges:
            for group_by in ("campaign", "adset", "ad"):
                for breakdown in ("all", "country", "region", "device"):
                    got = self.dashboard(world, "analytics/data", start_date=start, end_date=end, group_by=group_by, breakdown=breakdown)
                    self.assertEqual(got, reference.data(start, end, breakdown, group_by), (start, end, group_by, breakdown))
                    got = self.dashboard(world, "analytics/overview-roas-chart", start_date=start, end_date=end, group_by=group_by,
                                         breakdown=breakdown)
                    days, summary = reference.overview(start, end, breakdown, group_by)
                    self.assertEqual(got["chart_data"], days)
                    self.assertEqual(got["summary"], summary)
                ids = sorted({row.id for row in reference.main if row.level == group_by}) + ["nobody"]
                for entity_id in rng.sample(ids, min(6, len(ids))):
                    self.compare_charts(world, reference, start, end, group_by, entity_id)
        got = self.dashboard(world, "analytics/data", start_date=last, end_date=last, include_mixpanel="false")
        self.assertEqual(got, reference.data(last, last, include_mixpanel=False))
        self.compare_parts(world, reference, days_before(last, 27), last)
        got = self.dashboard(world, "analytics/date-range")
        self.assertEqual(got["data"], {"earliest_date": reference.dates[0], "latest_date": last})

    def compare_parts(self, world, reference, start, end):
        """What is asked for in part is the same part of the whole."""
        days = {"start_date": start, "end_date": end}

        def without(entities, *members):
            return [{key: without(value, *members) if key == "children" else value for key, value in entity.items() if key not in members}
                    for entity in entities]

        for breakdown in ("all", "country"):
            whole = reference.data(start, end, breakdown, "campaign")["data"]
            asked = dict(days, breakdown=breakdown, group_by="campaign")
            got = self.dashboard(world, "analytics/data", include_children="false", include_users="false", **asked)
            self.assertEqual(got["data"], without(whole, "children", "user_details"))
            self.assertEqual(self.dashboard(world, "analytics/data", include_users="false", **asked)["data"], without(whole, "user_details"))
            for chosen in whole[:3] + whole[-3:]:
                mine = [entity for entity in whole if entity["entity_id"] == chosen["entity_id"]]
                got = self.dashboard(world, "analytics/data", entity_id=chosen["entity_id"], **asked)
                self.assertEqual((got["data"], got["total_records"]), (mine, len(mine)))
                asked_below = dict(asked, group_by="adset", parent_id=chosen["entity_id"])
                below = {entity["id"] for entity in self.dashboard(world, "analytics/data", **asked_below)["data"]}
                self.assertEqual(below, {child["id"] for entity in mine for child in entity["children"]})
                if chosen["children"]:
                    adset = chosen["children"][0]
                    got = self.dashboard(world, "analytics/data", **dict(asked_below, group_by="ad", parent_id=adset["entity_id"]))
                    same = [entity for entity in got["data"] if entity.get("breakdown_key") == adset.get("breakdown_key")]
                    self.assertEqual(same, adset["children"])
        self.assertEqual(self.dashboard(world, "analytics/data", entity_id="nobody", **days)["data"], [])

    def compare_charts(self, world, reference, start, end, level, entity_id):
        where = dict(start_date=start, end_date=end, entity_type=level, entity_id=entity_id)
        got = self.dashboard(world, "analytics/chart-data", **where)
        self.assertEqual(got["chart_data"], reference.chart(start, end, level, entity_id))
        for breakdown in ("country", "region", "device"):
            got = self.dashboard(world, "analytics/chart-data", breakdown=breakdown, **where)
            self.assertEqual(got["chart_data"], reference.chart(start, end, level, entity_id, breakdown))
            values = {row.value for row in reference.breakdown if row.breakdown == breakdown and row.id == entity_id}
            for value in sorted(values)[:3]:
                got = self.dashboard(world, "analytics/chart-data", breakdown=breakdown, breakdown_value=value, **where)
                self.assertEqual(got["chart_data"], reference.chart(start, end, level, entity_id, breakdown, value))

    def test_post_says_the_same_as_get(self):
        world = self.serving()
        for values in ({}, {"breakdown": "country", "group_by": "campaign", "include_mixpanel": False}):
            values = dict({"start_date": days_before(world.as_of, 9), "end_date": world.as_of}, **values)
            posted = self.request(world, "POST", "/api/dashboard/analytics/data", json.dumps(values), {"Content-Type": "application/json"})
            self.assertEqual(posted.status, 200, posted.body)
            self.assertEqual(posted.json(), self.dashboard(world, "analytics/data", **values))

    def test_the_independent_path_says_the_same(self):
        world = self.serving()
        start, end = days_before(world.as_of, 20), world.as_of
        rounds = [("analytics/data", {"group_by": "campaign"}), ("analytics/data", {"breakdown": "country"}),
                  ("analytics/overview-roas-chart", {}), ("analytics/date-range", {})]
        def without_origin(answer):
            for key in ("method", "timestamp"):
                answer.pop(key, None)
            for key in ("method", "epoch", "as_of"):
                answer.get("metadata", {}).pop(key, None)
            return answer
        for turn in range(2):
            for path, values in rounds:
                values = dict(start_date=start, end_date=end, **values)
                usual = self.dashboard(world, path, **values)
                other = self.dashboard(world, path, mode="recompute", **values)
                self.assertEqual(other.get("method", other.get("metadata", {}).get("method", "recompute")), "recompute")
                self.assertEqual(without_origin(other), without_origin(usual))
            world.pipeline_writes(5)
            world.await_equal()

    def test_everything_can_be_recomputed(self):
        world = self.serving()
        usual = self.dashboard(world, "analytics/data", start_date=days_before(world.as_of, 9), end_date=world.as_of)
        world.stop()
        world.sql(world.sink_db, "DROP TABLE daily_mixpanel_metrics", "DROP TABLE daily_mixpanel_metrics_breakdown")
        world.configure(http={"recompute_always": True})
        world.start()
        other = self.dashboard(world, "analytics/data", start_date=days_before(world.as_of, 9), end_date=world.as_of)
        self.assertEqual(other.pop("method"), "recompute")
        usual.pop("method")
        self.assertEqual(other, usual)

    def test_user_ids_can_be_hidden(self):
        world = self.serving(http={"hide_user_ids": True})
        got = self.dashboard(world, "analytics/data", start_date=days_before(world.as_of, 9), end_date=world.as_of, group_by="campaign")
        self.assertEqual(got, Reference(world.sink_db).data(days_before(world.as_of, 9), world.as_of, "all", "campaign", hide_user_ids=True))

    def test_answers_follow_epochs(self):
        world = self.serving()
        path = "/api/dashboard/analytics/data?start_date=%s&end_date=%s" % (days_before(world.as_of, 13), world.as_of)
        for turn in range(3):
            world.pipeline_writes(4)
            world.await_equal()
            first = self.get(world, path)
            again = self.get(world, path, {"If-None-Match": first.headers["ETag"]})
            self.assertEqual((again.status, again.body), (304, b""))
            self.assertEqual(first.json(), Reference(world.sink_db).data(days_before(world.as_of, 13), world.as_of))


class Operations(HttpCase):
    def test_status_health_and_metrics(self):
        world = self.serving()
        status = self.get(world, "/api/status").json()
        for key in ("version", "uptime_seconds", "position", "lag", "last_epoch", "rejects", "unmapped", "memory", "sinks", "last_verification"):
            self.assertIn(key, status)
        self.assertEqual(status["sinks"][0]["epoch"], status["last_epoch"]["id"])
        harness.wait_until(lambda: self.get(world, "/api/status").json()["data_quality"] is not None, lambda: "a look at the data's quality:\n" + world.tail())
        quality = self.get(world, "/api/status").json()["data_quality"]
        self.assertEqual(set(quality["checks"]), {"breakdown_totals", "attribution_gap", "tracking_gap", "spend_without_data", "day_without_data"})
        counted = 'admetricsd_data_quality_findings{check="tracking_gap",level="ad"} %d\n' % quality["checks"]["tracking_gap"]["ad"]
        self.assertIn(counted, self.get(world, "/metrics").body.decode())
        self.assertEqual(self.dashboard(world, "health")["status"], "healthy")
        self.assertEqual(self.get(world, "/healthz").status, 200)
        text = self.get(world, "/metrics").body.decode()
        self.assertIn("admetricsd_epochs_total 1\n", text)
        self.assertIn('admetricsd_http_requests_total{method="GET",route="/healthz",status="200"} 1\n', text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) admetricsd_[a-z_]+ .+|admetricsd_[a-z_]+(\{[^}]*\})? [-+0-9.eInfa]+)$')

    def test_not_ready_before_the_first_epoch(self):
        world = self.serving(start=False)
        world.run_once()
        world.sql(world.sink_db, "DELETE FROM _admetrics_sink", "DROP TABLE daily_mixpanel_metrics")
        writer = harness.hold_write_lock(world.sink_db)
        world.start()
        self.assertEqual(self.get(world, "/healthz").status, 200)
        for path in ("/readyz", "/api/dashboard/analytics/date-range"):
            answer = self.get(world, path)
            self.assertEqual(answer.status, 503, answer.body)
            self.assertFalse(answer.json()["success"])
            self.assertIn("ready", answer.json()["error"])
        self.assertEqual(self.dashboard(world, "health")["status"], "degraded")
        writer.close()
        self.await_ready(world)
        self.dashboard(world, "analytics/date-range")

    def test_events_tell_what_changed(self):
        world = self.serving()
        with contextlib.closing(self.stream(world)) as stream:
            name, data = self.next_event(stream)
            self.assertEqual(name, "hello")
            world.pipeline_writes(3)
            world.await_equal()
            newest = self.get(world, "/api/status").json()["sinks"][0]["epoch"]
            keys, epoch = [], data["epoch"]
            while epoch < newest:
                name, data = self.next_event(stream)
                self.assertEqual(name, "epoch")
                self.assertGreater(data["epoch"], epoch)
                epoch = data["epoch"]
                keys += data["keys"]
            self.assertTrue(keys)
            for key in keys:
                self.assertIn(key["kind"], ("metrics", "name", "hierarchy"))
                self.assertIn(key["entity_type"], ("campaign", "adset", "ad"))

    def stream(self, world, headers=""):
        connection = socket.create_connection(self.place(world), timeout=30)
        connection.sendall(("GET /api/stream HTTP/1.1\r\nHost: x\r\n%s\r\n" % headers).encode())
        file = connection.makefile("rb")
        connection.close()  # the file keeps it open
        self.assertIn(b" 200 ", file.readline())
        while file.readline() != b"\r\n":
            pass
        return file

    def next_event(self, stream):
        fields = {}
        while True:
            line = stream.readline().decode()
            self.assertTrue(line, "the stream ended")
            if line == "\n" and "data" in fields:
                return fields["event"], json.loads(fields["data"])
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value

    def test_two_hundred_streams_while_the_pipeline_writes(self):
        world = self.serving()
        streams = [self.stream(world) for _ in range(200)]
        silent = [self.stream(world) for _ in range(20)]  # never read again
        for _ in range(6):
            world.pipeline_writes(4)
        world.await_equal()
        newest = self.get(world, "/api/status").json()["sinks"][0]["epoch"]
        for stream in streams:
            epoch = 0
            while epoch < newest:
                name, data = self.next_event(stream)
                epoch = data.get("epoch", epoch)
        self.assertEqual(self.get(world, "/api/status").json()["http"]["streams"], 220)
        for stream in streams + silent:
            stream.close()
        world.stop()


class Description(HttpCase):
    def test_answers_are_as_described(self):
        world = self.serving()
        description = openapi.Description(self.get(world, "/openapi.json").json())
        days = {"start_date": days_before(world.as_of, 20), "end_date": world.as_of}
        entity_id = Reference(world.sink_db).main[0].id
        asked = {
            "/api/dashboard/analytics/data": [dict(days, group_by=level, breakdown=breakdown) for level in ("campaign", "adset", "ad")
                                              for breakdown in ("all", "country")]
            + [dict(days, include_mixpanel="false"), dict(days, include_children="false", include_users="false", entity_id=entity_id),
               dict(days, mode="recompute"), {}, dict(days, group_by="x")],
            "/api/dashboard/analytics/chart-data": [dict(days, entity_type="campaign", entity_id=entity_id),
                                                    dict(days, entity_type="ad", entity_id="x", breakdown="device", breakdown_value="STRIPE"),
                                                    dict(days, entity_type="ad", entity_id="x", mode="recompute"), {}],
            "/api/dashboard/analytics/overview-roas-chart": [days, dict(days, group_by="ad", breakdown="region"), {"start_date": "x"}],
            "/api/dashboard/analytics/date-range": [{}, {"mode": "recompute"}, {"mode": "x"}],
            "/api/explain": [{}, dict(entity_type="campaign", entity_id=entity_id, date=world.as_of),
                             dict(entity_type="campaign", entity_id=entity_id, date=world.as_of, breakdown="country=US"),
                             dict(entity_type="ad", entity_id="nobody", date=world.as_of, column="meta_spend"),
                             dict(entity_type="ad", entity_id="nobody", date=world.as_of, column="x")],
        }
        paths = [path for path in description.document["paths"] if path != "/api/stream"]
        for path in paths:
            for values in asked.get(path, [{}]):
                answer = self.get(world, path, **values)
                self.assertEqual(description.check("GET", path, answer.status, answer.headers["Content-Type"], answer.body), [], (path, values))
                if answer.headers["ETag"]:
                    again = self.get(world, path, {"If-None-Match": answer.headers["ETag"]}, **values)
                    self.assertEqual(again.status, 304)
                    self.assertEqual(description.check("GET", path, 304, "", again.body), [])
                    parameters = {parameter["name"] for parameter in description.operation("GET", path).get("parameters", ())}
                    self.assertLessEqual(set(values), parameters)
            wrong = self.request(world, "DELETE", path)
            self.assertEqual(description.check("GET", path, wrong.status, wrong.headers["Content-Type"], wrong.body), [])
            self.assertEqual(wrong.status, 405)
        for body in (days, {"start_date": 1}):
            answer = self.request(world, "POST", "/api/dashboard/analytics/data", json.dumps(body))
            self.assertEqual(description.check("POST", "/api/dashboard/analytics/data", answer.status, "application/json", answer.body), [])
        # The other way round: what is served is described.
        served = re.findall(r'route="([^"]+)"', self.get(world, "/metrics").body.decode())
        self.assertLessEqual({route for route in served if route != "none" and not route.startswith("/assets/")}, set(description.document["paths"]))

    def test_not_ready_is_described_too(self):
        world = self.serving(start=False)
        with open(world.path("token"), "w", encoding="utf-8") as file:
            file.write("x\n")
        world.configure(http={"token_file": "token"})
        writer = harness.hold_write_lock(world.product_db)
        world.start()
        description = openapi.Description(self.get(world, "/openapi.json").json())
        answer = self.get(world, "/readyz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(description.check("GET", "/readyz", 503, "application/json", answer.body), [])
        answer = self.get(world, "/api/dashboard/analytics/date-range", {"Authorization": "Bearer x"})
        self.assertEqual(answer.status, 503)
        self.assertEqual(description.check("GET", "/api/dashboard/analytics/date-range", 503, "application/json", answer.body), [])
        answer = self.get(world, "/api/status")
        self.assertEqual(description.check("GET", "/api/status", 401, "application/json", answer.body), [])
        writer.close()


class Explained(HttpCase):
    def explain(self, world, row, status=200, headers=None, **more):
        where = {"entity_type": row["entity_type"], "entity_id": row["entity_id"], "date": row["date"]}
        if "breakdown_type" in row:
            where["breakdown"] = "%s=%s" % (row["breakdown_type"], row["breakdown_value"])
        answer = self.get(world, "/api/explain", headers, **where, **more)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def command(self, world, row, *arguments):
        where = ["--entity-type", row["entity_type"], "--entity-id", row["entity_id"], "--date", row["date"]]
        if "breakdown_type" in row:
            where += ["--breakdown", "%s=%s" % (row["breakdown_type"], row["breakdown_value"])]
        return world.call("explain", *where, "--json", *arguments).json()

    def rows(self, world, table, count, seed=1):
        with contextlib.closing(sqlite3.connect(world.sink_db)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM " + table)]
        return random.Random(seed).sample(rows, count)

    def test_answers_what_the_command_says(self):
        world = self.serving(users=150, days=20)
        for row in self.rows(world, "daily_mixpanel_metrics", 6) + self.rows(world, "daily_mixpanel_metrics_breakdown", 6):
            got = self.explain(world, row)
            self.assertEqual(got, self.command(world, row))
            self.assertTrue(got["agrees"], got)
            self.assertTrue(got["last_change"]["since_first_fill"], got)
            self.assertEqual(got["last_change"]["at"], row["computed_at"])
        row = self.rows(world, "daily_mixpanel_metrics", 1)[0]
        self.assertEqual(self.explain(world, row, column="estimated_roas"), self.command(world, row, "--column", "estimated_roas"))
        self.assertFalse(self.explain(world, dict(row, entity_id="nobody"))["stored"])

    def test_tells_when_and_why_while_it_streams(self):
        world = self.serving(users=60, days=20)
        day = days_before(world.as_of, 9)
        world.sql(world.product_db, "INSERT INTO mixpanel_user (distinct_id, abi_ad_id, abi_campaign_id, abi_ad_set_id, country, has_abi_attribution)"
                                    " VALUES ('why', 'a-why', 'c-why', 's-why', 'US', 1)",
                  "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time) VALUES ('why1', 'RC Trial started', 'why', '%sT10:00:00Z')" % day)
        row = {"entity_type": "ad", "entity_id": "a-why", "date": day}
        harness.wait_until(lambda: self.explain(world, row)["stored"], "the row of the late event")
        late = self.explain(world, row)
        self.assertEqual(late["last_change"]["causes"], ["late_event"])
        world.sql(world.product_db, "UPDATE mixpanel_user SET abi_ad_id = 'a-other' WHERE distinct_id = 'why'")
        harness.wait_until(lambda: not self.explain(world, row)["stored"], "the row to be gone")
        gone = self.explain(world, row)
        self.assertEqual(gone["last_change"]["causes"], ["re_attribution"])
        self.assertGreater(gone["last_change"]["epoch"], late["last_change"]["epoch"])
        moved = self.explain(world, dict(row, entity_id="a-other"))
        self.assertEqual((moved["last_change"]["causes"], moved["users"][0]["distinct_id"]), (["re_attribution"], "why"))
        self.assertEqual(self.explain(world, dict(row, entity_type="campaign", entity_id="c-why"))["last_change"]["causes"], ["late_event"])
        self.assertTrue(world.is_equal())

    def test_a_crowd_stays_bounded(self):
        world = self.serving(users=40, days=10)
        crowd, events = 700, 10_000
        world.sql(world.product_db,
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO mixpanel_user (distinct_id, abi_ad_id,"
                  " country, has_abi_attribution) SELECT printf('crowd%%05d', i), 'a-crowd', 'US', 1 FROM n" % crowd,
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO mixpanel_event (event_uuid, event_name,"
                  " distinct_id, event_time) SELECT 'c' || i, 'RC Trial started', printf('crowd%%05d', i), '%sT09:00:00Z' FROM n" % (crowd, world.as_of),
                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO mixpanel_event (event_uuid, event_name,"
                  " distinct_id, event_time, revenue_usd) SELECT 'd' || i, 'RC Initial purchase', 'crowd00001', '%sT10:00:00Z', 0.01 FROM n"
                  % (events, world.as_of))
        row = {"entity_type": "ad", "entity_id": "a-crowd", "date": world.as_of}
        harness.wait_until(lambda: len(self.command(world, row)["users"]) == crowd, "the crowd")
        got = self.explain(world, row)
        self.assertTrue(got["agrees"])
        self.assertEqual(len(got["users"]) + got["users_left_out"], crowd)
        self.assertEqual(len(got["users"]), 500)
        self.assertEqual(got["users"][0]["rows_left_out"] + len(got["users"][0]["rows"]), events + 2)
        self.assertLessEqual(sum(len(user["rows"]) - 1 for user in got["users"]), 5_000)
        whole = self.command(world, row)
        self.assertEqual([dict(column) for column in got["columns"]], whole["columns"])

    def test_hidden_ids_stay_hidden(self):
        world = self.serving({"hide_user_ids": True}, users=150, days=20)
        with contextlib.closing(sqlite3.connect(world.product_db)) as connection:
            ids = {row[0] for row in connection.execute("SELECT distinct_id FROM mixpanel_user")}
        for row in self.rows(world, "daily_mixpanel_metrics", 15) + self.rows(world, "daily_mixpanel_metrics_breakdown", 15):
            got = self.explain(world, row)
            self.assertEqual([user["distinct_id"] for user in got["users"]], ["user %d" % (i + 1) for i in range(len(got["users"]))])

            def texts(value):
                if isinstance(value, dict):
                    return [text for member in value.values() for text in texts(member)]
                if isinstance(value, list):
                    return [text for member in value for text in texts(member)]
                return [value] if isinstance(value, str) else []
            for text in texts(dict(got, key=[])):
                self.assertFalse(set(re.findall(r"[^\s\"\[\],]+", text)) & ids, text)

    def test_mistakes_and_tokens(self):
        world = self.serving(start=False, users=40, days=10)
        with open(world.path("token"), "w", encoding="utf-8") as file:
            file.write("secret\n")
        world.configure(http={"token_file": "token"})
        world.start()
        self.await_ready(world)
        good = {"entity_type": "ad", "entity_id": "x", "date": world.as_of}
        self.explain(world, good, status=401)
        token = {"Authorization": "Bearer secret"}
        self.explain(world, good, headers=token)
        for wrong, name in (({"entity_type": "planet"}, "entity_type"), ({"entity_id": ""}, "entity_id"), ({"date": "yesterday"}, "date"),
                            ({"entity_id": "x" * 2000}, "entity_id")):
            self.assertIn(name, self.explain(world, dict(good, **wrong), status=400, headers=token)["error"])
        for wrong in ({"breakdown": "city=X"}, {"breakdown": "US"}, {"column": "nonsense"}):
            self.assertIn(next(iter(wrong)), self.explain(world, good, status=400, headers=token, **wrong)["error"])


class Boundaries(HttpCase):
    def test_tokens(self):
        world = self.serving(start=False)
        with open(world.path("token"), "w", encoding="utf-8") as file:
            file.write("correct-horse\n")
        world.configure(http={"token_file": "token"})
        world.start()
        self.await_ready(world)
        for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Basic correct-horse"}, 401),
                                ({"Authorization": "Bearer correct-horse"}, 200), ({"Authorization": "bearer  correct-horse"}, 200)):
            answer = self.get(world, "/api/status", headers)
            self.assertEqual(answer.status, status, headers)
        self.assertEqual(self.get(world, "/nothing").status, 401)
        self.assertEqual(self.get(world, "/healthz").status, 200)
        # Another token counts from the next reload on.
        with open(world.path("token"), "w", encoding="utf-8") as file:
            file.write("battery-staple\n")
        world.reload()
        harness.wait_until(lambda: self.get(world, "/api/status", {"Authorization": "Bearer battery-staple"}).status == 200, "the new token")
        self.assertEqual(self.get(world, "/api/status", {"Authorization": "Bearer correct-horse"}).status, 401)

    def test_other_hosts_need_a_token(self):
        world = self.serving(start=False, http={"listen": "0.0.0.0:0"})
        done = world.call("run", "--once")
        self.assertEqual(done.code, 78, done)
        self.assertIn("http.listen", done.err)
        self.assertEqual(world.call("check-config").code, 78)
        world.configure(http={"allow_remote": True})
        self.assertEqual(world.call("check-config").code, 0)

    def test_a_taken_place_is_told_at_start(self):
        world = self.serving(start=False)
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
            world.configure(http={"listen": "127.0.0.1:%d" % taken.getsockname()[1]})
            world.start()
            code, _ = world.wait_for_end(20)
            self.assertEqual(code, 2)
            self.assertIn("listen", world.log())

    def test_a_reload_of_http_leaves_the_pipeline_alone(self):
        world = self.serving()
        self.assertIn("user_details", json.dumps(self.dashboard(world, "analytics/data", start_date=days_before(world.as_of, 9), end_date=world.as_of)))
        world.configure(http={"hide_user_ids": True})
        world.reload()
        harness.wait_until(lambda: world.log().count("serving HTTP") == 2, "the server again")
        self.assertNotIn("user_details", json.dumps(self.dashboard(world, "analytics/data", start_date=days_before(world.as_of, 9), end_date=world.as_of)))
        self.assertEqual(world.log().count("reading "), 1)
        world.pipeline_writes(3)
        world.await_equal()
        # And the other way: the pipeline starts again, the server goes on.
        world.configure(engine={"workers": 1})
        world.reload()
        harness.wait_until(lambda: world.log().count("reading ") == 2, "the pipeline again")
        self.await_ready(world)

    def test_every_mistake_is_named(self):
        world = self.serving()
        cases = [
            ("analytics/data", {}, ["start_date", "end_date"]),
            ("analytics/data", {"start_date": "2025-02-30", "end_date": "x", "breakdown": "city", "group_by": "user", "include_mixpanel": "perhaps",
                                "mode": "guess"},
             ["start_date", "end_date", "breakdown", "group_by", "include_mixpanel", "mode"]),
            ("analytics/data", {"start_date": "2025-02-02", "end_date": "2025-02-01"}, ["start_date", "after"]),
            ("analytics/data", {"start_date": "2025-02-01", "end_date": "2025-02-01", "group_by": "campaign", "parent_id": "c", "entity_id": "c",
                                "include_children": "some", "include_users": "no"},
             ["parent_id", "entity_id", "include_children", "include_users"]),
            ("analytics/data", {"start_date": "2020-01-01", "end_date": "2025-02-01"}, ["end_date", "days"]),
            ("analytics/chart-data", {"start_date": world.as_of, "end_date": world.as_of}, ["entity_type", "entity_id"]),
            ("analytics/chart-data", {"start_date": world.as_of, "end_date": world.as_of, "entity_type": "ad", "entity_id": "1", "breakdown_value": "US"},
             ["breakdown_value"]),
            ("analytics/overview-roas-chart", {"start_date": world.as_of}, ["end_date"]),
        ]
        for path, values, named in cases:
            answer = self.get(world, "/api/dashboard/" + path, **values)
            self.assertEqual(answer.status, 400, answer.body)
            self.assertFalse(answer.json()["success"])
            for name in named:
                self.assertIn(name, answer.json()["error"])
        for body in ("{", "[]", "7", '{"start_date": 5, "end_date": []}', "\x00", '{"a":' * 5000):
            answer = self.request(world, "POST", "/api/dashboard/analytics/data", body)
            self.assertEqual(answer.status, 400, body[:50])
            self.assertFalse(answer.json()["success"])

    def test_compressed_and_plain_say_the_same(self):
        world = self.serving()
        path = "/api/dashboard/analytics/data?start_date=%s&end_date=%s" % (days_before(world.as_of, 13), world.as_of)
        plain = self.get(world, path)
        packed = self.get(world, path, {"Accept-Encoding": "br, gzip;q=0.8"})
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body))
        head = self.request(world, "HEAD", path)
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", str(len(plain.body))))

    def test_slow_readers_cost_nothing(self):
        world = self.serving(users=400)
        path = "/api/dashboard/analytics/data?start_date=%s&end_date=%s&group_by=campaign" % (days_before(world.as_of, 29), world.as_of)
        sleepers = []
        for _ in range(60):
            connection = socket.create_connection(self.place(world), timeout=30)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).encode())
            sleepers.append(connection)
        half = socket.create_connection(self.place(world), timeout=30)
        half.sendall(b"GET /api/sta")
        for _ in range(20):
            started = time.monotonic()
            self.assertEqual(self.get(world, path).status, 200)
            self.assertLess(time.monotonic() - started, 5 * harness.Program.slowness)
        world.pipeline_writes(3)
        world.await_equal()
        for connection in sleepers + [half]:
            connection.close()
        world.stop()

    def test_nonsense_by_the_thousand(self):
        world = self.serving()
        host, port = self.place(world)
        rng = random.Random(7)
        good = b"GET /api/dashboard/analytics/data?start_date=2025-07-01&end_date=2025-07-02 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        def nonsense():
            kind = rng.randrange(4)
            if kind == 0:
                return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300)))
            text = bytearray(good)
            for _ in range(rng.randrange(1, 8)):
                at = rng.randrange(len(text))
                if kind == 1:
                    text[at] = rng.randrange(256)
                elif kind == 2:
                    del text[at]
                else:
                    text[at:at] = bytes(rng.choices(b"%&=?/\\\"'{}[]\x00\xff\r\n:;", k=rng.randrange(1, 20)))
            return bytes(text)
        def send(text):
            with contextlib.closing(socket.create_connection((host, port), timeout=30)) as connection:
                try:
                    connection.sendall(text)
                    connection.shutdown(socket.SHUT_WR)
                    return connection.recv(65536).split(b"\r\n")[0]
                except ConnectionError:
                    return b""
        texts = [nonsense() for _ in range(3000 // harness.Program.slowness)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            lines = list(pool.map(send, texts))
        self.assertEqual([line for line in lines if b" 500 " in line], [])
        self.assertTrue(any(b" 400 " in line for line in lines))
        self.assertEqual(self.get(world, "/healthz").status, 200)


if __name__ == "__main__":
    harness.main()
