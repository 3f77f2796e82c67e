// A backfill compares every stored row without rendering it: whatever somebody did to one of them is found, and nothing but
// its cell is rendered.
#include <gmock/gmock.h>

#include "core/base/limits.hpp"
#include "core/model/row.hpp"
#include "tests/support/world.hpp"

namespace admetrics {
namespace {

using support::text;
using support::whole;
using testing::IsEmpty;

class StoredRows : public testing::Test {
 protected:
  void SetUp() override {
    world_.today = Day{20'473};  // 2026-01-20
    int number = 0;
    // One id needs escapes, one stands in every list, one has no place of its own.
    for (const char* id : {"u1", "u\"2\\\n", "u3", "u4"}) {
      ++number;
      world_.source().insert(support::kUsers, {{"distinct_id", text(id)},
                                               {"abi_ad_id", text(number < 4 ? "a1" : "a2")},
                                               {"abi_ad_set_id", text("s1")},
                                               {"abi_campaign_id", text("c1")},
                                               {"country", number == 3 ? support::kNull : text("US")},
                                               {"region", text(number == 1 ? "CA" : "NY")},
                                               {"has_abi_attribution", whole(1)}});
      event(id, "RC Trial started", "2026-01-05", 0);
      if (number < 3) event(id, "RC Trial converted", "2026-01-06", 9.99);
      event(id, "RC Initial purchase", number < 3 ? "2026-01-05" : "2026-01-18", 49.5);
      event(id, "RC Cancellation", "2026-01-19", -1.25);
      world_.source().insert(support::kProducts, {{"distinct_id", text(id)},
                                                  {"product_id", text("p")},
                                                  {"store", text("app_store")},
                                                  {"current_value", support::real(12.34)},
                                                  {"trial_conversion_rate", support::real(0.3)},
                                                  {"trial_converted_to_refund_rate", support::real(0.2)},
                                                  {"initial_purchase_to_refund_rate", support::real(0.1)}});
    }
    for (const char* day : {"2026-01-05", "2026-01-06"}) {
      for (const std::string_view table : {support::kMetaDaily, support::kMetaCountry}) {
        support::Columns row{{"ad_id", text("a1")},       {"date", text(day)},       {"adset_id", text("s1")},
                             {"campaign_id", text("c1")}, {"spend", whole(5)},       {"impressions", whole(1'000)},
                             {"clicks", whole(20)},       {"meta_trials", whole(2)}, {"meta_purchases", whole(1)}};
        if (table == support::kMetaCountry) row.emplace_back("country", text("FR"));
        world_.source().insert(table, row);
      }
    }
    world_.epoch();
    rows_ = static_cast<std::int64_t>(world_.stored().row_count());
  }

  void event(const std::string& id, const std::string& name, const std::string& day, double money) {
    world_.source().insert(support::kEvents, {{"event_uuid", text(id + name)},
                                              {"event_name", text(name)},
                                              {"distinct_id", text(id)},
                                              {"event_time", text(day + "T10:00:00Z")},
                                              {"revenue_usd", support::real(money)}});
  }

  EpochReport backfill() {
    world_.request.reconcile = true;
    world_.request.audit = true;
    return world_.epoch();
  }
  /// Somebody else's statement, then a backfill: one row is repaired, in one rendered cell, and all is well.
  void found_and_repaired(const std::string& statement) {
    SCOPED_TRACE(statement);
    world_.sink_sql(statement);
    const EpochReport report = backfill();
    EXPECT_EQ(report.rows_written(), 1);
    EXPECT_EQ(report.cells_rendered, 1);
    EXPECT_THAT(world_.wrong(), IsEmpty());
  }

  support::World world_{support::WorldOptions{}};
  std::int64_t rows_ = 0;
};

TEST_F(StoredRows, NothingIsRenderedWhereNothingDiffers) {
  const EpochReport report = backfill();
  EXPECT_EQ(report.cells_rendered, 0);
  EXPECT_EQ(report.rows_written(), 0);
  EXPECT_EQ(report.receipts.at(0).unchanged, rows_);
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

// In a row with members at each list, one with Meta's numbers only, and a breakdown row of each.
TEST_F(StoredRows, EveryColumnIsCompared) {
  const std::string with_users = " WHERE entity_type = 'ad' AND entity_id = 'a1' AND date = '2026-01-05'";
  const std::string without = " WHERE entity_type = 'campaign' AND entity_id = 'c1' AND date = '2026-01-06'";
  for (const bool main : {true, false}) {
    const std::string update = "UPDATE " + std::string(main ? kMainTable : kBreakdownTable) + " SET ";
    const std::vector<std::string> rows{
        with_users + (main ? "" : " AND breakdown_type = 'country' AND breakdown_value = 'US'"),
        without + (main ? "" : " AND breakdown_type = 'country' AND breakdown_value = 'FR'")};
    for (const std::string& row : rows) {
      for (const NumberColumn& number : number_columns()) {
        const std::string column(main ? number.main_name : number.breakdown_name);
        if (column.empty()) continue;
        found_and_repaired(update + column + " = " + column + " + 1" + row);
        if (row == rows.front()) found_and_repaired(update + column + " = 'n/a'" + row);
      }
      for (const ListColumn& list : list_columns()) {
        const std::string column(main ? list.main_name : list.breakdown_name);
        found_and_repaired(update + column + " = '[\"u9\"]'" + row);
        if (row == rows.back()) continue;
        for (const std::string& wrong :
             {std::string("''"), std::string("'['"), std::string("x'5b5d'"), column + " || ' '"}) {
          found_and_repaired(update + column + " = " + wrong + row);
        }
      }
    }
  }
}

TEST_F(StoredRows, MembersAreComparedOneByOne) {
  const std::string row = " WHERE entity_type = 'ad' AND entity_id = 'a1' AND date = '2026-01-05'";
  const std::string update = "UPDATE " + std::string(kMainTable) + " SET trial_users_list = ";
  for (const char* change :
       {"replace(trial_users_list, 'u1', 'u0')", "replace(trial_users_list, '\"u1\",', '')",
        "replace(trial_users_list, '\\n', char(10))", "replace(trial_users_list, '\\n', '\\u000a')",
        "replace(trial_users_list, ',', ', ')", "replace(trial_users_list, ']', ',\"u4\"]')"}) {
    found_and_repaired(update + change + row);
  }
}

TEST_F(StoredRows, RowsThatAreGoneOrShouldNotBeAreFound) {
  const std::string breakdown(kBreakdownTable);
  const std::string row = " WHERE entity_type = 'ad' AND entity_id = 'a1' AND date = '2026-01-05'";
  found_and_repaired("DELETE FROM " + std::string(kMainTable) + row);
  found_and_repaired("DELETE FROM " + breakdown + row + " AND breakdown_value = 'US'");
  const auto quoted = [](const std::string& value) { return value.starts_with("x'") ? value : "'" + value + "'"; };
  const auto added = [&](const std::string& level, const std::string& id, const std::string& date,
                         const std::string& type, const std::string& value) {
    return "INSERT INTO " + breakdown +
           " (entity_type, entity_id, date, breakdown_type, breakdown_value, computed_at) VALUES ('" + level + "', '" +
           id + "', '" + date + "', " + quoted(type) + ", " + quoted(value) + ", '')";
  };
  found_and_repaired(added("ad", "a1", "2026-01-05", "country", "XX"));  // of a value that nobody has
  found_and_repaired(added("ad", "a1", "2026-01-05", "region", "US"));   // of another breakdown's value
  found_and_repaired(added("ad", "a1", "2026-01-05", "country", ""));
  found_and_repaired(added("ad", "a1", "2026-01-05", "planet", "Earth"));          // of no breakdown
  found_and_repaired(added("ad", "a1", "2026-01-05", "x'636f756e747279'", "US"));  // of no text
  found_and_repaired(added("ad", "a1", "2026-01-05", "country", "x'5553'"));
  found_and_repaired(added("ad", "a1", "2025-06-01", "country", "US"));  // of a day without anything
  found_and_repaired(added("ad", "a nobody", "2026-01-05", "country", "US"));
  found_and_repaired(added("adset", "a1", "2026-01-05", "country", "US"));  // of another level's id
}

TEST_F(StoredRows, ARowUnderAnotherKeyIsTwoChanges) {
  world_.sink_sql(
      "UPDATE " + std::string(kBreakdownTable) +
      " SET breakdown_value = 'CH' WHERE entity_type = 'ad' AND entity_id = 'a1' AND date = '2026-01-05' AND "
      "breakdown_type = 'country' AND breakdown_value = 'US'");
  const EpochReport report = backfill();
  EXPECT_EQ(report.rows_written(), 2);
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

TEST_F(StoredRows, ReadingTellsHowManyRowsItHasSeen) {
  for (std::int64_t row = 0; row < kProgressEveryRows; ++row) {
    world_.source().insert(support::kMetaRegion,
                           {{"ad_id", text("a1")}, {"date", text("2026-01-05")}, {"clicks", whole(1)}});
  }
  std::int64_t read = 0;
  world_.request.on_progress = [&](const EpochProgress& progress) {
    if (std::string_view(progress.stage) == "read") read = progress.done;
  };
  (void)backfill();
  EXPECT_GE(read, kProgressEveryRows);
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

// Dirty for its own reason and compared at once: written once, counted once.
TEST_F(StoredRows, WhatChangesAtTheSourceMeanwhileIsRenderedAsEver) {
  event("u4", "RC Initial purchase", "2026-01-19", 20);
  const EpochReport report = backfill();
  EXPECT_THAT(world_.wrong(), IsEmpty());
  const SinkReceipt& receipt = report.receipts.at(0);
  EXPECT_GT(receipt.written(), 0);
  EXPECT_EQ(receipt.inserted + receipt.updated + receipt.unchanged,
            static_cast<std::int64_t>(world_.stored().row_count()));
}

}  // namespace
}  // namespace admetrics
