"""The oracle itself is trusted because of these: small cases, each number worked out by hand.

    python3 -m unittest test_oracle        (in this folder)
"""

import contextlib
import hashlib
import os
import random
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import oracle  # noqa: E402
import source_gen  # noqa: E402
from story import CANCEL, CONVERTED, PURCHASE, TRIAL, Story  # noqa: E402

COUNTRY_MAPPING = "CREATE TABLE meta_country_mapping (meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active)"
DEVICE_MAPPING = "CREATE TABLE meta_device_mapping (meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT, is_active)"


class StoryCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.story = Story(self.folder.name)

    def tearDown(self):
        self.story.close()
        self.folder.cleanup()

    def main(self, level, entity, date, **more):
        return self.story.expected(**more)[oracle.MAIN].get((level, entity, date))

    def check(self, row, **wanted):
        for column, value in wanted.items():
            self.assertEqual(row[column], value, column)


class Values(unittest.TestCase):
    def test_money_rounds_the_shortest_decimal_half_away_from_zero(self):
        for value, micros in ((None, 0), (5, 5_000_000), (5.25, 5_250_000), (1.005, 1_005_000), (5e-7, 1), (4.9999e-7, 0),
                              (-5e-7, -1), (-4.9e-7, 0), (0.1, 100_000), (1.0000005, 1_000_001), (1e-300, 0), (5e-324, 0),
                              (999999999.99, 999_999_999_990_000), (-0.0, 0), (2.6755555, 2_675_556)):
            self.assertEqual(oracle.money(value), micros, value)
        for value in ("", "5", "n/a", float("inf"), float("-inf"), b"5"):
            with self.assertRaises(oracle.Unreadable):
                oracle.money(value)

    def test_counts_are_whole(self):
        self.assertEqual([oracle.count(v) for v in (None, 0, 7, 2.0, -3)], [0, 0, 7, 2, -3])
        for value in (1.5, "7", "", b"", float("inf"), 1e-9):
            with self.assertRaises(oracle.Unreadable):
                oracle.count(value)

    def test_flags(self):
        self.assertEqual([oracle.flag(v) for v in (1, 2, 0.5, -1, 0, 0.0, None, "true", "1", "")],
                         [True] * 4 + [False] * 6)

    def test_division_rounds_half_away_from_zero(self):
        for n, d, wanted in ((1, 2, 1), (-1, 2, -1), (1, 3, 0), (2, 3, 1), (5, 10, 1), (-5, 10, -1), (7, 0, 0), (1, -2, -1), (-3, -2, 2)):
            self.assertEqual(oracle.divide(n, d), wanted, (n, d))

    def test_lists_are_escaped_as_sqlite_does(self):
        strange = ["".join(map(chr, range(1, 0x80)))] + list(source_gen.STRANGE_IDS)
        quote = sqlite3.connect(":memory:").execute
        for one in strange:
            self.assertEqual(oracle.json_list([one]), "[" + quote("SELECT json_quote(?)", (one,)).fetchone()[0] + "]")
        self.assertEqual(oracle.json_list(["a", 'b"\\\n\x01é']), '["a","b\\"\\\\\\n\\u0001é"]')
        self.assertEqual(oracle.json_list([]), "[]")

    def test_stored_decimals(self):
        self.assertTrue(oracle.is_stored_as(1.15, 115, 2))
        self.assertTrue(oracle.is_stored_as(5, 500, 2))
        self.assertTrue(oracle.is_stored_as(-0.0, 0, 2))
        for value in ("1.15", None, 1.1500000000000001332 + 2.3e-16, 1.14, True):
            self.assertFalse(oracle.is_stored_as(value, 115, 2), value)


class Times(unittest.TestCase):
    def day(self, text, zone="UTC"):
        return oracle.day_text(oracle.local_ordinal(oracle.parse_time(text), zone))

    def test_days_in_utc_agree_with_sqlite(self):
        rng, date = random.Random(1), sqlite3.connect(":memory:").execute
        plan = {"hostile": 0, "first_day": "2023-12-01", "last_day": "2025-12-31", "allow_null_keys": True}
        values = source_gen.Values(rng, plan)
        texts = [values.write_instant(values.an_instant(values.a_day() if rng.random() < 0.8 else values.rare_day()))
                 for _ in range(5000)]
        texts += ["0000-01-01T00:00:00Z", "0000-02-29 12:00", "0001-01-01T00:00Z", "9999-12-31T23:59:59.999Z", "2024-02-29T23:59:59-00:01",
                  "2025-12-31 23:59:59.999999999", "2025-01-01T00:00+14:59"]
        # Where an offset makes SQLite shift a time, it first rounds it to milliseconds, so that a day can end half
        # a millisecond early. The page wants nanoseconds, so these are no examples.
        texts = [text for text in texts if ".9995" > text[19:24] or len(text) < 24 or ".9" != text[19:21]]
        self.assertGreater(len(texts), 4500)
        for text in texts:
            self.assertEqual(self.day(text), date("SELECT date(?)", (text,)).fetchone()[0], text)

    def test_what_is_no_time(self):
        d = "2025-07-01"
        for value in (None, "", "x", d, d + "T24:00", d + "T12:00:60", d + "T12:00:00,5", " " + d + "T12:00", d + "T12:00 ", d + "t12:00",
                      d + "T12:00z", d + "T12:00+0200", d + "T12:00+02", "2025-02-30T12:00", "2025-02-29T12:00", "2025-00-01T12:00",
                      d + "T12", d + "T12:00:00.", d + "T12:00.5", d + "T12:60", d + "T12:00+02:60", d + "T12:00+15:00", d + "T12:00 Z",
                      "２０２５-07-01T12:00", d + "T12:00Z\n", 20250701, 1.5, b"2025-07-01T12:00", "9999-12-31T23:59-00:01",
                      "0000-01-01T00:00+00:01", d + "T12:00:00Zx", d + "  12:00"):
            with self.assertRaises(oracle.Unreadable, msg=repr(value)):
                oracle.parse_time(value)

    def test_fractions_count_to_nanoseconds(self):
        second = oracle.parse_time("2025-07-01T00:00:00Z")
        for fraction, nanoseconds in (("5", 500_000_000), ("000000001", 1), ("0000000019", 1), ("9999999999", 999_999_999)):
            self.assertEqual(oracle.parse_time("2025-07-01T02:00:00.%s+02:00" % fraction), second + nanoseconds)
        self.assertEqual(oracle.parse_time("1969-12-31T23:59:59.25"), -750_000_000)
        self.assertEqual(self.day("2025-07-01T01:59:59.999999999+02:00"), "2025-06-30")  # SQLite rounds into the next day

    def test_days_in_zones(self):
        for text, zone, day in (
            ("2025-03-29T22:59:59.999999999Z", "Europe/Berlin", "2025-03-29"),  # +01:00 until the 30th, 01:00Z
            ("2025-03-29T23:00:00Z", "Europe/Berlin", "2025-03-30"),
            ("2025-03-30T21:59:59Z", "Europe/Berlin", "2025-03-30"),  # +02:00
            ("2025-03-30T22:00:00Z", "Europe/Berlin", "2025-03-31"),
            ("2025-10-26T22:59:59Z", "Europe/Berlin", "2025-10-26"),  # +01:00 again
            ("2025-10-26T23:00:00Z", "Europe/Berlin", "2025-10-27"),
            ("2025-11-02T03:59:59Z", "America/New_York", "2025-11-01"),
            ("2025-11-03T04:59:59Z", "America/New_York", "2025-11-02"),
            ("2025-11-03T05:00:00Z", "America/New_York", "2025-11-03"),
            ("2025-07-01T18:30:00Z", "Asia/Kolkata", "2025-07-02"),
            ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"),  # it had no 30th
            ("2050-07-01T22:00:00Z", "Europe/Berlin", "2050-07-02"),  # summer time in a far year
            ("1890-01-01T23:06:32Z", "Europe/Berlin", "1890-01-02"),  # local mean time, +00:53:28
            ("1890-01-01T23:06:31Z", "Europe/Berlin", "1890-01-01"),
        ):
            self.assertEqual(self.day(text, zone), day, (text, zone))


class Users(StoryCase):
    def test_a_user_counts_once_on_the_latest_day(self):
        s = self.story
        s.user("u1", campaign="c", adset="s", ad="a", country="US")
        s.event("u1", "2025-07-01T10:00Z", TRIAL)
        s.event("u1", "2025-07-03 00:30:00+02:00", TRIAL)
        rows = s.expected()[oracle.MAIN]
        self.assertEqual(sorted(rows), [("ad", "a", "2025-07-02"), ("adset", "s", "2025-07-02"), ("campaign", "c", "2025-07-02")])
        self.check(rows["ad", "a", "2025-07-02"], trial_users_count=1, trial_users_list='["u1"]', purchase_users_list="[]",
                   post_trial_user_ids='["u1"]', data_quality_score=70)  # no value, no Meta row
        parts = s.expected()[oracle.BREAKDOWN]
        self.assertEqual(sorted(key[3:] for key in parts if key[0] == "ad"),
                         [("country", "US"), ("device", "unknown"), ("region", "unknown")])

    def test_each_level_stands_alone(self):
        s = self.story
        s.user("u1", campaign="c", adset="", ad=None)
        s.user("u2", campaign="c", flag="true")
        s.user("u3", campaign="c", flag=0.5)
        for user in ("u1", "u2", "u3", "nobody"):
            s.event(user, "2025-07-01T10:00Z", PURCHASE, 10)
        rows = s.expected()[oracle.MAIN]
        self.assertEqual(list(rows), [("campaign", "c", "2025-07-01")])
        self.check(rows["campaign", "c", "2025-07-01"], purchase_users_list='["u1","u3"]', actual_revenue_usd=2000,
                   trial_users_count=0, data_quality_score=30)  # no trials, more purchases, no Meta row

    def test_trial_conversion_and_refund(self):
        s = self.story
        for user in ("u1", "u2", "u3", "u4"):
            s.user(user, ad="a")
            s.event(user, "2025-07-10T10:00Z", TRIAL)
        s.event("u1", "2025-07-17T10:00:00Z", CONVERTED, 50)
        s.event("u1", "2025-07-17T12:00:00+02:00", CANCEL, -20.5)  # the same instant: a refund
        s.event("u2", "2025-07-17T10:00:00.000000001Z", CONVERTED, 50)
        s.event("u2", "2025-07-17T10:00:00.0000000009Z", "xCANCELx", -50)  # a nanosecond before: none
        s.event("u3", "2025-07-18T10:00Z", CONVERTED, -3)  # sells nothing, converts all the same
        s.event("u3", "2025-07-19T10:00Z", CANCEL, -4e-7)  # rounds to nothing: no refund
        s.item("u1", value=30, conversion=0.5, trial_refund=0.1)
        s.item("u1", product="q", value=1.25, conversion=None, trial_refund=0.2)
        s.item("u4", value=2, conversion=0.25, trial_refund=0.9)
        row = self.main("ad", "a", "2025-07-10", as_of="2025-07-17")
        self.check(row, trial_users_count=4, post_trial_user_ids='["u1","u2","u3","u4"]', converted_user_ids='["u1","u2","u3"]',
                   trial_refund_user_ids='["u1"]', trial_conversion_rate_estimated=3750, trial_conversion_rate_actual=7500,
                   trial_refund_rate_estimated=1500, trial_refund_rate_actual=3333, actual_revenue_usd=10000,
                   actual_refunds_usd=7050, net_actual_revenue_usd=2950, estimated_revenue_usd=3325,
                   adjusted_estimated_revenue_usd=3325, profit_usd=3325, estimated_roas=0, trial_accuracy_ratio=1000000,
                   purchase_accuracy_ratio=0, data_quality_score=80)
        row = self.main("ad", "a", "2025-07-10", as_of="2025-07-16")
        self.check(row, trial_users_count=4, post_trial_user_ids="[]", converted_user_ids="[]", trial_refund_user_ids="[]",
                   trial_conversion_rate_estimated=3750, trial_conversion_rate_actual=0, trial_refund_rate_estimated=0)

    def test_purchases(self):
        s = self.story
        s.user("u1", ad="a")
        s.user("u2", ad="a")
        s.event("u1", "2025-07-10T10:00Z", PURCHASE, 9.995)
        s.event("u1", "2025-07-12T10:00Z", PURCHASE, 0.0000005)
        s.event("u1", "2025-07-11T10:00Z", CANCEL, -9.995)  # after the earliest purchase
        s.event("u2", "2025-07-12T10:00Z", PURCHASE, 1)
        s.event("u2", "2025-07-12T10:00Z", TRIAL)
        s.event("u2", "2025-07-11T10:00Z", CANCEL, -1)  # before
        s.item("u1", purchase_refund=1)
        s.item("u2", purchase_refund=0.00005)
        s.meta("a", "2025-07-12", spend=10, clicks=3, trials=4, purchases=3)
        row = self.main("ad", "a", "2025-07-12")
        self.check(row, purchase_users_list='["u1","u2"]', purchase_refund_user_ids='["u1"]', purchase_refund_rate_actual=5000,
                   purchase_refund_rate_estimated=5000,  # 0.500025
                   actual_revenue_usd=1100,  # 10.9950005, each user once
                   actual_refunds_usd=1100,  # 10.995
                   net_actual_revenue_usd=0, trial_users_list='["u2"]', purchase_accuracy_ratio=666667,
                   trial_accuracy_ratio=250000, mixpanel_cost_per_trial=1000, mixpanel_cost_per_purchase=500,
                   meta_cost_per_trial=250, meta_cost_per_purchase=333, click_to_trial_rate=333333,
                   data_quality_score=60)  # trials without value, more purchases than trials

    def test_adjusted_revenue_takes_the_stored_cents(self):
        s = self.story
        s.user("u1", ad="a")
        s.event("u1", "2025-07-10T10:00Z", TRIAL)
        s.item("u1", value=0.005)
        s.meta("a", "2025-07-10", spend=0.03, trials=7, purchases=9)
        self.check(self.main("ad", "a", "2025-07-10"), estimated_revenue_usd=1, adjusted_estimated_revenue_usd=7, profit_usd=4,
                   estimated_roas=23333, meta_cost_per_trial=0, mixpanel_cost_per_trial=3, data_quality_score=100)

    def test_negative_value_rounds_away_from_zero(self):
        s = self.story
        s.user("u1", ad="a")
        s.event("u1", "2025-07-10T10:00Z", TRIAL)
        s.item("u1", value=-0.005)
        s.meta("a", "2025-07-10", spend=0.02)
        self.check(self.main("ad", "a", "2025-07-10"), estimated_revenue_usd=-1, profit_usd=-3, estimated_roas=-5000)

    def test_device_is_the_store_of_the_greatest_product(self):
        s = self.story
        s.user("u1", ad="a")
        s.event("u1", "2025-07-10T10:00Z", TRIAL)
        s.item("u1", product="z", credited=None, store="STRIPE")
        s.item("u1", product="a", credited="2025-07-02", store="play_store é")
        s.item("u1", product="B", credited="2025-07-02", store="X")
        s.item("u1", product="zz", credited="2025-07-03", store="")
        s.item("u1", product="zzz", credited="2025-07-04", store="BAD", conversion="n/a")
        parts = s.expected()[oracle.BREAKDOWN]
        self.assertIn(("ad", "a", "2025-07-10", "device", "PLAY_STORE é"), parts)
        self.assertEqual(len(parts), 3)

    def test_lists_ascend_by_bytes(self):
        s = self.story
        for user in ("é", "z", "Z", "10", "9", "\U0001f680", "\ufeff"):
            s.user(user, ad="a")
            s.event(user, "2025-07-10T10:00Z", TRIAL)
        self.check(self.main("ad", "a", "2025-07-10"), trial_users_list='["10","9","Z","z","é","\ufeff","\U0001f680"]')

    def test_rejects_take_the_whole_row(self):
        s = self.story
        s.user("u1", ad="a")
        s.user("", ad="a")
        s.event("u1", "2025-07-10T10:00Z", TRIAL, "n/a")
        s.event("u1", "2025-07-10", PURCHASE, 5)
        s.event("u1", "nonsense", "App opened", "nonsense")
        s.event("", "2025-07-10T10:00Z", TRIAL)
        s.event("u1", "2025-07-10T10:00Z", TRIAL, 1, uuid=None)
        s.event("nobody", "2025-07-10T10:00Z", CANCEL, float("inf"))
        s.event("u1", b"2025-07-10T10:00Z", TRIAL)  # the right bytes of the wrong kind
        s.item("u1", value=5, conversion="")
        s.meta("a", "2025-02-30", spend=1, names=("n", None, None))
        s.meta("", "2025-07-10", spend=1)
        s.meta("a", "2025-07-11", clicks=1.5, adset="s", campaign="c", names=("n", None, None))
        s.meta("a", "2025-07-11", kind="country", value=None, spend="x")
        want = s.expected()
        self.assertEqual([len(want[table]) for table in oracle.TABLES], [0, 0, 0, 0])
        self.assertEqual(sorted(map(tuple, want["rejects"]), key=repr), sorted([
            ("mixpanel_user", "", "bad_key", "distinct_id", ""), ("mixpanel_event", "e1", "bad_money", "revenue_usd", "n/a"),
            ("mixpanel_event", "e2", "bad_time", "event_time", "2025-07-10"), ("mixpanel_event", "e4", "bad_key", "distinct_id", ""),
            ("mixpanel_event", "", "bad_key", "event_uuid", None),
            ("mixpanel_event", "e6", "bad_money", "revenue_usd", float("inf")),
            ("mixpanel_event", "e7", "bad_time", "event_time", b"2025-07-10T10:00Z"),
            ("user_product_metrics", "1", "bad_rate", "trial_conversion_rate", ""),
            ("ad_performance_daily", "a|2025-02-30", "bad_key", "date", "2025-02-30"),
            ("ad_performance_daily", "|2025-07-10", "bad_key", "ad_id", ""),
            ("ad_performance_daily", "a|2025-07-11", "bad_count", "clicks", 1.5),
            ("ad_performance_daily_country", "a|2025-07-11|", "bad_money", "spend", "x")], key=repr))

    def test_rejects_and_unmapped_values_are_compared(self):
        s = self.story
        s.user("u1", ad="a")
        s.event("u1", "é" * 150, TRIAL)
        s.event("u1", "2025-07-10T10:00Z", TRIAL, float("inf"))
        s.meta("a", "2025-07-10", kind="country", value="Atlantis")
        want = s.expected()
        told = [{"table": "mixpanel_event", "row": "e1", "reason": "bad_time", "column": "event_time", "value": "é" * 100},
                {"table": "mixpanel_event", "row": "e2", "reason": "bad_money", "column": "revenue_usd", "value": "Inf"}]
        self.assertEqual(oracle.compare_rejects(want, told), [])
        for wrong in (told[:1], told + told[:1], [dict(told[0], value="é" * 99), told[1]], [dict(told[0], reason="bad_key"), told[1]]):
            self.assertNotEqual(oracle.compare_rejects(want, wrong), [], wrong)
        unmapped = [{"breakdown": "country", "value": "Atlantis", "rows": 1}]
        self.assertEqual(oracle.compare_unmapped(want, unmapped), [])
        for wrong in ([], [dict(unmapped[0], rows=2)], unmapped + [{"breakdown": "device", "value": "tv", "rows": 1}]):
            self.assertNotEqual(oracle.compare_unmapped(want, wrong), [], wrong)

    def test_future_events_count_and_are_never_post_trial(self):
        s = self.story
        s.user("u1", ad="a")
        s.event("u1", "2025-08-20T10:00Z", TRIAL)
        self.check(self.main("ad", "a", "2025-08-20"), trial_users_count=1, post_trial_user_ids="[]")


class Meta(StoryCase):
    def test_a_row_counts_for_each_id_that_it_names(self):
        s = self.story
        s.meta("a1", "2025-07-01", adset="s", campaign="c", spend=1.005, impressions=10, clicks=2)
        s.meta("a2", "2025-07-01", adset="", campaign="c", spend=1.005, trials=2)
        rows = s.expected()[oracle.MAIN]
        self.assertEqual(len(rows), 4)
        self.check(rows["campaign", "c", "2025-07-01"], meta_spend=201, meta_impressions=10, meta_trial_count=2, data_quality_score=60,
                   profit_usd=-201, trial_accuracy_ratio=0, meta_cost_per_trial=101)
        self.check(rows["adset", "s", "2025-07-01"], meta_spend=101, data_quality_score=80)

    def test_a_breakdown_row_calls_for_its_main_row(self):
        s = self.story
        s.meta("a", "2025-07-01", kind="region", value="", spend=5, trials=3)
        want = s.expected()
        self.check(want[oracle.MAIN]["ad", "a", "2025-07-01"], meta_spend=0, meta_trial_count=0, data_quality_score=80)
        self.check(want[oracle.BREAKDOWN]["ad", "a", "2025-07-01", "region", "unknown"], meta_spend=500, meta_trial_count=3)

    def test_mappings(self):
        s = self.story
        s.product.execute(COUNTRY_MAPPING)
        s.product.executemany("INSERT INTO meta_country_mapping VALUES (?,?,?)", [
            ("Germany", "DE", 1), ("France", "FR", 0), ("Spain", None, 1), ("Italy", "IT", None), ("unknown", "US", 2)])
        for country in ("Germany", "germany", "France", "Spain", "Italy", "unknown", None, ""):
            s.meta("a", "2025-07-01", kind="country", value=country, spend=1)
        want = s.expected()
        spends = {key[4]: row["meta_spend"] for key, row in want[oracle.BREAKDOWN].items()}
        self.assertEqual(spends, {"DE": 100, "germany": 100, "France": 100, "unknown": 300, "Italy": 100, "US": 100})
        self.assertEqual(want["unmapped"], {("country", "germany"): 1, ("country", "France"): 1, ("country", "Italy"): 1})

    def test_devices_without_and_with_a_mapping(self):
        s = self.story
        for device in ("ipad", "iphone", "unknown", "tv", None, "iPhone"):
            s.meta("a", "2025-07-01", kind="device", value=device, spend=1)

        def spends():
            return {key[4]: row["meta_spend"] for key, row in s.expected()[oracle.BREAKDOWN].items()}

        built_in = {"APP_STORE": 200, "STRIPE": 100, "tv": 100, "unknown": 100, "iPhone": 100}
        self.assertEqual(spends(), built_in)
        s.product.execute(DEVICE_MAPPING)
        self.assertEqual(spends(), built_in)
        s.product.execute("INSERT INTO meta_device_mapping VALUES ('iphone', 'app_store', 0)")
        self.assertEqual(spends(), {"ipad": 100, "iphone": 100, "tv": 100, "unknown": 200, "iPhone": 100})
        s.product.execute("UPDATE meta_device_mapping SET is_active=1")
        self.assertEqual(spends(), {"ipad": 100, "app_store": 100, "tv": 100, "unknown": 200, "iPhone": 100})

    def test_names(self):
        s = self.story
        s.meta("a", "2025-07-01", adset="s", campaign="c", names=("b", "x", ""))
        s.meta("a", "2025-07-03", adset="s", campaign="c", names=("a", "x", None))
        s.meta("a", "2025-07-02", kind="region", value="r", adset="s", names=("a", "y", "lost"))
        s.meta("a", "2025-07-03", kind="region", value="r", names=("b", "y", None))
        s.meta("a", "2025-07-04", kind="region", value="r", names=("c", None, None), spend="bad")
        names = s.expected()[oracle.NAMES]
        self.assertEqual(names, {
            ("ad", "a"): {"canonical_name": "a", "frequency_count": 2, "last_seen_date": "2025-07-03"},
            ("adset", "s"): {"canonical_name": "x", "frequency_count": 2, "last_seen_date": "2025-07-03"}})

    def test_hierarchy(self):
        s = self.story
        s.meta("a", "2025-07-01", adset="s1", campaign="c1")
        s.meta("a", "2025-07-02", adset="s1", campaign="c1")
        s.meta("a", "2025-07-03", adset="s2", campaign="c1")
        s.meta("a", "2025-07-04", adset="s2", campaign="")
        s.meta("a", "2025-07-05", kind="region", value="r", adset="s2", campaign="c1")
        s.meta("b", "2025-07-01", adset="s2", campaign="c1")
        s.meta("b", "2025-07-02", adset="s1", campaign="c1")
        s.meta("n", "2025-07-02", adset="s1")
        self.assertEqual(s.expected()[oracle.HIERARCHY], {
            ("a",): {"adset_id": "s1", "campaign_id": "c1", "relationship_confidence": 67, "first_seen_date": "2025-07-01",
                     "last_seen_date": "2025-07-02"},
            ("b",): {"adset_id": "s1", "campaign_id": "c1", "relationship_confidence": 50, "first_seen_date": "2025-07-02",
                     "last_seen_date": "2025-07-02"}})


def materialize(want, path):
    """Writes what is expected into tables of the right shape."""
    sink = sqlite3.connect(path, isolation_level=None)
    sink.execute("PRAGMA synchronous=OFF")
    sink.execute("BEGIN")
    for table in oracle.TABLES:
        keys, columns = oracle.KEY_COLUMNS[table], oracle.COLUMNS[table]
        parts = [key + " TEXT NOT NULL" for key in keys]
        parts += [name + (" DECIMAL" if isinstance(kind, int) else " INTEGER" if kind == oracle.COUNT else " TEXT")
                  for name, kind in columns.items()]
        parts += ["metric_id INTEGER PRIMARY KEY" if name == "metric_id" else name + " DATETIME" for name in oracle.BOOKKEEPING[table]]
        if table == oracle.MAIN:
            parts += ["trial_user_ids TEXT AS (trial_users_list)", "purchase_user_ids TEXT AS (purchase_users_list)"]
        sink.execute("CREATE TABLE %s (%s)" % (table, ", ".join(parts)))
        for key, row in want[table].items():
            stored = dict(zip(keys, key))
            for name, kind in columns.items():
                stored[name] = float("%de-%d" % (row[name], kind)) if isinstance(kind, int) else row[name]
            for name in oracle.BOOKKEEPING[table]:
                if name != "metric_id":
                    stored[name] = "2025-08-01 00:00:00"
            source_gen.put(sink, table, [stored])
    sink.execute("COMMIT")
    return sink


class Comparing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        source = source_gen.create_source(self.folder.name, seed=5, users=60, days=20, hostile=0.5)
        self.want = oracle.expected(source.product_db, source.ads_db, source.as_of, "America/New_York")
        self.path = os.path.join(self.folder.name, "sink.db")
        self.sink = materialize(self.want, self.path)

    def tearDown(self):
        self.sink.close()
        self.folder.cleanup()

    def test_what_is_expected_holds_the_invariants_and_equals_itself(self):
        self.assertTrue(all(self.want[table] for table in oracle.TABLES))
        self.assertEqual(oracle.compare(self.want, self.path), [])
        self.assertEqual(oracle.check_invariants(self.path), [])

    def test_every_column_is_seen(self):
        for table in oracle.TABLES:
            rowid = self.sink.execute("SELECT rowid FROM %s ORDER BY rowid DESC LIMIT 1" % table).fetchone()[0]
            for column, kind in oracle.COLUMNS[table].items():
                changed = "%s || 'x'" % column if kind in (oracle.LIST, oracle.TEXT) else "%s + %s" % (
                    column, 1 if kind == oracle.COUNT else 10.0 ** -kind)
                for new in (changed, "NULL", "x'00'"):
                    self.sink.execute("BEGIN")
                    self.sink.execute("UPDATE %s SET %s = %s WHERE rowid = %d" % (table, column, new, rowid))
                    self.sink.execute("COMMIT")
                    found = oracle.compare(self.want, self.path)
                    self.assertIn(column, [difference.column for difference in found], (table, column, new))
                    value = self.original(table, rowid, column, kind)
                    self.sink.execute("UPDATE %s SET %s = ? WHERE rowid = ?" % (table, column), (value, rowid))
        self.assertEqual(oracle.compare(self.want, self.path), [])

    def original(self, table, rowid, column, kind):
        keys = oracle.KEY_COLUMNS[table]
        key = self.sink.execute("SELECT %s FROM %s WHERE rowid = %d" % (", ".join(keys), table, rowid)).fetchone()
        value = self.want[table][key][column]
        return float("%de-%d" % (value, kind)) if isinstance(kind, int) else value

    def test_rows_too_many_and_too_few(self):
        for table in oracle.TABLES:
            self.sink.execute("DELETE FROM %s WHERE rowid = 1" % table)
            self.sink.execute("UPDATE %s SET entity_id = 'other' WHERE rowid = 2" % table if table != oracle.HIERARCHY
                              else "UPDATE %s SET ad_id = 'other' WHERE rowid = 2" % table)
            found = [d for d in oracle.compare(self.want, self.path) if d.table == table]
            self.assertEqual(sorted((d.expected, d.actual) for d in found), [("a row", "none")] * 2 + [("none", "a row")])

    def test_broken_invariants_are_seen(self):
        for statement in (
            "UPDATE daily_mixpanel_metrics SET trial_users_count = trial_users_count + 1 WHERE rowid = 3",
            "UPDATE daily_mixpanel_metrics SET trial_refund_user_ids = '[\"stranger\"]' WHERE rowid = 4",
            "DELETE FROM daily_mixpanel_metrics_breakdown WHERE breakdown_type = 'region' AND mixpanel_trial_count > 0",
            "UPDATE daily_mixpanel_metrics SET actual_revenue_usd = actual_revenue_usd + 1 WHERE rowid = 5",
            "DELETE FROM daily_mixpanel_metrics WHERE rowid = 6",
        ):
            self.sink.execute("BEGIN")
            self.sink.execute(statement)
            self.sink.execute("COMMIT")
            self.assertNotEqual(oracle.check_invariants(self.path), [], statement)
            self.sink.close()
            os.remove(self.path)
            self.sink = materialize(self.want, self.path)


class Generator(unittest.TestCase):
    def content(self, seed, **how):
        digest = hashlib.sha256()
        with tempfile.TemporaryDirectory() as folder:
            source = source_gen.create_source(folder, seed, 20, 12, 0.5, **how)
            pipeline = source_gen.Pipeline(folder, random.Random(seed))
            for _ in range(25):
                digest.update(pipeline.random_step().encode())
            want = oracle.expected(source.product_db, source.ads_db, source.as_of)
            digest.update(repr([want[table] for table in oracle.TABLES]).encode("utf-8", "surrogateescape"))
            pipeline.close()
        return digest.hexdigest()

    def test_everything_follows_from_the_seed(self):
        self.assertEqual(self.content(3), self.content(3))
        self.assertNotEqual(self.content(3), self.content(4))

    def test_every_step_works_on_every_shape(self):
        for how in ({}, {"wal": False}, {"without_rowid": True}, {"with_processed_days": True}):
            with tempfile.TemporaryDirectory() as folder:
                source = source_gen.create_source(folder, 11, 25, 12, 0.8, **how)
                with contextlib.closing(source_gen.Pipeline(folder, random.Random(11))) as pipeline:
                    for _, step in pipeline.steps * 3:
                        step()
                    oracle.expected(source.product_db, source.ads_db, source.as_of)

    def test_identical_reloads_change_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            source = source_gen.create_source(folder, 12, 40, 12, 0.5)
            with contextlib.closing(source_gen.Pipeline(folder, random.Random(12))) as pipeline:
                before = oracle.expected(source.product_db, source.ads_db, source.as_of)
                for step in (pipeline.identical_day_reload, pipeline.identical_product_table_reload, pipeline.rollback_everything,
                             pipeline.update_nothing, pipeline.touch_ignored_columns, pipeline.meta_delete_and_reload, pipeline.vacuum):
                    step()
                after = oracle.expected(source.product_db, source.ads_db, source.as_of)
        for table in oracle.TABLES:
            self.assertEqual(before[table], after[table])


if __name__ == "__main__":
    unittest.main()
