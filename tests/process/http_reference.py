"""What the dashboard's API must answer, computed from the materialized tables in plain Python: whole numbers, one loop a sum."""

import datetime
import json
import sqlite3
from decimal import Decimal, ROUND_HALF_UP
from fractions import Fraction

LEVELS = ("campaign", "adset", "ad")
LISTS = ("trial", "post_trial", "converted", "trial_refund", "purchase", "purchase_refund")
MONEY = ("meta_spend", "actual_revenue_usd", "actual_refunds_usd", "net_actual_revenue_usd", "estimated_revenue_usd",
         "adjusted_estimated_revenue_usd", "profit_usd")
RATES = ("trial_conversion_rate_estimated", "trial_refund_rate_estimated", "purchase_refund_rate_estimated")


def rounded(number, digits):
    """Half away from zero."""
    number = Fraction(number)
    scaled = abs(number) * 10**digits
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return float(Decimal(whole if number >= 0 else -whole).scaleb(-digits))


def ratio(part, whole, digits=4):
    return rounded(Fraction(part) / Fraction(whole), digits) if whole else 0.0


def exact(value):
    return Fraction(str(value))


class Row:
    def __init__(self, columns):
        main = "trial_users_count" in columns
        self.columns = columns
        self.date, self.level, self.id = columns["date"], columns["entity_type"], columns["entity_id"]
        self.value = columns.get("breakdown_value", "")
        self.breakdown = columns.get("breakdown_type")
        self.trials = columns["trial_users_count" if main else "mixpanel_trial_count"]
        self.purchases = columns["purchase_users_count" if main else "mixpanel_purchase_count"]
        names = {"trial": "trial_users_list" if main else "trial_user_ids",
                 "purchase": "purchase_users_list" if main else "purchase_user_ids"}
        self.users = {name: json.loads(columns[names.get(name, name + "_user_ids")]) for name in LISTS}
        self.money = {name: exact(columns[name]) for name in MONEY}
        self.rates = {name: exact(columns[name]) for name in RATES}


class Sums:
    def __init__(self, rows):
        self.rows = list(rows)

    def money(self, name):
        return sum((row.money[name] for row in self.rows), Fraction(0))

    def count(self, name):
        return sum(row.columns[name] for row in self.rows)

    @property
    def trials(self):
        return sum(row.trials for row in self.rows)

    @property
    def purchases(self):
        return sum(row.purchases for row in self.rows)

    def users(self, name):
        return sorted((user for row in self.rows for user in row.users[name]), key=lambda user: user.encode())

    def mean(self, name, weight):
        total = sum(len(row.users[weight]) for row in self.rows)
        return ratio(sum(row.rates[name] * len(row.users[weight]) for row in self.rows), total)

    @property
    def trial_accuracy(self):
        meta = self.count("meta_trial_count")
        return ratio(self.trials, meta) if meta else (1.0 if self.trials else 0.0)

    @property
    def roas(self):
        return ratio(self.money("adjusted_estimated_revenue_usd"), self.money("meta_spend"))


def days_between(start, end):
    day, last = datetime.date.fromisoformat(start), datetime.date.fromisoformat(end)
    while day <= last:
        yield day.isoformat()
        day += datetime.timedelta(days=1)


class Reference:
    def __init__(self, path):
        with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as connection:
            connection.row_factory = sqlite3.Row
            read = lambda table: [dict(row) for row in connection.execute("SELECT * FROM " + table)]
            self.main = [Row(row) for row in read("daily_mixpanel_metrics")]
            self.breakdown = [Row(row) for row in read("daily_mixpanel_metrics_breakdown")]
            self.names = {(row["entity_type"], row["entity_id"]): row["canonical_name"] for row in read("id_name_mapping")}
            hierarchy = read("id_hierarchy_mapping")
        connection.close()
        self.children = {("campaign", row["campaign_id"]): set() for row in hierarchy}
        self.children.update({("adset", row["adset_id"]): set() for row in hierarchy})
        for row in hierarchy:
            self.children["campaign", row["campaign_id"]].add(row["adset_id"])
            self.children["adset", row["adset_id"]].add(row["ad_id"])
        self.dates = sorted({row.date for row in self.main})

    def rows(self, level, breakdown):
        if breakdown == "all":
            return [row for row in self.main if row.level == level]
        return [row for row in self.breakdown if row.level == level and row.breakdown == breakdown]

    # analytics/data -----------------------------------------------------------------------------------

    def data(self, start, end, breakdown="all", group_by="ad", include_mixpanel=True, hide_user_ids=False):
        sparkline = list(days_between((datetime.date.fromisoformat(end) - datetime.timedelta(days=13)).isoformat(), end))
        known = {}
        for level in LEVELS[LEVELS.index(group_by):]:
            for row in self.rows(level, breakdown):
                if min(start, sparkline[0]) <= row.date <= end:
                    known.setdefault((level, row.id, row.value), []).append(row)
        in_range = {key: Sums(row for row in rows if row.date >= start) for key, rows in known.items()}

        def entity(key):
            level, entity_id, value = key
            sums = in_range[key]
            out = {"id": "%s_%s" % (level, entity_id), "entity_id": entity_id, "entity_type": level,
                   "name": self.names.get((level, entity_id)) or "Unknown " + level}
            if breakdown != "all":
                out.update(breakdown_key=value, breakdown_type=breakdown)
            out.update(meta_trials_started=sums.count("meta_trial_count"), meta_purchases=sums.count("meta_purchase_count"),
                       spend=rounded(sums.money("meta_spend"), 2), impressions=sums.count("meta_impressions"),
                       clicks=sums.count("meta_clicks"))
            if include_mixpanel:
                out.update(self.mixpanel_side(sums))
                if not hide_user_ids:
                    out["user_details"] = {"trial_users": sums.users("trial"), "converted_users": sums.users("converted"),
                                           "trial_refund_user_ids": sums.users("trial_refund"),
                                           "purchase_refund_user_ids": sums.users("purchase_refund")}
            by_date = {row.date: Sums([row]) for row in known[key]}
            out["sparkline_data"] = [self.point(date, by_date.get(date), include_mixpanel) for date in sparkline]
            children = []
            if level != "ad":
                below = LEVELS[LEVELS.index(level) + 1]
                children = [(below, child, value) for child in self.children.get((level, entity_id), ())]
            out["children"] = [entity(child) for child in ordered(children)]
            return out

        def ordered(keys):
            found = [key for key in keys if key in in_range and in_range[key].rows]
            return sorted(found, key=lambda key: (-in_range[key].money("meta_spend"), key[1].encode(), key[2].encode()))

        data = [entity(key) for key in ordered([key for key in in_range if key[0] == group_by])]
        return {"success": True, "data": data, "total_records": len(data), "breakdown": breakdown, "method": "precomputed"}

    @staticmethod
    def mixpanel_side(sums):
        count = {name: len(sums.users(name)) for name in LISTS}
        spend, revenue = sums.money("meta_spend"), sums.money("adjusted_estimated_revenue_usd")
        capped = min(revenue / spend, Fraction(4)) if spend else Fraction(0)
        return {
            "mixpanel_trials_started": sums.trials, "mixpanel_purchases": sums.purchases,
            "trial_accuracy_ratio": sums.trial_accuracy,
            "purchase_accuracy_ratio": ratio(sums.purchases, sums.count("meta_purchase_count")),
            "trial_conversion_rate": ratio(count["converted"], count["post_trial"]),
            "trial_conversion_rate_estimated": sums.mean("trial_conversion_rate_estimated", "trial"),
            "avg_trial_refund_rate": ratio(count["trial_refund"], count["converted"]),
            "trial_refund_rate_estimated": sums.mean("trial_refund_rate_estimated", "converted"),
            "purchase_refund_rate": ratio(count["purchase_refund"], count["purchase"]),
            "purchase_refund_rate_estimated": sums.mean("purchase_refund_rate_estimated", "purchase"),
            "click_to_trial_rate": ratio(sums.trials, sums.count("meta_clicks")),
            "estimated_revenue_usd": rounded(sums.money("estimated_revenue_usd"), 2),
            "estimated_revenue_adjusted": rounded(revenue, 2),
            "actual_revenue_usd": rounded(sums.money("actual_revenue_usd"), 2),
            "actual_refunds_usd": rounded(sums.money("actual_refunds_usd"), 2),
            "net_actual_revenue_usd": rounded(sums.money("net_actual_revenue_usd"), 2),
            "profit": rounded(sums.money("profit_usd"), 2), "estimated_roas": sums.roas,
            "performance_impact_score": rounded(spend * capped**2, 2),
            "trial_users_count": count["trial"], "post_trial_users_count": count["post_trial"],
            "converted_users_count": count["converted"], "purchase_users_count": count["purchase"],
        }

    @staticmethod
    def point(date, sums, include_mixpanel):
        has_data = sums is not None
        sums = sums or Sums([])
        point = {"date": date, "rolling_1d_spend": rounded(sums.money("meta_spend"), 2),
                 "rolling_1d_meta_trials": sums.count("meta_trial_count"), "rolling_window_days": 1, "has_data": has_data}
        if include_mixpanel:
            point.update(rolling_1d_roas=sums.roas, rolling_1d_conversions=sums.purchases, rolling_1d_trials=sums.trials,
                         rolling_1d_revenue=rounded(sums.money("adjusted_estimated_revenue_usd"), 2))
        return point

    # Charts ---------------------------------------------------------------------------------------------

    def chart(self, start, end, entity_type, entity_id, breakdown="all", breakdown_value=None):
        rows = [row for row in self.rows(entity_type, breakdown)
                if row.id == entity_id and (breakdown_value is None or row.value == breakdown_value)]
        days = []
        for date in days_between(start, end):
            sums = Sums(row for row in rows if row.date == date)
            days.append({
                "date": date, "daily_spend": rounded(sums.money("meta_spend"), 2), "daily_impressions": sums.count("meta_impressions"),
                "daily_clicks": sums.count("meta_clicks"), "daily_meta_trials": sums.count("meta_trial_count"),
                "daily_meta_purchases": sums.count("meta_purchase_count"), "daily_mixpanel_trials": sums.trials,
                "daily_mixpanel_purchases": sums.purchases, "daily_mixpanel_conversions": len(sums.users("converted")),
                "daily_mixpanel_revenue": rounded(sums.money("actual_revenue_usd"), 2),
                "daily_mixpanel_refunds": rounded(sums.money("actual_refunds_usd"), 2),
                "daily_estimated_revenue": rounded(sums.money("estimated_revenue_usd"), 2),
                "daily_adjusted_revenue": rounded(sums.money("adjusted_estimated_revenue_usd"), 2), "daily_roas": sums.roas,
                "daily_profit": rounded(sums.money("profit_usd"), 2), "daily_trial_accuracy": sums.trial_accuracy,
                "daily_purchase_accuracy": ratio(sums.purchases, sums.count("meta_purchase_count")),
                "is_inactive": not sums.rows})
        return days

    def overview(self, start, end, breakdown="all", group_by="campaign"):
        rows = [row for row in self.rows(group_by, breakdown) if start <= row.date <= end]
        days = []
        for date in days_between(start, end):
            sums = Sums(row for row in rows if row.date == date)
            days.append({"date": date, "spend": rounded(sums.money("meta_spend"), 2),
                         "revenue": rounded(sums.money("adjusted_estimated_revenue_usd"), 2), "roas": sums.roas,
                         "profit": rounded(sums.money("profit_usd"), 2), "trials": sums.trials, "purchases": sums.purchases,
                         "impressions": sums.count("meta_impressions"), "clicks": sums.count("meta_clicks"),
                         "is_inactive": not sums.rows})
        total = Sums(rows)
        summary = {"total_spend": rounded(total.money("meta_spend"), 2),
                   "total_revenue": rounded(total.money("adjusted_estimated_revenue_usd"), 2), "overall_roas": total.roas,
                   "total_trials": total.trials, "total_purchases": total.purchases,
                   "conversion_rate": ratio(total.purchases, total.trials),
                   "date_range": {"start": start, "end": end, "days": len(days)}}
        return days, summary
