#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "sources/sqlite/sqlite_source.hpp"

namespace admetrics::source {

/// Rows as short texts, so that a test compares lists.
class RowLog : public UserRowVisitor, public MetaRowVisitor {
 public:
  void on_user(const RawUser& row) override { users.push_back(show(row.distinct_id)); }
  void on_event(const RawEvent& row) override {
    events.push_back(show(row.event_uuid));
    event_owners.push_back(show(row.distinct_id));
  }
  void on_product(const RawProduct& row) override { products.push_back(show(row.user_product_id)); }
  void on_meta(const RawMeta& row) override {
    metas.push_back(show(row.ad_id) + ' ' + show(row.date) + ' ' + std::string(name_of(row.breakdown)) + ' ' +
                    std::string(row.value));
    meta_keys.push_back(show(row.ad_id) + ' ' + show(row.date));
  }

  static std::string show(const RawValue& value) {
    switch (value.kind) {
      case RawValue::Kind::kNull: return "NULL";
      case RawValue::Kind::kInteger: return std::to_string(value.integer);
      case RawValue::Kind::kReal: return std::to_string(value.real);
      case RawValue::Kind::kText: return std::string(value.text);
      case RawValue::Kind::kBlob: return "x'" + std::string(value.text) + "'";
    }
    return "?";
  }

  std::vector<std::string> users;
  std::vector<std::string> events;
  std::vector<std::string> event_owners;
  std::vector<std::string> products;
  std::vector<std::string> metas;
  std::vector<std::string> meta_keys;
};

/// The pipeline's two databases, its connections as the writer, and a source that watches them.
class SourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "source-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    source_.reset();
    product_.reset();
    ads_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::string product_file() const { return folder_ + "/mixpanel_data.db"; }
  [[nodiscard]] std::string ads_file() const { return folder_ + "/meta_analytics.db"; }

  static constexpr const char* kUserTable =
      "CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_ad_id TEXT, abi_campaign_id TEXT, abi_ad_set_id "
      "TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN, note TEXT);";
  static constexpr const char* kEventTable =
      "CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT, event_time "
      "DATETIME, revenue_usd DECIMAL(10,2), payload TEXT);"
      "CREATE INDEX event_by_user ON mixpanel_event (distinct_id);";
  static constexpr const char* kProductTable =
      "CREATE TABLE user_product_metrics (user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, product_id TEXT, "
      "credited_date DATE, store TEXT, current_value DECIMAL(10,2), trial_conversion_rate DECIMAL(5,4), "
      "trial_converted_to_refund_rate DECIMAL(5,4), initial_purchase_to_refund_rate DECIMAL(5,4), UNIQUE (distinct_id, "
      "product_id));";
  static constexpr const char* kMappingTables =
      "CREATE TABLE meta_country_mapping (meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active "
      "BOOLEAN);"
      "CREATE TABLE meta_device_mapping (meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT, is_active "
      "BOOLEAN);"
      "CREATE TABLE processed_event_days (date_day DATE PRIMARY KEY, status TEXT);";

  static std::string meta_table(const std::string& breakdown) {
    const std::string suffix = breakdown.empty() ? "" : "_" + breakdown;
    const std::string column = breakdown.empty() ? "" : breakdown + " TEXT, ";
    const std::string key = breakdown.empty() ? "ad_id, date" : "ad_id, date, " + breakdown;
    return "CREATE TABLE ad_performance_daily" + suffix + " (ad_id TEXT, date DATE, " + column +
           "adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), "
           "impressions INTEGER, clicks INTEGER, meta_trials INTEGER, meta_purchases INTEGER, PRIMARY KEY (" +
           key + "));";
  }
  static std::string meta_tables() {
    return meta_table("") + meta_table("country") + meta_table("region") + meta_table("device");
  }

  /// Creates the two files, as the pipeline would. `product_tables`: instead of the usual ones.
  void pipeline(const std::string& journal_mode = "WAL", const std::string& product_tables = "",
                const std::string& ads_tables = "") {
    product_ = connect(product_file());
    ads_ = connect(ads_file());
    for (auto* database : {product_.get(), ads_.get()}) run(*database, "PRAGMA journal_mode = " + journal_mode);
    product(product_tables.empty() ? std::string(kUserTable) + kEventTable + kProductTable : product_tables);
    ads(ads_tables.empty() ? meta_tables() : ads_tables);
  }

  static std::unique_ptr<sqlite::Connection> connect(const std::string& path) {
    auto opened = sqlite::Connection::open(path, sqlite::OpenMode::kCreate, 20'000);
    EXPECT_TRUE(opened.ok()) << opened.error().line();
    if (!opened) return nullptr;
    run(**opened, "PRAGMA synchronous = OFF");
    return std::move(opened).value();
  }
  static void run(sqlite::Connection& connection, const std::string& sql) {
    const Status done = connection.execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().line() << "\n" << sql;
  }
  void product(const std::string& sql) { run(*product_, sql); }
  void ads(const std::string& sql) { run(*ads_, sql); }

  void user(const std::string& id, const std::string& country = "US") {
    product("INSERT INTO mixpanel_user (distinct_id, country) VALUES ('" + id + "', '" + country + "')");
  }
  void event(const std::string& uuid, const std::string& user) {
    product("INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id) VALUES ('" + uuid + "', 'Opened', '" +
            user + "')");
  }
  void meta(const std::string& ad, const std::string& day, double spend = 1) {
    ads("INSERT OR REPLACE INTO ad_performance_daily (ad_id, date, spend) VALUES ('" + ad + "', '" + day + "', " +
        std::to_string(spend) + ")");
  }

  [[nodiscard]] SqliteSourceOptions options() const {
    SqliteSourceOptions options;
    options.product_db = product_file();
    options.ads_db = ads_file();
    options.triggers = triggers_;
    options.busy_timeout_ms = busy_timeout_ms_;
    return options;
  }
  void start() { source_ = std::make_unique<SqliteSource>(options()); }
  void stop() { source_.reset(); }

  /// Begins an epoch from the position that was taken last; the snapshot stays open.
  EpochInput begin(bool reconcile = false) {
    if (!source_) start();
    auto input = source_->begin_epoch(position_, {reconcile ? Reconcile::kMust : Reconcile::kIfNeeded, {}, {}});
    EXPECT_TRUE(input.ok()) << input.error().line();
    return input.ok() ? std::move(input).value() : EpochInput{};
  }
  /// The whole of an epoch, as the engine does it.
  EpochInput take() {
    EpochInput input = begin();
    source_->end_snapshot();
    position_ = input.position;
    const Status acknowledged = source_->acknowledge(position_);
    EXPECT_TRUE(acknowledged.ok()) << acknowledged.error().line();
    return input;
  }
  /// Capture stands, and all that was written so far is taken.
  void watch() {
    EXPECT_TRUE(take().reconcile);
    EXPECT_FALSE(take().reconcile);
  }
  std::vector<std::string> changed_users() {
    const EpochInput input = take();
    EXPECT_FALSE(input.reconcile) << input.reconcile_reason;
    EXPECT_FALSE(input.scan_users);
    return input.users;
  }
  std::vector<std::string> changed_ad_days() {
    const EpochInput input = take();
    EXPECT_FALSE(input.reconcile) << input.reconcile_reason;
    EXPECT_FALSE(input.scan_meta);
    std::vector<std::string> keys;
    for (const AdDayKey& key : input.ad_days) keys.push_back(key.ad_id + ' ' + key.date);
    return keys;
  }
  [[nodiscard]] bool has_changes() {
    const auto changed = source_->has_changes();
    EXPECT_TRUE(changed.ok()) << changed.error().line();
    return changed.ok() && *changed;
  }
  void trim() {
    const Status trimmed = source_->trim();
    EXPECT_TRUE(trimmed.ok()) << trimmed.error().line();
  }

  static std::int64_t ask(sqlite::Connection& connection, const std::string& sql) {
    const auto answer = connection.query_integer(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() ? *answer : -1;
  }
  /// Records in the product database's change log.
  std::int64_t logged() { return ask(*product_, "SELECT count(*) FROM _admetrics_changes"); }
  std::int64_t last_seq() {
    return ask(*product_, "SELECT seq FROM sqlite_sequence WHERE name = '_admetrics_changes'");
  }

  FactReader& reader(std::size_t index = 0) {
    auto found = source_->reader(index);
    EXPECT_TRUE(found.ok()) << found.error().line();
    return **found;
  }

  std::string folder_;
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  std::unique_ptr<SqliteSource> source_;
  std::string position_;
  bool triggers_ = true;
  int busy_timeout_ms_ = 5'000;
};

}  // namespace admetrics::source
