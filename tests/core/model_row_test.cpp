#include "core/model/row.hpp"

#include <gtest/gtest.h>

#include <map>

/// The seed document names the columns that dashboards read; these lists are copied from it.
namespace admetrics {
namespace {

using Columns = std::map<std::string, std::string>;  // name → type

/// "Extend daily_mixpanel_metrics": the columns that were added, and the numbers and lists that stood before.
const Columns kSeedMain{
    {"trial_users_count", "INTEGER"},
    {"trial_users_list", "TEXT"},
    {"purchase_users_count", "INTEGER"},
    {"purchase_users_list", "TEXT"},
    {"estimated_revenue_usd", "DECIMAL"},
    {"data_quality_score", "DECIMAL"},
    {"meta_spend", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"meta_impressions", "INTEGER NOT NULL DEFAULT 0"},
    {"meta_clicks", "INTEGER NOT NULL DEFAULT 0"},
    {"meta_trial_count", "INTEGER NOT NULL DEFAULT 0"},
    {"meta_purchase_count", "INTEGER NOT NULL DEFAULT 0"},
    {"post_trial_user_ids", "TEXT"},
    {"converted_user_ids", "TEXT"},
    {"trial_refund_user_ids", "TEXT"},
    {"purchase_refund_user_ids", "TEXT"},
    {"trial_conversion_rate_estimated", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"trial_conversion_rate_actual", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"trial_refund_rate_estimated", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"trial_refund_rate_actual", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"purchase_refund_rate_estimated", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"purchase_refund_rate_actual", "DECIMAL(5,4) NOT NULL DEFAULT 0.0000"},
    {"actual_revenue_usd", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"actual_refunds_usd", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"net_actual_revenue_usd", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"adjusted_estimated_revenue_usd", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"profit_usd", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"estimated_roas", "DECIMAL(8,4) NOT NULL DEFAULT 0.0000"},
    {"trial_accuracy_ratio", "DECIMAL(8,4) NOT NULL DEFAULT 0.0000"},
    {"purchase_accuracy_ratio", "DECIMAL(8,4) NOT NULL DEFAULT 0.0000"},
    {"mixpanel_cost_per_trial", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"mixpanel_cost_per_purchase", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"meta_cost_per_trial", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"meta_cost_per_purchase", "DECIMAL(10,2) NOT NULL DEFAULT 0.00"},
    {"click_to_trial_rate", "DECIMAL(8,4) NOT NULL DEFAULT 0.0000"},
};

/// "Create Breakdown Table": the same, but that counts and lists of users have other names, and there is no score.
Columns seed_breakdown() {
  Columns columns = kSeedMain;
  for (const char* gone :
       {"trial_users_count", "trial_users_list", "purchase_users_count", "purchase_users_list", "data_quality_score"}) {
    columns.erase(gone);
  }
  columns["mixpanel_trial_count"] = columns["mixpanel_purchase_count"] = "INTEGER NOT NULL DEFAULT 0";
  columns["trial_user_ids"] = columns["purchase_user_ids"] = "TEXT";
  columns["estimated_revenue_usd"] = "DECIMAL(10,2) NOT NULL DEFAULT 0.00";
  return columns;
}

Columns our_columns(std::string_view NumberColumn::*number_name, std::string_view ListColumn::*list_name) {
  Columns columns;
  for (const NumberColumn& column : number_columns()) {
    const std::string name(column.*number_name);
    if (name.empty()) continue;
    EXPECT_TRUE(columns.emplace(name, column.sql_type).second) << name << " twice";
  }
  for (const ListColumn& column : list_columns()) {
    EXPECT_TRUE(columns.emplace(column.*list_name, "TEXT").second) << column.*list_name << " twice";
  }
  return columns;
}

void expect_seed_columns(const Columns& ours, const Columns& seed) {
  for (const auto& [name, type] : seed) {
    ASSERT_TRUE(ours.contains(name)) << name << " is missing";
    EXPECT_TRUE(ours.at(name).starts_with(type)) << name << " is " << ours.at(name) << ", not " << type;
  }
  for (const auto& [name, type] : ours) EXPECT_TRUE(seed.contains(name)) << name << " is not the seed's";
}

TEST(RowColumns, OfTheMainTableAreTheSeeds) {
  expect_seed_columns(our_columns(&NumberColumn::main_name, &ListColumn::main_name), kSeedMain);
}

TEST(RowColumns, OfTheBreakdownTableAreTheSeeds) {
  expect_seed_columns(our_columns(&NumberColumn::breakdown_name, &ListColumn::breakdown_name), seed_breakdown());
}

TEST(RowColumns, HoldAsManyDecimalsAsTheirTypeSays) {
  for (const NumberColumn& column : number_columns()) {
    const std::string_view type = column.sql_type;
    const int declared = type.starts_with("DECIMAL") ? type[type.find(',') + 1] - '0' : 0;
    EXPECT_EQ(digits_of(column.kind), declared) << column.main_name;
    EXPECT_EQ(column.kind == NumberKind::kCount, type.starts_with("INTEGER")) << column.main_name;
  }
}

TEST(RowColumns, TablesHaveTheSeedsNames) {
  EXPECT_EQ(kMainTable, "daily_mixpanel_metrics");
  EXPECT_EQ(kBreakdownTable, "daily_mixpanel_metrics_breakdown");
  EXPECT_EQ(kNameTable, "id_name_mapping");
  EXPECT_EQ(kHierarchyTable, "id_hierarchy_mapping");
}

TEST(RowValues, AreEqualWhenEveryColumnIs) {
  RowValues row;
  RowValues other;
  EXPECT_EQ(row, other);
  for (const NumberColumn& column : number_columns()) {
    other[column.number] = 1;
    EXPECT_NE(row, other) << column.main_name;
    other[column.number] = 0;
  }
  for (const ListColumn& column : list_columns()) {
    other[column.list] = "[]";
    EXPECT_NE(row, other) << column.main_name;
    other[column.list].clear();
  }
  EXPECT_EQ(row, other);
}

}  // namespace
}  // namespace admetrics
