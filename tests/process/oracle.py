"""What the materialized tables must hold, recomputed from scratch.

This is the independent judge of the daemon: it shares no code and no idea with it. It reads the two
source databases once, works with whole numbers only, and follows the definitions of the metrics page in
the order in which they are written there. It is plain on purpose.

    want = expected("mixpanel_data.db", "meta_analytics.db", as_of="2025-07-31", time_zone="UTC")
    differences = compare(want, "mixpanel_data.db")
    broken = check_invariants("mixpanel_data.db")

Run as a program it compares once and says what differs:

    python3 oracle.py --product P.db --ads A.db --sink S.db --as-of 2025-07-31 [--zone Z]
"""

import argparse
import collections
import datetime
import decimal
import functools
import json
import math
import os
import re
import sqlite3
import sys
import urllib.parse
import zoneinfo

MAIN = "daily_mixpanel_metrics"
BREAKDOWN = "daily_mixpanel_metrics_breakdown"
NAMES = "id_name_mapping"
HIERARCHY = "id_hierarchy_mapping"
TABLES = (MAIN, BREAKDOWN, NAMES, HIERARCHY)

KEY_COLUMNS = {
    MAIN: ("entity_type", "entity_id", "date"),
    BREAKDOWN: ("entity_type", "entity_id", "date", "breakdown_type", "breakdown_value"),
    NAMES: ("entity_type", "entity_id"),
    HIERARCHY: ("ad_id",),
}

# How a column is stored: a number is that many decimals, held here as a whole number of its last decimal.
TEXT, COUNT, LIST = "text", "count", "list"

_SHARED = {
    "meta_spend": 2,
    "meta_impressions": COUNT,
    "meta_clicks": COUNT,
    "meta_trial_count": COUNT,
    "meta_purchase_count": COUNT,
    "post_trial_user_ids": LIST,
    "converted_user_ids": LIST,
    "trial_refund_user_ids": LIST,
    "purchase_refund_user_ids": LIST,
    "trial_conversion_rate_estimated": 4,
    "trial_conversion_rate_actual": 4,
    "trial_refund_rate_estimated": 4,
    "trial_refund_rate_actual": 4,
    "purchase_refund_rate_estimated": 4,
    "purchase_refund_rate_actual": 4,
    "actual_revenue_usd": 2,
    "actual_refunds_usd": 2,
    "net_actual_revenue_usd": 2,
    "estimated_revenue_usd": 2,
    "adjusted_estimated_revenue_usd": 2,
    "profit_usd": 2,
    "estimated_roas": 4,
    "trial_accuracy_ratio": 4,
    "purchase_accuracy_ratio": 4,
    "mixpanel_cost_per_trial": 2,
    "mixpanel_cost_per_purchase": 2,
    "meta_cost_per_trial": 2,
    "meta_cost_per_purchase": 2,
    "click_to_trial_rate": 4,
}

COLUMNS = {
    MAIN: dict(
        _SHARED,
        trial_users_count=COUNT,
        trial_users_list=LIST,
        purchase_users_count=COUNT,
        purchase_users_list=LIST,
        data_quality_score=2,
    ),
    BREAKDOWN: dict(
        _SHARED,
        mixpanel_trial_count=COUNT,
        trial_user_ids=LIST,
        mixpanel_purchase_count=COUNT,
        purchase_user_ids=LIST,
    ),
    NAMES: {"canonical_name": TEXT, "frequency_count": COUNT, "last_seen_date": TEXT},
    HIERARCHY: {
        "adset_id": TEXT,
        "campaign_id": TEXT,
        "relationship_confidence": 2,
        "first_seen_date": TEXT,
        "last_seen_date": TEXT,
    },
}

# Columns that depend on when the daemon worked, not on the source.
BOOKKEEPING = {
    MAIN: ("metric_id", "computed_at"),
    BREAKDOWN: ("metric_id", "computed_at"),
    NAMES: ("created_at", "updated_at"),
    HIERARCHY: ("created_at", "updated_at"),
}

DEFAULT_NAMES = {
    "trial_started": "RC Trial started",
    "initial_purchase": "RC Initial purchase",
    "trial_converted": "RC Trial converted",
    "refund_contains": "cancel",
}

# These hold while the device mapping table is absent or has no row.
BUILT_IN_DEVICES = {
    "iphone": "APP_STORE",
    "ipad": "APP_STORE",
    "android_smartphone": "PLAY_STORE",
    "android_tablet": "PLAY_STORE",
    "desktop": "STRIPE",
    "unknown": "STRIPE",
}

RATES = ("trial_conversion_rate", "trial_converted_to_refund_rate", "initial_purchase_to_refund_rate")
META_TABLES = {
    "ad_performance_daily": None,
    "ad_performance_daily_country": "country",
    "ad_performance_daily_region": "region",
    "ad_performance_daily_device": "device",
}
META_COUNTS = ("impressions", "clicks", "meta_trials", "meta_purchases")
META_LEVELS = {
    "ad": ("ad_id", "ad_name"),
    "adset": ("adset_id", "adset_name"),
    "campaign": ("campaign_id", "campaign_name"),
}
USER_LEVELS = {"ad": "abi_ad_id", "adset": "abi_ad_set_id", "campaign": "abi_campaign_id"}
BREAKDOWN_TYPES = ("country", "region", "device")


class Unreadable(Exception):
    """A value that cannot be read."""


# A row's key is its own key columns, joined by '|'.
Reject = collections.namedtuple("Reject", "table row reason column value")


class Rejected(Exception):
    """A source row that does not count: reason (bad_key, bad_time, bad_money, bad_rate or bad_count), column, value."""


# ---------------------------------------------------------------------------------------------- values

_EXACT = decimal.Context(prec=2000, rounding=decimal.ROUND_HALF_UP)  # half away from zero
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})"
    r"(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146097
_EPOCH_ORDINAL = datetime.date(1970, 1, 1).toordinal()
_FIRST_ORDINAL = 1 - 366  # 0000-01-01
_LAST_ORDINAL = datetime.date(9999, 12, 31).toordinal()


def ordinal_of(year, month, day):
    """Days since 0000-12-31 of a calendar day from year 0 on; ValueError when there is no such day."""
    if year == 0:
        return datetime.date(_CYCLE_YEARS, month, day).toordinal() - _CYCLE_DAYS
    return datetime.date(year, month, day).toordinal()


def day_text(ordinal):
    if ordinal < 1:
        day = datetime.date.fromordinal(ordinal + _CYCLE_DAYS)
        return "%04d-%02d-%02d" % (day.year - _CYCLE_YEARS, day.month, day.day)
    return datetime.date.fromordinal(ordinal).isoformat()


@functools.lru_cache(maxsize=1 << 16, typed=True)
def parse_calendar_day(value):
    """The ordinal of a text YYYY-MM-DD."""
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Unreadable
    try:
        return ordinal_of(*(int(part) for part in match.groups()))
    except ValueError:
        raise Unreadable from None


@functools.lru_cache(maxsize=1 << 18, typed=True)
def parse_time(value):
    """Nanoseconds since 1970-01-01T00:00:00Z."""
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Unreadable
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    second = int(match.group(6) or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise Unreadable
    try:
        ordinal = ordinal_of(year, month, day)
    except ValueError:
        raise Unreadable from None
    offset = 0
    zone = match.group(8)
    if zone and zone != "Z":
        offset_hours, offset_minutes = int(zone[1:3]), int(zone[4:6])
        # SQLite's date(), with which the day must agree, knows offsets up to 14:59.
        if offset_hours > 14 or offset_minutes > 59:
            raise Unreadable
        offset = (offset_hours * 60 + offset_minutes) * 60
        if zone[0] == "-":
            offset = -offset
    seconds = (ordinal - _EPOCH_ORDINAL) * 86400 + hour * 3600 + minute * 60 + second - offset
    if not _FIRST_ORDINAL <= seconds // 86400 + _EPOCH_ORDINAL <= _LAST_ORDINAL:
        raise Unreadable
    fraction = ((match.group(7) or "") + "000000000")[:9]
    return seconds * 1_000_000_000 + int(fraction)


@functools.lru_cache(maxsize=None)
def _zone(name):
    return None if name == "UTC" else zoneinfo.ZoneInfo(name)


@functools.lru_cache(maxsize=1 << 18)
def local_ordinal(nanoseconds, zone_name):
    """The calendar day, as an ordinal, of an instant in a time zone."""
    seconds = nanoseconds // 1_000_000_000
    zone = _zone(zone_name)
    if zone is not None:
        # datetime begins with year 1 and ends with 9999; at the rims the nearest offset holds.
        probe = min(max(seconds, -62135596800 + 172800), 253402300799 - 172800)
        utc = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=probe)
        offset = utc.astimezone(zone).utcoffset()
        seconds += offset.days * 86400 + offset.seconds
    ordinal = seconds // 86400 + _EPOCH_ORDINAL
    if not _FIRST_ORDINAL <= ordinal <= _LAST_ORDINAL:
        raise Unreadable
    return ordinal


@functools.lru_cache(maxsize=1 << 18, typed=True)
def scaled(value, digits):
    """A number as a whole number of its digits-th decimal; NULL is None."""
    if value is None:
        return None
    if isinstance(value, int):
        return value * 10**digits
    if not isinstance(value, float) or not math.isfinite(value):
        raise Unreadable
    shortest = decimal.Decimal(repr(value))
    return int(_EXACT.to_integral_value(_EXACT.scaleb(shortest, digits)))


def money(value):
    return scaled(value, 6) or 0


def count(value):
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value) and value == math.floor(value):
        return int(value)
    raise Unreadable


def flag(value):
    return isinstance(value, (int, float)) and value != 0


def text(value):
    """A text column; other storage classes are what SQLite would show as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def key_text(value):
    value = None if isinstance(value, bytes) else text(value)
    if not value:
        raise Unreadable
    return value


def octets(value):
    return value.encode("utf-8", "surrogateescape")


def judged(reason, column, read, value):
    """What `read` makes of a column's value; Rejected where it cannot."""
    try:
        return read(value)
    except Unreadable:
        raise Rejected(reason, column, value) from None


def divide(numerator, denominator):
    """Half away from zero; a division by zero is 0."""
    if denominator == 0:
        return 0
    negative = (numerator < 0) != (denominator < 0)
    numerator, denominator = abs(numerator), abs(denominator)
    quotient = (2 * numerator + denominator) // (2 * denominator)
    return -quotient if negative else quotient


def json_list(texts):
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


# ---------------------------------------------------------------------------------------------- reading


def open_to_read(path):
    # Not read-only: what a killed writer left open has to be taken back first, by whoever comes next.
    url = "file:" + urllib.parse.quote(os.path.abspath(path)) + "?mode=rw"
    connection = sqlite3.connect(url, uri=True, timeout=30, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.execute("BEGIN")
    return connection


def read_rows(connection, table, columns):
    """All rows of a table as tuples of the columns; an absent column is NULL, an absent table empty (None)."""
    present = {row[1] for row in connection.execute('PRAGMA table_xinfo("%s")' % table)}
    if not present:
        return None
    shown = ", ".join('"%s"' % column if column in present else "NULL" for column in columns)
    return connection.execute('SELECT %s FROM "%s"' % (shown, table)).fetchall()


# ------------------------------------------------------------------------------------------------ users


class User:
    """One user's facts."""

    def __init__(self, distinct_id, row):
        self.id = distinct_id
        self.octets = octets(distinct_id)
        ids, (self.country, self.region), attributed = row[:3], row[3:5], flag(row[5])
        self.entities = [(level, text(entity)) for level, entity in zip(USER_LEVELS, ids) if attributed and text(entity)]
        self.trial_ordinal = self.purchase_ordinal = None
        self.converted_at = self.purchased_at = self.refunded_at = None
        self.revenue = self.refunds = self.value = 0
        self.rate_sum = dict.fromkeys(RATES, 0)
        self.rate_count = dict.fromkeys(RATES, 0)
        self.device_rank = None
        self.store = None

    def breakdown_value(self, kind):
        if kind == "device":
            return self.store or "unknown"
        return text(self.country if kind == "country" else self.region) or "unknown"

    def take_event(self, name, time, revenue, zone, names):
        if name == names["trial_started"]:
            self.trial_ordinal = latest(self.trial_ordinal, local_ordinal(time, zone))
        if name == names["initial_purchase"]:
            self.purchase_ordinal = latest(self.purchase_ordinal, local_ordinal(time, zone))
            self.purchased_at = earliest(self.purchased_at, time)
        if name == names["trial_converted"]:
            self.converted_at = earliest(self.converted_at, time)
        if name in (names["initial_purchase"], names["trial_converted"]) and revenue > 0:
            self.revenue += revenue
        if is_refund_name(name, names) and revenue < 0:
            self.refunds += -revenue
            self.refunded_at = latest(self.refunded_at, time)

    def take_product(self, product_id, credited_date, store, value, rates):
        self.value += value
        for rate, amount in zip(RATES, rates):
            if amount is not None:
                self.rate_sum[rate] += amount
                self.rate_count[rate] += 1
        if store:
            # The last part decides only between rows that share a NULL product.
            rank = (null_first(credited_date), null_first(product_id), octets(store))
            if self.device_rank is None or rank > self.device_rank:
                self.device_rank = rank
                self.store = octets(store).upper().decode("utf-8", "surrogateescape")


def latest(known, new):
    return new if known is None or new > known else known


def earliest(known, new):
    return new if known is None or new < known else known


def null_first(value):
    return (0, b"") if value is None else (1, octets(text(value)))


def is_refund_name(name, names):
    return octets(names["refund_contains"]).lower() in octets(name).lower()


def is_relevant(name, names):
    return (
        name in (names["trial_started"], names["initial_purchase"], names["trial_converted"])
        or is_refund_name(name, names)
    )


def read_users(product, zone, names, rejects):
    users = {}
    columns = ("distinct_id", *USER_LEVELS.values(), "country", "region", "has_abi_attribution")
    for distinct_id, *rest in read_rows(product, "mixpanel_user", columns) or ():
        try:
            distinct_id = judged("bad_key", "distinct_id", key_text, distinct_id)
        except Rejected as why:
            rejects.append(Reject("mixpanel_user", "", *why.args))
            continue
        users[distinct_id] = User(distinct_id, rest)

    def instant_of(value):
        instant = parse_time(value)
        local_ordinal(instant, zone)  # the zone may lead a readable time out of the calendar
        return instant

    columns = ("event_uuid", "event_name", "distinct_id", "event_time", "revenue_usd")
    for uuid, name, distinct_id, time, revenue in read_rows(product, "mixpanel_event", columns) or ():
        name = text(name)
        if not name or not is_relevant(name, names):
            continue
        try:
            judged("bad_key", "event_uuid", key_text, uuid)
            user = users.get(judged("bad_key", "distinct_id", key_text, distinct_id))
            instant = judged("bad_time", "event_time", instant_of, time)
            revenue = judged("bad_money", "revenue_usd", money, revenue)
        except Rejected as why:
            rejects.append(Reject("mixpanel_event", text(uuid) or "", *why.args))
            continue
        if user is not None:
            user.take_event(name, instant, revenue, zone, names)

    columns = ("user_product_id", "distinct_id", "product_id", "credited_date", "store", "current_value", *RATES)
    for own_id, distinct_id, product_id, credited, store, value, *rates in (
        read_rows(product, "user_product_metrics", columns) or ()
    ):
        try:
            user = users.get(judged("bad_key", "distinct_id", key_text, distinct_id))
            value = judged("bad_money", "current_value", money, value)
            rates = [judged("bad_rate", column, lambda rate: scaled(rate, 9), rate) for column, rate in zip(RATES, rates)]
        except Rejected as why:
            rejects.append(Reject("user_product_metrics", text(own_id) or "", *why.args))
            continue
        if user is not None:
            user.take_product(product_id, credited, text(store), value, rates)
    return users


# ----------------------------------------------------------------------------------------- Meta's rows


def read_mapping(product, table, source_column, value_column):
    """The active rows as a dict; None when the table is absent or empty."""
    rows = read_rows(product, table, (source_column, value_column, "is_active"))
    if not rows:
        return None
    return {text(source): text(value) for source, value, active in rows if source is not None and flag(active)}


class MetaRow:
    __slots__ = ("table", "ordinal", "entities", "names", "pair", "spend", "counts", "breakdown")


def read_meta(ads, product, rejects, unmapped):
    countries = read_mapping(product, "meta_country_mapping", "meta_country_name", "mixpanel_country_code") or {}
    devices = read_mapping(product, "meta_device_mapping", "meta_device_type", "mixpanel_store_category")
    mappings = {"country": countries, "device": BUILT_IN_DEVICES if devices is None else devices}

    kept = []
    for table, kind in META_TABLES.items():
        columns = ("ad_id", "date", "adset_id", "campaign_id", "ad_name", "adset_name", "campaign_name", "spend")
        columns += META_COUNTS + ((kind,) if kind else ())
        for values in read_rows(ads, table, columns) or ():
            source = dict(zip(columns, values))
            row = MetaRow()
            try:
                judged("bad_key", "ad_id", key_text, source["ad_id"])
                row.ordinal = judged("bad_key", "date", parse_calendar_day, source["date"])
                row.spend = judged("bad_money", "spend", money, source["spend"])
                row.counts = [judged("bad_count", column, count, source[column]) for column in META_COUNTS]
            except Rejected as why:
                key = [source["ad_id"], source["date"]] + ([source[kind]] if kind else [])
                rejects.append(Reject(table, "|".join(text(part) or "" for part in key), *why.args))
                continue
            row.table = table
            row.entities = [
                (level, text(source[column])) for level, (column, _) in META_LEVELS.items() if text(source[column])
            ]
            row.names = {level: text(source[column]) for level, (_, column) in META_LEVELS.items()}
            adset, campaign = text(source["adset_id"]), text(source["campaign_id"])
            row.pair = (adset, campaign) if adset and campaign else None
            row.breakdown = None
            if kind:
                row.breakdown = (kind, breakdown_value(kind, text(source[kind]), mappings, unmapped))
            kept.append(row)
    return kept


def breakdown_value(kind, own, mappings, unmapped):
    if not own:
        return "unknown"
    mapping = mappings.get(kind)
    if mapping is None:
        return own
    if own in mapping:
        return mapping[own] or "unknown"
    unmapped[kind, own] += 1
    return own


# ------------------------------------------------------------------------------------------------ rows


class Group:
    """What comes together in one row."""

    __slots__ = ("trials", "purchases", "spend", "counts", "meta_rows")

    def __init__(self):
        self.trials, self.purchases = [], []
        self.spend, self.counts, self.meta_rows = 0, [0, 0, 0, 0], 0

    def take_meta(self, row):
        self.meta_rows += 1
        self.spend += row.spend
        self.counts = [ours + its for ours, its in zip(self.counts, row.counts)]


def mean_rate(users, rate):
    """In units of the fourth decimal."""
    return divide(sum(user.rate_sum[rate] for user in users), 100_000 * sum(user.rate_count[rate] for user in users))


def render(group, is_post_trial):
    trials = sorted(group.trials, key=lambda user: user.octets)
    purchases = sorted(group.purchases, key=lambda user: user.octets)
    post_trial = trials if is_post_trial else []
    converted = [user for user in post_trial if user.converted_at is not None]
    trial_refunds = [u for u in converted if u.refunded_at is not None and u.refunded_at >= u.converted_at]
    purchase_refunds = [u for u in purchases if u.refunded_at is not None and u.refunded_at >= u.purchased_at]
    everyone = list({user.id: user for user in trials + purchases}.values())
    impressions, clicks, meta_trials, meta_purchases = group.counts

    row = {}
    row["meta_spend"] = spend = divide(group.spend, 10_000)
    row["meta_impressions"] = impressions
    row["meta_clicks"] = clicks
    row["meta_trial_count"] = meta_trials
    row["meta_purchase_count"] = meta_purchases
    for column, users in (
        ("trials", trials),
        ("post_trial_user_ids", post_trial),
        ("converted_user_ids", converted),
        ("trial_refund_user_ids", trial_refunds),
        ("purchases", purchases),
        ("purchase_refund_user_ids", purchase_refunds),
    ):
        row[column] = json_list([user.id for user in users])

    row["trial_conversion_rate_estimated"] = mean_rate(trials, "trial_conversion_rate")
    row["trial_conversion_rate_actual"] = divide(len(converted) * 10_000, len(post_trial))
    row["trial_refund_rate_estimated"] = mean_rate(converted, "trial_converted_to_refund_rate")
    row["trial_refund_rate_actual"] = divide(len(trial_refunds) * 10_000, len(converted))
    row["purchase_refund_rate_estimated"] = mean_rate(purchases, "initial_purchase_to_refund_rate")
    row["purchase_refund_rate_actual"] = divide(len(purchase_refunds) * 10_000, len(purchases))

    row["actual_revenue_usd"] = revenue = divide(sum(user.revenue for user in everyone), 10_000)
    row["actual_refunds_usd"] = refunds = divide(sum(user.refunds for user in everyone), 10_000)
    row["net_actual_revenue_usd"] = revenue - refunds
    row["estimated_revenue_usd"] = estimated = divide(sum(user.value for user in everyone), 10_000)

    if len(purchases) > len(trials):
        theirs, ours = meta_purchases, len(purchases)
    else:
        theirs, ours = meta_trials, len(trials)
    adjusted = divide(estimated * theirs, ours) if theirs > 0 and ours > 0 else estimated
    row["adjusted_estimated_revenue_usd"] = adjusted
    row["profit_usd"] = adjusted - spend
    row["estimated_roas"] = divide(adjusted * 10_000, spend)

    if meta_trials == 0:
        row["trial_accuracy_ratio"] = 100 * 10_000 if trials else 0
    else:
        row["trial_accuracy_ratio"] = divide(100 * 10_000 * len(trials), meta_trials)
    row["purchase_accuracy_ratio"] = divide(100 * 10_000 * len(purchases), meta_purchases)
    row["mixpanel_cost_per_trial"] = divide(spend, len(trials))
    row["mixpanel_cost_per_purchase"] = divide(spend, len(purchases))
    row["meta_cost_per_trial"] = divide(spend, meta_trials)
    row["meta_cost_per_purchase"] = divide(spend, meta_purchases)
    row["click_to_trial_rate"] = divide(100 * 10_000 * len(trials), clicks)
    return row, len(trials), len(purchases)


def quality_score(trials, purchases, estimated_cents, meta_trials, meta_purchases, has_meta_daily_row):
    score = 100
    if trials == 0:
        score -= 20
    if trials > 0 and estimated_cents == 0:
        score -= 10
    if purchases > trials:
        score -= 30
    if trials + purchases > 0 and not has_meta_daily_row:
        score -= 20
    if (meta_trials > 0 or meta_purchases > 0) and trials + purchases == 0:
        score -= 20
    return max(score, 0)


def metric_tables(users, meta_rows, today, trial_length_days):
    main = collections.defaultdict(Group)
    parts = collections.defaultdict(Group)
    for user in users.values():
        if user.trial_ordinal is None and user.purchase_ordinal is None:
            continue
        for level, entity in user.entities:
            for ordinal, listed in ((user.trial_ordinal, "trials"), (user.purchase_ordinal, "purchases")):
                if ordinal is None:
                    continue
                key = (level, entity, ordinal)
                getattr(main[key], listed).append(user)
                for kind in BREAKDOWN_TYPES:
                    getattr(parts[key + (kind, user.breakdown_value(kind))], listed).append(user)
    for row in meta_rows:
        for level, entity in row.entities:
            key = (level, entity, row.ordinal)
            if row.breakdown is None:
                main[key].take_meta(row)
            else:
                parts[key + row.breakdown].take_meta(row)
    for key in parts:
        main[key[:3]]  # a breakdown row calls for its main row

    main_rows, part_rows = {}, {}
    for (level, entity, ordinal), group in main.items():
        row, trials, purchases = render(group, ordinal + trial_length_days <= today)
        row["trial_users_count"], row["trial_users_list"] = trials, row.pop("trials")
        row["purchase_users_count"], row["purchase_users_list"] = purchases, row.pop("purchases")
        row["data_quality_score"] = quality_score(
            trials, purchases, row["estimated_revenue_usd"], group.counts[2], group.counts[3], group.meta_rows > 0
        )
        main_rows[(level, entity, day_text(ordinal))] = row
    for (level, entity, ordinal, kind, value), group in parts.items():
        row, trials, purchases = render(group, ordinal + trial_length_days <= today)
        row["mixpanel_trial_count"], row["trial_user_ids"] = trials, row.pop("trials")
        row["mixpanel_purchase_count"], row["purchase_user_ids"] = purchases, row.pop("purchases")
        part_rows[(level, entity, day_text(ordinal), kind, value)] = row
    return main_rows, part_rows


def name_table(meta_rows):
    seen = collections.defaultdict(dict)  # (level, entity) -> name -> [rows, latest]
    for row in meta_rows:
        for level, entity in row.entities:
            name = row.names[level]
            if name:
                tally = seen[(level, entity)].setdefault(name, [0, row.ordinal])
                tally[0] += 1
                tally[1] = max(tally[1], row.ordinal)
    table = {}
    for key, names in seen.items():
        name = min(names, key=lambda candidate: (-names[candidate][0], -names[candidate][1], octets(candidate)))
        rows, last = names[name]
        table[key] = {"canonical_name": name, "frequency_count": rows, "last_seen_date": day_text(last)}
    return table


def hierarchy_table(meta_rows):
    seen = collections.defaultdict(dict)  # ad -> pair -> [rows, first, latest]
    for row in meta_rows:
        if row.table == "ad_performance_daily" and row.pair:
            tally = seen[dict(row.entities)["ad"]].setdefault(row.pair, [0, row.ordinal, row.ordinal])
            tally[0] += 1
            tally[1] = min(tally[1], row.ordinal)
            tally[2] = max(tally[2], row.ordinal)
    table = {}
    for ad, pairs in seen.items():
        pair = min(pairs, key=lambda p: (-pairs[p][0], -pairs[p][2], octets(p[0]), octets(p[1])))
        rows, first, last = pairs[pair]
        table[(ad,)] = {
            "adset_id": pair[0],
            "campaign_id": pair[1],
            "relationship_confidence": divide(100 * rows, sum(tally[0] for tally in pairs.values())),
            "first_seen_date": day_text(first),
            "last_seen_date": day_text(last),
        }
    return table


def expected(product_db, ads_db, as_of, time_zone="UTC", trial_length_days=7, names=None):
    """Every table by row key; besides, "rejects": [Reject] and "unmapped": {(type, value): rows}."""
    names = dict(DEFAULT_NAMES, **(names or {}))
    product, ads = open_to_read(product_db), open_to_read(ads_db)
    try:
        rejects, unmapped = [], collections.Counter()
        users = read_users(product, time_zone, names, rejects)
        meta_rows = read_meta(ads, product, rejects, unmapped)
    finally:
        product.close()
        ads.close()
    main, parts = metric_tables(users, meta_rows, parse_calendar_day(as_of), trial_length_days)
    return {
        MAIN: main,
        BREAKDOWN: parts,
        NAMES: name_table(meta_rows),
        HIERARCHY: hierarchy_table(meta_rows),
        "rejects": rejects,
        "unmapped": unmapped,
    }


# ------------------------------------------------------------------------------------------- comparing

Difference = collections.namedtuple("Difference", "table key column expected actual")

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z?")


def is_stored_as(value, whole, digits):
    """Whether a stored number is the decimal whole / 10**digits: that number, or its nearest double."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    wanted = decimal.Decimal(whole).scaleb(-digits, _EXACT)
    return value == float(wanted) or (isinstance(value, int) and value == wanted)


def show(whole, kind):
    if isinstance(kind, int):
        return str(decimal.Decimal(whole).scaleb(-kind, _EXACT))
    return whole


def is_equal(value, wanted, kind):
    if isinstance(kind, int):
        return is_stored_as(value, wanted, kind)
    if kind == COUNT:
        return isinstance(value, int) and value == wanted
    return isinstance(value, str) and value == wanted


def compare(want, sink_db, tables=TABLES):
    """The differences between what expected() returned and what a database holds; [] when there are none."""
    sink = open_to_read(sink_db)
    try:
        found = []
        for table in tables:
            found += compare_table(want[table], sink, table)
        return found
    finally:
        sink.close()


def compare_table(want, sink, table):
    present = {row[1]: row[6] for row in sink.execute('PRAGMA table_xinfo("%s")' % table)}
    keys, columns = KEY_COLUMNS[table], dict(COLUMNS[table])
    lacking = [c for c in (*keys, *columns, *BOOKKEEPING[table]) if c not in present]
    if lacking:
        return [Difference(table, None, column, "a column", "absent") for column in lacking]
    found = []
    if table == MAIN:
        for virtual, list_column in (("trial_user_ids", "trial_users_list"), ("purchase_user_ids", "purchase_users_list")):
            if present.get(virtual) != 2:
                return [Difference(table, None, virtual, "a virtual generated column", present.get(virtual))]
            columns[virtual] = list_column
    shown = list(keys) + list(columns) + list(BOOKKEEPING[table])
    rest = dict.fromkeys(want)
    ids = set()
    for values in sink.execute('SELECT %s FROM "%s"' % (", ".join('"%s"' % c for c in shown), table)):
        key, row = values[: len(keys)], dict(zip(shown, values))
        if key not in rest:
            reason = "a second row" if key in want else "a row"
            found.append(Difference(table, key, None, "none", reason))
            continue
        del rest[key]
        for column, kind in columns.items():
            if kind in columns:  # a generated column: equal to the list that it mirrors
                kind, wanted = LIST, want[key][kind]
            else:
                wanted = want[key][column]
            if not is_equal(row[column], wanted, kind):
                found.append(Difference(table, key, column, show(wanted, kind), row[column]))
        for column in BOOKKEEPING[table]:
            value = row[column]
            if column == "metric_id":
                if not isinstance(value, int) or value in ids:
                    found.append(Difference(table, key, column, "a whole number of its own", value))
                ids.add(value)
            elif not isinstance(value, str) or not _STAMP.fullmatch(value):
                found.append(Difference(table, key, column, "a UTC time", value))
    found += [Difference(table, key, None, "a row", "none") for key in rest]
    return found


REJECT_TEXT_BYTES = 200  # a longer value is cut
REJECTS, UNMAPPED = "rejects", "unmapped"


def compare_rejects(want, told):
    """The differences between expected()'s rejects and a list of {table, row, reason, column, value}."""
    wanted, found = collections.defaultdict(list), collections.defaultdict(list)
    for one in want["rejects"]:
        wanted[one[:4]].append(one.value)
    for one in told:
        found[one["table"], one["row"], one["reason"], one["column"]].append(one["value"])
    differences = []
    for key in sorted(wanted.keys() | found.keys()):
        values, shown = wanted[key], sorted(found[key])
        # How a number or a blob is spelled is not for the oracle to say.
        if len(values) != len(shown) or (all(isinstance(value, str) for value in values) and shown != sorted(map(cut, values))):
            differences.append(Difference(REJECTS, key, None, values, shown))
    return differences


def cut(value):
    """The longest beginning of a text, in whole characters, that a reject keeps."""
    return octets(value)[:REJECT_TEXT_BYTES].decode("utf-8", "ignore")


def compare_unmapped(want, told):
    """The same for a list of {breakdown, value, rows}."""
    found = {(one["breakdown"], one["value"]): one["rows"] for one in told}
    return [Difference(UNMAPPED, key, None, want["unmapped"].get(key), found.get(key))
            for key in sorted(want["unmapped"].keys() | found.keys()) if want["unmapped"].get(key) != found.get(key)]


def bookkeeping(sink_db):
    """Per table and row key: (bookkeeping columns, all other columns) of a database, for before-after checks."""
    sink = open_to_read(sink_db)
    try:
        tables = {}
        for table in TABLES:
            keys, kept, columns = KEY_COLUMNS[table], BOOKKEEPING[table], list(COLUMNS[table])
            tables[table] = rows = {}
            if not list(sink.execute('PRAGMA table_info("%s")' % table)):
                continue
            shown = ", ".join('"%s"' % c for c in (*keys, *kept, *columns))
            for values in sink.execute('SELECT %s FROM "%s"' % (shown, table)):
                cut = len(keys)
                rows[values[:cut]] = (dict(zip(kept, values[cut : cut + len(kept)])), values[cut + len(kept) :])
        return tables
    finally:
        sink.close()


def check_bookkeeping(before, after):
    """What may never happen between two bookkeeping() views with one run between them."""
    found = []
    for table in TABLES:
        stamp = "computed_at" if "computed_at" in BOOKKEEPING[table] else "updated_at"
        steady = "metric_id" if stamp == "computed_at" else "created_at"
        for key, (kept, values) in after[table].items():
            if key not in before[table]:
                continue
            old_kept, old_values = before[table][key]
            if kept[steady] != old_kept[steady]:
                found.append(Difference(table, key, steady, "stays " + str(old_kept[steady]), kept[steady]))
            if values == old_values and kept[stamp] != old_kept[stamp]:
                found.append(Difference(table, key, stamp, "stays " + str(old_kept[stamp]), kept[stamp]))
            if values != old_values and str(kept[stamp]) < str(old_kept[stamp]):
                found.append(Difference(table, key, stamp, "from %s on" % old_kept[stamp], kept[stamp]))
    return found


# ------------------------------------------------------------------------------------------ invariants


def check_invariants(sink_db):
    """What must hold within the stored tables, whatever the source: counts, subsets, sums over breakdowns."""
    sink = open_to_read(sink_db)
    try:
        found = []
        mains = _lists_and_money(sink, MAIN, "trial_users_count", "trial_users_list", "purchase_users_count",
                                 "purchase_users_list", found)
        parts = _lists_and_money(sink, BREAKDOWN, "mixpanel_trial_count", "trial_user_ids", "mixpanel_purchase_count",
                                 "purchase_user_ids", found)
    finally:
        sink.close()

    by_type = collections.defaultdict(list)
    for key, part in parts.items():
        by_type[(key[:3], key[3])].append(part)
        if key[:3] not in mains:
            found.append(Difference(BREAKDOWN, key, None, "a main row with its key", "none"))
    for key, main in mains.items():
        for kind in BREAKDOWN_TYPES:
            group = by_type.get((key, kind), [])
            for position, column in enumerate(("trial users", "purchase users")):
                together = sorted(user for part in group for user in part[0][position])
                if together != sorted(main[0][position]):
                    found.append(Difference(BREAKDOWN, key + (kind,), column, main[0][position], together))
            for position, column in enumerate(("actual_revenue_usd", "actual_refunds_usd", "estimated_revenue_usd")):
                # Each stored number is off by half a cent at most.
                gap = abs(main[1][position] - sum(part[1][position] for part in group))
                if 2 * gap > len(group) + 1:
                    found.append(Difference(BREAKDOWN, key + (kind,), column, "the main row's", "%d cents off" % gap))
    return found


def _lists_and_money(sink, table, trial_count, trial_list, purchase_count, purchase_list, found):
    lists = (trial_list, purchase_list, "post_trial_user_ids", "converted_user_ids", "trial_refund_user_ids",
             "purchase_refund_user_ids")
    sums = ("actual_revenue_usd", "actual_refunds_usd", "estimated_revenue_usd")
    keys = KEY_COLUMNS[table]
    shown = ", ".join((*keys, trial_count, purchase_count, *lists, *sums))
    rows = {}
    for values in sink.execute('SELECT %s FROM "%s"' % (shown, table)):
        key, counts, texts = values[: len(keys)], values[len(keys) : len(keys) + 2], values[len(keys) + 2 : -3]
        try:
            trials, purchases, post, converted, trial_refunds, purchase_refunds = parsed = [json.loads(t) for t in texts]
        except (TypeError, ValueError):
            found.append(Difference(table, key, "lists", "JSON arrays", texts))
            continue
        for column, users in zip(lists, parsed):
            if [octets(u) for u in users] != sorted({octets(u) for u in users}):
                found.append(Difference(table, key, column, "ascending by bytes, each once", users))
        for column, number, users in ((trial_count, counts[0], trials), (purchase_count, counts[1], purchases)):
            if number != len(users):
                found.append(Difference(table, key, column, len(users), number))
        for small, large, column in (
            (converted, post, "converted_user_ids"),
            (post, trials, "post_trial_user_ids"),
            (trial_refunds, converted, "trial_refund_user_ids"),
            (purchase_refunds, purchases, "purchase_refund_user_ids"),
        ):
            if not set(small) <= set(large):
                found.append(Difference(table, key, column, "a part of the list above it", sorted(set(small) - set(large))))
        cents = [int(_EXACT.to_integral_value(decimal.Decimal(repr(v)).scaleb(2, _EXACT))) for v in values[-3:]]
        rows[key] = ((trials, purchases), cents)
    return rows


# ------------------------------------------------------------------------------------- telling people


def raw_behind(product_db, ads_db, difference, limit=12):
    """Lines that show the source rows from which a differing row comes."""
    if difference.key is None:
        return []
    table, key = difference.table, difference.key
    lines = []

    def add(connection, sql, arguments, title):
        try:
            rows = connection.execute(sql + " LIMIT %d" % limit, arguments).fetchall()
        except sqlite3.Error as error:
            rows = [str(error)]
        lines.extend("    %s %s" % (title, _short(repr(row), 400)) for row in rows)

    product, ads = open_to_read(product_db), open_to_read(ads_db)
    try:
        if table in (MAIN, BREAKDOWN, NAMES):
            level, entity = key[:2]
            column = META_LEVELS[level][0] if level in META_LEVELS else "ad_id"
            for meta_table, kind in META_TABLES.items():
                if table == BREAKDOWN and kind != key[3]:
                    continue
                where, arguments = '"%s" = ?' % column, [entity]
                if table != NAMES:
                    where, arguments = where + " AND date = ?", arguments + [key[2]]
                add(ads, 'SELECT * FROM "%s" WHERE %s' % (meta_table, where), arguments, meta_table)
        if table == HIERARCHY:
            add(ads, "SELECT date, adset_id, campaign_id, spend FROM ad_performance_daily WHERE ad_id = ?", key,
                "ad_performance_daily")
        users = set()
        for side in (difference.expected, difference.actual):
            try:
                parsed = json.loads(side) if isinstance(side, str) else []
            except ValueError:
                parsed = []
            users ^= {u for u in parsed if isinstance(u, str)} if isinstance(parsed, list) else set()
        if not users and table in (MAIN, BREAKDOWN) and key[0] in USER_LEVELS:
            sql = 'SELECT distinct_id FROM mixpanel_user WHERE "%s" = ? ORDER BY 1' % USER_LEVELS[key[0]]
            users = [
                row[0] for row in product.execute(sql, (key[1],))
                if any(str(t)[:8] in (key[2][:8],) for (t,) in product.execute(
                    "SELECT event_time FROM mixpanel_event WHERE distinct_id = ?", row))
            ]
        for user in sorted(users)[:4]:
            add(product, "SELECT distinct_id, abi_campaign_id, abi_ad_set_id, abi_ad_id, country, region,"
                " has_abi_attribution FROM mixpanel_user WHERE distinct_id = ?", (user,), "user")
            add(product, "SELECT event_uuid, event_name, event_time, typeof(event_time), revenue_usd, typeof(revenue_usd)"
                " FROM mixpanel_event WHERE distinct_id = ? ORDER BY event_time", (user,), "  event")
            add(product, "SELECT user_product_id, product_id, credited_date, store, current_value, %s"
                " FROM user_product_metrics WHERE distinct_id = ?" % ", ".join(RATES), (user,), "  product")
    finally:
        product.close()
        ads.close()
    return lines


def describe(difference):
    key = "" if difference.key is None else " ".join(_short(part) for part in difference.key)
    column = difference.column or "row"
    return "%s [%s] %s: expected %s, found %s" % (
        difference.table, key, column, _short(difference.expected), _short(difference.actual))


def _short(value, limit=160):
    shown = value if isinstance(value, str) and value.isprintable() else repr(value)
    return shown if len(shown) <= limit else shown[:limit] + "... (%d characters)" % len(shown)


def main():
    parser = argparse.ArgumentParser(description="compare materialized tables with a recomputation from the sources")
    parser.add_argument("--product", required=True)
    parser.add_argument("--ads", required=True)
    parser.add_argument("--sink", help="the product database when absent")
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--trial-length", type=int, default=7)
    options = parser.parse_args()
    want = expected(options.product, options.ads, options.as_of, options.zone, options.trial_length)
    sink = options.sink or options.product
    found = compare(want, sink) + check_invariants(sink)
    for difference in found[:20]:
        print(describe(difference))
        print("\n".join(raw_behind(options.product, options.ads, difference)))
    rows = ", ".join("%s %d" % (table, len(want[table])) for table in TABLES)
    print("%d differences; expected rows: %s; rejects %d, unmapped %d"
          % (len(found), rows, len(want["rejects"]), len(want["unmapped"])))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
