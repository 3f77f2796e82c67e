#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/sqlite/database.hpp"

namespace admetrics::support {

struct Blob {
  std::string bytes;
};

/// A value as the pipeline binds it; `{}` is NULL. The column's declared type then decides what SQLite stores.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;
using Columns = std::vector<std::pair<std::string, Cell>>;

inline Cell text(std::string value) { return Cell(std::move(value)); }
inline Cell whole(std::int64_t value) { return Cell(value); }
inline Cell real(double value) { return Cell(value); }
inline const Cell kNull;

/// As it would be typed in SQL.
std::string sql_text(const Cell& cell);

inline constexpr std::string_view kUsers = "mixpanel_user";
inline constexpr std::string_view kEvents = "mixpanel_event";
inline constexpr std::string_view kProducts = "user_product_metrics";
inline constexpr std::string_view kCountryMapping = "meta_country_mapping";
inline constexpr std::string_view kDeviceMapping = "meta_device_mapping";
inline constexpr std::string_view kMetaDaily = "ad_performance_daily";
inline constexpr std::string_view kMetaCountry = "ad_performance_daily_country";
inline constexpr std::string_view kMetaRegion = "ad_performance_daily_region";
inline constexpr std::string_view kMetaDevice = "ad_performance_daily_device";

enum class Conflict : std::uint8_t { kAbort, kIgnore, kReplace };

/// The two source databases with the tables of `metrics.md` section 1, and the pipeline's ways of writing into them.
/// Outside of `begin` … `commit` every verb is a transaction of its own. What fails ends the test.
class SourceBuilder {
 public:
  struct Options {
    bool product_wal = true;
    bool ads_wal = true;
    bool recursive_triggers = false;  // of the writer's connection (pitfalls.md 1)
  };

  SourceBuilder(std::string product_db, std::string ads_db, Options options);

  /// The pipeline's process ends, and starts anew.
  void close();
  void open();

  void begin();
  void commit();
  void rollback();
  [[nodiscard]] bool in_transaction() const { return in_transaction_; }

  void insert(std::string_view table, const Columns& row, Conflict conflict = Conflict::kReplace);
  /// Gives how many rows changed.
  std::int64_t update(std::string_view table, const Columns& set, const Columns& where,
                      Conflict conflict = Conflict::kAbort);
  std::int64_t erase(std::string_view table, const Columns& where);
  std::vector<Columns> rows(std::string_view table, const std::string& where = "true");
  std::int64_t count(std::string_view table);
  bool exists(std::string_view table);

  // As the pipeline does it.
  /// Deletes the events of a day and commits; gives what it deleted, to be loaded again in further transactions.
  std::vector<Columns> unload_day(const std::string& day);
  void load(std::string_view table, const std::vector<Columns>& rows);
  /// One transaction: deletes all, and inserts the same rows again.
  void reload_table(std::string_view table);

  void create_table(std::string_view table);
  void drop_table(std::string_view table);
  /// In one transaction: the rows are the same, the table is another one.
  void drop_and_recreate(std::string_view table);
  /// A new table is filled beside the old one and takes its name; `change` may write into it under `name` before.
  void rename_swap(std::string_view table, const std::function<void(const std::string& name)>& change = {});
  void vacuum();

  /// Any SQL, on the database that has `table`.
  void sql(std::string_view table, const std::string& statements);

  /// Is told every act as SQL.
  std::function<void(const std::string&)> trace;

 private:
  [[nodiscard]] sqlite::Connection& database_of(std::string_view table);
  void create(std::string_view table, const std::string& name);
  std::int64_t run(std::string_view table, const std::string& sql, const std::vector<Cell>& values);
  /// Wraps several statements into one transaction, unless one is open.
  void together(const std::function<void()>& body);

  const std::string product_db_;
  const std::string ads_db_;
  const Options options_;
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  bool in_transaction_ = false;
};

}  // namespace admetrics::support
