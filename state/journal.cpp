#include "state/journal.hpp"

namespace admetrics {
namespace {

constexpr std::int64_t kMicros = 1'000'000;

RowChange change_of(const sqlite::Statement& row) {
  RowChange change;
  change.epoch = EpochId{static_cast<std::uint64_t>(row.integer(0))};
  if (!row.is_null(1)) {
    // Before 1970 the division rounds towards the past, so that nanoseconds stay positive.
    const std::int64_t micros = row.integer(1);
    const std::int64_t seconds = (micros - (micros < 0 ? kMicros - 1 : 0)) / kMicros;
    change.at = Instant{seconds, static_cast<std::int32_t>((micros - seconds * kMicros) * 1'000)};
  }
  change.causes = Causes::from_bits(static_cast<std::uint16_t>(row.integer(2)));
  return change;
}

}  // namespace

Result<RowHistory> read_row_history(sqlite::Connection& ledger, const SinkRow& row) {
  RowHistory history;
  ADM_TRY(ledger.begin_read());  // one moment for all tables
  const sqlite::Transaction reading(ledger);
  ADM_ASSIGN(const std::int64_t tables, ledger.query_integer("SELECT count(*) FROM sqlite_schema WHERE name IN "
                                                             "('row_change', 'unlisted_change', 'dictionary')"));
  if (tables != 3) return history;
  ADM_ASSIGN(sqlite::Statement unlisted,
             ledger.prepare("SELECT epoch, at, causes FROM unlisted_change ORDER BY epoch DESC"));
  ADM_TRY(unlisted.for_each_row([&] { history.unlisted.push_back(change_of(unlisted)); }));
  // The dictionary has no index by text: some hundred thousand texts take milliseconds, and nobody waits for this.
  ADM_ASSIGN(sqlite::Statement find, ledger.prepare("SELECT id FROM dictionary WHERE text = ?1"));
  const auto id_of = [&](std::string_view text) -> Result<std::optional<DictionaryId>> {
    find.bind(1, text);
    ADM_ASSIGN(const bool found, find.step());
    std::optional<DictionaryId> id;
    if (found) id = DictionaryId{static_cast<std::uint32_t>(find.integer(0))};
    find.reset();
    return id;
  };
  ADM_ASSIGN(const auto entity, id_of(row.key.entity_id));
  std::optional<DictionaryId> value = DictionaryId{};
  if (row.breakdown != Breakdown::kNone) {
    ADM_ASSIGN(value, id_of(row.value));
  }
  if (!entity) return history;
  ADM_ASSIGN(sqlite::Statement select,
             ledger.prepare("SELECT epoch, at, causes FROM row_change WHERE entity = ?1 AND day = ?2 AND breakdown = "
                            "?3 AND value = ?4"));
  select.bind(1, static_cast<std::int64_t>(Entity(row.key.level, *entity).packed));
  select.bind(2, static_cast<std::int64_t>(row.key.day.value));
  select.bind(3, static_cast<std::int64_t>(row.breakdown));
  select.bind(4, value ? static_cast<std::int64_t>(value->value) : -1);
  ADM_TRY(select.for_each_row([&] { history.listed = change_of(select); }));
  ADM_ASSIGN(sqlite::Statement cell,
             ledger.prepare("SELECT epoch, at, causes FROM change WHERE kind = ?1 AND entity = ?2 AND day = ?3"));
  cell.bind(1, static_cast<std::int64_t>(SinkKey::Kind::kCell));
  cell.bind(2, static_cast<std::int64_t>(Entity(row.key.level, *entity).packed));
  cell.bind(3, static_cast<std::int64_t>(row.key.day.value));
  ADM_TRY(cell.for_each_row([&] { history.cell = change_of(cell); }));
  return history;
}

}  // namespace admetrics
