"""A source that is written line by line, for tests whose numbers are worked out by hand."""

import os

import oracle
import source_gen

SCHEMA_PRODUCT = """
CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_ad_id TEXT, abi_campaign_id TEXT, abi_ad_set_id TEXT,
    country TEXT, region TEXT, has_abi_attribution BOOLEAN);
CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT, event_time DATETIME,
    revenue_usd DECIMAL(10,2));
CREATE INDEX event_of_user ON mixpanel_event (distinct_id);
CREATE TABLE user_product_metrics (user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, product_id TEXT,
    credited_date TEXT, store TEXT, current_value DECIMAL, trial_conversion_rate DECIMAL,
    trial_converted_to_refund_rate DECIMAL, initial_purchase_to_refund_rate DECIMAL, UNIQUE (distinct_id, product_id));
"""
META_COLUMNS = ("adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2),"
                " impressions INTEGER, clicks INTEGER, meta_trials INTEGER, meta_purchases INTEGER")

TRIAL, PURCHASE, CONVERTED, CANCEL = "RC Trial started", "RC Initial purchase", "RC Trial converted", "RC Cancellation"


class Story:
    def __init__(self, directory, wal=False):
        self.product_db = os.path.join(directory, source_gen.PRODUCT_DB)
        self.ads_db = os.path.join(directory, source_gen.ADS_DB)
        self.product = source_gen.connect(self.product_db, wal)
        self.product.executescript("BEGIN;" + SCHEMA_PRODUCT + "COMMIT;")
        self.ads = source_gen.connect(self.ads_db, wal)
        self.ads.execute("BEGIN")
        for table, kind in oracle.META_TABLES.items():
            extra = ", %s TEXT" % kind if kind else ""
            key = "ad_id, date" + (", " + kind if kind else "")
            self.ads.execute("CREATE TABLE %s (ad_id TEXT, date DATE%s, %s, PRIMARY KEY (%s))" % (table, extra, META_COLUMNS, key))
        self.ads.execute("COMMIT")
        self.events = 0

    def close(self):
        self.product.close()
        self.ads.close()

    def user(self, user, campaign=None, adset=None, ad=None, country=None, region=None, flag=1):
        self.product.execute("INSERT OR REPLACE INTO mixpanel_user VALUES (?,?,?,?,?,?,?)",
                             (user, ad, campaign, adset, country, region, flag))

    def event(self, user, time, name, revenue=None, uuid=...):
        self.events += 1
        self.product.execute("INSERT INTO mixpanel_event VALUES (?,?,?,?,?)",
                             ("e%d" % self.events if uuid is ... else uuid, name, user, time, revenue))

    def item(self, user, product="p", credited="2025-07-01", store="APP_STORE", value=0, conversion=None, trial_refund=None,
                purchase_refund=None):
        self.product.execute("INSERT INTO user_product_metrics VALUES (NULL,?,?,?,?,?,?,?,?)",
                             (user, product, credited, store, value, conversion, trial_refund, purchase_refund))

    def meta(self, ad, date, kind=None, value=None, adset=None, campaign=None, names=(None, None, None), spend=0, impressions=0,
             clicks=0, trials=0, purchases=0):
        table = "ad_performance_daily" + ("_" + kind if kind else "")
        row = {"ad_id": ad, "date": date, "adset_id": adset, "campaign_id": campaign, "ad_name": names[0],
               "adset_name": names[1], "campaign_name": names[2], "spend": spend, "impressions": impressions, "clicks": clicks,
               "meta_trials": trials, "meta_purchases": purchases}
        if kind:
            row[kind] = value
        source_gen.put(self.ads, table, [row])

    def expected(self, as_of="2025-07-31", **more):
        return oracle.expected(self.product_db, self.ads_db, as_of, **more)
