"""Random source databases, and a random pipeline that keeps writing into them.

    source = create_source("dir", seed=7, users=100, days=30, hostile=0.2)
    pipeline = Pipeline("dir", random.Random(7))
    name = pipeline.random_step()      # one of the ways in which the real pipeline writes, committed

Everything follows from the seed. `hostile` is the share of values drawn from what a careful reader of the
metrics page would try first: unreadable times and numbers, strange ids, times at the edge of a day. Left
out, because the page does not decide them: ids as blobs, embedded NULs, invalid UTF-8, money above 1e9
dollars, counts above 1e12.
"""

import collections
import contextlib
import datetime
import json
import os
import random
import sqlite3
import string
import time

PRODUCT_DB, ADS_DB, PLAN = "mixpanel_data.db", "meta_analytics.db", "source.json"
LOCK_WAIT_SECONDS = 60

META_TABLES = {
    "ad_performance_daily": None,
    "ad_performance_daily_country": "country",
    "ad_performance_daily_region": "region",
    "ad_performance_daily_device": "device",
}
MAPPINGS = {
    "meta_country_mapping": ("meta_country_name", "mixpanel_country_code"),
    "meta_device_mapping": ("meta_device_type", "mixpanel_store_category"),
}

Source = collections.namedtuple("Source", "product_db ads_db as_of first_day last_day plan")

LAST_DAYS = ("2025-04-08", "2024-03-10", "2025-11-09", "2026-01-09", "2025-07-31", "2025-03-15")
INFINITY = float("inf")

TRIAL, PURCHASE, CONVERTED = "RC Trial started", "RC Initial purchase", "RC Trial converted"
REFUND_NAMES = ("RC Cancellation", "RC Cancellation", "rc CANCELLATION", "Subscription cancelled", "RC TrialCanceled")
OTHER_NAMES = ("RC Renewal", "App opened", "RC Trial Started", "rc initial purchase", "RC Cancelation"[:9], "", None)

STRANGE_IDS = (
    'with "quotes"', "back\\slash", "quo'te", "line\nbreak", "tab\tand\x01\x1f\x7f", "ünïcödé-кампания", "\U0001f680rocket",
    " ", " blank around ", "007", "1e3", "0x10", "1.0", "NULL", "null", "[]", '["a","b"]', "A", "a", "é", "e\u0301",
    "%", "_", "a/b?c=d&e#f", "-", "\u2028", "\ufeffbom", "true",
)
BAD_NUMBERS = ("n/a", "", " ", "USD 5", "1,5", "0x1F", "inf", "nan", "12abc", "NULL", INFINITY, -INFINITY, b"5", b"",
               "٣", "1e999x", "--1")
CONVERTIBLE_NUMBERS = ("12.5", " 7 ", "1e2", "+3", "0005.25")
EDGE_MONEY = (0.005, -0.005, 0.015, 1.005, 2.675, 4.995, 9.985, 1e-7, 5e-7, 4.9999e-7, -5e-7, -1e-7, 0.0000005, 1.0000005,
              0.1, 0.2, 0.3, 1e-300, 0.0, -0.0, 123456.789, 999999999.99, 0.004999, 5e-324, 33.333333333, -12.345)
COUNTRIES = ("US", "DE", "FR", "GB", "BR", "us", "unknown", "Türkiye")
META_COUNTRIES = ("United States", "Germany", "France", "United Kingdom", "Atlantis", "US", "BR", "germany", "unknown",
                  "Türkiye", 'Coted\'Ivoire "x"')
REGIONS = ("California", "Bavaria", "Île-de-France", "unknown", "São Paulo", "bavaria")
META_DEVICES = ("iphone", "ipad", "android_smartphone", "android_tablet", "desktop", "unknown", "tv", "iPhone", "other")
STORES = ("APP_STORE", "app_store", "PLAY_STORE", "Play_Store", "STRIPE", "stripe", " ", "straße", "é_store", "unknown")
OFFSETS = ("", "", "Z", "Z", "+00:00", "-00:00", "+02:00", "-05:00", "+05:30", "+14:00", "-12:00", "+05:45", "-14:59", "+00:01")


def text_of(day):
    return day.isoformat()


# ---------------------------------------------------------------------------------------------- the plan


def make_plan(rng, days, hostile, with_processed_days, without_rowid, last_day):
    last = datetime.date.fromisoformat(last_day or rng.choice(LAST_DAYS))
    first = last - datetime.timedelta(days=max(days, 1) - 1)
    bare = rng.random() < 0.25  # columns without a declared type keep text as text

    def number(kind):
        return "" if bare else kind

    def table(key, columns, extras, constraints=()):
        lines = [name + " " + kind for name, kind in columns] + list(extras)
        rng.shuffle(lines)
        if rng.random() < 0.5:
            lines = [key] + lines
        else:
            lines.insert(rng.randrange(len(lines) + 1), key)
        tail = " WITHOUT ROWID" if without_rowid and "AUTOINCREMENT" not in key else ""
        return "CREATE TABLE {name} (" + ", ".join(lines + list(constraints)) + ")" + tail

    integer_key = rng.random() < 0.75
    meta_values = [
        ("adset_id", "TEXT"), ("campaign_id", "TEXT"), ("ad_name", "TEXT"), ("adset_name", "TEXT"), ("campaign_name", "TEXT"),
        ("spend", number("DECIMAL(10,2)")), ("impressions", number("INTEGER")), ("clicks", number("INTEGER")),
        ("meta_trials", number("INTEGER")), ("meta_purchases", number("INTEGER")),
    ]
    ddl = {
        "mixpanel_user": table(
            "distinct_id TEXT PRIMARY KEY",
            [("abi_ad_id", "TEXT"), ("abi_campaign_id", "TEXT"), ("abi_ad_set_id", "TEXT"), ("country", "TEXT"),
             ("region", "TEXT"), ("has_abi_attribution", number("BOOLEAN"))],
            ["profile_json TEXT", "first_seen DATETIME", "valid_user BOOLEAN DEFAULT TRUE"]),
        "mixpanel_event": table(
            "event_uuid TEXT PRIMARY KEY",
            [("event_name", "TEXT"), ("distinct_id", "TEXT"), ("event_time", number("DATETIME")),
             ("revenue_usd", number("DECIMAL(10,2)"))],
            ["event_json TEXT", "\"order\" INTEGER", "raw_amount DECIMAL(10,2)", "currency TEXT DEFAULT 'USD'"]),
        "user_product_metrics": table(
            "user_product_id INTEGER PRIMARY KEY AUTOINCREMENT" if integer_key else "user_product_id TEXT PRIMARY KEY",
            [("distinct_id", "TEXT"), ("product_id", "TEXT"), ("credited_date", "TEXT"), ("store", "TEXT"),
             ("current_value", number("DECIMAL(10,2)")), ("trial_conversion_rate", number("DECIMAL(5,4)")),
             ("trial_converted_to_refund_rate", number("DECIMAL(5,4)")),
             ("initial_purchase_to_refund_rate", number("DECIMAL(5,4)"))],
            ["country TEXT", "device TEXT", "current_status TEXT", "last_updated_ts DATETIME"],
            ["UNIQUE (distinct_id, product_id)"]),
        "meta_country_mapping": "CREATE TABLE {name} (meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT,"
                                " is_active BOOLEAN DEFAULT 1, notes TEXT)",
        "meta_device_mapping": "CREATE TABLE {name} (meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT,"
                               " is_active BOOLEAN DEFAULT 1)",
        "processed_event_days": "CREATE TABLE {name} (date_day DATE PRIMARY KEY, events_processed INTEGER, status TEXT)",
    }
    for name, kind in META_TABLES.items():
        extra, key = [], "ad_id, date"
        if kind:
            extra, key = [(kind, "TEXT")], key + ", " + kind
        ddl[name] = table("ad_id TEXT", [("date", "DATE")] + extra + meta_values, ["meta_json TEXT", "reach INTEGER"],
                          ["PRIMARY KEY (%s)" % key])

    def pool(prefix, size):
        ids = ["%s%d" % (prefix, 1202100 + n) for n in range(size)]
        for _ in range(round(size * hostile)):
            ids[rng.randrange(size)] = rng.choice(STRANGE_IDS)
        if hostile and rng.random() < hostile:
            ids[0] = prefix + "x" * rng.choice((300, 5000))
        return ids

    campaigns, adsets, ads = pool("c", 3), pool("s", 5), pool("a", 9)
    if rng.random() < 0.5:
        adsets[0] = campaigns[0]  # the same id at two levels
    tree = {}
    for ad in ads:
        tree[ad] = [rng.choice(adsets), rng.choice(campaigns)]
    return {
        "first_day": text_of(first), "last_day": text_of(last), "hostile": hostile,
        "ddl": ddl, "integer_product_key": integer_key, "allow_null_keys": not without_rowid,
        "campaigns": campaigns, "adsets": adsets, "ads": ads, "tree": tree, "tables_made": 0,
        "with_processed_days": with_processed_days,
    }


# -------------------------------------------------------------------------------------------- the values


class Values:
    """Draws rows."""

    def __init__(self, rng, plan):
        self.rng, self.plan, self.hostile = rng, plan, plan["hostile"]
        self.first = datetime.date.fromisoformat(plan["first_day"])
        self.last = datetime.date.fromisoformat(plan["last_day"])
        self.serial = 0
        self.allow_null_keys = plan["allow_null_keys"]

    def is_hostile(self, share=1.0):
        return self.rng.random() < self.hostile * share

    def fresh(self, prefix):
        self.serial += 1
        return "%s-%08x-%d" % (prefix, self.rng.getrandbits(32), self.serial)

    def a_day(self):
        return self.first + datetime.timedelta(days=self.rng.randrange((self.last - self.first).days + 1))

    def key(self, value):
        """A key column: now and then NULL or empty."""
        if self.is_hostile(0.03):
            return self.rng.choice((None, "") if self.allow_null_keys else ("",))
        return value

    # Times ------------------------------------------------------------------------------------------

    def an_instant(self, day):
        """(naive UTC datetime in whole seconds, fraction digits)"""
        rng = self.rng
        if rng.random() < 0.35:  # the rims of a calendar day, here and in other zones
            second = rng.choice((0, 1, 3599, 3600, 7199, 7200, 10800, 14399, 14400, 17999, 18000, 25199, 25200, 28799, 28800,
                                 43200, 66599, 66600, 68400, 75600, 79199, 79200, 82799, 82800, 86399))
        else:
            second = rng.randrange(86400)
        fraction = ""
        if rng.random() < 0.5:
            fraction = "".join(rng.choice(string.digits) for _ in range(rng.choice((1, 3, 3, 6, 9, 10, 12, 30))))
        if rng.random() < 0.1:
            fraction = rng.choice(("000000001", "0000000009", "999999999", "9999999999", "0", "5"))
        return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(seconds=second), fraction

    def write_instant(self, instant):
        """One of the spellings of an instant."""
        rng, (utc, fraction) = self.rng, instant
        offset = rng.choice(OFFSETS)
        local = utc
        if offset not in ("", "Z"):
            minutes = int(offset[1:3]) * 60 + int(offset[4:6])
            local = utc + datetime.timedelta(minutes=minutes if offset[0] == "+" else -minutes)
        shown = local.strftime("%Y-%m-%d").rjust(10, "0") + rng.choice("T ") + local.strftime("%H:%M")
        if fraction or local.second or rng.random() < 0.8:
            shown += local.strftime(":%S")
        if fraction:
            shown += "." + fraction
        return shown + offset

    def bad_time(self, day):
        d = text_of(day)
        year = d[:4]
        return self.rng.choice((
            None, "", " ", "n/a", d, d + "T24:00:00Z", d + "T12:00:60Z", d + "T12:00:00,5Z", " " + d + "T12:00:00Z",
            d + "T12:00:00Z ", d + "t12:00:00Z", d + "T12:00:00z", d + "T12:00:00+0200", d + "T12:00:00+02",
            year + "-13-01T12:00:00Z", year + "-00-10T12:00:00Z", year + "-02-30T12:00:00Z", year + "-04-31 12:00",
            "2025-02-29T12:00:00Z", "1900-02-29T12:00:00Z", "2025-7-1T01:02:03", d.replace("-", "") + "T120000", 20250701,
            1751371200, 1751371200.5, (d + "T12:00:00Z").encode(), b"", d + "T12", d + "T12:00:00.", d + "T12:60:00", d + "T25:00",
            "２０２５-07-01T12:00:00", d + "T12:00:00Z\n", d + "T12:00:00+02:60", d + "T12:00:00+24:00", d + "T12:00Zjunk",
            d + "T12:00 Z", d + "TT12:00", d + "T12:00.5Z", "-" + d + "T12:00:00Z", "1" + d + "T12:00:00Z", "now", "12:00",
            "2460000.5", d + "T12:00:00ZZ", d + "T12:00:00+02:00Z", d + "_12:00:00", d + "T-1:00:00", d + "  12:00", d + "T12:00:0",
            d + "T12:00:00−02:00", "25-07-01T12:00:00Z", d[:8] + "00T12:00:00Z", d[:8] + "32T12:00:00Z",
        ))

    def rare_day(self):
        rng = self.rng
        return rng.choice((
            self.first - datetime.timedelta(days=400), self.last + datetime.timedelta(days=rng.randrange(1, 40)),
            datetime.date(2024, 2, 29), datetime.date(2050, 7, 15), datetime.date(1999, 12, 31), datetime.date(1970, 1, 1),
            datetime.date(1969, 12, 31), datetime.date(1890, 5, 5), datetime.date(2025, 3, 30), datetime.date(2025, 10, 26),
            datetime.date(2025, 11, 2), datetime.date(2025, 3, 9), datetime.date(2000, 2, 29), datetime.date(2038, 1, 19),
        ))

    def event_time(self, instant):
        if self.is_hostile(0.15):
            return self.bad_time(instant[0].date())
        return self.write_instant(instant)

    # Numbers ----------------------------------------------------------------------------------------

    def unreadable_number(self):
        if self.rng.random() < 0.15:
            return self.rng.choice(CONVERTIBLE_NUMBERS)  # readable in a column with numeric affinity
        return self.rng.choice(BAD_NUMBERS)

    def price(self):
        rng = self.rng
        if self.is_hostile(0.08):
            return self.unreadable_number()
        draw = rng.random()
        if draw < 0.5:
            return rng.choice((9.99, 49.99, 59.99, 4.99, 29.95, 79, 100))
        if draw < 0.6:
            return None
        if draw < 0.7:
            return 0
        if draw < 0.85:
            return rng.choice(EDGE_MONEY)
        return round(rng.uniform(0, 200), rng.choice((2, 3, 6, 9)))

    def rate(self):
        rng = self.rng
        if self.is_hostile(0.04):
            return self.unreadable_number()
        draw = rng.random()
        if draw < 0.2:
            return None
        if draw < 0.4:
            return rng.choice((0, 1, 0.5, 0.25, 1e-9, 5e-10, 4.9e-10, 0.00005, 0.33335, 0.99995, 1.5, -0.25, 0.123456789123))
        return round(rng.random(), rng.choice((2, 4, 9, 16)))

    def whole(self, top):
        rng = self.rng
        if self.is_hostile(0.05):
            return rng.choice((self.unreadable_number(), 1.5, 0.0000001, 2.0, -1, -3))
        if rng.random() < 0.06:
            return None
        return rng.choice((0, 0, 1, 2, 3, rng.randrange(top)))

    # Rows -------------------------------------------------------------------------------------------

    def an_attribution(self):
        rng = self.rng
        ad = rng.choice(self.plan["ads"])
        adset, campaign = self.plan["tree"][ad]
        if rng.random() < 0.1:
            adset, campaign = rng.choice(self.plan["adsets"]), rng.choice(self.plan["campaigns"])
        ids = [ad, adset, campaign]
        for level in range(3):
            if rng.random() < 0.1:
                ids[level] = rng.choice((None, "", None))
        flag = 1 if rng.random() < 0.8 else rng.choice((0, 2, None, "true", "1", 0.5, "", 1.0, -1, "false", 0.0))
        return {"abi_ad_id": ids[0], "abi_ad_set_id": ids[1], "abi_campaign_id": ids[2], "has_abi_attribution": flag}

    def user_row(self, distinct_id):
        rng = self.rng
        row = {
            "distinct_id": distinct_id, "profile_json": '{"n": %d}' % rng.randrange(1000),
            "country": rng.choice((None, "")) if rng.random() < 0.15 else rng.choice(COUNTRIES),
            "region": rng.choice((None, "")) if rng.random() < 0.2 else rng.choice(REGIONS),
        }
        row.update(self.an_attribution())
        return row

    def new_distinct_id(self):
        if self.is_hostile(0.3):
            return self.rng.choice(STRANGE_IDS) + self.rng.choice(("", str(self.rng.randrange(100))))
        if self.is_hostile(0.02):
            return "u" + "y" * 3000 + str(self.rng.randrange(100))
        return self.fresh("user")

    def event_row(self, distinct_id, name=None, instant=None, revenue=...):
        rng = self.rng
        if name is None:
            name = rng.choice((TRIAL, TRIAL, TRIAL, PURCHASE, CONVERTED, rng.choice(REFUND_NAMES), rng.choice(OTHER_NAMES)))
        if instant is None:
            instant = self.an_instant(self.rare_day() if self.is_hostile(0.1) else self.a_day())
        if revenue is ...:
            revenue = self.price()
            if name in REFUND_NAMES and isinstance(revenue, (int, float)) and rng.random() < 0.7:
                revenue = -revenue
        return {
            "event_uuid": self.key(self.fresh("e")), "event_name": name, "distinct_id": self.key(distinct_id),
            "event_time": self.event_time(instant), "revenue_usd": revenue,
            "event_json": '{"junk": "%s"}' % rng.choice(("a", "\\u0000", "'")), "order": rng.randrange(9),
        }

    def life(self, distinct_id):
        """The events of one user."""
        rng, events = self.rng, []
        instants = []

        def add(name, day, **more):
            instant = self.an_instant(day)
            if instants and rng.random() < 0.15:
                instant = rng.choice(instants)  # the very same time as another event
            if instants and rng.random() < 0.05:
                utc, fraction = rng.choice(instants)  # one nanosecond, or less, beside another
                instant = (utc, (fraction + "000000000")[:9] + "7" if fraction else "000000001")
            instants.append(instant)
            events.append(self.event_row(distinct_id, name, instant, **more))

        for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
            day = self.a_day()
            add(TRIAL, day)
            if rng.random() < 0.45:
                add(CONVERTED, day + datetime.timedelta(days=rng.choice((0, 6, 7, 7, 8))))
                if rng.random() < 0.4:
                    add(rng.choice(REFUND_NAMES), day + datetime.timedelta(days=rng.choice((0, 7, 7, 9, 15))))
            if rng.random() < 0.2:
                add(rng.choice(REFUND_NAMES), day, revenue=rng.choice((None, 0, 5, -1e-7, -5e-7)))
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            day = self.a_day()
            add(PURCHASE, day)
            if rng.random() < 0.35:
                add(rng.choice(REFUND_NAMES), day + datetime.timedelta(days=rng.choice((-3, 0, 0, 2, 20))))
        if rng.random() < 0.2:
            add(rng.choice(OTHER_NAMES), self.a_day())
        if self.is_hostile(0.3):
            add(None, self.rare_day())
        return events

    def product_row(self, distinct_id, product=...):
        rng = self.rng
        if product is ...:
            product = rng.choice(("gluten.yearly", "gluten.monthly", "b", "B", "é", "")) if rng.random() < 0.95 else None
        credited = text_of(self.a_day()) if rng.random() < 0.9 else rng.choice((None, "", "zzz", "2025-07-01 10:00"))
        if product is None:
            credited = self.fresh("2025-07-01 ")  # nothing says which of two rows with a NULL product is greater
        row = {
            "distinct_id": self.key(distinct_id), "product_id": product, "credited_date": credited,
            "store": rng.choice((None, "")) if rng.random() < 0.15 else rng.choice(STORES),
            "current_value": self.price(),
            "trial_conversion_rate": self.rate(), "trial_converted_to_refund_rate": self.rate(),
            "initial_purchase_to_refund_rate": self.rate(), "current_status": rng.choice(("trial", "refunded", None)),
        }
        if not self.plan["integer_product_key"]:
            row["user_product_id"] = self.fresh("p")
        return row

    def names_of(self, level, entity):
        rng = self.rng
        if rng.random() < 0.06:
            return rng.choice((None, ""))
        return "%s %s %s" % (level, rng.choice(("one", "Two", "drei", "ü")), entity[:8])

    def meta_row(self, table, ad, day, value=...):
        rng, kind = self.rng, META_TABLES[table]
        adset, campaign = self.plan["tree"].get(ad) or (rng.choice(self.plan["adsets"]), rng.choice(self.plan["campaigns"]))
        ids = [adset, campaign]
        for position in range(2):
            if rng.random() < 0.05:
                ids[position] = rng.choice((None, ""))
        date = text_of(day)
        if self.is_hostile(0.04):
            date = rng.choice(("", date[:4] + "-02-30", "2025-7-1", date.replace("-", ""), date + "T00:00:00", " " + date, "x",
                               date + " ", "2025-02-29", date[:7], date[:8] + "00"))
            if self.allow_null_keys and rng.random() < 0.2:
                date = None
        spend = self.price()
        if isinstance(spend, (int, float)) and spend not in (INFINITY, -INFINITY) and rng.random() < 0.03:
            spend = -spend
        row = {
            "ad_id": self.key(ad), "date": date, "adset_id": ids[0], "campaign_id": ids[1],
            "ad_name": self.names_of("ad", ad), "adset_name": self.names_of("set", adset),
            "campaign_name": self.names_of("campaign", campaign),
            "spend": spend, "impressions": self.whole(20000), "clicks": self.whole(900), "meta_trials": self.whole(9),
            "meta_purchases": self.whole(6), "reach": rng.randrange(9), "meta_json": "{}",
        }
        if self.is_hostile(0.02):
            row["impressions"] = rng.choice((10**12, 999_999_999_999))
        if kind:
            row[kind] = self.meta_breakdown(kind) if value is ... else value
        return row

    def meta_breakdown(self, kind):
        rng = self.rng
        if rng.random() < 0.1:
            return rng.choice((None, "")) if self.allow_null_keys else ""
        return rng.choice({"country": META_COUNTRIES, "region": REGIONS, "device": META_DEVICES}[kind])

    def meta_rows_of(self, table, ad, day):
        kind = META_TABLES[table]
        if kind is None:
            return [self.meta_row(table, ad, day)]
        values = sorted({self.meta_breakdown(kind) for _ in range(self.rng.randrange(1, 4))}, key=repr)
        return [self.meta_row(table, ad, day, value) for value in values]

    def mapping_row(self, table):
        rng = self.rng
        key, value = MAPPINGS[table]
        if table == "meta_country_mapping":
            name = rng.choice(META_COUNTRIES)
            mapped = rng.choice(("US", "DE", "FR", "GB", None, "", "unknown", "us"))
        else:
            name = rng.choice(META_DEVICES)
            mapped = rng.choice(("APP_STORE", "PLAY_STORE", "STRIPE", "app_store", "Tablet", None, ""))
        active = 1 if rng.random() < 0.75 else rng.choice((0, None, 2, "true", 0.5, ""))
        return {key: name, value: mapped, "is_active": active}


# ------------------------------------------------------------------------------------------ the databases


def connect(path, wal=None):
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # processes are killed here, machines are not
    if wal is not None:
        connection.execute("PRAGMA journal_mode=%s" % ("wal" if wal else "delete"))
    return connection


def create_table(connection, plan, name):
    connection.execute(plan["ddl"][name].format(name=name))
    if name in ("mixpanel_event", "user_product_metrics"):
        plan["tables_made"] += 1
        connection.execute("CREATE INDEX idx_%s_%d ON %s(distinct_id)" % (name, plan["tables_made"], name))


def put(connection, table, rows, verb="INSERT"):
    for row in rows:
        columns = ", ".join('"%s"' % column for column in row)
        marks = ", ".join("?" * len(row))
        connection.execute('%s INTO "%s" (%s) VALUES (%s)' % (verb, table, columns, marks), list(row.values()))


def create_source(directory, seed, users, days, hostile=0.0, wal=True, with_processed_days=False, without_rowid=False,
                  last_day=None):
    """Creates both databases and the plan beside them; returns a Source."""
    rng = random.Random("source %s" % seed)
    plan = make_plan(rng, days, hostile, with_processed_days, without_rowid, last_day)
    values = Values(rng, plan)
    product = connect(os.path.join(directory, PRODUCT_DB), wal)
    ads = connect(os.path.join(directory, ADS_DB), wal)
    product.execute("BEGIN")
    for name in ("mixpanel_user", "mixpanel_event", "user_product_metrics"):
        create_table(product, plan, name)
    for name, share in (("meta_country_mapping", 0.75), ("meta_device_mapping", 0.6)):
        if rng.random() < share:
            create_table(product, plan, name)
            if rng.random() < 0.85:
                put(product, name, [values.mapping_row(name) for _ in range(rng.randrange(1, 9))], "INSERT OR IGNORE")
    known = []
    for _ in range(users):
        distinct_id = values.new_distinct_id()
        known.append(distinct_id)
        if rng.random() < 0.94:  # the others have events and no user row
            put(product, "mixpanel_user", [values.user_row(distinct_id)], "INSERT OR IGNORE")
        if rng.random() < 0.92:
            put(product, "mixpanel_event", values.life(distinct_id), "INSERT OR IGNORE")
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            put(product, "user_product_metrics", [values.product_row(distinct_id)], "INSERT OR IGNORE")
    if hostile:
        put(product, "mixpanel_user", [values.user_row("")] + ([values.user_row(None)] if values.allow_null_keys else []))
    if with_processed_days:
        create_table(product, plan, "processed_event_days")
        for (day,) in product.execute("SELECT DISTINCT substr(event_time, 1, 10) FROM mixpanel_event"
                                      " WHERE date(event_time) IS NOT NULL ORDER BY 1").fetchall():
            put(product, "processed_event_days", [{"date_day": day, "status": "complete"}], "INSERT OR IGNORE")
    product.execute("COMMIT")
    ads.execute("BEGIN")
    for name in META_TABLES:
        create_table(ads, plan, name)
    for offset in range((values.last - values.first).days + 1):
        day = values.first + datetime.timedelta(days=offset)
        for ad in plan["ads"]:
            if rng.random() < 0.35:
                for name in META_TABLES:
                    if rng.random() < 0.85:
                        put(ads, name, values.meta_rows_of(name, ad, day), "INSERT OR IGNORE")
    ads.execute("COMMIT")
    product.close()
    ads.close()
    with open(os.path.join(directory, PLAN), "w", encoding="utf-8") as file:
        json.dump(plan, file)
    return load_source(directory)


def load_source(directory):
    with open(os.path.join(directory, PLAN), encoding="utf-8") as file:
        plan = json.load(file)
    return Source(os.path.join(directory, PRODUCT_DB), os.path.join(directory, ADS_DB), plan["last_day"], plan["first_day"],
                  plan["last_day"], plan)


# -------------------------------------------------------------------------------------------- the pipeline


class Pipeline:
    """Writes as the pipeline does. Each method commits what it did; each returns nothing."""

    def __init__(self, directory, rng, wal=None):
        source = load_source(directory)
        self.rng, self.plan, self.wal = rng, source.plan, wal
        self.paths = {"product": source.product_db, "ads": source.ads_db}
        self.values = Values(rng, self.plan)
        self.product = self.ads = None
        self.old_tables = {}
        self.reconnect()
        self.steps = (
            (9, self.insert_events), (4, self.move_events), (6, self.insert_users), (6, self.update_attribution),
            (7, self.day_reload), (4, self.identical_day_reload), (3, self.product_table_reload),
            (2, self.identical_product_table_reload), (6, self.update_products), (4, self.replace_products),
            (7, self.meta_day_replace), (3, self.meta_day_delete), (3, self.meta_delete_and_reload), (5, self.meta_breakdown_change),
            (5, self.mapping_change), (2, self.mapping_table_change), (2, self.rename_names), (3, self.change_hierarchy),
            (3, self.rollback_everything), (3, self.savepoint_rollback), (2, self.drop_and_recreate), (2, self.rename_swap),
            (1, self.vacuum), (3, self.delete_users), (2, self.delete_events_of_a_user), (3, self.replace_event_uuid),
            (2, self.replace_user_id), (2, self.replace_meta_key), (4, self.correct_rejects), (3, self.spoil_values),
            (3, self.late_event), (1, self.many_events_of_one_user), (3, self.delete_some_events), (2, self.touch_ignored_columns),
            (2, self.update_nothing), (2, self.change_event_days), (1, self.add_ignored_column), (2, self.one_big_transaction),
        )

    # Means ------------------------------------------------------------------------------------------

    def close(self):
        for connection in (self.product, self.ads):
            if connection is not None:
                connection.close()
        self.product = self.ads = None

    def reconnect(self):
        self.close()
        self.product, self.ads = connect(self.paths["product"], self.wal), connect(self.paths["ads"], self.wal)
        # With recursive triggers a REPLACE fires delete triggers too; both kinds of writer exist.
        recursive = int(self.rng.random() < 0.3)
        for connection in (self.product, self.ads):
            connection.execute("PRAGMA recursive_triggers=%d" % recursive)

    def patient(self, connection, sql):
        """For statements that may meet a reader's lock in spite of the busy timeout."""
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                return connection.execute(sql)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) and "busy" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    @contextlib.contextmanager
    def writing(self, connection):
        self.patient(connection, "BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.patient(connection, "COMMIT")

    def rows(self, connection, sql, *arguments):
        """Rows as dicts, in an order that follows from their content."""
        cursor = connection.execute(sql, arguments)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in sorted(cursor.fetchall(), key=repr)]

    def some(self, rows, most):
        rows = list(rows)
        return self.rng.sample(rows, min(len(rows), self.rng.randrange(1, most + 1)))

    def user_ids(self):
        return [row["distinct_id"] for row in self.rows(self.product, "SELECT distinct_id FROM mixpanel_user") if row["distinct_id"]]

    def a_user_id(self):
        ids = self.user_ids()
        return self.rng.choice(ids) if ids else self.values.new_distinct_id()

    def event_uuids(self):
        return [row["event_uuid"] for row in self.rows(self.product, "SELECT event_uuid FROM mixpanel_event") if row["event_uuid"]]

    def has(self, connection, table):
        return connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", (table,)).fetchone() is not None

    def database_of(self, table):
        return self.ads if table in META_TABLES else self.product

    def pieces(self, rows):
        """The rows cut into one to four batches."""
        cuts = sorted(self.rng.randrange(len(rows) + 1) for _ in range(self.rng.randrange(4)))
        for start, end in zip([0] + cuts, cuts + [len(rows)]):
            yield rows[start:end]

    def random_step(self):
        step = self.rng.choices([step for _, step in self.steps], [weight for weight, _ in self.steps])[0]
        if self.rng.random() < 0.1:
            self.reconnect()
        step()
        return step.__name__

    # Events -----------------------------------------------------------------------------------------

    def insert_events(self):
        rng = self.rng
        users = self.user_ids() + [self.values.new_distinct_id()]
        rows = []
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            user = rng.choice(users)
            rows += self.values.life(user) if rng.random() < 0.3 else [self.values.event_row(user)]
        uuids = self.event_uuids()
        for row in rows:  # some are here already
            if uuids and rng.random() < 0.15:
                row["event_uuid"] = rng.choice(uuids)
        for piece in self.pieces(rows):
            with self.writing(self.product):
                put(self.product, "mixpanel_event", piece, rng.choice(("INSERT OR IGNORE", "INSERT OR REPLACE")))

    def move_events(self):
        """The same event, now another user's."""
        rng = self.rng
        with self.writing(self.product):
            for row in self.some(self.rows(self.product, "SELECT * FROM mixpanel_event WHERE event_uuid <> ''"), 6):
                other = self.a_user_id()
                if rng.random() < 0.5:
                    put(self.product, "mixpanel_event", [dict(row, distinct_id=other)], "INSERT OR REPLACE")
                else:
                    self.product.execute("UPDATE mixpanel_event SET distinct_id=? WHERE event_uuid=?", (other, row["event_uuid"]))

    def _days_to_reload(self):
        days = self.rng.choice((1, 2, 3, 7))
        first = text_of(self.values.last - datetime.timedelta(days=days - 1))
        where = "substr(event_time, 1, 10) >= '%s' AND substr(event_time, 1, 10) <= '%s'" % (first, text_of(self.values.last))
        return where, self.rows(self.product, "SELECT * FROM mixpanel_event WHERE " + where)

    def _reload(self, where, rows):
        """Delete, commit, and insert again in several transactions."""
        declared = self.has(self.product, "processed_event_days")
        whole = []
        with self.writing(self.product):
            self.product.execute("DELETE FROM mixpanel_event WHERE " + where)
            if declared:
                where_day = where.replace("substr(event_time, 1, 10)", "date_day")
                whole = self.rows(self.product, "SELECT * FROM processed_event_days WHERE " + where_day)
                self.product.execute("DELETE FROM processed_event_days WHERE " + where_day)
        self.rng.shuffle(rows)
        for piece in self.pieces(rows):
            with self.writing(self.product):
                put(self.product, "mixpanel_event", piece, "INSERT OR IGNORE")
        if declared:
            with self.writing(self.product):
                put(self.product, "processed_event_days", whole, "INSERT OR REPLACE")

    def day_reload(self):
        where, rows = self._days_to_reload()
        rows = [row for row in rows if self.rng.random() > 0.04]
        for row in rows:
            if self.rng.random() < 0.05:
                row["revenue_usd"] = self.values.price()
        for _ in range(self.rng.randrange(4)):
            rows.append(self.values.event_row(self.a_user_id(), instant=self.values.an_instant(self.values.last)))
        self._reload(where, rows)

    def identical_day_reload(self):
        self._reload(*self._days_to_reload())

    def delete_some_events(self):
        with self.writing(self.product):
            for uuid in self.some(self.event_uuids(), 6):
                self.product.execute("DELETE FROM mixpanel_event WHERE event_uuid=?", (uuid,))

    def delete_events_of_a_user(self):
        user = self.a_user_id()
        if self.rng.random() < 0.5:  # the busiest one
            row = self.product.execute("SELECT distinct_id FROM mixpanel_event GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").fetchone()
            user = row[0] if row else user
        with self.writing(self.product):
            self.product.execute("DELETE FROM mixpanel_event WHERE distinct_id=?", (user,))

    def replace_event_uuid(self):
        """An UPDATE OR REPLACE that removes another user's event."""
        uuids = self.event_uuids()
        if len(uuids) < 2:
            return
        with self.writing(self.product):
            for _ in range(self.rng.randrange(1, 4)):
                one, other = self.rng.sample(uuids, 2)
                self.product.execute("UPDATE OR REPLACE mixpanel_event SET event_uuid=? WHERE event_uuid=?", (other, one))

    def late_event(self):
        day = self.values.last - datetime.timedelta(days=400)
        rows = [self.values.event_row(self.a_user_id(), self.rng.choice((TRIAL, PURCHASE, REFUND_NAMES[0])), self.values.an_instant(day))]
        with self.writing(self.product):
            put(self.product, "mixpanel_event", rows, "INSERT OR IGNORE")

    def many_events_of_one_user(self):
        user = self.a_user_id()
        rows = [self.values.event_row(user) for _ in range(1000)]
        for piece in self.pieces(rows):
            with self.writing(self.product):
                put(self.product, "mixpanel_event", piece, "INSERT OR IGNORE")

    def change_event_days(self):
        """An old and a new row in one transaction: their keys are dirty, not the days between."""
        with self.writing(self.product):
            for uuid in self.some(self.event_uuids(), 5):
                row = self.values.event_row("x")
                self.product.execute("UPDATE mixpanel_event SET event_time=?, event_name=? WHERE event_uuid=?",
                                     (row["event_time"], row["event_name"], uuid))

    # Users ------------------------------------------------------------------------------------------

    def insert_users(self):
        rng = self.rng
        with self.writing(self.product):
            homeless = [row["distinct_id"] for row in self.rows(
                self.product, "SELECT DISTINCT distinct_id FROM mixpanel_event EXCEPT SELECT distinct_id FROM mixpanel_user")]
            for _ in range(rng.choice((1, 1, 3, 8))):
                user = rng.choice((self.values.new_distinct_id(), self.a_user_id(), self.a_user_id(), rng.choice(homeless or ["nobody"])))
                if user is None and not self.values.allow_null_keys:
                    continue
                row = self.values.user_row(user)
                if rng.random() < 0.3:  # replaced by itself
                    same = self.rows(self.product, "SELECT * FROM mixpanel_user WHERE distinct_id=?", user)
                    row = same[0] if same else row
                put(self.product, "mixpanel_user", [row], "INSERT OR REPLACE")

    def update_attribution(self):
        rng = self.rng
        with self.writing(self.product):
            for user in self.some(self.user_ids(), 8):
                change = self.values.an_attribution()
                names = [name for name in change if rng.random() < 0.6] or ["has_abi_attribution"]
                if rng.random() < 0.2:
                    change["country"] = rng.choice((None, "", *COUNTRIES))
                    names.append("country")
                self.product.execute("UPDATE mixpanel_user SET %s WHERE distinct_id=?" % ", ".join(name + "=?" for name in names),
                                     [change[name] for name in names] + [user])
            if rng.random() < 0.1:
                self.product.execute("UPDATE mixpanel_user SET has_abi_attribution=?", (rng.choice((0, 1)),))

    def delete_users(self):
        with self.writing(self.product):
            for user in self.some(self.user_ids(), 3):
                self.product.execute("DELETE FROM mixpanel_user WHERE distinct_id=?", (user,))

    def replace_user_id(self):
        users = self.user_ids()
        if len(users) < 2:
            return
        with self.writing(self.product):
            one, other = self.rng.sample(users, 2)
            if self.rng.random() < 0.3:
                other = self.values.new_distinct_id()
            self.product.execute("UPDATE OR REPLACE mixpanel_user SET distinct_id=? WHERE distinct_id=?", (other, one))

    # Products ---------------------------------------------------------------------------------------

    def product_table_reload(self):
        """DELETE of the whole table, and a reload that is mostly the same."""
        rng = self.rng
        rows = self.rows(self.product, "SELECT * FROM user_product_metrics")
        kept = []
        for row in rows:
            if rng.random() < 0.03:
                continue
            if rng.random() < 0.06:
                row = dict(row, current_value=self.values.price(), trial_conversion_rate=self.values.rate())
            kept.append(row)
        kept += [self.values.product_row(self.a_user_id()) for _ in range(rng.randrange(3))]
        self._reload_products(kept)

    def identical_product_table_reload(self):
        self._reload_products(self.rows(self.product, "SELECT * FROM user_product_metrics"))

    def _reload_products(self, rows):
        if self.plan["integer_product_key"] and self.rng.random() < 0.6:
            for row in rows:
                row.pop("user_product_id", None)  # new ids
        if self.rng.random() < 0.3:
            with self.writing(self.product):
                self.product.execute("DELETE FROM user_product_metrics")
                put(self.product, "user_product_metrics", rows, "INSERT OR IGNORE")
            return
        with self.writing(self.product):
            self.product.execute("DELETE FROM user_product_metrics")
        for piece in self.pieces(rows):
            with self.writing(self.product):
                put(self.product, "user_product_metrics", piece, "INSERT OR IGNORE")

    def update_products(self):
        rng = self.rng
        with self.writing(self.product):
            for row in self.some(self.rows(self.product, "SELECT user_product_id AS id FROM user_product_metrics"), 10):
                change = self.values.product_row("x")
                names = rng.sample(("current_value", "trial_conversion_rate", "trial_converted_to_refund_rate",
                                    "initial_purchase_to_refund_rate", "store"), rng.randrange(1, 4))
                self.product.execute("UPDATE user_product_metrics SET %s WHERE user_product_id=?" % ", ".join(n + "=?" for n in names),
                                     [change[n] for n in names] + [row["id"]])
            if rng.random() < 0.1:
                self.product.execute("UPDATE user_product_metrics SET trial_conversion_rate=?", (self.values.rate(),))

    def replace_products(self):
        """REPLACE through the second unique key, at times through both at once; moves between users too."""
        rng = self.rng
        with self.writing(self.product):
            rows = self.rows(self.product, "SELECT * FROM user_product_metrics WHERE product_id IS NOT NULL")
            for row in self.some(rows, 5):
                new = self.values.product_row(row["distinct_id"], row["product_id"])
                new["distinct_id"] = row["distinct_id"]
                if rng.random() < 0.4:  # takes another row's id: both rows go
                    new["user_product_id"] = rng.choice(rows)["user_product_id"]
                put(self.product, "user_product_metrics", [new], "INSERT OR REPLACE")
            if rng.random() < 0.4 and rows:
                row = rng.choice(rows)
                self.product.execute("UPDATE OR REPLACE user_product_metrics SET distinct_id=? WHERE user_product_id=?",
                                     (self.a_user_id(), row["user_product_id"]))
            if rng.random() < 0.3:
                put(self.product, "user_product_metrics", [self.values.product_row(self.a_user_id())], "INSERT OR REPLACE")

    # Meta -------------------------------------------------------------------------------------------

    def _late_days(self):
        days = self.rng.choice((1, 1, 2, 3))
        start = self.rng.randrange(min(10, (self.values.last - self.values.first).days + 1))
        return [self.values.last - datetime.timedelta(days=start + n) for n in range(days)]

    def meta_day_replace(self):
        """Whole days again, with corrected spend."""
        rng = self.rng
        for day in self._late_days():
            with self.writing(self.ads):
                for table in META_TABLES:
                    for row in self.rows(self.ads, "SELECT * FROM %s WHERE date=?" % table, text_of(day)):
                        if row["ad_id"] is None or rng.random() < 0.2:
                            continue
                        if rng.random() < 0.5:
                            row["spend"] = self.values.price()
                        if rng.random() < 0.3:
                            row["meta_trials"], row["clicks"] = self.values.whole(9), self.values.whole(900)
                        put(self.ads, table, [row], "INSERT OR REPLACE")
                    if rng.random() < 0.4:
                        put(self.ads, table, self.values.meta_rows_of(table, rng.choice(self.plan["ads"]), day), "INSERT OR REPLACE")

    def meta_day_delete(self):
        tables = self.rng.sample(sorted(META_TABLES), self.rng.randrange(1, 5))
        with self.writing(self.ads):
            for table in tables:
                for day in self._late_days():
                    self.ads.execute("DELETE FROM %s WHERE date=?" % table, (text_of(day),))

    def meta_delete_and_reload(self):
        table = self.rng.choice(sorted(META_TABLES))
        day = text_of(self.values.a_day())
        rows = self.rows(self.ads, "SELECT * FROM %s WHERE date=?" % table, day)
        with self.writing(self.ads):
            self.ads.execute("DELETE FROM %s WHERE date=?" % table, (day,))
        for piece in self.pieces(rows):
            with self.writing(self.ads):
                put(self.ads, table, piece)

    def meta_breakdown_change(self):
        """Another country, region or device: a key column changes in place."""
        table = self.rng.choice(sorted(name for name, kind in META_TABLES.items() if kind))
        kind = META_TABLES[table]
        with self.writing(self.ads):
            rows = self.rows(self.ads, "SELECT ad_id, date, %s FROM %s WHERE ad_id IS NOT NULL AND date IS NOT NULL" % (kind, table))
            for row in self.some(rows, 5):
                self.ads.execute("UPDATE OR REPLACE %s SET %s=? WHERE ad_id=? AND date=? AND %s IS ?" % (table, kind, kind),
                                 (self.values.meta_breakdown(kind), row["ad_id"], row["date"], row[kind]))

    def replace_meta_key(self):
        table = self.rng.choice(sorted(META_TABLES))
        with self.writing(self.ads):
            rows = self.rows(self.ads, "SELECT ad_id, date FROM %s WHERE ad_id IS NOT NULL AND date IS NOT NULL" % table)
            for row in self.some(rows, 3):
                self.ads.execute("UPDATE OR REPLACE %s SET ad_id=?, date=? WHERE ad_id=? AND date=?" % table,
                                 (self.rng.choice(self.plan["ads"]), text_of(self.values.a_day()), row["ad_id"], row["date"]))

    def rename_names(self):
        level, column = self.rng.choice((("campaigns", "campaign"), ("adsets", "adset"), ("ads", "ad")))
        entity = self.rng.choice(self.plan[level])
        name = self.rng.choice((None, "", "A new name", "a new name", "Нове ім'я", 'said "x"', "zz"))
        with self.writing(self.ads):
            for table in self.some(sorted(META_TABLES), 4):
                day = text_of(self.values.a_day())
                self.ads.execute("UPDATE %s SET %s_name=? WHERE %s_id=? AND date >= ?" % (table, column, column), (name, entity, day))

    def change_hierarchy(self):
        ad = self.rng.choice(self.plan["ads"])
        self.plan["tree"][ad] = [self.rng.choice(self.plan["adsets"]), self.rng.choice(self.plan["campaigns"])]
        adset, campaign = self.plan["tree"][ad]
        if self.rng.random() < 0.15:
            adset = self.rng.choice((None, ""))
        with self.writing(self.ads):
            for table in self.some(sorted(META_TABLES), 4):
                self.ads.execute("UPDATE %s SET adset_id=?, campaign_id=? WHERE ad_id=? AND date >= ?" % table,
                                 (adset, campaign, ad, text_of(self.values.a_day())))

    # Mappings ---------------------------------------------------------------------------------------

    def mapping_change(self):
        rng = self.rng
        table = rng.choice(sorted(MAPPINGS))
        if not self.has(self.product, table):
            return self.mapping_table_change()
        key, value = MAPPINGS[table]
        with self.writing(self.product):
            for _ in range(rng.randrange(1, 4)):
                row = self.values.mapping_row(table)
                draw = rng.random()
                if draw < 0.5:
                    put(self.product, table, [row], "INSERT OR REPLACE")
                elif draw < 0.7:
                    self.product.execute("UPDATE %s SET %s=? WHERE %s=?" % (table, value, key), (row[value], row[key]))
                elif draw < 0.85:
                    self.product.execute("UPDATE %s SET is_active=?" % table, (row["is_active"],))
                else:
                    self.product.execute("DELETE FROM %s WHERE %s=?" % (table, key), (row[key],))

    def mapping_table_change(self):
        """The optional table is cleared, dropped or created."""
        rng = self.rng
        table = rng.choice(sorted(MAPPINGS))
        if not self.has(self.product, table):
            with self.writing(self.product):
                create_table(self.product, self.plan, table)
                if rng.random() < 0.6:
                    put(self.product, table, [self.values.mapping_row(table) for _ in range(4)], "INSERT OR IGNORE")
        elif rng.random() < 0.5:
            with self.writing(self.product):
                self.product.execute("DELETE FROM " + table)
        else:
            with self.writing(self.product):
                self.product.execute("DROP TABLE " + table)

    # What is taken back ------------------------------------------------------------------------------

    def rollback_everything(self):
        self.patient(self.product, "BEGIN IMMEDIATE")
        for table in ("mixpanel_user", "mixpanel_event", "user_product_metrics"):
            self.product.execute("DELETE FROM " + table)
        put(self.product, "mixpanel_event", self.values.life(self.values.new_distinct_id()), "INSERT OR IGNORE")
        self.product.execute("ROLLBACK")
        self.patient(self.ads, "BEGIN IMMEDIATE")
        for table in META_TABLES:
            self.ads.execute("UPDATE %s SET spend=spend+1" % table)
        self.ads.execute("ROLLBACK")

    def savepoint_rollback(self):
        with self.writing(self.product):
            put(self.product, "mixpanel_event", [self.values.event_row(self.a_user_id())], "INSERT OR IGNORE")
            self.product.execute("SAVEPOINT half")
            self.product.execute("DELETE FROM user_product_metrics")
            self.product.execute("UPDATE mixpanel_user SET country='Nowhere'")
            self.product.execute("ROLLBACK TO half")
            self.product.execute("RELEASE half")
            put(self.product, "mixpanel_event", [self.values.event_row(self.a_user_id())], "INSERT OR IGNORE")

    # Tables -----------------------------------------------------------------------------------------

    def _any_raw_table(self):
        return self.rng.choice(("mixpanel_user", "mixpanel_event", "user_product_metrics", *META_TABLES))

    def _altered(self, table, rows):
        rng = self.rng
        rows = [row for row in rows if rng.random() > 0.1]
        for row in rows:
            if rng.random() < 0.1:
                if table == "mixpanel_user":
                    row.update(self.values.an_attribution())
                elif table == "mixpanel_event":
                    row["revenue_usd"] = self.values.price()
                elif table == "user_product_metrics":
                    row["current_value"] = self.values.price()
                else:
                    row["spend"] = self.values.price()
        return rows

    def drop_and_recreate(self):
        table = self._any_raw_table()
        database = self.database_of(table)
        rows = self.rows(database, "SELECT * FROM " + table)
        if self.rng.random() < 0.5:
            rows = self._altered(table, rows)
        rows = self._known_columns(table, rows)
        draw = self.rng.random()
        if draw < 0.4:  # all in one transaction: nobody sees the gap
            with self.writing(database):
                database.execute("DROP TABLE " + table)
                create_table(database, self.plan, table)
                put(database, table, rows, "INSERT OR IGNORE")
            return
        with self.writing(database):
            database.execute("DROP TABLE " + table)
            if draw < 0.7:
                create_table(database, self.plan, table)
        if draw >= 0.7:
            with self.writing(database):
                create_table(database, self.plan, table)
        for piece in self.pieces(rows):
            with self.writing(database):
                put(database, table, piece, "INSERT OR IGNORE")

    def rename_swap(self):
        """A new table is filled beside the old one, then takes its name; the old one at times stays around."""
        table = self._any_raw_table()
        database = self.database_of(table)
        rows = self.rows(database, "SELECT * FROM " + table)
        if self.rng.random() < 0.5:
            rows = self._altered(table, rows)
        rows = self._known_columns(table, rows)
        with self.writing(database):
            database.execute("DROP TABLE IF EXISTS %s_new" % table)
            database.execute(self.plan["ddl"][table].format(name=table + "_new"))
            if table in ("mixpanel_event", "user_product_metrics"):
                self.plan["tables_made"] += 1
                database.execute("CREATE INDEX idx_%s_%d ON %s_new(distinct_id)" % (table, self.plan["tables_made"], table))
            put(database, table + "_new", rows, "INSERT OR IGNORE")
        with self.writing(database):
            database.execute("DROP TABLE IF EXISTS %s_old" % table)
            database.execute("ALTER TABLE %s RENAME TO %s_old" % (table, table))
            database.execute("ALTER TABLE %s_new RENAME TO %s" % (table, table))
            if self.rng.random() < 0.5:
                database.execute("DROP TABLE %s_old" % table)

    def _known_columns(self, table, rows):
        """Without the columns that add_ignored_column() gave to the table that is about to go."""
        return [{name: value for name, value in row.items() if not name.startswith("later_")} for row in rows]

    def add_ignored_column(self):
        table = self._any_raw_table()
        with self.writing(self.database_of(table)) as database:
            database.execute("ALTER TABLE %s ADD COLUMN %s TEXT DEFAULT 'x'" % (table, self.values.fresh("later_").replace("-", "")))

    def vacuum(self):
        self.patient(self.rng.choice((self.product, self.ads)), "VACUUM")

    # Values -----------------------------------------------------------------------------------------

    def correct_rejects(self):
        """Rows that could not be read are corrected."""
        rng = self.rng
        with self.writing(self.product):
            bad = self.rows(self.product, "SELECT event_uuid, event_time FROM mixpanel_event WHERE event_uuid <> '' AND"
                            " (typeof(revenue_usd) IN ('text','blob') OR abs(revenue_usd) > 1e300 OR date(event_time) IS NULL)")
            for row in self.some(bad, 20) if bad else ():
                self.product.execute("UPDATE mixpanel_event SET revenue_usd=?, event_time=? WHERE event_uuid=?",
                                     (rng.choice((9.99, -9.99, 5)), self.values.write_instant(self.values.an_instant(self.values.a_day())),
                                      row["event_uuid"]))
            self.product.execute("UPDATE user_product_metrics SET current_value=7.5 WHERE typeof(current_value) IN ('text','blob')")
            self.product.execute("UPDATE user_product_metrics SET trial_conversion_rate=0.5"
                                 " WHERE typeof(trial_conversion_rate) IN ('text','blob') OR abs(trial_conversion_rate) > 1e300")
        with self.writing(self.ads):
            for table in META_TABLES:
                if rng.random() < 0.7:
                    self.ads.execute("UPDATE %s SET spend=1.25 WHERE typeof(spend) IN ('text','blob') OR abs(spend) > 1e300" % table)
                if rng.random() < 0.4:
                    self.ads.execute("UPDATE %s SET clicks=3 WHERE typeof(clicks) NOT IN ('integer','null')" % table)
                if rng.random() < 0.4:
                    self.ads.execute("UPDATE OR IGNORE %s SET date=? WHERE date IS NULL OR length(date) <> 10 OR ad_id = ''" % table,
                                     (text_of(self.values.a_day()),))

    def spoil_values(self):
        """The other way round: a good row becomes unreadable."""
        rng = self.rng
        if not self.plan["hostile"]:
            return
        with self.writing(self.product):
            for uuid in self.some(self.event_uuids(), 4):
                if rng.random() < 0.5:
                    self.product.execute("UPDATE mixpanel_event SET revenue_usd=? WHERE event_uuid=?", (self.values.unreadable_number(), uuid))
                else:
                    self.product.execute("UPDATE mixpanel_event SET event_time=? WHERE event_uuid=?",
                                         (self.values.bad_time(self.values.a_day()), uuid))
        table = rng.choice(sorted(META_TABLES))
        column = rng.choice(("spend", "impressions", "clicks", "meta_trials", "meta_purchases"))
        with self.writing(self.ads):
            rows = self.rows(self.ads, "SELECT ad_id, date FROM " + table)
            for row in self.some(rows, 3):
                self.ads.execute("UPDATE %s SET %s=? WHERE ad_id=? AND date=?" % (table, column),
                                 (self.values.unreadable_number(), row["ad_id"], row["date"]))

    def touch_ignored_columns(self):
        with self.writing(self.product):
            self.product.execute("UPDATE mixpanel_event SET event_json='{}'")
            self.product.execute("UPDATE mixpanel_user SET profile_json='{}'")
        with self.writing(self.ads):
            self.ads.execute("UPDATE ad_performance_daily SET meta_json='[]', reach=reach+1")

    def update_nothing(self):
        """Updates that leave every value as it is, and replaces of rows by themselves."""
        with self.writing(self.product):
            self.product.execute("UPDATE mixpanel_event SET revenue_usd=revenue_usd, distinct_id=distinct_id")
            self.product.execute("INSERT OR REPLACE INTO mixpanel_user SELECT * FROM mixpanel_user WHERE distinct_id IS NOT NULL")
        with self.writing(self.ads):
            self.ads.execute("UPDATE ad_performance_daily_country SET spend=spend")
            self.ads.execute("INSERT OR REPLACE INTO ad_performance_daily SELECT * FROM ad_performance_daily"
                             " WHERE ad_id IS NOT NULL AND date IS NOT NULL")

    def one_big_transaction(self):
        """Everything about one user in a single transaction, and undone in part within it."""
        user = self.values.new_distinct_id()
        with self.writing(self.product):
            put(self.product, "mixpanel_event", self.values.life(user), "INSERT OR IGNORE")
            put(self.product, "mixpanel_user", [self.values.user_row(user)], "INSERT OR REPLACE")
            put(self.product, "user_product_metrics", [self.values.product_row(user)], "INSERT OR IGNORE")
            if self.rng.random() < 0.5:
                self.product.execute("DELETE FROM mixpanel_user WHERE distinct_id=?", (user,))
            put(self.product, "mixpanel_user", [self.values.user_row(user)], "INSERT OR REPLACE")
