#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::source {

/// Reads raw rows through two connections of its own. One thread at a time; both connections stand in the read
/// transaction that `SqliteSource` opened on them.
class SqliteFactReader : public FactReader {
 public:
  /// `stop`: once true, reading ends with kInterrupted. `rows_read` rises with the rows of long reads. Either may be none.
  SqliteFactReader(std::unique_ptr<sqlite::Connection> product, std::unique_ptr<sqlite::Connection> ads,
                   const std::atomic<bool>* stop, std::atomic<std::uint64_t>* rows_read);
  ~SqliteFactReader() override;

  Status read_user(std::string_view distinct_id, UserRowVisitor& visitor) override;
  Status scan_users(ScanPart part, UserRowVisitor& visitor) override;
  Status scan_events(ScanPart part, UserRowVisitor& visitor) override;
  Status scan_products(ScanPart part, UserRowVisitor& visitor) override;
  Status read_ad_day(const AdDayKey& key, MetaRowVisitor& visitor) override;
  Status scan_meta(MetaRowVisitor& visitor) override;
  Status find_ad_days(Breakdown breakdown, std::string_view raw, const std::function<void(AdDayKey)>& visit) override;

  [[nodiscard]] sqlite::Connection& product() { return *product_; }
  [[nodiscard]] sqlite::Connection& ads() { return *ads_; }

 private:
  struct Statements;
  Status prepare_product();
  Status prepare_ads();
  /// Runs `select … FROM table` over one part of its rows.
  template <class OnRow>
  Status scan_part(std::string_view table, const std::string& select, ScanPart part, OnRow&& on_row);

  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  template <class OnRow>
  Status each_row(sqlite::Statement& statement, OnRow&& on_row);
  [[nodiscard]] Status interrupted() const;

  const std::atomic<bool>* stop_;
  std::atomic<std::uint64_t>* rows_read_;
  std::unique_ptr<Statements> statements_;  // finalized before the connections close
};

}  // namespace admetrics::source
