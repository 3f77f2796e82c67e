// Two databases side by side: what differs, by how much, and why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compare/compare.hpp"
#include "core/sqlite/database.hpp"
#include "tests/support/must.hpp"
#include "tests/support/temp_folder.hpp"

namespace admetrics {
namespace {

using comparison::LevelRows;
using support::must;
using testing::ElementsAre;
using testing::HasSubstr;

class Compare : public testing::Test {
 protected:
  void sql(const std::string& file, const std::string& text) const {
    must(must(sqlite::Connection::open(folder_.file(file), sqlite::OpenMode::kCreate, 1'000))->execute(text));
  }
  void table(const std::string& file, const std::string& rows) const {
    sql(file,
        "CREATE TABLE daily_mixpanel_metrics (entity_type, entity_id, date, trial_users_list, meta_spend, "
        "estimated_roas); "
        "INSERT INTO daily_mixpanel_metrics VALUES " +
            rows);
  }
  [[nodiscard]] CompareReport compared(CompareOptions options = {}) const {
    options.here = folder_.file("here.db");
    options.there = folder_.file("there.db");
    return must(compare(options));
  }
  static const comparison::Column& column(const CompareReport& report, const std::string& name) {
    for (const auto& each : report.tables.front().columns) {
      if (each.name == name) return each;
    }
    throw std::runtime_error("no column " + name);
  }
  static std::vector<std::string> causes(const CompareReport& report) {
    std::vector<std::string> names;
    for (const auto& cause : report.causes) names.push_back(cause.name + " " + std::to_string(cause.rows));
    return names;
  }
  support::TempFolder folder_;
};

TEST_F(Compare, FloatDriftOrderAndNullAreNoDifference) {
  table("here.db", "('ad', 'a1', '2026-01-03', '[\"u1\",\"u2\"]', 0.3, 1), ('ad', 'a2', '2026-01-03', '[]', 0, 0)");
  table("there.db",
        "('ad', 'a2', '2026-01-03 00:00:00', NULL, NULL, 0), ('ad', 'a1', '2026-01-03', '[ \"u2\", \"u1\" ]', 0.1 + "
        "0.2, 1)");
  const CompareReport report = compared();
  EXPECT_TRUE(report.equal()) << to_text(report);
  EXPECT_EQ(column(report, "meta_spend").accuracy(), 100);
}

TEST_F(Compare, AccuracySumsAndLargest) {
  table("here.db",
        "('ad', 'a1', '2026-01-03', '[]', 1, 0), ('ad', 'a2', '2026-01-03', '[]', 2, 0), ('ad', 'a3', '2026-01-03', "
        "'[]', 3, 0)");
  table("there.db",
        "('ad', 'a1', '2026-01-03', '[]', 1, 0), ('ad', 'a2', '2026-01-03', '[]', 9, 0), ('ad', 'a3', '2026-01-03', "
        "'[]', 'x', 0)");
  const CompareReport report = compared();
  const auto& spend = column(report, "meta_spend");
  EXPECT_EQ(spend.equal, 1U);
  EXPECT_EQ(spend.compared, 3U);
  EXPECT_EQ(spend.sum_here, 6);
  ASSERT_EQ(spend.largest.size(), 2U);
  EXPECT_EQ(spend.largest[0].there, "x");  // no number at all is the furthest apart
  EXPECT_EQ(spend.largest[1].size, 7);
  EXPECT_THAT(causes(report), ElementsAre("meta 2"));
}

TEST_F(Compare, TolerancesAreByColumn) {
  table("here.db", "('ad', 'a1', '2026-01-03', '[]', 1, 0.5)");
  table("there.db", "('ad', 'a1', '2026-01-03', '[]', 1.05, 0.6)");
  CompareOptions options;
  options.tolerances = {{"meta_spend", 0.05}};
  EXPECT_THAT(causes(compared(options)), ElementsAre("formula 1"));
  options.tolerance = 0.1;
  EXPECT_TRUE(compared(options).equal());
  options.tolerances = {{"meta_spend", 0.04}};
  EXPECT_FALSE(compared(options).equal());
}

TEST_F(Compare, WhereUsersStandTellsWhy) {
  table("here.db",
        "('ad', 'a1', '2026-01-03', '[\"twice\",\"moved\",\"ours\"]', 0, 0), ('ad', 'a1', '2026-01-04', '[\"later\"]', "
        "0, 0)");
  table("there.db",
        "('ad', 'a1', '2026-01-01', '[\"twice\"]', 0, 0), ('ad', 'a1', '2026-01-02', '[\"twice\"]', 0, 0), "
        "('ad', 'a1', '2026-01-03', '[\"twice\",\"theirs\"]', 0, 0), ('ad', 'a1', '2026-01-05', '[\"later\"]', 0, 0), "
        "('ad', 'a2', '2026-01-03', '[\"moved\"]', 0, 0)");
  const CompareReport report = compared();
  // Each row under one cause; a row with several kinds of users under the first of the most frequent.
  EXPECT_THAT(causes(report), testing::UnorderedElementsAre("user_on_several_days 2", "user_on_another_day 2",
                                                            "user_under_another_entity 1", "user_only_here 1"));
  EXPECT_EQ(report.tables.front().total(&LevelRows::only_here), 1U);
  EXPECT_EQ(report.tables.front().total(&LevelRows::only_there), 4U);
}

TEST_F(Compare, BrokenListsAreToldNotGuessed) {
  table("here.db", "('ad', 'a1', '2026-01-03', '[\"u1\"]', 0, 0)");
  table("there.db", "('ad', 'a1', '2026-01-03', 'u1,u2', 0, 0)");
  const CompareReport report = compared();
  EXPECT_FALSE(report.equal());
  EXPECT_EQ(column(report, "trial_users_list").largest.front().there, "not a list");
}

TEST_F(Compare, ReportsHoldWhatIsNoUtf8) {
  table("here.db", "('ad', CAST(x'61ff' AS TEXT), '2026-01-03', '[\"u1\"]', 0, 0)");
  table("there.db", "('ad', 'a1', '2026-01-03', '[]', 0, 0)");
  const CompareReport report = compared();
  EXPECT_THAT(to_text(report), HasSubstr("a\\xff"));
  EXPECT_THAT(to_json(report), HasSubstr("a\\\\xff"));
  EXPECT_THAT(to_html(report), HasSubstr("a\\xff"));
}

TEST_F(Compare, NeitherDatabaseIsWritten) {
  table("here.db", "('ad', 'a1', '2026-01-03', '[]', 0, 0)");
  table("there.db", "('ad', 'a1', '2026-01-03', '[]', 1, 0)");
  static_cast<void>(compared());
  for (const char* file : {"here.db", "there.db"}) {
    const auto database = must(sqlite::Connection::open(folder_.file(file), sqlite::OpenMode::kReadOnly, 0));
    EXPECT_EQ(must(database->query_integer("SELECT count(*) FROM sqlite_schema")), 1);
  }
}

}  // namespace
}  // namespace admetrics
