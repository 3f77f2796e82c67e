#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "core/sqlite/database.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics::dashboard {

/// A database with the materialized tables, filled by hand.
class StoredRows {
 public:
  explicit StoredRows(bool wal = true) {
    std::string pattern = (std::filesystem::temp_directory_path() / "admetricsd-dashboard-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    database_ = std::move(sqlite::Connection::open(path(), sqlite::OpenMode::kCreate, kBusyTimeoutMs)).value();
    if (wal) run("PRAGMA journal_mode = WAL");
    run(sink::create_missing_sql());
  }
  ~StoredRows() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  StoredRows(const StoredRows&) = delete;
  StoredRows& operator=(const StoredRows&) = delete;

  [[nodiscard]] std::string path() const { return folder_ + "/tables.db"; }
  [[nodiscard]] sqlite::Connection& database() { return *database_; }
  void run(const std::string& sql) {
    const Status done = database_->execute(sql);
    if (!done.ok()) throw std::runtime_error(done.error().line());
  }

  /// `rest`: further columns, "name = value, name = value".
  void main_row(const std::string& level, const std::string& id, const std::string& date, const std::string& rest) {
    run("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date, trial_users_list, post_trial_user_ids, "
        "converted_user_ids, trial_refund_user_ids, purchase_users_list, purchase_refund_user_ids) VALUES ('" +
        level + "', '" + id + "', '" + date + "', '[]', '[]', '[]', '[]', '[]', '[]')");
    if (!rest.empty()) run("UPDATE daily_mixpanel_metrics SET " + rest + " WHERE metric_id = last_insert_rowid()");
  }
  void breakdown_row(const std::string& level, const std::string& id, const std::string& date, const std::string& type,
                     const std::string& value, const std::string& rest) {
    run("INSERT INTO daily_mixpanel_metrics_breakdown (entity_type, entity_id, date, breakdown_type, breakdown_value, "
        "trial_user_ids, post_trial_user_ids, converted_user_ids, trial_refund_user_ids, purchase_user_ids, "
        "purchase_refund_user_ids) VALUES ('" +
        level + "', '" + id + "', '" + date + "', '" + type + "', '" + value +
        "', '[]', '[]', '[]', '[]', '[]', '[]')");
    if (!rest.empty())
      run("UPDATE daily_mixpanel_metrics_breakdown SET " + rest + " WHERE metric_id = last_insert_rowid()");
  }
  void hierarchy(const std::string& ad, const std::string& adset, const std::string& campaign) {
    run("INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id) VALUES ('" + ad + "', '" + adset + "', '" +
        campaign + "')");
  }
  void name(const std::string& level, const std::string& id, const std::string& name) {
    run("INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name) VALUES ('" + level + "', '" + id +
        "', '" + name + "')");
  }
  void commit(int epoch) {
    run("INSERT OR REPLACE INTO _admetrics_sink VALUES (1, 'ledger', " + std::to_string(epoch) +
        ", '{}', '2025-07-31', '2025-07-31 10:00:00.000', 1)");
  }

 private:
  static constexpr int kBusyTimeoutMs = 1'000;
  std::string folder_;
  std::unique_ptr<sqlite::Connection> database_;
};

}  // namespace admetrics::dashboard
