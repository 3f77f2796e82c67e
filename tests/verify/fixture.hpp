#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "verify/verify.hpp"

namespace admetrics {

/// Two source databases as the pipeline makes them, and verbs to fill them.
class VerifyTest : public testing::Test {
 protected:
  using Row = std::map<std::string, std::string>;

  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "verify-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    product_ = open("product.db");
    ads_ = open("ads.db");
    run(*product_,
        "CREATE TABLE mixpanel_user(distinct_id TEXT PRIMARY KEY, abi_ad_id TEXT, abi_campaign_id TEXT, abi_ad_set_id "
        "TEXT,"
        "  country TEXT, region TEXT, has_abi_attribution BOOLEAN);"
        "CREATE TABLE mixpanel_event(event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT, event_time "
        "DATETIME,"
        "  revenue_usd DECIMAL(10,2));"
        "CREATE TABLE user_product_metrics(user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, product_id TEXT,"
        "  credited_date DATE, store TEXT, current_value DECIMAL(10,2), trial_conversion_rate DECIMAL(5,4),"
        "  trial_converted_to_refund_rate DECIMAL(5,4), initial_purchase_to_refund_rate DECIMAL(5,4),"
        "  UNIQUE (distinct_id, product_id))");
    for (const std::string kind : {"", "country", "region", "device"}) {
      const std::string suffix = kind.empty() ? "" : "_" + kind;
      const std::string column = kind.empty() ? "" : kind + " TEXT, ";
      run(*ads_, "CREATE TABLE ad_performance_daily" + suffix + "(ad_id TEXT, date DATE, " + column +
                     "adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT,"
                     " spend DECIMAL(10,2), impressions INTEGER, clicks INTEGER, meta_trials INTEGER, meta_purchases "
                     "INTEGER)");
    }
  }

  void TearDown() override {
    product_.reset();
    ads_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  [[nodiscard]] std::unique_ptr<sqlite::Connection> open(const std::string& name) const {
    auto opened = sqlite::Connection::open(path(name), sqlite::OpenMode::kCreate, 5'000);
    EXPECT_TRUE(opened.ok()) << opened.error().line();
    auto connection = std::move(opened).value();
    run(*connection, "PRAGMA synchronous=OFF");
    return connection;
  }

  static void run(sqlite::Connection& connection, const std::string& sql) {
    const Status done = connection.execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().line() << "\n" << sql;
  }
  void product_sql(const std::string& sql) { run(*product_, sql); }
  void ads_sql(const std::string& sql) { run(*ads_, sql); }

  // Arguments are SQL, so that a test can write any type of value.
  void user(const std::string& id, const std::string& ad = "'a1'", const std::string& country = "'US'",
            const std::string& region = "'CA'", const std::string& attributed = "1") {
    product_sql("INSERT INTO mixpanel_user VALUES ('" + id + "', " + ad + ", 'c1', 's1', " + country + ", " + region +
                ", " + attributed + ")");
  }
  void event(const std::string& user, const std::string& name, const std::string& time,
             const std::string& revenue = "NULL") {
    product_sql("INSERT INTO mixpanel_event VALUES ('e" + std::to_string(++events_) + "', '" + name + "', '" + user +
                "', '" + time + "', " + revenue + ")");
  }
  void trial(const std::string& user, const std::string& time) { event(user, "RC Trial started", time); }
  void product(const std::string& user, const std::string& product, const std::string& credited,
               const std::string& store, const std::string& value, const std::string& rates = "NULL, NULL, NULL") {
    product_sql(
        "INSERT INTO user_product_metrics(distinct_id, product_id, credited_date, store, current_value,"
        " trial_conversion_rate, trial_converted_to_refund_rate, initial_purchase_to_refund_rate) VALUES ('" +
        user + "', " + product + ", " + credited + ", " + store + ", " + value + ", " + rates + ")");
  }
  /// `numbers`: spend, impressions, clicks, trials, purchases.
  void meta(const std::string& day, const std::string& numbers, const std::string& ad = "'a1'",
            const std::string& rest = "'s1', 'c1', 'Ad one', 'Set one', 'Campaign one'") {
    ads_sql("INSERT INTO ad_performance_daily VALUES (" + ad + ", '" + day + "', " + rest + ", " + numbers + ")");
  }
  void meta_by(const std::string& kind, const std::string& value, const std::string& day, const std::string& numbers,
               const std::string& rest = "'s1', 'c1', 'Ad one', 'Set one', 'Campaign one'") {
    ads_sql("INSERT INTO ad_performance_daily_" + kind + " VALUES ('a1', '" + day + "', " + value + ", " + rest + ", " +
            numbers + ")");
  }

  VerifyOptions options(const std::string& as_of = "2026-01-20", const std::string& zone = "UTC") const {
    VerifyOptions options;
    options.product_db = path("product.db");
    options.ads_db = path("ads.db");
    options.sink_db = path("sink.db");
    options.reporting.zone = TimeZone::find(zone).value();
    options.as_of = parse_day(as_of);
    options.temp_dir = folder_;
    options.align_timeout_ms = 0;
    return options;
  }

  /// Computes anew, into the database that `row` and `count` read and that `verify_now` takes for the sink.
  void recompute(VerifyOptions with) {
    sink_.reset();
    std::filesystem::remove(path("sink.db"));
    with.sink_db.clear();
    const Status done = recompute_into(with, path("sink.db"));
    ASSERT_TRUE(done.ok()) << done.error().line();
    sink_ = open("sink.db");
  }
  void recompute() { recompute(options()); }

  VerifyReport verify_now(const VerifyOptions& with) {
    auto report = verify(with);
    EXPECT_TRUE(report.ok()) << report.error().line();
    return report.ok() ? std::move(report).value() : VerifyReport{};
  }
  VerifyReport verify_now() { return verify_now(options()); }

  /// The columns of the one row that the condition chooses; empty when there is none.
  Row row(const std::string& table, const std::string& condition) {
    Row found;
    auto columns = sink_->prepare("SELECT name FROM pragma_table_xinfo('" + table + "')");
    std::vector<std::string> names;
    while (columns.value().step().value()) names.emplace_back(columns->text(0));
    auto rows = sink_->prepare("SELECT * FROM " + table + " WHERE " + condition);
    EXPECT_TRUE(rows.ok()) << rows.error().line();
    if (!rows->step().value()) return found;
    for (int i = 0; i < rows->column_count(); ++i) found[names[static_cast<std::size_t>(i)]] = rows->text(i);
    EXPECT_FALSE(rows->step().value()) << condition << " chooses several rows";
    return found;
  }
  Row main_row(const std::string& id, const std::string& day) {
    return row("daily_mixpanel_metrics", "entity_id = '" + id + "' AND date = '" + day + "'");
  }
  Row breakdown_row(const std::string& id, const std::string& day, const std::string& type, const std::string& value) {
    return row("daily_mixpanel_metrics_breakdown", "entity_id = '" + id + "' AND date = '" + day +
                                                       "' AND breakdown_type = '" + type + "' AND breakdown_value = '" +
                                                       value + "'");
  }
  std::int64_t count(const std::string& table, const std::string& condition = "true") {
    return sink_->query_integer("SELECT count(*) FROM " + table + " WHERE " + condition).value();
  }

  static void expect(const Row& row, const Row& columns) {
    ASSERT_FALSE(row.empty()) << "no such row";
    for (const auto& [name, value] : columns) {
      const auto found = row.find(name);
      ASSERT_NE(found, row.end()) << "no column " << name;
      EXPECT_EQ(found->second, value) << name;
    }
  }

  std::string folder_;
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  std::unique_ptr<sqlite::Connection> sink_;
  int events_ = 0;
};

}  // namespace admetrics
