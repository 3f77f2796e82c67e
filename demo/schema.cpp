#include "demo/schema.hpp"

namespace admetrics::demo {

// Types and further columns are as such a pipeline declares them: DECIMAL is NUMERIC affinity in SQLite, so
// 5.00 comes back as an integer, 5.25 as a real number, 'n/a' as text.
const char* const kProductTables = R"sql(
CREATE TABLE _demo_source (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE mixpanel_user (
  distinct_id         TEXT PRIMARY KEY,
  abi_ad_id           TEXT,
  abi_campaign_id     TEXT,
  abi_ad_set_id       TEXT,
  country             TEXT,
  region              TEXT,
  city                TEXT,
  has_abi_attribution BOOLEAN DEFAULT FALSE,
  profile_json        TEXT,
  first_seen          DATETIME,
  last_updated        DATETIME,
  valid_user          BOOLEAN DEFAULT FALSE,
  economic_tier       TEXT
);

CREATE TABLE mixpanel_event (
  event_uuid               TEXT PRIMARY KEY,
  event_name               TEXT NOT NULL,
  abi_ad_id                TEXT,
  abi_campaign_id          TEXT,
  abi_ad_set_id            TEXT,
  distinct_id              TEXT NOT NULL,
  event_time               DATETIME NOT NULL,
  country                  TEXT,
  region                   TEXT,
  revenue_usd              DECIMAL(10,2),
  raw_amount               DECIMAL(10,2),
  currency                 TEXT,
  refund_flag              BOOLEAN DEFAULT FALSE,
  is_late_event            BOOLEAN DEFAULT FALSE,
  trial_expiration_at_calc DATETIME,
  event_json               TEXT
);

CREATE TABLE user_product_metrics (
  user_product_id                 INTEGER PRIMARY KEY AUTOINCREMENT,
  distinct_id                     TEXT NOT NULL,
  product_id                      TEXT NOT NULL,
  credited_date                   DATE NOT NULL,
  country                         TEXT,
  region                          TEXT,
  device                          TEXT,
  current_status                  TEXT NOT NULL,
  current_value                   DECIMAL(10,2) NOT NULL,
  value_status                    TEXT NOT NULL,
  segment_id                      TEXT,
  accuracy_score                  TEXT,
  trial_conversion_rate           DECIMAL(5,4),
  trial_converted_to_refund_rate  DECIMAL(5,4),
  initial_purchase_to_refund_rate DECIMAL(5,4),
  price_bucket                    REAL,
  last_updated_ts                 DATETIME NOT NULL,
  valid_lifecycle                 BOOLEAN DEFAULT FALSE,
  store                           TEXT,
  UNIQUE (distinct_id, product_id)
);

CREATE TABLE meta_country_mapping (
  meta_country_name     TEXT PRIMARY KEY,
  mixpanel_country_code TEXT,
  is_active             BOOLEAN DEFAULT TRUE,
  created_at            DATETIME
);

CREATE TABLE meta_device_mapping (
  meta_device_type        TEXT PRIMARY KEY,
  mixpanel_store_category TEXT,
  is_active               BOOLEAN DEFAULT TRUE,
  created_at              DATETIME
);

CREATE TABLE processed_event_days (
  date_day             DATE PRIMARY KEY,
  events_processed     INTEGER,
  processing_timestamp DATETIME,
  status               TEXT
);

-- A day reload's raw events, so that a killed demo finds them again. The real pipeline has its raw files.
CREATE TABLE _demo_reload (
  position                 INTEGER PRIMARY KEY,
  event_uuid               TEXT,
  event_name               TEXT,
  distinct_id              TEXT,
  event_time               DATETIME,
  revenue_usd              DECIMAL(10,2),
  raw_amount               DECIMAL(10,2),
  currency                 TEXT,
  refund_flag              BOOLEAN,
  is_late_event            BOOLEAN,
  trial_expiration_at_calc DATETIME,
  event_json               TEXT
);

CREATE TABLE _demo_reload_days (
  date_day TEXT PRIMARY KEY
);
)sql";

const char* const kProductIndexes = R"sql(
CREATE INDEX idx_mixpanel_event_distinct_id ON mixpanel_event (distinct_id);
CREATE INDEX idx_mixpanel_event_name ON mixpanel_event (event_name);
CREATE INDEX idx_mixpanel_event_time ON mixpanel_event (event_time);
CREATE INDEX idx_mixpanel_user_abi_ad_id ON mixpanel_user (abi_ad_id);
CREATE INDEX idx_upm_credited_date ON user_product_metrics (credited_date);
)sql";

const char* const kAdsTables = R"sql(
CREATE TABLE _demo_source (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE ad_performance_daily (
  ad_id          TEXT NOT NULL,
  date           DATE NOT NULL,
  adset_id       TEXT,
  campaign_id    TEXT,
  ad_name        TEXT,
  adset_name     TEXT,
  campaign_name  TEXT,
  spend          DECIMAL(10,2),
  impressions    INTEGER,
  clicks         INTEGER,
  meta_trials    INTEGER,
  meta_purchases INTEGER,
  PRIMARY KEY (ad_id, date)
);

CREATE TABLE ad_performance_daily_country (
  ad_id          TEXT NOT NULL,
  date           DATE NOT NULL,
  country        TEXT NOT NULL,
  adset_id       TEXT,
  campaign_id    TEXT,
  ad_name        TEXT,
  adset_name     TEXT,
  campaign_name  TEXT,
  spend          DECIMAL(10,2),
  impressions    INTEGER,
  clicks         INTEGER,
  meta_trials    INTEGER,
  meta_purchases INTEGER,
  PRIMARY KEY (ad_id, date, country)
);

CREATE TABLE ad_performance_daily_region (
  ad_id          TEXT NOT NULL,
  date           DATE NOT NULL,
  region         TEXT NOT NULL,
  adset_id       TEXT,
  campaign_id    TEXT,
  ad_name        TEXT,
  adset_name     TEXT,
  campaign_name  TEXT,
  spend          DECIMAL(10,2),
  impressions    INTEGER,
  clicks         INTEGER,
  meta_trials    INTEGER,
  meta_purchases INTEGER,
  PRIMARY KEY (ad_id, date, region)
);

CREATE TABLE ad_performance_daily_device (
  ad_id          TEXT NOT NULL,
  date           DATE NOT NULL,
  device         TEXT NOT NULL,
  adset_id       TEXT,
  campaign_id    TEXT,
  ad_name        TEXT,
  adset_name     TEXT,
  campaign_name  TEXT,
  spend          DECIMAL(10,2),
  impressions    INTEGER,
  clicks         INTEGER,
  meta_trials    INTEGER,
  meta_purchases INTEGER,
  PRIMARY KEY (ad_id, date, device)
);
)sql";

const char* const kAdsIndexes = R"sql(
CREATE INDEX idx_ad_perf_date ON ad_performance_daily (date);
CREATE INDEX idx_ad_perf_campaign ON ad_performance_daily (campaign_id);
CREATE INDEX idx_ad_perf_country_date ON ad_performance_daily_country (date);
CREATE INDEX idx_ad_perf_region_date ON ad_performance_daily_region (date);
CREATE INDEX idx_ad_perf_device_date ON ad_performance_daily_device (date);
)sql";

}  // namespace admetrics::demo
