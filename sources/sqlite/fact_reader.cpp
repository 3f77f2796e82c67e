#include "sources/sqlite/fact_reader.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "sources/sqlite/raw_rows.hpp"

namespace admetrics::source {
namespace {

constexpr std::array<const char*, 4> kMetaTables{"ad_performance_daily", "ad_performance_daily_country",
                                                 "ad_performance_daily_region", "ad_performance_daily_device"};
constexpr std::array<Breakdown, 4> kMetaBreakdowns{Breakdown::kNone, Breakdown::kCountry, Breakdown::kRegion,
                                                   Breakdown::kDevice};

/// Rows that belong to nobody: their key is NULL, empty or a blob (blobs sort after all text).
constexpr const char* kNobody = "(distinct_id IS NULL OR distinct_id = '' OR distinct_id >= x'')";

std::string meta_select(std::size_t table) {
  std::string sql = std::string("SELECT ") + kMetaColumns;
  if (table != 0) sql += ", " + std::string(name_of(kMetaBreakdowns[table]));
  return sql + " FROM " + kMetaTables[table];
}

/// How SQLite orders values in ORDER BY: NULL, numbers, text, blobs; text by bytes.
int compare_values(const RawValue& a, const RawValue& b) {
  const auto rank = [](const RawValue& v) {
    switch (v.kind) {
      case RawValue::Kind::kNull: return 0;
      case RawValue::Kind::kInteger:
      case RawValue::Kind::kReal: return 1;
      case RawValue::Kind::kText: return 2;
      case RawValue::Kind::kBlob: return 3;
    }
    return 3;
  };
  if (rank(a) != rank(b)) return rank(a) < rank(b) ? -1 : 1;
  if (rank(a) == 1) {
    const auto number = [](const RawValue& v) {
      return v.kind == RawValue::Kind::kInteger ? static_cast<long double>(v.integer)
                                                : static_cast<long double>(v.real);
    };
    return number(a) < number(b) ? -1 : (number(a) > number(b) ? 1 : 0);
  }
  return a.text.compare(b.text);
}

}  // namespace

/// Prepared on first use: a table may be missing when the reader is made, and come back later.
struct SqliteFactReader::Statements {
  struct Lookup {
    sqlite::Statement one;     // of ?1
    sqlite::Statement nobody;  // of unreadable keys
  };
  Lookup users;
  Lookup events;
  Lookup products;
  std::array<sqlite::Statement, 4> ad_day;
};

SqliteFactReader::SqliteFactReader(std::unique_ptr<sqlite::Connection> product, std::unique_ptr<sqlite::Connection> ads,
                                   const std::atomic<bool>* stop, std::atomic<std::uint64_t>* rows_read)
    : product_(std::move(product)),
      ads_(std::move(ads)),
      stop_(stop),
      rows_read_(rows_read),
      statements_(std::make_unique<Statements>()) {}

SqliteFactReader::~SqliteFactReader() = default;

Status SqliteFactReader::interrupted() const {
  if (stop_ == nullptr || !stop_->load(std::memory_order_relaxed)) return {};  // relaxed: a hint, seen soon enough
  return Error{Errc::kInterrupted, "read the source", product_->path(), "asked to stop"};
}

template <class OnRow>
Status SqliteFactReader::each_row(sqlite::Statement& statement, OnRow&& on_row) {
  constexpr std::uint32_t kRowsPerLook = 1024;
  for (std::uint32_t rows = 1;; ++rows) {
    ADM_ASSIGN(const bool row, statement.step());
    if (!row) return {};
    on_row(statement);
    if (rows % kRowsPerLook != 0) continue;
    if (rows_read_ != nullptr) rows_read_->fetch_add(kRowsPerLook, std::memory_order_relaxed);  // orders nothing else
    if (Status stop = interrupted(); !stop.ok()) {
      statement.reset();
      return stop;
    }
  }
}

Status SqliteFactReader::prepare_product() {
  if (statements_->products.nobody.valid()) return {};
  const auto prepare = [&](Statements::Lookup& lookup, const char* columns, const char* table) -> Status {
    const std::string select = std::string("SELECT ") + columns + " FROM " + table + " WHERE ";
    ADM_ASSIGN(lookup.one, product_->prepare(select + "distinct_id = ?1 AND distinct_id COLLATE BINARY = ?1"));
    ADM_ASSIGN(lookup.nobody, product_->prepare(select + kNobody));
    return {};
  };
  ADM_TRY(prepare(statements_->users, kUserColumns, "mixpanel_user"));
  ADM_TRY(prepare(statements_->events, kEventColumns, "mixpanel_event"));
  return prepare(statements_->products, kProductColumns, "user_product_metrics");
}

Status SqliteFactReader::prepare_ads() {
  if (statements_->ad_day.back().valid()) return {};
  for (std::size_t i = 0; i < kMetaTables.size(); ++i) {
    ADM_ASSIGN(
        statements_->ad_day[i],
        ads_->prepare(meta_select(i) +
                      " WHERE ad_id = ?1 AND date = ?2 AND ad_id COLLATE BINARY = ?1 AND date COLLATE BINARY = ?2"));
  }
  return {};
}

Status SqliteFactReader::read_user(std::string_view distinct_id, UserRowVisitor& visitor) {
  ADM_TRY(prepare_product());
  const auto choose = [&](Statements::Lookup& lookup) -> sqlite::Statement& {
    if (distinct_id.empty()) return lookup.nobody;
    lookup.one.bind(1, distinct_id);
    return lookup.one;
  };
  ADM_TRY(each_row(choose(statements_->users), [&](const sqlite::Statement& s) { visitor.on_user(user_at(s)); }));
  ADM_TRY(each_row(choose(statements_->events), [&](const sqlite::Statement& s) { visitor.on_event(event_at(s)); }));
  return each_row(choose(statements_->products),
                  [&](const sqlite::Statement& s) { visitor.on_product(product_at(s)); });
}

template <class OnRow>
Status SqliteFactReader::scan_part(std::string_view table, const std::string& select, ScanPart part, OnRow&& on_row) {
  const std::string name = sqlite::quote_identifier(table);
  auto bounds =
      product_->prepare("SELECT (SELECT min(rowid) FROM " + name + "), (SELECT max(rowid) FROM " + name + ")");
  if (!bounds) {
    // A table WITHOUT ROWID cannot be cut into ranges: the first part takes it all.
    if (part.index != 0) return {};
    ADM_ASSIGN(sqlite::Statement all, product_->prepare(select));
    return each_row(all, on_row);
  }
  ADM_ASSIGN(const bool row, bounds->step());
  if (!row || bounds->is_null(0)) return {};
  const std::int64_t first = bounds->integer(0);
  const std::int64_t last = bounds->integer(1);
  bounds->reset();
  __extension__ using Wide = __int128;
  const Wide span = static_cast<Wide>(last) - first + 1;
  const auto cut = [&](std::size_t index) {
    return first + span * static_cast<Wide>(index) / static_cast<Wide>(part.count);
  };
  // Ends included, because the last end may be the largest integer there is.
  const Wide from = cut(part.index);
  const Wide to = part.index + 1 == part.count ? last : cut(part.index + 1) - 1;
  if (from > to) return {};
  ADM_ASSIGN(sqlite::Statement range, product_->prepare(select + " WHERE rowid BETWEEN ?1 AND ?2"));
  range.bind(1, static_cast<std::int64_t>(from));
  range.bind(2, static_cast<std::int64_t>(to));
  return each_row(range, on_row);
}

Status SqliteFactReader::scan_users(ScanPart part, UserRowVisitor& visitor) {
  return scan_part("mixpanel_user", std::string("SELECT ") + kUserColumns + " FROM mixpanel_user", part,
                   [&](const sqlite::Statement& s) { visitor.on_user(user_at(s)); });
}

Status SqliteFactReader::scan_events(ScanPart part, UserRowVisitor& visitor) {
  return scan_part("mixpanel_event", std::string("SELECT ") + kEventColumns + " FROM mixpanel_event", part,
                   [&](const sqlite::Statement& s) { visitor.on_event(event_at(s)); });
}

Status SqliteFactReader::scan_products(ScanPart part, UserRowVisitor& visitor) {
  return scan_part("user_product_metrics", std::string("SELECT ") + kProductColumns + " FROM user_product_metrics",
                   part, [&](const sqlite::Statement& s) { visitor.on_product(product_at(s)); });
}

Status SqliteFactReader::read_ad_day(const AdDayKey& key, MetaRowVisitor& visitor) {
  ADM_TRY(prepare_ads());
  // Numbers that are no day (an infinity) are found by their text, too.
  const auto condition = [](std::string_view column, bool unreadable) {
    const std::string name(column);
    return unreadable ? "(" + name + " IS NULL OR " + name + " = '' OR " + name + " >= x'')"
                      : "typeof(" + name + ") <> 'blob' AND CAST(" + name + " AS TEXT) = ";
  };
  for (std::size_t i = 0; i < kMetaTables.size(); ++i) {
    const auto on_row = [&](const sqlite::Statement& s) { visitor.on_meta(meta_at(s, kMetaBreakdowns[i])); };
    if (!key.ad_id.empty() && parse_day(key.date)) {
      statements_->ad_day[i].bind(1, key.ad_id);
      statements_->ad_day[i].bind(2, key.date);
      ADM_TRY(each_row(statements_->ad_day[i], on_row));
      continue;
    }
    // Rows with an unreadable key are rejects; they are rare, and looked up to be counted and kept.
    const std::string ad = condition("ad_id", key.ad_id.empty()) + (key.ad_id.empty() ? "" : "?1");
    const std::string date = condition("date", key.date.empty()) + (key.date.empty() ? "" : "?2");
    ADM_ASSIGN(sqlite::Statement select, ads_->prepare(meta_select(i) + " WHERE " + ad + " AND " + date));
    if (!key.ad_id.empty()) select.bind(1, key.ad_id);
    if (!key.date.empty()) select.bind(2, key.date);
    ADM_TRY(each_row(select, on_row));
  }
  return {};
}

Status SqliteFactReader::scan_meta(MetaRowVisitor& visitor) {
  // Four tables in the order of their own keys, merged: an (ad, day)'s rows come together, in bounded memory.
  struct Cursor {
    sqlite::Statement statement;
    bool row = false;
  };
  std::array<Cursor, 4> cursors;
  for (std::size_t i = 0; i < kMetaTables.size(); ++i) {
    ADM_ASSIGN(cursors[i].statement,
               ads_->prepare(meta_select(i) + " ORDER BY ad_id COLLATE BINARY, date COLLATE BINARY"));
    ADM_ASSIGN(cursors[i].row, cursors[i].statement.step());
  }
  for (std::uint32_t rows = 1;; ++rows) {
    constexpr std::uint32_t kRowsPerLook = 1024;
    if (rows % kRowsPerLook == 0) ADM_TRY(interrupted());
    std::optional<std::size_t> least;
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      if (!cursors[i].row) continue;
      if (!least) {
        least = i;
        continue;
      }
      const sqlite::Statement& mine = cursors[i].statement;
      const sqlite::Statement& best = cursors[*least].statement;
      int order = compare_values(value_at(mine, 0), value_at(best, 0));
      if (order == 0) order = compare_values(value_at(mine, 1), value_at(best, 1));
      if (order < 0) least = i;
    }
    if (!least) return {};
    visitor.on_meta(meta_at(cursors[*least].statement, kMetaBreakdowns[*least]));
    ADM_ASSIGN(cursors[*least].row, cursors[*least].statement.step());
  }
}

Status SqliteFactReader::find_ad_days(Breakdown breakdown, std::string_view raw,
                                      const std::function<void(AdDayKey)>& visit) {
  const std::string column(name_of(breakdown));
  ADM_ASSIGN(sqlite::Statement select, ads_->prepare("SELECT DISTINCT ad_id, date FROM ad_performance_daily_" + column +
                                                     " WHERE " + column + " COLLATE BINARY = ?1"));
  select.bind(1, raw);
  return each_row(select, [&](const sqlite::Statement& s) {
    AdDayKey key;
    if (s.type(0) != sqlite::ColumnType::kBlob) key.ad_id = s.text(0);
    if (s.type(1) != sqlite::ColumnType::kBlob) key.date = s.text(1);
    visit(std::move(key));
  });
}

}  // namespace admetrics::source
