#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "demo/demo.hpp"

namespace admetrics::demo {

/// A clock that a test moves.
class TestClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {seconds, 0}; }
  [[nodiscard]] std::int64_t steady_micros() const override { return seconds * 1'000'000; }

  std::int64_t seconds = 0;
};

/// A folder of its own with a small demo source, and questions to it.
class DemoTest : public ::testing::Test {
 protected:
  static constexpr Day kLastDay{20'300};  // 2025-07-31
  static constexpr std::int64_t kNoonAfter = (std::int64_t{kLastDay.value} + 1) * 86'400 + 43'200;

  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = ::testing::TempDir() + "admetrics_demo_" + std::to_string(getpid()) + "_" + test->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  [[nodiscard]] std::string dir(const std::string& name = "a") const { return root_ + "/" + name; }
  [[nodiscard]] std::string product_file(const std::string& name = "a") const {
    return dir(name) + "/mixpanel_data.db";
  }
  [[nodiscard]] std::string ads_file(const std::string& name = "a") const { return dir(name) + "/meta_analytics.db"; }

  [[nodiscard]] DemoOptions small(const std::string& name = "a") const {
    DemoOptions options;
    options.dir = dir(name);
    options.users = 600;
    options.days = 25;
    options.last_day = kLastDay;
    return options;
  }
  void write(const DemoOptions& options) const {
    const Status written = write_source(options);
    ASSERT_TRUE(written.ok()) << written.error().line();
  }

  static std::unique_ptr<sqlite::Connection> connect(const std::string& path) {
    auto connection = sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, 1'000);
    EXPECT_TRUE(connection.ok()) << connection.error().line();
    return connection.ok() ? std::move(connection).value() : nullptr;
  }
  static std::int64_t ask(const std::string& path, const std::string& sql) {
    const auto answer = connect(path)->query_integer(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() ? *answer : -1;
  }
  static std::string ask_text(const std::string& path, const std::string& sql) {
    const auto answer = connect(path)->query_text(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() ? *answer : "";
  }

  /// FNV-1a over type and text of every cell that `sql` gives, in its order.
  static std::uint64_t hash_of(sqlite::Connection& connection, const std::string& sql) {
    auto statement = connection.prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().line();
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3U; };
    for (auto row = statement->step(); row.ok() && *row; row = statement->step()) {
      for (int column = 0; column < statement->column_count(); ++column) {
        add(static_cast<unsigned char>(statement->type(column)));
        for (const char c : statement->text(column)) add(static_cast<unsigned char>(c));
      }
      add('\n');
    }
    return hash;
  }
  static std::uint64_t hash_of_table(const std::string& path, const std::string& table, const std::string& order) {
    return hash_of(*connect(path), "SELECT * FROM " + table + " ORDER BY " + order);
  }

  /// One number for everything in both databases.
  [[nodiscard]] std::uint64_t content(const std::string& name) const {
    std::uint64_t all = 0;
    for (const std::string& path : {product_file(name), ads_file(name)}) {
      auto connection = connect(path);
      auto tables = connection->prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
      EXPECT_TRUE(tables.ok());
      std::vector<std::string> names;
      while (tables->step().value()) names.emplace_back(tables->text(0));
      for (const std::string& table : names) {
        all = all * 31 + hash_of(*connection, "SELECT * FROM " + sqlite::quote_identifier(table) + " ORDER BY rowid");
      }
    }
    return all;
  }

  /// Ads and days whose breakdown rows do not add up to the daily row, over all three breakdowns.
  [[nodiscard]] std::int64_t unbalanced(const std::string& name = "a") const {
    std::int64_t count = 0;
    for (const char* breakdown : {"country", "region", "device"}) {
      count +=
          ask(ads_file(name), std::string("SELECT count(*) FROM ad_performance_daily AS d LEFT JOIN "
                                          "(SELECT ad_id, date, round(sum(spend), 2) AS spend, sum(impressions) AS "
                                          "impressions, sum(clicks) AS clicks, sum(meta_trials) AS trials, "
                                          "sum(meta_purchases) AS purchases FROM ad_performance_daily_") +
                                  breakdown +
                                  " GROUP BY ad_id, date) AS b USING (ad_id, date) "
                                  "WHERE date(date, '+0 days') = date AND (b.spend IS NOT d.spend OR "
                                  "b.impressions IS NOT d.impressions OR b.clicks IS NOT d.clicks OR "
                                  "b.trials IS NOT d.meta_trials OR b.purchases IS NOT d.meta_purchases)");
    }
    return count;
  }

 private:
  std::string root_;
};

}  // namespace admetrics::demo
