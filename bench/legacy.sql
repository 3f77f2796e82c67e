-- What a team does without the daemon: truncate the result tables and fill them again from the raw ones.
-- Main table and country breakdown; sums and rounding in floating point, as such jobs do it.
--
--   sqlite3 mixpanel_data.db "ATTACH 'meta_analytics.db' AS ads" ".read legacy.sql"
--
-- Today is the calendar day in UTC. To pin it, create the table before this file is read:
--   CREATE TEMP TABLE legacy_today AS SELECT '2025-07-31' AS day;
--
-- Differs from the daemon by design: times are read by SQLite's own date functions, a sum's last cent depends on
-- the order of its addends, region and device breakdowns and the mapping tables are not made.

CREATE TEMP TABLE IF NOT EXISTS legacy_today AS SELECT date('now') AS day;

CREATE TABLE IF NOT EXISTS daily_mixpanel_metrics (
  metric_id                       INTEGER PRIMARY KEY AUTOINCREMENT,
  date                            DATE NOT NULL,
  entity_type                     TEXT NOT NULL,
  entity_id                       TEXT NOT NULL,
  meta_spend                      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_impressions                INTEGER NOT NULL DEFAULT 0,
  meta_clicks                     INTEGER NOT NULL DEFAULT 0,
  meta_trial_count                INTEGER NOT NULL DEFAULT 0,
  meta_purchase_count             INTEGER NOT NULL DEFAULT 0,
  trial_users_count               INTEGER NOT NULL DEFAULT 0,
  trial_users_list                TEXT,
  purchase_users_count            INTEGER NOT NULL DEFAULT 0,
  purchase_users_list             TEXT,
  post_trial_user_ids             TEXT,
  converted_user_ids              TEXT,
  trial_refund_user_ids           TEXT,
  purchase_refund_user_ids        TEXT,
  trial_conversion_rate_estimated DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_conversion_rate_actual    DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_refund_rate_estimated     DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_refund_rate_actual        DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  purchase_refund_rate_estimated  DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  purchase_refund_rate_actual     DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  actual_revenue_usd              DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  actual_refunds_usd              DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  net_actual_revenue_usd          DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  estimated_revenue_usd           DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  adjusted_estimated_revenue_usd  DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  profit_usd                      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  estimated_roas                  DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  trial_accuracy_ratio            DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  purchase_accuracy_ratio         DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  mixpanel_cost_per_trial         DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  mixpanel_cost_per_purchase      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_cost_per_trial             DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_cost_per_purchase          DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  click_to_trial_rate             DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  data_quality_score              DECIMAL(3,2) DEFAULT 1.00,
  computed_at                     DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (date, entity_type, entity_id)
);

CREATE TABLE IF NOT EXISTS daily_mixpanel_metrics_breakdown (
  metric_id                       INTEGER PRIMARY KEY AUTOINCREMENT,
  entity_type                     TEXT NOT NULL,
  entity_id                       TEXT NOT NULL,
  date                            DATE NOT NULL,
  breakdown_type                  TEXT NOT NULL,
  breakdown_value                 TEXT NOT NULL,
  meta_spend                      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_impressions                INTEGER NOT NULL DEFAULT 0,
  meta_clicks                     INTEGER NOT NULL DEFAULT 0,
  meta_trial_count                INTEGER NOT NULL DEFAULT 0,
  meta_purchase_count             INTEGER NOT NULL DEFAULT 0,
  mixpanel_trial_count            INTEGER NOT NULL DEFAULT 0,
  mixpanel_purchase_count         INTEGER NOT NULL DEFAULT 0,
  trial_user_ids                  TEXT,
  post_trial_user_ids             TEXT,
  converted_user_ids              TEXT,
  trial_refund_user_ids           TEXT,
  purchase_user_ids               TEXT,
  purchase_refund_user_ids        TEXT,
  trial_conversion_rate_estimated DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_conversion_rate_actual    DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_refund_rate_estimated     DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  trial_refund_rate_actual        DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  purchase_refund_rate_estimated  DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  purchase_refund_rate_actual     DECIMAL(5,4) NOT NULL DEFAULT 0.0000,
  actual_revenue_usd              DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  actual_refunds_usd              DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  net_actual_revenue_usd          DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  estimated_revenue_usd           DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  adjusted_estimated_revenue_usd  DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  profit_usd                      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  estimated_roas                  DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  trial_accuracy_ratio            DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  purchase_accuracy_ratio         DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  mixpanel_cost_per_trial         DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  mixpanel_cost_per_purchase      DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_cost_per_trial             DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  meta_cost_per_purchase          DECIMAL(10,2) NOT NULL DEFAULT 0.00,
  click_to_trial_rate             DECIMAL(8,4) NOT NULL DEFAULT 0.0000,
  computed_at                     DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE (entity_type, entity_id, date, breakdown_type, breakdown_value)
);

-- 1. What each attributed user did.
CREATE TEMP TABLE legacy_user AS
SELECT u.distinct_id,
       u.abi_campaign_id AS campaign_id, u.abi_ad_set_id AS adset_id, u.abi_ad_id AS ad_id,
       coalesce(nullif(u.country, ''), 'unknown') AS country,
       max(CASE WHEN e.event_name = 'RC Trial started' THEN e.day END) AS trial_day,
       max(CASE WHEN e.event_name = 'RC Initial purchase' THEN e.day END) AS purchase_day,
       min(CASE WHEN e.event_name = 'RC Trial converted' THEN e.at END) AS converted_at,
       min(CASE WHEN e.event_name = 'RC Initial purchase' THEN e.at END) AS purchased_at,
       max(CASE WHEN e.event_name LIKE '%cancel%' AND e.revenue_usd < 0 THEN e.at END) AS refunded_at,
       coalesce(sum(CASE WHEN e.event_name IN ('RC Initial purchase', 'RC Trial converted') AND e.revenue_usd > 0
                         THEN e.revenue_usd END), 0.0) AS revenue,
       coalesce(sum(CASE WHEN e.event_name LIKE '%cancel%' AND e.revenue_usd < 0 THEN -e.revenue_usd END), 0.0) AS refunds
FROM mixpanel_user AS u
JOIN (SELECT distinct_id, event_name, revenue_usd, date(event_time) AS day,
             strftime('%Y-%m-%d %H:%M:%f', event_time) AS at
      FROM mixpanel_event
      WHERE (event_name IN ('RC Trial started', 'RC Initial purchase', 'RC Trial converted')
             OR event_name LIKE '%cancel%')
        AND length(event_time) >= 16 AND date(event_time) IS NOT NULL
        AND typeof(revenue_usd) <> 'text') AS e USING (distinct_id)
WHERE u.has_abi_attribution
GROUP BY u.distinct_id;

-- 2. What each of them is worth.
CREATE TEMP TABLE legacy_product AS
SELECT distinct_id,
       sum(current_value) AS value,
       sum(trial_conversion_rate) AS conversion_sum, count(trial_conversion_rate) AS conversion_count,
       sum(trial_converted_to_refund_rate) AS trial_refund_sum, count(trial_converted_to_refund_rate) AS trial_refund_count,
       sum(initial_purchase_to_refund_rate) AS purchase_refund_sum,
       count(initial_purchase_to_refund_rate) AS purchase_refund_count
FROM user_product_metrics
WHERE typeof(current_value) <> 'text' AND typeof(trial_conversion_rate) <> 'text'
  AND typeof(trial_converted_to_refund_rate) <> 'text' AND typeof(initial_purchase_to_refund_rate) <> 'text'
GROUP BY distinct_id;
CREATE UNIQUE INDEX temp.legacy_product_user ON legacy_product (distinct_id);

-- 3. The days a user counts on, and for what; a user who starts a trial and buys on one day counts there once.
CREATE TEMP TABLE legacy_user_day AS
SELECT d.*, p.value, p.conversion_sum, p.conversion_count, p.trial_refund_sum, p.trial_refund_count,
       p.purchase_refund_sum, p.purchase_refund_count,
       d.is_trial AND date(d.date, '+7 days') <= (SELECT day FROM legacy_today) AS is_post_trial,
       d.is_trial AND date(d.date, '+7 days') <= (SELECT day FROM legacy_today) AND d.converted_at IS NOT NULL AS is_converted
FROM (SELECT *, trial_day AS date, 1 AS is_trial, purchase_day IS trial_day AS is_purchase
      FROM legacy_user WHERE trial_day IS NOT NULL
      UNION ALL
      SELECT *, purchase_day, 0, 1
      FROM legacy_user WHERE purchase_day IS NOT NULL AND purchase_day IS NOT trial_day) AS d
LEFT JOIN legacy_product AS p USING (distinct_id);

-- 4. The same at each level.
CREATE TEMP TABLE legacy_member AS
SELECT 'campaign' AS entity_type, campaign_id AS entity_id, * FROM legacy_user_day WHERE coalesce(campaign_id, '') <> ''
UNION ALL
SELECT 'adset', adset_id, * FROM legacy_user_day WHERE coalesce(adset_id, '') <> ''
UNION ALL
SELECT 'ad', ad_id, * FROM legacy_user_day WHERE coalesce(ad_id, '') <> '';

-- 5. Summed up for whole rows (breakdown value '') and by country.
CREATE TEMP TABLE legacy_users AS
SELECT entity_type, entity_id, date, breakdown_value,
       count(*) FILTER (WHERE is_trial) AS trials,
       count(*) FILTER (WHERE is_purchase) AS purchases,
       count(*) FILTER (WHERE is_post_trial) AS post_trials,
       count(*) FILTER (WHERE is_converted) AS conversions,
       count(*) FILTER (WHERE is_converted AND refunded_at >= converted_at) AS trial_refunds,
       count(*) FILTER (WHERE is_purchase AND refunded_at >= purchased_at) AS purchase_refunds,
       json_group_array(distinct_id) FILTER (WHERE is_trial) AS trial_ids,
       json_group_array(distinct_id) FILTER (WHERE is_purchase) AS purchase_ids,
       json_group_array(distinct_id) FILTER (WHERE is_post_trial) AS post_trial_ids,
       json_group_array(distinct_id) FILTER (WHERE is_converted) AS converted_ids,
       json_group_array(distinct_id) FILTER (WHERE is_converted AND refunded_at >= converted_at) AS trial_refund_ids,
       json_group_array(distinct_id) FILTER (WHERE is_purchase AND refunded_at >= purchased_at) AS purchase_refund_ids,
       sum(conversion_sum) FILTER (WHERE is_trial) / sum(conversion_count) FILTER (WHERE is_trial) AS conversion_rate,
       sum(trial_refund_sum) FILTER (WHERE is_converted) / sum(trial_refund_count) FILTER (WHERE is_converted)
         AS trial_refund_rate,
       sum(purchase_refund_sum) FILTER (WHERE is_purchase) / sum(purchase_refund_count) FILTER (WHERE is_purchase)
         AS purchase_refund_rate,
       sum(revenue) AS revenue, sum(refunds) AS refunds, coalesce(sum(value), 0.0) AS value
FROM (SELECT * FROM (SELECT *, '' AS breakdown_value FROM legacy_member
                     UNION ALL
                     SELECT *, country FROM legacy_member)
      ORDER BY entity_type, entity_id, date, breakdown_value, distinct_id)
GROUP BY entity_type, entity_id, date, breakdown_value;
CREATE UNIQUE INDEX temp.legacy_users_key ON legacy_users (entity_type, entity_id, date, breakdown_value);

-- 6. What the ad platform reports, at each level, whole and by country.
CREATE TEMP TABLE legacy_meta_row AS
SELECT '' AS breakdown_value, ad_id, adset_id, campaign_id, date, spend, impressions, clicks, meta_trials, meta_purchases
FROM ads.ad_performance_daily
WHERE date(date, '+0 days') = date AND typeof(spend) <> 'text'
UNION ALL
SELECT CASE WHEN c.country = '' THEN 'unknown'
            WHEN m.meta_country_name IS NULL THEN c.country
            ELSE coalesce(nullif(m.mixpanel_country_code, ''), 'unknown') END,
       c.ad_id, c.adset_id, c.campaign_id, c.date, c.spend, c.impressions, c.clicks, c.meta_trials, c.meta_purchases
FROM ads.ad_performance_daily_country AS c
LEFT JOIN meta_country_mapping AS m ON m.meta_country_name = c.country AND m.is_active
WHERE date(c.date, '+0 days') = c.date AND typeof(c.spend) <> 'text';

CREATE TEMP TABLE legacy_meta AS
SELECT entity_type, entity_id, date, breakdown_value,
       count(*) AS meta_rows, round(coalesce(sum(spend), 0), 2) AS spend, coalesce(sum(impressions), 0) AS impressions,
       coalesce(sum(clicks), 0) AS clicks, coalesce(sum(meta_trials), 0) AS trials,
       coalesce(sum(meta_purchases), 0) AS purchases
FROM (SELECT 'campaign' AS entity_type, campaign_id AS entity_id, * FROM legacy_meta_row
      UNION ALL
      SELECT 'adset', adset_id, * FROM legacy_meta_row
      UNION ALL
      SELECT 'ad', ad_id, * FROM legacy_meta_row)
WHERE coalesce(entity_id, '') <> ''
GROUP BY entity_type, entity_id, date, breakdown_value;
CREATE UNIQUE INDEX temp.legacy_meta_key ON legacy_meta (entity_type, entity_id, date, breakdown_value);

-- 7. Both sides joined, and what follows from them. Each step uses the rounded columns of the one before.
CREATE TEMP VIEW legacy_joined AS
SELECT k.entity_type, k.entity_id, k.date, k.breakdown_value,
       coalesce(m.meta_rows, 0) AS meta_rows, coalesce(m.spend, 0) AS spend, coalesce(m.impressions, 0) AS impressions,
       coalesce(m.clicks, 0) AS clicks, coalesce(m.trials, 0) AS meta_trials, coalesce(m.purchases, 0) AS meta_purchases,
       coalesce(u.trials, 0) AS trials, coalesce(u.purchases, 0) AS purchases,
       coalesce(u.trial_ids, '[]') AS trial_ids, coalesce(u.purchase_ids, '[]') AS purchase_ids,
       coalesce(u.post_trial_ids, '[]') AS post_trial_ids, coalesce(u.converted_ids, '[]') AS converted_ids,
       coalesce(u.trial_refund_ids, '[]') AS trial_refund_ids,
       coalesce(u.purchase_refund_ids, '[]') AS purchase_refund_ids,
       round(coalesce(u.conversion_rate, 0), 4) AS conversion_rate_estimated,
       round(coalesce(1.0 * u.conversions / nullif(u.post_trials, 0), 0), 4) AS conversion_rate_actual,
       round(coalesce(u.trial_refund_rate, 0), 4) AS trial_refund_rate_estimated,
       round(coalesce(1.0 * u.trial_refunds / nullif(u.conversions, 0), 0), 4) AS trial_refund_rate_actual,
       round(coalesce(u.purchase_refund_rate, 0), 4) AS purchase_refund_rate_estimated,
       round(coalesce(1.0 * u.purchase_refunds / nullif(u.purchases, 0), 0), 4) AS purchase_refund_rate_actual,
       round(coalesce(u.revenue, 0), 2) AS revenue, round(coalesce(u.refunds, 0), 2) AS refunds,
       round(coalesce(u.value, 0), 2) AS estimated
FROM (SELECT entity_type, entity_id, date, breakdown_value FROM legacy_users
      UNION
      SELECT entity_type, entity_id, date, breakdown_value FROM legacy_meta) AS k
LEFT JOIN legacy_users AS u USING (entity_type, entity_id, date, breakdown_value)
LEFT JOIN legacy_meta AS m USING (entity_type, entity_id, date, breakdown_value);

CREATE TEMP TABLE legacy_row AS
SELECT *,
       round(revenue - refunds, 2) AS net,
       round(CASE WHEN purchases > trials THEN
                    CASE WHEN meta_purchases > 0 THEN estimated * meta_purchases / purchases ELSE estimated END
                  WHEN trials > 0 AND meta_trials > 0 THEN estimated * meta_trials / trials
                  ELSE estimated END, 2) AS adjusted
FROM legacy_joined;

-- 8. Truncate and repopulate.
BEGIN IMMEDIATE;
DELETE FROM daily_mixpanel_metrics;
DELETE FROM daily_mixpanel_metrics_breakdown;

INSERT INTO daily_mixpanel_metrics
  (date, entity_type, entity_id, meta_spend, meta_impressions, meta_clicks, meta_trial_count, meta_purchase_count,
   trial_users_count, trial_users_list, purchase_users_count, purchase_users_list, post_trial_user_ids,
   converted_user_ids, trial_refund_user_ids, purchase_refund_user_ids, trial_conversion_rate_estimated,
   trial_conversion_rate_actual, trial_refund_rate_estimated, trial_refund_rate_actual, purchase_refund_rate_estimated,
   purchase_refund_rate_actual, actual_revenue_usd, actual_refunds_usd, net_actual_revenue_usd, estimated_revenue_usd,
   adjusted_estimated_revenue_usd, profit_usd, estimated_roas, trial_accuracy_ratio, purchase_accuracy_ratio,
   mixpanel_cost_per_trial, mixpanel_cost_per_purchase, meta_cost_per_trial, meta_cost_per_purchase,
   click_to_trial_rate, data_quality_score, computed_at)
SELECT date, entity_type, entity_id, spend, impressions, clicks, meta_trials, meta_purchases,
       trials, trial_ids, purchases, purchase_ids, post_trial_ids,
       converted_ids, trial_refund_ids, purchase_refund_ids, conversion_rate_estimated,
       conversion_rate_actual, trial_refund_rate_estimated, trial_refund_rate_actual, purchase_refund_rate_estimated,
       purchase_refund_rate_actual, revenue, refunds, net, estimated,
       adjusted, round(adjusted - spend, 2), round(coalesce(1.0 * adjusted / nullif(spend, 0), 0), 4),
       CASE WHEN meta_trials > 0 THEN round(100.0 * trials / meta_trials, 4) WHEN trials > 0 THEN 100 ELSE 0 END,
       CASE WHEN meta_purchases > 0 THEN round(100.0 * purchases / meta_purchases, 4) ELSE 0 END,
       round(coalesce(1.0 * spend / nullif(trials, 0), 0), 2), round(coalesce(1.0 * spend / nullif(purchases, 0), 0), 2),
       round(coalesce(1.0 * spend / nullif(meta_trials, 0), 0), 2),
       round(coalesce(1.0 * spend / nullif(meta_purchases, 0), 0), 2),
       round(coalesce(100.0 * trials / nullif(clicks, 0), 0), 4),
       round(max(0.0, 1.0 - CASE WHEN trials = 0 THEN 0.2 ELSE 0.0 END
                          - CASE WHEN trials > 0 AND estimated = 0 THEN 0.1 ELSE 0.0 END
                          - CASE WHEN purchases > trials THEN 0.3 ELSE 0.0 END
                          - CASE WHEN trials + purchases > 0 AND meta_rows = 0 THEN 0.2 ELSE 0.0 END
                          - CASE WHEN meta_trials + meta_purchases > 0 AND trials + purchases = 0 THEN 0.2 ELSE 0.0 END), 2),
       strftime('%Y-%m-%d %H:%M:%f', 'now')
FROM legacy_row WHERE breakdown_value = '';

INSERT INTO daily_mixpanel_metrics_breakdown
  (entity_type, entity_id, date, breakdown_type, breakdown_value, meta_spend, meta_impressions, meta_clicks,
   meta_trial_count, meta_purchase_count, mixpanel_trial_count, mixpanel_purchase_count, trial_user_ids,
   post_trial_user_ids, converted_user_ids, trial_refund_user_ids, purchase_user_ids, purchase_refund_user_ids,
   trial_conversion_rate_estimated, trial_conversion_rate_actual, trial_refund_rate_estimated,
   trial_refund_rate_actual, purchase_refund_rate_estimated, purchase_refund_rate_actual, actual_revenue_usd,
   actual_refunds_usd, net_actual_revenue_usd, estimated_revenue_usd, adjusted_estimated_revenue_usd, profit_usd,
   estimated_roas, trial_accuracy_ratio, purchase_accuracy_ratio, mixpanel_cost_per_trial, mixpanel_cost_per_purchase,
   meta_cost_per_trial, meta_cost_per_purchase, click_to_trial_rate, computed_at)
SELECT entity_type, entity_id, date, 'country', breakdown_value, spend, impressions, clicks,
       meta_trials, meta_purchases, trials, purchases, trial_ids,
       post_trial_ids, converted_ids, trial_refund_ids, purchase_ids, purchase_refund_ids,
       conversion_rate_estimated, conversion_rate_actual, trial_refund_rate_estimated,
       trial_refund_rate_actual, purchase_refund_rate_estimated, purchase_refund_rate_actual, revenue,
       refunds, net, estimated, adjusted, round(adjusted - spend, 2),
       round(coalesce(1.0 * adjusted / nullif(spend, 0), 0), 4),
       CASE WHEN meta_trials > 0 THEN round(100.0 * trials / meta_trials, 4) WHEN trials > 0 THEN 100 ELSE 0 END,
       CASE WHEN meta_purchases > 0 THEN round(100.0 * purchases / meta_purchases, 4) ELSE 0 END,
       round(coalesce(1.0 * spend / nullif(trials, 0), 0), 2), round(coalesce(1.0 * spend / nullif(purchases, 0), 0), 2),
       round(coalesce(1.0 * spend / nullif(meta_trials, 0), 0), 2),
       round(coalesce(1.0 * spend / nullif(meta_purchases, 0), 0), 2),
       round(coalesce(100.0 * trials / nullif(clicks, 0), 0), 4),
       strftime('%Y-%m-%d %H:%M:%f', 'now')
FROM legacy_row WHERE breakdown_value <> '';
COMMIT;
