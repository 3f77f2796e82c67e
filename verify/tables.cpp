#include "verify/tables.hpp"

#include <array>

namespace admetrics::verification {
namespace {

constexpr std::string_view kMoney = "DECIMAL(10,2) NOT NULL";
constexpr std::string_view kRate = "DECIMAL(5,4) NOT NULL";
constexpr std::string_view kRatio = "DECIMAL(8,4) NOT NULL";

constexpr Column count(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kCount, 0, "INTEGER NOT NULL", expression};
}
constexpr Column list(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kList, 0, "TEXT NOT NULL", expression};
}
constexpr Column text(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kText, 0, "TEXT NOT NULL", expression};
}
constexpr Column money(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kDecimal, 2, kMoney, expression};
}
constexpr Column rate(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kDecimal, 4, kRate, expression};
}
constexpr Column ratio(std::string_view name, std::string_view expression) {
  return {name, ColumnKind::kDecimal, 4, kRatio, expression};
}

/// What both metric tables hold, over the view `figure` (verify/recompute.cpp). Every ratio is made of the row's own
/// stored columns: cents, and decimals of the last place.
void append_shared(std::vector<Column>& columns) {
  columns.insert(
      columns.end(),
      {
          money("meta_spend", "f.spend"),
          count("meta_impressions", "f.impressions"),
          count("meta_clicks", "f.clicks"),
          count("meta_trial_count", "f.meta_trials"),
          count("meta_purchase_count", "f.meta_purchases"),
          list("post_trial_user_ids", "f.post_trial_list"),
          list("converted_user_ids", "f.converted_list"),
          list("trial_refund_user_ids", "f.trial_refund_list"),
          list("purchase_refund_user_ids", "f.purchase_refund_list"),
          // A mean of 1e-9 units, in ten-thousandths.
          rate("trial_conversion_rate_estimated", "adm_ratio(f.conversion_sum, 1, f.conversion_rows * 100000)"),
          rate("trial_conversion_rate_actual", "adm_ratio(f.converted, 10000, f.post_trials)"),
          rate("trial_refund_rate_estimated", "adm_ratio(f.trial_refund_sum, 1, f.trial_refund_rows * 100000)"),
          rate("trial_refund_rate_actual", "adm_ratio(f.trial_refunds, 10000, f.converted)"),
          rate("purchase_refund_rate_estimated",
               "adm_ratio(f.purchase_refund_sum, 1, f.purchase_refund_rows * 100000)"),
          rate("purchase_refund_rate_actual", "adm_ratio(f.purchase_refunds, 10000, f.purchases)"),
          money("actual_revenue_usd", "f.revenue"),
          money("actual_refunds_usd", "f.refunds"),
          money("net_actual_revenue_usd", "adm_minus(f.revenue, f.refunds)"),
          money("estimated_revenue_usd", "f.estimated"),
          money("adjusted_estimated_revenue_usd", "f.adjusted"),
          money("profit_usd", "adm_minus(f.adjusted, f.spend)"),
          ratio("estimated_roas", "adm_ratio(f.adjusted, 10000, f.spend)"),
          ratio("trial_accuracy_ratio",
                "CASE WHEN f.meta_trials = 0 AND f.trials > 0 THEN 1000000 "
                "ELSE adm_ratio(f.trials, 1000000, f.meta_trials) END"),
          ratio("purchase_accuracy_ratio", "adm_ratio(f.purchases, 1000000, f.meta_purchases)"),
          money("mixpanel_cost_per_trial", "adm_ratio(f.spend, 1, f.trials)"),
          money("mixpanel_cost_per_purchase", "adm_ratio(f.spend, 1, f.purchases)"),
          money("meta_cost_per_trial", "adm_ratio(f.spend, 1, f.meta_trials)"),
          money("meta_cost_per_purchase", "adm_ratio(f.spend, 1, f.meta_purchases)"),
          ratio("click_to_trial_rate", "adm_ratio(f.trials, 1000000, f.clicks)"),
      });
}

Table main_table() {
  Table table;
  table.name = "daily_mixpanel_metrics";
  table.keys = {{"entity_type", "e.type"}, {"entity_id", "e.id"}, {"date", "adm_date_text(f.day)"}};
  table.columns = {
      count("trial_users_count", "f.trials"),
      list("trial_users_list", "f.trial_list"),
      count("purchase_users_count", "f.purchases"),
      list("purchase_users_list", "f.purchase_list"),
  };
  append_shared(table.columns);
  table.columns.push_back({"data_quality_score", ColumnKind::kDecimal, 2, "DECIMAL(3,2) NOT NULL",
                           "max(0, 100 - 20 * (f.trials = 0) - 10 * (f.trials > 0 AND f.estimated = 0) "
                           "- 30 * (f.purchases > f.trials) - 20 * (f.trials + f.purchases > 0 AND f.meta_rows = 0) "
                           "- 20 * (f.trials + f.purchases = 0 AND (f.meta_trials > 0 OR f.meta_purchases > 0)))"});
  table.mirrors = {{"trial_user_ids", "trial_users_list"}, {"purchase_user_ids", "purchase_users_list"}};
  table.extra_definitions =
      "computed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "
      "trial_user_ids TEXT AS (trial_users_list), purchase_user_ids TEXT AS (purchase_users_list)";
  table.expected_from = "figure f CROSS JOIN entity e ON e.n = f.entity WHERE f.kind = 0";
  table.expected_order = "f.entity, f.day";
  return table;
}

Table breakdown_table() {
  Table table;
  table.name = "daily_mixpanel_metrics_breakdown";
  table.keys = {{"entity_type", "e.type"},
                {"entity_id", "e.id"},
                {"date", "adm_date_text(f.day)"},
                {"breakdown_type", "CASE f.kind WHEN 1 THEN 'country' WHEN 2 THEN 'device' ELSE 'region' END"},
                {"breakdown_value", "v.value"}};
  table.columns = {
      count("mixpanel_trial_count", "f.trials"),
      list("trial_user_ids", "f.trial_list"),
      count("mixpanel_purchase_count", "f.purchases"),
      list("purchase_user_ids", "f.purchase_list"),
  };
  append_shared(table.columns);
  table.extra_definitions = "computed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP";
  table.expected_from =
      "figure f CROSS JOIN entity e ON e.n = f.entity CROSS JOIN value v ON v.n = f.value WHERE f.kind > 0";
  table.expected_order = "f.entity, f.day, f.kind, f.value";
  return table;
}

Table name_table() {
  Table table;
  table.name = "id_name_mapping";
  table.keys = {{"entity_type", "f.type"}, {"entity_id", "f.id"}};
  table.columns = {
      text("canonical_name", "f.name"),
      count("frequency_count", "f.seen"),
      text("last_seen_date", "adm_date_text(f.last_day)"),
  };
  table.extra_definitions =
      "created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP";
  table.expected_from = "name f";
  table.expected_order = "f.type, f.id";
  table.mapping = true;
  return table;
}

Table hierarchy_table() {
  Table table;
  table.name = "id_hierarchy_mapping";
  table.keys = {{"ad_id", "f.ad"}};
  table.columns = {
      text("adset_id", "f.adset"),
      text("campaign_id", "f.campaign"),
      {"relationship_confidence", ColumnKind::kDecimal, 2, "DECIMAL(3,2) NOT NULL", "f.confidence"},
      text("first_seen_date", "adm_date_text(f.first_day)"),
      text("last_seen_date", "adm_date_text(f.last_day)"),
  };
  table.extra_definitions =
      "created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP";
  table.expected_from = "hierarchy f";
  table.expected_order = "f.ad";
  table.mapping = true;
  return table;
}

}  // namespace

std::span<const Table> tables() {
  static const std::array<Table, 4> kTables{main_table(), breakdown_table(), name_table(), hierarchy_table()};
  return kTables;
}

}  // namespace admetrics::verification
