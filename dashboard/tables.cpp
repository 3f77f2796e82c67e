#include "dashboard/tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/fixed.hpp"
#include "core/model/row.hpp"

namespace admetrics::dashboard {
namespace {

// Larger than anything that is stored, and small enough that sums of weighed rates stay far from 128 bits.
constexpr std::int64_t kCellMax = 1'000'000'000'000'000'000;

// The columns of a row, in the order of `Row`.
constexpr std::array<Number, 16> kNumbers{Number::kMetaSpend,
                                          Number::kMetaImpressions,
                                          Number::kMetaClicks,
                                          Number::kMetaTrials,
                                          Number::kMetaPurchases,
                                          Number::kTrials,
                                          Number::kPurchases,
                                          Number::kTrialConversionRateEstimated,
                                          Number::kTrialRefundRateEstimated,
                                          Number::kPurchaseRefundRateEstimated,
                                          Number::kActualRevenue,
                                          Number::kActualRefunds,
                                          Number::kNetActualRevenue,
                                          Number::kEstimatedRevenue,
                                          Number::kAdjustedEstimatedRevenue,
                                          Number::kProfit};
constexpr std::array<std::int64_t Row::*, kNumbers.size()> kMembers{&Row::spend,
                                                                    &Row::impressions,
                                                                    &Row::clicks,
                                                                    &Row::meta_trials,
                                                                    &Row::meta_purchases,
                                                                    &Row::trials,
                                                                    &Row::purchases,
                                                                    &Row::trial_conversion_rate,
                                                                    &Row::trial_refund_rate,
                                                                    &Row::purchase_refund_rate,
                                                                    &Row::actual_revenue,
                                                                    &Row::actual_refunds,
                                                                    &Row::net_revenue,
                                                                    &Row::estimated_revenue,
                                                                    &Row::adjusted_revenue,
                                                                    &Row::profit};
constexpr std::array<List, 5> kLists{List::kTrial, List::kPostTrial, List::kConverted, List::kTrialRefund,
                                     List::kPurchaseRefund};
constexpr int kFirstNumber = 3;  // after date, entity_id, breakdown_value
constexpr int kFirstList = kFirstNumber + static_cast<int>(kNumbers.size());

enum Slot : std::uint8_t {
  kLevelMain,
  kLevelMainNumbers,
  kLevelBreakdown,
  kLevelBreakdownNumbers,
  kEntityMain,
  kEntityBreakdown,
  kEntityBreakdownValue,
  kFirstDayOfLevel,
  kLastDayOfLevel,
  kName,
  kAdsetsOfCampaign,
  kAdsOfAdset,
  kSlotCount,
};

std::string columns(bool main, bool lists, const std::string& prefix) {
  std::string sql = prefix + "date, " + prefix + "entity_id, " + (main ? "''" : prefix + "breakdown_value");
  for (const Number number : kNumbers) {
    const NumberColumn& column = number_columns()[static_cast<std::size_t>(number)];
    sql += ", " + prefix + std::string(main ? column.main_name : column.breakdown_name);
  }
  if (!lists) return sql;
  for (const List list : kLists) {
    const ListColumn& column = list_columns()[static_cast<std::size_t>(list)];
    sql += ", " + prefix + std::string(main ? column.main_name : column.breakdown_name);
  }
  return sql;
}

std::string level_sql(bool main, bool lists) {
  // First which entities have a row at all, from an index alone; then each one's rows, which mostly stand together. A
  // breakdown row has a main row of its cell beside it (`metrics.md` section 5), so this finds every entity of it, too.
  const std::string table(main ? kMainTable : kBreakdownTable);
  return "SELECT " + columns(main, lists, "r.") + " FROM (SELECT DISTINCT entity_id FROM " + std::string(kMainTable) +
         " WHERE entity_type = ?1 AND date BETWEEN ?2 AND ?3) e CROSS JOIN " + table +
         " r WHERE r.entity_type = ?1 AND r.entity_id = e.entity_id AND r.date BETWEEN ?2 AND ?3" +
         (main ? "" : " AND r.breakdown_type = ?4");
}

std::array<std::string, kSlotCount> all_sql() {
  std::array<std::string, kSlotCount> sql;
  sql[kLevelMain] = level_sql(true, true);
  sql[kLevelMainNumbers] = level_sql(true, false);
  sql[kLevelBreakdown] = level_sql(false, true);
  sql[kLevelBreakdownNumbers] = level_sql(false, false);
  const std::string of_entity = " WHERE entity_type = ?1 AND entity_id = ?5 AND date BETWEEN ?2 AND ?3";
  const std::string breakdown = "SELECT " + columns(false, true, "") + " FROM " + std::string(kBreakdownTable) +
                                of_entity + " AND breakdown_type = ?4";
  sql[kEntityMain] =
      "SELECT " + columns(true, true, "") + " FROM " + std::string(kMainTable) + of_entity + " ORDER BY date";
  sql[kEntityBreakdown] = breakdown + " ORDER BY date";
  sql[kEntityBreakdownValue] = breakdown + " AND breakdown_value = ?6 ORDER BY date";
  sql[kFirstDayOfLevel] = "SELECT min(date) FROM " + std::string(kMainTable) + " WHERE entity_type = ?1";
  sql[kLastDayOfLevel] = "SELECT max(date) FROM " + std::string(kMainTable) + " WHERE entity_type = ?1";
  sql[kName] = "SELECT canonical_name FROM " + std::string(kNameTable) + " WHERE entity_type = ?1 AND entity_id = ?2";
  sql[kAdsetsOfCampaign] =
      "SELECT DISTINCT adset_id FROM " + std::string(kHierarchyTable) + " WHERE campaign_id = ?1 ORDER BY adset_id";
  sql[kAdsOfAdset] = "SELECT ad_id FROM " + std::string(kHierarchyTable) + " WHERE adset_id = ?1 ORDER BY ad_id";
  return sql;
}

/// A stored number × 10^`digits`. What somebody else put there and is no number counts as 0.
std::int64_t scaled(const sqlite::Statement& row, int column, int digits) {
  const std::int64_t scale = digits == 0 ? 1 : digits == 2 ? 100 : 10'000;
  switch (row.type(column)) {
    case sqlite::ColumnType::kInteger: {
      const std::int64_t number = row.integer(column);
      return std::clamp(number, -kCellMax / scale, kCellMax / scale) * scale;
    }
    case sqlite::ColumnType::kReal: {
      const double number = row.real(column);
      const double times = std::round(number * static_cast<double>(scale));
      // A decimal of ours is the nearest double to a whole number of its last place.
      constexpr double kExact = 9e15;
      if (std::abs(times) < kExact && times / static_cast<double>(scale) == number)
        return static_cast<std::int64_t>(times);
      return scaled_from_double(number, digits, kCellMax).value_or(number > 0 ? kCellMax : number < 0 ? -kCellMax : 0);
    }
    case sqlite::ColumnType::kText:
    case sqlite::ColumnType::kBlob:
    case sqlite::ColumnType::kNull: return 0;
  }
  return 0;
}

Error not_ready(Errc code, const std::string& path, const std::string& why) {
  return Error{code, "read the materialized tables", path, why};
}

}  // namespace

struct Tables::Statements {
  std::array<sqlite::Statement, kSlotCount> slots;
  sqlite::Statement snapshot;
};

Tables::Tables(TablesOptions options) : options_(std::move(options)) {}
Tables::~Tables() = default;

std::vector<std::string> Tables::sql() {
  const auto all = all_sql();
  return {all.begin(), all.end()};
}

Status Tables::open() {
  statements_.reset();
  database_.reset();
  const std::string file = sqlite::file_identity(options_.path);
  if (file.empty()) return not_ready(Errc::kNotFound, options_.path, "there is no such file yet");
  ADM_ASSIGN(auto database,
             sqlite::Connection::open(options_.path, sqlite::OpenMode::kReadOnly, options_.busy_timeout_ms));
  ADM_TRY(database->execute("PRAGMA cache_size = -" + std::to_string(options_.cache_kib)));
  ADM_ASSIGN(const std::int64_t tables,
             database->query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('" +
                                     std::string(kMainTable) + "', '" + std::string(kBreakdownTable) + "', '" +
                                     std::string(kNameTable) + "', '" + std::string(kHierarchyTable) + "')"));
  constexpr std::int64_t kTables = 4;
  if (tables != kTables) return not_ready(Errc::kNotFound, options_.path, "the tables are not there yet");
  auto statements = std::make_unique<Statements>();
  const auto all = all_sql();
  for (std::size_t i = 0; i < all.size(); ++i) {
    ADM_ASSIGN(statements->slots[i], database->prepare(all[i]));
  }
  ADM_ASSIGN(const std::int64_t recorded,
             database->query_integer("SELECT count(*) FROM sqlite_schema WHERE name = '_admetrics_sink'"));
  if (recorded != 0) {
    ADM_ASSIGN(statements->snapshot,
               database->prepare("SELECT ledger, epoch, position, as_of, committed_at FROM _admetrics_sink"));
  }
  statements_ = std::move(statements);
  database_ = std::move(database);
  file_ = file;
  return {};
}

Result<Snapshot> Tables::begin() {
  end();
  // The statement that reads the position is the first read of the transaction: with it the snapshot stands.
  if (!database_ || sqlite::file_identity(options_.path) != file_) ADM_TRY(open());
  ADM_TRY(database_->execute("BEGIN"));
  Snapshot snapshot;
  if (!statements_->snapshot.valid()) {
    // Not a daemon's tables, unless it has just made its own beside them.
    ADM_ASSIGN(const std::int64_t recorded,
               database_->query_integer("SELECT count(*) FROM sqlite_schema WHERE name = '_admetrics_sink'"));
    if (recorded == 0) return snapshot;
    database_.reset();
    return begin();
  }
  auto row = statements_->snapshot.step();
  if (!row) {
    // A dropped table, or a lock: look again from the beginning the next time.
    Error error = std::move(row).error();
    end();
    if (error.code == Errc::kSchema) {
      statements_.reset();
      database_.reset();
      return not_ready(Errc::kNotFound, options_.path, "the tables are not there yet");
    }
    return error;
  }
  if (!*row) {
    end();
    return not_ready(Errc::kNotFound, options_.path, "the first epoch is not committed yet");
  }
  const sqlite::Statement& at = statements_->snapshot;
  snapshot = {std::string(at.text(0)), at.integer(1), std::string(at.text(2)), std::string(at.text(3)),
              std::string(at.text(4))};
  statements_->snapshot.reset();
  return snapshot;
}

Status Tables::begin_beside(Tables& other) {
  end();
  if (!database_ || file_ != other.file_) ADM_TRY(open());
  ADM_ASSIGN(const sqlite::Snapshot snapshot, other.database_->snapshot());
  return database_->begin_read_at(snapshot);
}

void Tables::end() {
  if (!database_) return;
  for (sqlite::Statement& statement : statements_->slots) statement.reset();
  if (statements_->snapshot.valid()) statements_->snapshot.reset();
  database_->rollback();
}

Status Tables::visit(sqlite::Statement& statement, Lists lists, const VisitRow& visit) {
  Row row;
  for (;;) {
    ADM_ASSIGN(const bool more, statement.step());
    if (!more) return {};
    const auto day = parse_day(statement.text(0));
    if (!day) continue;  // not a row of ours
    row.day = *day;
    row.entity_id = statement.text(1);
    row.breakdown_value = statement.text(2);
    for (std::size_t i = 0; i < kNumbers.size(); ++i) {
      const NumberKind kind = number_columns()[static_cast<std::size_t>(kNumbers[i])].kind;
      row.*kMembers[i] = scaled(statement, kFirstNumber + static_cast<int>(i), digits_of(kind));
    }
    if (lists == Lists::kAll) {
      row.trial_ids = statement.text(kFirstList);
      row.post_trial_ids = statement.text(kFirstList + 1);
      row.converted_ids = statement.text(kFirstList + 2);
      row.trial_refund_ids = statement.text(kFirstList + 3);
      row.purchase_refund_ids = statement.text(kFirstList + 4);
    }
    if (Status status = visit(row); !status.ok()) {
      statement.reset();
      return status;
    }
  }
}

Status Tables::visit_level(Level level, Breakdown breakdown, const Range& range, Lists lists, const VisitRow& visit) {
  const bool main = breakdown == Breakdown::kNone;
  const bool all = lists == Lists::kAll;
  sqlite::Statement& statement =
      statements_
          ->slots[main ? (all ? kLevelMain : kLevelMainNumbers) : (all ? kLevelBreakdown : kLevelBreakdownNumbers)];
  const std::string start = format_day(range.start);
  const std::string end = format_day(range.end);
  statement.bind(1, name_of(level));
  statement.bind(2, std::string_view(start));
  statement.bind(3, std::string_view(end));
  if (!main) statement.bind(4, name_of(breakdown));
  return this->visit(statement, lists, visit);
}

Status Tables::visit_entity(Level level, std::string_view entity_id, Breakdown breakdown,
                            const std::optional<std::string>& breakdown_value, const Range& range,
                            const VisitRow& visit) {
  const bool main = breakdown == Breakdown::kNone;
  sqlite::Statement& statement = statements_->slots[main              ? kEntityMain
                                                    : breakdown_value ? kEntityBreakdownValue
                                                                      : kEntityBreakdown];
  const std::string start = format_day(range.start);
  const std::string end = format_day(range.end);
  statement.bind(1, name_of(level));
  statement.bind(2, std::string_view(start));
  statement.bind(3, std::string_view(end));
  if (!main) statement.bind(4, name_of(breakdown));
  statement.bind(5, entity_id);
  if (!main && breakdown_value) statement.bind(6, std::string_view(*breakdown_value));
  return this->visit(statement, Lists::kAll, visit);
}

Result<std::optional<Range>> Tables::days() {
  std::optional<Range> days;
  for (const Level level : kLevels) {
    std::array<std::optional<Day>, 2> ends;
    for (const Slot slot : {kFirstDayOfLevel, kLastDayOfLevel}) {
      sqlite::Statement& statement = statements_->slots[slot];
      statement.bind(1, name_of(level));
      ADM_ASSIGN(const bool row, statement.step());
      if (row) ends[slot == kLastDayOfLevel ? 1 : 0] = parse_day(statement.text(0));
      statement.reset();
    }
    if (!ends[0] || !ends[1]) continue;
    if (!days) days = Range{*ends[0], *ends[1]};
    days->start = std::min(days->start, *ends[0]);
    days->end = std::max(days->end, *ends[1]);
  }
  return days;
}

Result<std::string> Tables::name_of_entity(Level level, std::string_view entity_id) {
  sqlite::Statement& statement = statements_->slots[kName];
  statement.bind(1, name_of(level));
  statement.bind(2, entity_id);
  ADM_ASSIGN(const bool row, statement.step());
  std::string name = row ? std::string(statement.text(0)) : std::string();
  statement.reset();
  return name;
}

Status Tables::visit_children(Level level, std::string_view entity_id,
                              const std::function<void(std::string_view)>& visit) {
  if (level == Level::kAd) return {};
  sqlite::Statement& statement = statements_->slots[level == Level::kCampaign ? kAdsetsOfCampaign : kAdsOfAdset];
  statement.bind(1, entity_id);
  return statement.for_each_row([&] { visit(statement.text(0)); });
}

}  // namespace admetrics::dashboard
