#include "verify/recompute.hpp"

#include "verify/reading.hpp"
#include "verify/tables.hpp"

namespace admetrics::verification {
namespace {

// In all of the SQL below, `kind` is 0 for the whole, then the breakdown types in the order of their names:
// 1 country, 2 device, 3 region. `entity` and `value` are numbers in the order of the texts' bytes, so that sorting
// by numbers is sorting by keys.

// The raw rows, read. An unreadable cell is NULL; which rows count is asked of these tables later.
constexpr const char* kDistilledTables = R"sql(
  CREATE TABLE user_copy(distinct_id TEXT, campaign TEXT, adset TEXT, ad TEXT, country TEXT, region TEXT);
  CREATE TABLE event_row(distinct_id TEXT, keyed INTEGER, roles INTEGER, moment BLOB, micros INTEGER);
  CREATE TABLE product_row(distinct_id TEXT, product_id TEXT, credited_date TEXT, store TEXT, worth INTEGER,
                           rates_readable INTEGER, conversion INTEGER, trial_refund INTEGER, purchase_refund INTEGER);
  CREATE TABLE meta_row(kind INTEGER, ad TEXT, adset TEXT, campaign TEXT, ad_name TEXT, adset_name TEXT,
                        campaign_name TEXT, value TEXT, day INTEGER, spend INTEGER, impressions INTEGER,
                        clicks INTEGER, trials INTEGER, purchases INTEGER);
  CREATE TABLE mapping(kind INTEGER, name TEXT, value TEXT, PRIMARY KEY (kind, name)) WITHOUT ROWID;
  CREATE TABLE whole_day(date TEXT PRIMARY KEY) WITHOUT ROWID;
)sql";

constexpr const char* kComputedTables = R"sql(
  CREATE TABLE user_row(n INTEGER PRIMARY KEY, distinct_id TEXT NOT NULL UNIQUE, campaign TEXT, adset TEXT, ad TEXT,
                        country TEXT NOT NULL, region TEXT NOT NULL);
  CREATE TABLE event_fact(n INTEGER PRIMARY KEY, trial_day INTEGER, purchase_day INTEGER, converted_at BLOB,
                          purchased_at BLOB, refunded_at BLOB, revenue INTEGER, refunds INTEGER);
  CREATE TABLE product_fact(n INTEGER PRIMARY KEY, worth INTEGER, conversion_sum INTEGER, conversion_rows INTEGER,
                            trial_refund_sum INTEGER, trial_refund_rows INTEGER, purchase_refund_sum INTEGER,
                            purchase_refund_rows INTEGER);
  CREATE TABLE device(n INTEGER PRIMARY KEY, store TEXT);
  CREATE TABLE identity(n INTEGER PRIMARY KEY, ad TEXT, adset TEXT, campaign TEXT, ad_name TEXT, adset_name TEXT,
                        campaign_name TEXT, UNIQUE (ad, adset, campaign, ad_name, adset_name, campaign_name));
  CREATE TABLE identity_entity(identity INTEGER, entity INTEGER, PRIMARY KEY (identity, entity)) WITHOUT ROWID;
  CREATE TABLE entity_seen(type TEXT, id TEXT, PRIMARY KEY (type, id)) WITHOUT ROWID;
  CREATE TABLE entity(n INTEGER PRIMARY KEY, type TEXT, id TEXT, UNIQUE (type, id));
  CREATE TABLE value_seen(value TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE value(n INTEGER PRIMARY KEY, value TEXT UNIQUE);
  CREATE TABLE meta_place(identity INTEGER, kind INTEGER, day INTEGER, value INTEGER, spend INTEGER,
                          impressions INTEGER, clicks INTEGER, trials INTEGER, purchases INTEGER);
  CREATE TABLE meta_sum(entity INTEGER, day INTEGER, kind INTEGER, value INTEGER, meta_rows INTEGER, spend INTEGER,
                        impressions INTEGER, clicks INTEGER, trials INTEGER, purchases INTEGER,
                        PRIMARY KEY (entity, day, kind, value)) WITHOUT ROWID;
  CREATE TABLE identity_seen(identity INTEGER PRIMARY KEY, seen INTEGER, last_day INTEGER, daily_seen INTEGER,
                             daily_first INTEGER, daily_last INTEGER);
  CREATE TABLE person(n INTEGER PRIMARY KEY, distinct_id TEXT, campaign INTEGER, adset INTEGER, ad INTEGER,
                      country INTEGER, device INTEGER, region INTEGER, trial_day INTEGER, purchase_day INTEGER,
                      converted INTEGER, trial_refunded INTEGER, purchase_refunded INTEGER, revenue INTEGER,
                      refunds INTEGER, worth INTEGER, conversion_sum INTEGER, conversion_rows INTEGER,
                      trial_refund_sum INTEGER, trial_refund_rows INTEGER, purchase_refund_sum INTEGER,
                      purchase_refund_rows INTEGER);
  CREATE TABLE member(entity INTEGER, day INTEGER, kind INTEGER, value INTEGER, n INTEGER, trial INTEGER,
                      purchase INTEGER, PRIMARY KEY (entity, day, kind, value, n)) WITHOUT ROWID;
  CREATE TABLE crowd(entity INTEGER, day INTEGER, kind INTEGER, value INTEGER, trials INTEGER, purchases INTEGER,
                     converted INTEGER, trial_refunds INTEGER, purchase_refunds INTEGER, revenue INTEGER,
                     refunds INTEGER, worth INTEGER, conversion_sum INTEGER, conversion_rows INTEGER,
                     trial_refund_sum INTEGER, trial_refund_rows INTEGER, purchase_refund_sum INTEGER,
                     purchase_refund_rows INTEGER, trial_list TEXT, converted_list TEXT, trial_refund_list TEXT,
                     purchase_list TEXT, purchase_refund_list TEXT, UNIQUE (entity, day, kind, value));
  CREATE TABLE cell(entity INTEGER, day INTEGER, kind INTEGER, value INTEGER,
                    PRIMARY KEY (entity, day, kind, value)) WITHOUT ROWID;
  CREATE TABLE name(type TEXT, id TEXT, name TEXT, seen INTEGER, last_day INTEGER, PRIMARY KEY (type, id)) WITHOUT ROWID;
  CREATE TABLE hierarchy(ad TEXT PRIMARY KEY, adset TEXT, campaign TEXT, confidence INTEGER, first_day INTEGER,
                         last_day INTEGER) WITHOUT ROWID;
)sql";

constexpr const char* kForgetComputed = R"sql(
  DROP VIEW figure; DROP VIEW ingredient;
  DROP TABLE user_row; DROP TABLE event_fact; DROP TABLE product_fact; DROP TABLE device; DROP TABLE identity;
  DROP TABLE identity_entity; DROP TABLE entity_seen; DROP TABLE entity; DROP TABLE value_seen; DROP TABLE value;
  DROP TABLE meta_place; DROP TABLE meta_sum; DROP TABLE identity_seen; DROP TABLE person; DROP TABLE member;
  DROP TABLE crowd; DROP TABLE cell; DROP TABLE name; DROP TABLE hierarchy;
)sql";

// When a raw row counts (`metrics.md` sections 2 and 8).
constexpr const char* kGoodEvent =
    "r.distinct_id IS NOT NULL AND r.keyed AND r.moment IS NOT NULL AND r.micros IS NOT NULL";
constexpr const char* kGoodProduct = "r.distinct_id IS NOT NULL AND r.worth IS NOT NULL AND r.rates_readable";
constexpr const char* kGoodMeta =
    "r.ad IS NOT NULL AND r.day IS NOT NULL AND r.spend IS NOT NULL AND r.impressions IS NOT NULL AND "
    "r.clicks IS NOT NULL AND r.trials IS NOT NULL AND r.purchases IS NOT NULL";

struct Step {
  const char* phase;
  std::string sql;
};

/// Runs the steps in order, telling how many rows each one gave.
Status run_steps(Workspace& workspace, const VerifyOptions& options, const std::vector<Step>& steps) {
  std::uint64_t done = 0;
  for (const Step& step : steps) {
    if (options.progress) options.progress({step.phase, done, steps.size()});
    ADM_TRY(workspace.run(step.sql));
    ++done;
  }
  return {};
}

struct MetaTable {
  const char* name;
  int kind;
  const char* value_column;
};
constexpr MetaTable kMetaTables[] = {
    {"ad_performance_daily", 0, "NULL"},
    {"ad_performance_daily_country", 1, "country"},
    {"ad_performance_daily_device", 2, "device"},
    {"ad_performance_daily_region", 3, "region"},
};

Status require_sources(Workspace& workspace) {
  constexpr const char* kRemedy = "; the source is not what the pipeline writes";
  const std::string& product = workspace.product();
  ADM_TRY(workspace.require(
      product, "mixpanel_user",
      {"distinct_id", "abi_ad_id", "abi_campaign_id", "abi_ad_set_id", "country", "region", "has_abi_attribution"},
      kRemedy));
  ADM_TRY(workspace.require(product, "mixpanel_event",
                            {"event_uuid", "event_name", "distinct_id", "event_time", "revenue_usd"}, kRemedy));
  ADM_TRY(
      workspace.require(product, "user_product_metrics",
                        {"distinct_id", "product_id", "credited_date", "store", "current_value",
                         "trial_conversion_rate", "trial_converted_to_refund_rate", "initial_purchase_to_refund_rate"},
                        kRemedy));
  for (const MetaTable& table : kMetaTables) {
    std::vector<std::string> columns{"ad_id",       "date",       "adset_id",      "campaign_id",
                                     "ad_name",     "adset_name", "campaign_name", "spend",
                                     "impressions", "clicks",     "meta_trials",   "meta_purchases"};
    if (table.kind != 0) columns.emplace_back(table.value_column);
    ADM_TRY(workspace.require(workspace.ads(), table.name, columns, kRemedy));
  }
  return {};
}

/// A mapping table's active rows; `present` tells whether it has any row at all.
Result<bool> distil_mapping(Workspace& workspace, const char* table, int kind, const char* name, const char* value) {
  const std::string source = workspace.product() + "." + table;
  ADM_TRY(workspace.require(workspace.product(), table, {name, value, "is_active"}, ""));
  // Should a key be there twice, the smallest value counts.
  ADM_TRY(workspace.run(std::string("INSERT OR IGNORE INTO mapping SELECT ") + std::to_string(kind) + ", adm_text(" +
                        name + "), coalesce(adm_text(" + value + "), 'unknown') FROM " + source +
                        " WHERE adm_flag(is_active) AND adm_text(" + name + ") IS NOT NULL ORDER BY 2, 3"));
  ADM_ASSIGN(const std::int64_t any,
             workspace.connection().query_integer("SELECT EXISTS (SELECT 1 FROM " + source + ")"));
  return any != 0;
}

Status distil_mappings(Workspace& workspace, std::vector<std::string>& notes) {
  ADM_ASSIGN(const bool countries, workspace.has_table(workspace.product(), "meta_country_mapping"));
  if (countries) {
    ADM_TRY(distil_mapping(workspace, "meta_country_mapping", 1, "meta_country_name", "mixpanel_country_code"));
  } else {
    notes.emplace_back("meta_country_mapping is absent: Meta's countries count under their own text");
  }
  bool any_device = false;
  ADM_ASSIGN(const bool devices, workspace.has_table(workspace.product(), "meta_device_mapping"));
  if (devices) {
    ADM_ASSIGN(any_device,
               distil_mapping(workspace, "meta_device_mapping", 2, "meta_device_type", "mixpanel_store_category"));
  }
  if (!any_device) {
    notes.emplace_back(std::string("meta_device_mapping is ") + (devices ? "empty" : "absent") +
                       ": the built-in device mapping holds");
    ADM_TRY(workspace.run(
        "INSERT INTO mapping VALUES (2, 'iphone', 'APP_STORE'), (2, 'ipad', 'APP_STORE'), "
        "(2, 'android_smartphone', 'PLAY_STORE'), (2, 'android_tablet', 'PLAY_STORE'), (2, 'desktop', 'STRIPE'), "
        "(2, 'unknown', 'STRIPE')"));
  }
  return {};
}

/// The same for an entity's number instead of its texts.
std::string scope_by_number(const VerifyOptions& options, const std::string& entity, const std::string& day) {
  std::string scope;
  if (options.since) scope += " AND " + day + " >= " + std::to_string(options.since->value);
  if (options.until) scope += " AND " + day + " <= " + std::to_string(options.until->value);
  if (options.sample < 1.0) {
    scope +=
        " AND (SELECT adm_sampled(s.type, s.id, adm_date_text(" + day + ")) FROM entity s WHERE s.n = " + entity + ")";
  }
  return scope;
}

/// What happened to each attributed user.
std::vector<Step> user_steps() {
  return {
      // Numbered in the order of their ids. Should an id be there twice, one of its rows counts.
      {"users", R"sql(
         INSERT OR IGNORE INTO user_row(distinct_id, campaign, adset, ad, country, region)
         SELECT * FROM user_copy WHERE distinct_id IS NOT NULL ORDER BY 1)sql"},
      {"events of each user", std::string(R"sql(
         INSERT INTO event_fact
         SELECT u.n,
                max(CASE WHEN r.roles & 1 THEN adm_moment_day(r.moment) END),
                max(CASE WHEN r.roles & 2 THEN adm_moment_day(r.moment) END),
                min(CASE WHEN r.roles & 4 THEN r.moment END),
                min(CASE WHEN r.roles & 2 THEN r.moment END),
                max(CASE WHEN r.roles & 8 AND r.micros < 0 THEN r.moment END),
                sum(CASE WHEN r.roles & 6 AND r.micros > 0 THEN r.micros ELSE 0 END),
                sum(CASE WHEN r.roles & 8 AND r.micros < 0 THEN -r.micros ELSE 0 END)
           FROM event_row r CROSS JOIN user_row u ON u.distinct_id = r.distinct_id
          WHERE )sql") + kGoodEvent +
                                  " GROUP BY u.n"},
      {"products of each user", std::string(R"sql(
         INSERT INTO product_fact
         SELECT u.n, sum(r.worth),
                coalesce(sum(r.conversion), 0), count(r.conversion),
                coalesce(sum(r.trial_refund), 0), count(r.trial_refund),
                coalesce(sum(r.purchase_refund), 0), count(r.purchase_refund)
           FROM product_row r CROSS JOIN user_row u ON u.distinct_id = r.distinct_id
          WHERE )sql") + kGoodProduct +
                                    " GROUP BY u.n"},
      // The store of the latest product; should two be equally late, the greatest store counts.
      {"store of each user", std::string(R"sql(
         INSERT INTO device
         SELECT n, upper(store)
           FROM (SELECT u.n AS n, r.store AS store,
                        row_number() OVER (PARTITION BY u.n
                                           ORDER BY r.credited_date DESC, r.product_id DESC, r.store DESC) AS place
                   FROM product_row r CROSS JOIN user_row u ON u.distinct_id = r.distinct_id
                  WHERE r.store IS NOT NULL AND )sql") +
                                 kGoodProduct + ") WHERE place = 1"},
  };
}

/// Numbers for entities and breakdown values, and the Meta rows by them.
std::vector<Step> meta_steps(const VerifyOptions& options) {
  // NULL and empty are "unknown" before any mapping; a mapping to NULL or empty is "unknown" too.
  const std::string mapped =
      "CASE WHEN r.value IS NULL THEN 'unknown' ELSE coalesce("
      "(SELECT m.value FROM mapping m WHERE m.kind = r.kind AND m.name = r.value), r.value) END";
  return {
      {"Meta identities", std::string(R"sql(
         INSERT OR IGNORE INTO identity(ad, adset, campaign, ad_name, adset_name, campaign_name)
         SELECT r.ad, r.adset, r.campaign, r.ad_name, r.adset_name, r.campaign_name FROM meta_row r WHERE )sql") +
                              kGoodMeta},
      {"entities", R"sql(
         INSERT OR IGNORE INTO entity_seen
         SELECT 'ad', ad FROM user_row WHERE ad IS NOT NULL
         UNION ALL SELECT 'adset', adset FROM user_row WHERE adset IS NOT NULL
         UNION ALL SELECT 'campaign', campaign FROM user_row WHERE campaign IS NOT NULL
         UNION ALL SELECT 'ad', ad FROM identity
         UNION ALL SELECT 'adset', adset FROM identity WHERE adset <> ''
         UNION ALL SELECT 'campaign', campaign FROM identity WHERE campaign <> '')sql"},
      {"entities", "INSERT INTO entity(type, id) SELECT type, id FROM entity_seen ORDER BY type, id"},
      {"entities", R"sql(
         INSERT INTO identity_entity
         SELECT i.n, e.n FROM identity i CROSS JOIN entity e ON e.type = 'ad' AND e.id = i.ad
         UNION ALL SELECT i.n, e.n FROM identity i CROSS JOIN entity e ON e.type = 'adset' AND e.id = i.adset
         UNION ALL SELECT i.n, e.n FROM identity i CROSS JOIN entity e ON e.type = 'campaign' AND e.id = i.campaign)sql"},
      {"breakdown values", std::string(R"sql(
         INSERT OR IGNORE INTO value_seen
         SELECT 'unknown'
         UNION ALL SELECT country FROM user_row
         UNION ALL SELECT region FROM user_row
         UNION ALL SELECT store FROM device
         UNION ALL SELECT )sql") +
                               mapped + " FROM meta_row r WHERE r.kind > 0 AND " + kGoodMeta},
      {"breakdown values", "INSERT INTO value(value) SELECT value FROM value_seen ORDER BY value"},
      {"Meta rows", std::string(R"sql(
         INSERT INTO meta_place
         SELECT i.n, r.kind, r.day,
                CASE WHEN r.kind = 0 THEN 0 ELSE (SELECT v.n FROM value v WHERE v.value = )sql") +
                        mapped + R"sql() END,
                r.spend, r.impressions, r.clicks, r.trials, r.purchases
           FROM meta_row r CROSS JOIN identity i
                ON i.ad = r.ad AND i.adset = r.adset AND i.campaign = r.campaign AND i.ad_name = r.ad_name
                   AND i.adset_name = r.adset_name AND i.campaign_name = r.campaign_name
          WHERE )sql" + kGoodMeta},
      {"Meta sums", R"sql(
         INSERT INTO meta_sum
         SELECT l.entity, p.day, p.kind, p.value, count(*),
                adm_cents(sum(p.spend >> 32), sum(p.spend & 4294967295)),
                adm_sum(sum(p.impressions >> 32), sum(p.impressions & 4294967295)),
                adm_sum(sum(p.clicks >> 32), sum(p.clicks & 4294967295)),
                adm_sum(sum(p.trials >> 32), sum(p.trials & 4294967295)),
                adm_sum(sum(p.purchases >> 32), sum(p.purchases & 4294967295))
           FROM meta_place p CROSS JOIN identity_entity l ON l.identity = p.identity
          WHERE true)sql" +
                        scope_by_number(options, "l.entity", "p.day") + " GROUP BY 1, 2, 3, 4"},
  };
}

/// Who stands in which row.
std::vector<Step> row_steps(const VerifyOptions& options) {
  return {
      {"users", R"sql(
         INSERT INTO person
         SELECT u.n, u.distinct_id,
                (SELECT e.n FROM entity e WHERE e.type = 'campaign' AND e.id = u.campaign),
                (SELECT e.n FROM entity e WHERE e.type = 'adset' AND e.id = u.adset),
                (SELECT e.n FROM entity e WHERE e.type = 'ad' AND e.id = u.ad),
                (SELECT v.n FROM value v WHERE v.value = u.country),
                (SELECT v.n FROM value v WHERE v.value = coalesce(d.store, 'unknown')),
                (SELECT v.n FROM value v WHERE v.value = u.region),
                f.trial_day, f.purchase_day,
                f.converted_at IS NOT NULL,
                coalesce(f.refunded_at >= f.converted_at, 0),
                coalesce(f.refunded_at >= f.purchased_at, 0),
                f.revenue, f.refunds, coalesce(p.worth, 0),
                coalesce(p.conversion_sum, 0), coalesce(p.conversion_rows, 0),
                coalesce(p.trial_refund_sum, 0), coalesce(p.trial_refund_rows, 0),
                coalesce(p.purchase_refund_sum, 0), coalesce(p.purchase_refund_rows, 0)
           FROM event_fact f CROSS JOIN user_row u ON u.n = f.n
                LEFT JOIN product_fact p ON p.n = f.n
                LEFT JOIN device d ON d.n = f.n
          WHERE f.trial_day IS NOT NULL OR f.purchase_day IS NOT NULL)sql"},
      // A user with both on one day stands once in that row, so that nothing of the user's is summed twice.
      {"users of each row", R"sql(
         INSERT INTO member
         SELECT entity, day, kind, value, n, trial, purchase
           FROM (SELECT CASE l.column1 WHEN 1 THEN p.ad WHEN 2 THEN p.adset ELSE p.campaign END AS entity,
                        p.day AS day, b.column1 AS kind,
                        CASE b.column1 WHEN 0 THEN 0 WHEN 1 THEN p.country WHEN 2 THEN p.device ELSE p.region END AS value,
                        p.n AS n, p.trial AS trial, p.purchase AS purchase
                   FROM (SELECT *, trial_day AS day, 1 AS trial, trial_day IS purchase_day AS purchase
                           FROM person WHERE trial_day IS NOT NULL
                         UNION ALL
                         SELECT *, purchase_day, 0, 1
                           FROM person WHERE purchase_day IS NOT NULL AND purchase_day IS NOT trial_day) p
                        CROSS JOIN (VALUES (1), (2), (3)) l
                        CROSS JOIN (VALUES (0), (1), (2), (3)) b) x
          WHERE entity IS NOT NULL)sql" +
                                scope_by_number(options, "x.entity", "x.day") + " ORDER BY 1, 2, 3, 4, 5"},
      // The members come in the order of their ids within a row, which is the order of the lists.
      {"sums of each row", R"sql(
         INSERT INTO crowd
         SELECT m.entity, m.day, m.kind, m.value,
                sum(m.trial), sum(m.purchase),
                sum(m.trial AND p.converted), sum(m.trial AND p.trial_refunded), sum(m.purchase AND p.purchase_refunded),
                adm_cents(sum(p.revenue >> 32), sum(p.revenue & 4294967295)),
                adm_cents(sum(p.refunds >> 32), sum(p.refunds & 4294967295)),
                adm_cents(sum(p.worth >> 32), sum(p.worth & 4294967295)),
                sum(CASE WHEN m.trial THEN p.conversion_sum ELSE 0 END),
                sum(CASE WHEN m.trial THEN p.conversion_rows ELSE 0 END),
                sum(CASE WHEN m.trial AND p.converted THEN p.trial_refund_sum ELSE 0 END),
                sum(CASE WHEN m.trial AND p.converted THEN p.trial_refund_rows ELSE 0 END),
                sum(CASE WHEN m.purchase THEN p.purchase_refund_sum ELSE 0 END),
                sum(CASE WHEN m.purchase THEN p.purchase_refund_rows ELSE 0 END),
                json_group_array(p.distinct_id) FILTER (WHERE m.trial),
                json_group_array(p.distinct_id) FILTER (WHERE m.trial AND p.converted),
                json_group_array(p.distinct_id) FILTER (WHERE m.trial AND p.trial_refunded),
                json_group_array(p.distinct_id) FILTER (WHERE m.purchase),
                json_group_array(p.distinct_id) FILTER (WHERE m.purchase AND p.purchase_refunded)
           FROM member m CROSS JOIN person p ON p.n = m.n
          GROUP BY m.entity, m.day, m.kind, m.value)sql"},
      // A breakdown row brings its main row into being.
      {"rows", R"sql(
         INSERT OR IGNORE INTO cell
         SELECT entity, day, kind, value FROM crowd
         UNION ALL SELECT entity, day, kind, value FROM meta_sum
         UNION ALL SELECT entity, day, 0, 0 FROM meta_sum WHERE kind > 0)sql"},
  };
}

/// The two mapping tables.
std::vector<Step> mapping_steps() {
  return {
      {"names", R"sql(
         INSERT INTO identity_seen
         SELECT identity, count(*), max(day), sum(kind = 0), min(CASE WHEN kind = 0 THEN day END),
                max(CASE WHEN kind = 0 THEN day END)
           FROM meta_place GROUP BY identity)sql"},
      {"names", R"sql(
         INSERT INTO name
         SELECT type, id, name, seen, last_day
           FROM (SELECT type, id, name, seen, last_day,
                        row_number() OVER (PARTITION BY type, id ORDER BY seen DESC, last_day DESC, name) AS place
                   FROM (SELECT type, id, name, sum(seen) AS seen, max(last_day) AS last_day
                           FROM (SELECT 'ad' AS type, i.ad AS id, i.ad_name AS name, s.seen AS seen, s.last_day AS last_day
                                   FROM identity_seen s CROSS JOIN identity i ON i.n = s.identity
                                 UNION ALL
                                 SELECT 'adset', i.adset, i.adset_name, s.seen, s.last_day
                                   FROM identity_seen s CROSS JOIN identity i ON i.n = s.identity
                                 UNION ALL
                                 SELECT 'campaign', i.campaign, i.campaign_name, s.seen, s.last_day
                                   FROM identity_seen s CROSS JOIN identity i ON i.n = s.identity)
                          WHERE id <> '' AND name <> ''
                          GROUP BY type, id, name))
          WHERE place = 1)sql"},
      {"hierarchy", R"sql(
         INSERT INTO hierarchy
         SELECT ad, adset, campaign, adm_ratio(seen, 100, total), first_day, last_day
           FROM (SELECT *, sum(seen) OVER (PARTITION BY ad) AS total,
                        row_number() OVER (PARTITION BY ad ORDER BY seen DESC, last_day DESC, adset, campaign) AS place
                   FROM (SELECT i.ad AS ad, i.adset AS adset, i.campaign AS campaign, sum(s.daily_seen) AS seen,
                                min(s.daily_first) AS first_day, max(s.daily_last) AS last_day
                           FROM identity_seen s CROSS JOIN identity i ON i.n = s.identity
                          WHERE s.daily_seen > 0 AND i.adset <> '' AND i.campaign <> ''
                          GROUP BY i.ad, i.adset, i.campaign))
          WHERE place = 1)sql"},
  };
}

/// The columns' ingredients, row by row: cents, counts and lists. `tables()` makes the columns of them.
std::string figure_views(const VerifyOptions& options, Day as_of) {
  const std::string post =
      "c.day + " + std::to_string(options.reporting.trial_length_days) + " <= " + std::to_string(as_of.value);
  return R"sql(
    CREATE VIEW ingredient AS
    SELECT c.entity, c.day, c.kind, c.value,
           coalesce(m.meta_rows, 0) AS meta_rows,
           coalesce(m.spend, 0) AS spend,
           coalesce(m.impressions, 0) AS impressions,
           coalesce(m.clicks, 0) AS clicks,
           coalesce(m.trials, 0) AS meta_trials,
           coalesce(m.purchases, 0) AS meta_purchases,
           coalesce(p.trials, 0) AS trials,
           coalesce(p.purchases, 0) AS purchases,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trials, 0) ELSE 0 END AS post_trials,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.converted, 0) ELSE 0 END AS converted,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trial_refunds, 0) ELSE 0 END AS trial_refunds,
           coalesce(p.purchase_refunds, 0) AS purchase_refunds,
           coalesce(p.revenue, 0) AS revenue,
           coalesce(p.refunds, 0) AS refunds,
           coalesce(p.worth, 0) AS estimated,
           coalesce(p.conversion_sum, 0) AS conversion_sum,
           coalesce(p.conversion_rows, 0) AS conversion_rows,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trial_refund_sum, 0) ELSE 0 END AS trial_refund_sum,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trial_refund_rows, 0) ELSE 0 END AS trial_refund_rows,
           coalesce(p.purchase_refund_sum, 0) AS purchase_refund_sum,
           coalesce(p.purchase_refund_rows, 0) AS purchase_refund_rows,
           coalesce(p.trial_list, '[]') AS trial_list,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trial_list, '[]') ELSE '[]' END AS post_trial_list,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.converted_list, '[]') ELSE '[]' END AS converted_list,
           CASE WHEN )sql" +
         post + R"sql( THEN coalesce(p.trial_refund_list, '[]') ELSE '[]' END AS trial_refund_list,
           coalesce(p.purchase_list, '[]') AS purchase_list,
           coalesce(p.purchase_refund_list, '[]') AS purchase_refund_list
      FROM cell c
           LEFT JOIN crowd p ON p.entity = c.entity AND p.day = c.day AND p.kind = c.kind AND p.value = c.value
           LEFT JOIN meta_sum m ON m.entity = c.entity AND m.day = c.day AND m.kind = c.kind AND m.value = c.value;
    CREATE VIEW figure AS
    SELECT *, CASE WHEN purchases > trials AND meta_purchases > 0 THEN adm_ratio(estimated, meta_purchases, purchases)
                   WHEN purchases <= trials AND trials > 0 AND meta_trials > 0 THEN adm_ratio(estimated, meta_trials, trials)
                   ELSE estimated END AS adjusted
      FROM ingredient;
  )sql";
}

}  // namespace

Result<std::vector<RawCopy>> prepare_distil(Workspace& workspace) {
  ADM_TRY(require_sources(workspace));
  ADM_TRY(workspace.connection().execute(kDistilledTables));
  std::vector<RawCopy> copies{
      // Only who is attributed can stand in a row. Rows without a key are there to be counted.
      {"user_copy", "distinct_id, campaign, adset, ad, country, region", workspace.product(), "mixpanel_user", R"sql(
         adm_key(t.distinct_id), adm_text(t.abi_campaign_id), adm_text(t.abi_ad_set_id), adm_text(t.abi_ad_id),
         coalesce(adm_text(t.country), 'unknown'), coalesce(adm_text(t.region), 'unknown'))sql",
       R"sql(adm_key(t.distinct_id) IS NULL OR adm_flag(t.has_abi_attribution)
             AND coalesce(adm_text(t.abi_campaign_id), adm_text(t.abi_ad_set_id), adm_text(t.abi_ad_id)) IS NOT NULL)sql",
       false},
      {"event_row", "distinct_id, keyed, roles, moment, micros", workspace.product(), "mixpanel_event", R"sql(
         adm_key(t.distinct_id), adm_key(t.event_uuid) IS NOT NULL, adm_roles(t.event_name), adm_moment(t.event_time),
         adm_micros(t.revenue_usd))sql",
       "adm_roles(t.event_name) <> 0", false},
      {"product_row",
       "distinct_id, product_id, credited_date, store, worth, rates_readable, conversion, trial_refund, "
       "purchase_refund",
       workspace.product(), "user_product_metrics", R"sql(
         adm_key(t.distinct_id), CAST(t.product_id AS TEXT), CAST(t.credited_date AS TEXT), adm_text(t.store),
         adm_micros(t.current_value),
         adm_rate_readable(t.trial_conversion_rate) AND adm_rate_readable(t.trial_converted_to_refund_rate)
           AND adm_rate_readable(t.initial_purchase_to_refund_rate),
         adm_rate(t.trial_conversion_rate), adm_rate(t.trial_converted_to_refund_rate),
         adm_rate(t.initial_purchase_to_refund_rate))sql",
       "true", false},
  };
  for (const MetaTable& table : kMetaTables) {
    const std::string value = table.kind == 0 ? "NULL" : std::string("t.") + table.value_column;
    copies.push_back({"meta_row",
                      "kind, ad, adset, campaign, ad_name, adset_name, campaign_name, value, day, spend, impressions, "
                      "clicks, trials, purchases",
                      workspace.ads(), table.name,
                      std::to_string(table.kind) + R"sql(, adm_key(t.ad_id),
         coalesce(adm_text(t.adset_id), ''), coalesce(adm_text(t.campaign_id), ''), coalesce(adm_text(t.ad_name), ''),
         coalesce(adm_text(t.adset_name), ''), coalesce(adm_text(t.campaign_name), ''), adm_text()sql" +
                          value + R"sql(), adm_date(t.date), adm_micros(t.spend),
         adm_count(t.impressions), adm_count(t.clicks), adm_count(t.meta_trials), adm_count(t.meta_purchases))sql",
                      "true", true});
  }
  return copies;
}

Status distil_small(Workspace& workspace, std::vector<std::string>& notes) {
  ADM_TRY(workspace.run("DELETE FROM mapping"));
  ADM_TRY(workspace.run("DELETE FROM whole_day"));
  ADM_TRY(distil_mappings(workspace, notes));
  const std::string& product = workspace.product();
  ADM_ASSIGN(const bool days, workspace.has_table(product, "processed_event_days"));
  if (!days) {
    notes.emplace_back("processed_event_days is absent: no event day can be told to be torn");
    return {};
  }
  ADM_TRY(workspace.run("INSERT OR IGNORE INTO whole_day SELECT adm_text(date_day) FROM " + product +
                        ".processed_event_days WHERE adm_text(date_day) IS NOT NULL"));
  return {};
}

Status distil(Workspace& workspace, const VerifyOptions& options, std::vector<std::string>& notes) {
  ADM_ASSIGN(const std::vector<RawCopy> copies, prepare_distil(workspace));
  ADM_TRY(distil_small(workspace, notes));
  std::vector<Step> steps;
  std::vector<std::string> phases;
  phases.reserve(copies.size());
  for (const RawCopy& copy : copies) phases.push_back("reading " + copy.table);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    steps.push_back({phases[i].c_str(), copies[i].insert_into(copies[i].target) + copies[i].select("")});
  }
  return run_steps(workspace, options, steps);
}

Status forget_computed(Workspace& workspace) { return workspace.connection().execute(kForgetComputed); }

Status compute(Workspace& workspace, const VerifyOptions& options, Day as_of) {
  ADM_TRY(workspace.connection().execute(kComputedTables));
  std::vector<Step> steps = user_steps();
  for (const auto& more : {meta_steps(options), row_steps(options), mapping_steps()}) {
    steps.insert(steps.end(), more.begin(), more.end());
  }
  ADM_TRY(run_steps(workspace, options, steps));
  return workspace.connection().execute(figure_views(options, as_of));
}

Result<std::vector<RejectCount>> count_rejects(Workspace& workspace) {
  // The first column that cannot be read names the reason, keys before the rest.
  std::string sql = R"sql(
    SELECT source, reason, sum(amount) FROM (
      SELECT 'mixpanel_user' AS source, 'bad_key' AS reason, count(*) AS amount FROM user_copy WHERE distinct_id IS NULL
      UNION ALL
      SELECT 'mixpanel_event', CASE WHEN r.distinct_id IS NULL OR NOT r.keyed THEN 'bad_key'
                                    WHEN r.moment IS NULL THEN 'bad_time' ELSE 'bad_money' END, 1
        FROM event_row r WHERE NOT ()sql" +
                    std::string(kGoodEvent) + R"sql()
      UNION ALL
      SELECT 'user_product_metrics', CASE WHEN r.distinct_id IS NULL THEN 'bad_key'
                                          WHEN r.worth IS NULL THEN 'bad_money' ELSE 'bad_rate' END, 1
        FROM product_row r WHERE NOT ()sql" +
                    kGoodProduct + R"sql()
      UNION ALL
      SELECT CASE r.kind WHEN 0 THEN 'ad_performance_daily' WHEN 1 THEN 'ad_performance_daily_country'
                         WHEN 2 THEN 'ad_performance_daily_device' ELSE 'ad_performance_daily_region' END,
             CASE WHEN r.ad IS NULL OR r.day IS NULL THEN 'bad_key' WHEN r.spend IS NULL THEN 'bad_money'
                  ELSE 'bad_count' END, 1
        FROM meta_row r WHERE NOT ()sql" +
                    kGoodMeta + R"sql()
    ) GROUP BY source, reason HAVING sum(amount) > 0 ORDER BY source, reason)sql";
  ADM_ASSIGN(sqlite::Statement rows, workspace.connection().prepare(sql));
  std::vector<RejectCount> counts;
  for (;;) {
    ADM_ASSIGN(const bool row, rows.step());
    if (!row) return counts;
    counts.push_back(
        {std::string(rows.text(0)), std::string(rows.text(1)), static_cast<std::uint64_t>(rows.integer(2))});
  }
}

std::string expected_sql(const Table& table) {
  std::string sql = "SELECT ";
  for (const KeyColumn& key : table.keys) sql += std::string(key.expression) + ", ";
  for (const Column& column : table.columns) sql += std::string(column.expression) + ", ";
  sql.resize(sql.size() - 2);
  return sql + " FROM " + std::string(table.expected_from) + " ORDER BY " + std::string(table.expected_order);
}

std::string scope_by_text(const VerifyOptions& options, const std::string& type, const std::string& id,
                          const std::string& date) {
  std::string scope;
  if (options.since) scope += " AND " + date + " >= " + sqlite::quote_text(date_text(options.since->value));
  if (options.until) scope += " AND " + date + " <= " + sqlite::quote_text(date_text(options.until->value));
  if (options.sample < 1.0) scope += " AND adm_sampled(" + type + ", " + id + ", " + date + ")";
  return scope;
}

Result<std::string> torn_days_note(Workspace& workspace) {
  ADM_ASSIGN(const std::int64_t declared,
             workspace.connection().query_integer("SELECT EXISTS (SELECT 1 FROM whole_day)"));
  if (declared == 0) return std::string();
  return workspace.connection().query_text(std::string(R"sql(
    SELECT CASE WHEN count(*) > 0 THEN count(*) || ' event day(s), from ' || min(date) || ' to ' || max(date) ||
                ', are not in processed_event_days: changes of their users may be held back' END
      FROM (SELECT DISTINCT adm_date_text(adm_moment_day(r.moment)) AS date FROM event_row r WHERE )sql") +
                                           kGoodEvent + R"sql()
     WHERE date NOT IN (SELECT date FROM whole_day))sql");
}

}  // namespace admetrics::verification
