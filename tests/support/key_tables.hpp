#pragma once

/// Tables with just the columns by which a walk lists keys: for tests of what is read when, where nothing is computed.
namespace admetrics::support {

inline constexpr const char* kAdsColumns = R"sql(
CREATE TABLE ad_performance_daily (ad_id TEXT, date DATE, adset_id TEXT, campaign_id TEXT);
CREATE TABLE ad_performance_daily_country (ad_id TEXT, date DATE, adset_id TEXT, campaign_id TEXT, PRIMARY KEY (ad_id, date)) WITHOUT ROWID;
CREATE TABLE ad_performance_daily_region (ad_id TEXT, date DATE, adset_id TEXT, campaign_id TEXT);
CREATE TABLE ad_performance_daily_device (ad_id TEXT, date DATE, adset_id TEXT, campaign_id TEXT);
)sql";
inline constexpr const char* kSinkKeys = R"sql(
CREATE TABLE daily_mixpanel_metrics (metric_id INTEGER PRIMARY KEY, entity_type TEXT, entity_id TEXT, date DATE);
CREATE TABLE daily_mixpanel_metrics_breakdown (metric_id INTEGER PRIMARY KEY, entity_type TEXT, entity_id TEXT, date DATE);
CREATE TABLE id_name_mapping (entity_type TEXT, entity_id TEXT);
CREATE TABLE id_hierarchy_mapping (ad_id TEXT);
)sql";
inline constexpr const char* kLedgerTables = R"sql(
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE user (distinct_id TEXT PRIMARY KEY, contribution BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE ad_day (ad INTEGER, day INTEGER, contribution BLOB NOT NULL, PRIMARY KEY (ad, day)) WITHOUT ROWID;
CREATE TABLE meta_cell (entity INTEGER, day INTEGER, cell BLOB NOT NULL, PRIMARY KEY (entity, day)) WITHOUT ROWID;
)sql";

}  // namespace admetrics::support
