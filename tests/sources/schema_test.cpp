// What the source has to look like, told from the same list that it is read by.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources/sqlite/schema.hpp"

namespace admetrics::source {
namespace {

using sqlite::ShapeDifference;

std::unique_ptr<sqlite::Connection> database(const std::string& sql) {
  auto opened = sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0);
  EXPECT_TRUE(opened.ok());
  EXPECT_TRUE((*opened)->execute(sql).ok()) << sql;
  return std::move(opened).value();
}

std::vector<std::string> texts(const Result<std::vector<ShapeDifference>>& differences, bool required) {
  EXPECT_TRUE(differences.ok()) << differences.error().line();
  std::vector<std::string> found;
  for (const ShapeDifference& each : differences.value()) {
    if (each.required == required) found.push_back(each.text());
  }
  return found;
}

TEST(SourceSchema, NamesTheColumnsThatAreRead) {
  for (const auto& [sql, tables] :
       {std::pair(wanted_product_sql(), product_tables()), std::pair(wanted_ads_sql(), ads_tables())}) {
    for (const RawTable& table : tables) {
      const auto shapes = sqlite::shapes_of(sql, {std::string(table.name)});
      ASSERT_TRUE(shapes.ok());
      std::vector<std::string> columns;
      for (const auto& column : shapes->front().columns) columns.push_back(column.name);
      EXPECT_THAT(columns, testing::UnorderedElementsAreArray(table.columns)) << table.name;
    }
  }
}

TEST(SourceSchema, WhatIsWantedLacksNothing) {
  EXPECT_TRUE(product_differences(*database(wanted_product_sql()))->empty());
  EXPECT_TRUE(ads_differences(*database(wanted_ads_sql()))->empty());
}

TEST(SourceSchema, RequiredIsWhatCannotBeReadOrWouldBeMisread) {
  const auto source =
      database(std::string(wanted_product_sql()) +
               "DROP TABLE processed_event_days; DROP TABLE mixpanel_user; CREATE TABLE mixpanel_user "
               "(distinct_id INTEGER, abi_campaign_id TEXT, abi_ad_set_id TEXT, abi_ad_id TEXT, country TEXT, "
               "has_abi_attribution TEXT); DROP INDEX event_by_user");
  EXPECT_THAT(texts(product_differences(*source), true),
              testing::ElementsAre("column mixpanel_user.region is missing",
                                   "type of mixpanel_user.has_abi_attribution is TEXT, should be BOOLEAN"));
  EXPECT_THAT(
      texts(product_differences(*source), false),
      testing::ElementsAre("type of mixpanel_user.distinct_id is INTEGER, should be TEXT",
                           "key mixpanel_user (distinct_id) is missing: rows that are there twice count twice",
                           "index (distinct_id) on mixpanel_event is missing: each look-up reads the whole table",
                           "table processed_event_days is missing"));
}

}  // namespace
}  // namespace admetrics::source
