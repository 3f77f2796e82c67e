// From every shape that tables of ours may have had, to the one that is needed, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "sinks/sqlite/migration.hpp"
#include "sinks/sqlite/schema.hpp"
#include "tests/support/must.hpp"
#include "tests/support/temp_folder.hpp"

namespace admetrics::sink {
namespace {

using support::must;
using testing::HasSubstr;

class SqliteMigration : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<sqlite::Connection> open() const {
    return must(sqlite::Connection::open(path_, sqlite::OpenMode::kCreate, 1'000));
  }
  void sql(const std::string& text) const { must(open()->execute(text)); }
  [[nodiscard]] std::int64_t number(const std::string& text) const { return must(open()->query_integer(text)); }
  [[nodiscard]] MigrationReport migrate_now() const {
    return must(migrate({path_, folder_.file("backups"), Instant{1'750'000'000, 0}, 1'000}));
  }
  [[nodiscard]] std::vector<std::string> lacking() const {
    std::vector<std::string> texts;
    for (const auto& each : must(schema_differences(*open()))) {
      if (each.required) texts.push_back(each.text());
    }
    return texts;
  }
  /// Every row of a table, as one text.
  [[nodiscard]] std::string rows(const std::string& table) const {
    const auto database = open();
    auto select = must(database->prepare("SELECT * FROM " + table + " ORDER BY 1"));
    std::string text;
    must(select.for_each_row([&] {
      for (int i = 0; i < select.column_count(); ++i)
        text += std::string(select.is_null(i) ? "NULL" : select.text(i)) + '|';
      text += '\n';
    }));
    return text;
  }

  support::TempFolder folder_;
  const std::string path_ = folder_.file("sink.db");
};

TEST_F(SqliteMigration, NothingBecomesEverything) {
  const MigrationReport report = migrate_now();
  EXPECT_EQ(report.plan.steps.size(), our_tables().size());
  EXPECT_THAT(lacking(), testing::IsEmpty());
  ASSERT_TRUE(report.backup.has_value());
  EXPECT_TRUE(report.backup->tables.empty());
  const MigrationReport again = migrate_now();
  EXPECT_TRUE(again.plan.steps.empty());
  EXPECT_FALSE(again.backup.has_value());
}

TEST_F(SqliteMigration, DrawnOlderShapesAreExtendedAndKeepTheirRows) {
  const auto wanted = must(wanted_shapes());
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto chance = [&](unsigned percent) { return random() % 100 < percent; };
    const sqlite::TableShape& table = wanted[random() % 2];
    std::string columns;
    std::string names;
    std::string values;
    std::vector<std::string> key{"entity_type", "entity_id", "date"};
    if (table.name == "daily_mixpanel_metrics_breakdown") key.insert(key.end(), {"breakdown_type", "breakdown_value"});
    for (const sqlite::ColumnShape& column : table.columns) {
      const bool in_key = std::find(key.begin(), key.end(), column.name) != key.end();
      if (column.generated || (!in_key && chance(40))) continue;
      std::string type = column.type;
      if (column.name == "metric_id") {
        type = chance(50) ? "INTEGER PRIMARY KEY" : "INTEGER";
      } else if (chance(15)) {
        type = chance(50) ? "TEXT" : "REAL";
      } else if (chance(30)) {
        type += " NOT NULL";
      }
      columns += column.name + " " + type + ", ";
      names += (names.empty() ? "" : ", ") + column.name;
      values +=
          (values.empty() ? "" : ", ") + (in_key || column.name == "metric_id" ? "value + 100" : std::string("7"));
    }
    if (chance(30)) columns += "stranger TEXT DEFAULT 'kept', ";
    columns += chance(70)
                   ? "UNIQUE (entity_id, " + std::string(key.size() > 3 ? "breakdown_value, breakdown_type, " : "") +
                         "date, entity_type)"
                   : "CHECK (true)";
    sql("DROP TABLE IF EXISTS " + table.name + "; CREATE TABLE " + table.name + " (" + columns + ")");
    sql("INSERT INTO " + table.name + " (" + names +
        ") WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
        "WHERE value < 50) SELECT " +
        values + " FROM n");
    const std::string before = rows(table.name);

    const MigrationReport report = migrate_now();
    EXPECT_THAT(lacking(), testing::IsEmpty()) << "seed " << seed;
    EXPECT_EQ(number("SELECT count(*) FROM " + table.name), 50) << "seed " << seed;
    EXPECT_EQ(number("SELECT count(DISTINCT entity_id) FROM " + table.name), 50) << "seed " << seed;
    EXPECT_EQ(number("SELECT count(*) FROM " + table.name + " WHERE metric_id IS NULL"), 0) << "seed " << seed;
    EXPECT_TRUE(migrate_now().plan.steps.empty()) << "seed " << seed;

    ASSERT_TRUE(report.backup.has_value());
    must(restore_backup(path_, *report.backup, 1'000));
    EXPECT_EQ(rows(table.name), before) << "seed " << seed;
  }
}

TEST_F(SqliteMigration, ThePositionGoesWithTheShape) {
  static_cast<void>(migrate_now());
  sql("INSERT INTO _admetrics_sink VALUES (1, 'ledger', 3, '{}', '2026-01-20', 'now', 1)");
  sql("ALTER TABLE daily_mixpanel_metrics DROP COLUMN profit_usd");
  static_cast<void>(migrate_now());
  // What stands is not what the position says: the next run has to compare every row.
  EXPECT_EQ(number("SELECT count(*) FROM _admetrics_sink"), 0);
}

TEST_F(SqliteMigration, AMissingIndexAloneKeepsThePosition) {
  static_cast<void>(migrate_now());
  sql("INSERT INTO _admetrics_sink VALUES (1, 'ledger', 3, '{}', '2026-01-20', 'now', 1); DROP INDEX "
      "idx_breakdown_computed");
  EXPECT_EQ(migrate_now().plan.steps.size(), 1U);
  EXPECT_EQ(number("SELECT count(*) FROM _admetrics_sink"), 1);
}

TEST_F(SqliteMigration, WhatWouldHaveToBeGuessedIsRefused) {
  sql("CREATE TABLE daily_mixpanel_metrics (date, entity_type, entity_id); INSERT INTO daily_mixpanel_metrics VALUES "
      "('a', 'b', 'c'), "
      "('a', 'b', 'c')");
  const auto refused = migrate({path_, folder_.file("backups"), Instant{}, 1'000});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kSchema);
  EXPECT_THAT(refused.error().line(), HasSubstr("b c a (2 rows)"));
  EXPECT_EQ(number("SELECT count(*) FROM daily_mixpanel_metrics"), 2);
}

TEST_F(SqliteMigration, ABackupOfAnotherDatabaseIsNotTheNewestOfThisOne) {
  static_cast<void>(migrate_now());
  EXPECT_TRUE(newest_backup(path_, folder_.file("backups")).ok());
  const auto other = newest_backup(folder_.file("other.db"), folder_.file("backups"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, Errc::kNotFound);
}

TEST_F(SqliteMigration, TheNewestOfSeveralBackupsOfOneMomentIsTheLastOne) {
  sql("CREATE TABLE id_hierarchy_mapping (ad_id TEXT PRIMARY KEY)");
  const Backup first = must(take_backup(path_, folder_.file("backups"), Instant{5, 0}, 1'000));
  sql("INSERT INTO id_hierarchy_mapping VALUES ('a1')");
  const Backup second = must(take_backup(path_, folder_.file("backups"), Instant{5, 0}, 1'000));
  EXPECT_NE(first.path, second.path);
  EXPECT_EQ(must(newest_backup(path_, folder_.file("backups"))).path, second.path);
}

}  // namespace
}  // namespace admetrics::sink
