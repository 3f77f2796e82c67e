#include <algorithm>

#include "core/base/limits.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/meta_ledger.hpp"
#include "core/engine/plan.hpp"

/// What an epoch puts into the change journal. A key is listed when
/// (1) a contribution to it changed, or its trials turned post-trial: the engine's own value may differ; or
/// (2) a sink wrote or deleted a row of it: what stood there differed; or
/// (3) an epoch that the ledger never heard of may have written it, or a sink's answer was lost.
/// A key that was only compared (an audit, a backfill, equal rows loaded again) is not. Rows are listed when a sink
/// wrote them, so that a row's causes are those of its last visible change.
namespace admetrics {
namespace {

/// What the sinks say they wrote.
struct Written {
  bool known = true;  // row by row
  bool cells_known = true;
  std::vector<RowKey> rows;
  std::vector<JournalKey> keys;

  [[nodiscard]] bool has(const JournalKey& key) const { return std::binary_search(keys.begin(), keys.end(), key); }
  [[nodiscard]] std::span<const RowKey> rows_of(CellKey cell) const {
    const auto begin = std::lower_bound(rows.begin(), rows.end(), RowKey{cell, Breakdown::kNone, {}});
    auto end = begin;
    while (end != rows.end() && end->cell == cell) ++end;
    return {begin, end};
  }
};

Written written_by(std::vector<SinkReceipt>& receipts, Dictionary& dictionary) {
  Written written;
  const auto key_of = [&](const SinkKey& key) {
    return JournalKey{key.kind, Entity(key.level, dictionary.intern(key.entity_id)), key.day};
  };
  for (SinkReceipt& receipt : receipts) {
    if (!receipt.rows_known) {
      written.known = false;
      if (receipt.changed_more) written.cells_known = false;
      for (const SinkKey& key : receipt.changed) written.keys.push_back(key_of(key));
      continue;
    }
    for (const SinkRow& row : receipt.rows) {
      const JournalKey key = key_of(row.key);
      written.keys.push_back(key);
      if (key.kind != SinkKey::Kind::kCell) continue;
      written.rows.push_back({CellKey{key.entity, key.day}, row.breakdown,
                              row.breakdown == Breakdown::kNone ? DictionaryId{} : dictionary.intern(row.value)});
    }
    receipt.rows = {};
  }
  sort_unique(written.rows);
  sort_unique(written.keys);
  return written;
}

Causes without_mark(Causes causes) {
  return Causes::from_bits(static_cast<std::uint16_t>(causes.bits() & ~kMayHaveChanged.bits()));
}

}  // namespace

Status Engine::save_journal(const CommitHeader& commit, const Plan& plan, const JournalNotes& notes,
                            std::vector<SinkReceipt>& receipts) {
  const auto unlisted = [&](Causes causes) {
    for (SinkReceipt& receipt : receipts) receipt.rows = {};
    return ledger_->put_unlisted_change(commit.epoch, commit.committed_at, causes);
  };
  if (notes.unlisted) return unlisted(notes.how_found);
  if (plan.empty()) return {};

  const Written written = written_by(receipts, state_->dictionary);
  std::vector<JournalChange> keys;
  std::vector<JournalRowChange> rows;
  Causes all;
  std::size_t listed = 0;
  const auto list = [&](const JournalKey& key, Causes causes) {
    all |= causes;
    if (++listed <= kJournalKeysMax) keys.push_back({key, causes});
  };
  const auto wanted = [&](const JournalKey& key, Causes causes) {
    return !causes.empty() || !written.cells_known || written.has(key);
  };
  const auto complete = [&](Causes causes) {
    causes = without_mark(causes);
    return (causes.empty() ? notes.where_none : causes) | notes.how_found;
  };

  for (const Plan::Item& item : plan.cells) {
    const std::span<const DirtyRow> dirty = plan.rows_of(item);
    Causes causes = item.whole_causes;
    for (const DirtyRow& row : dirty) causes |= row.causes;
    const JournalKey key{SinkKey::Kind::kCell, item.cell.entity, item.cell.day};
    if (!wanted(key, causes)) continue;
    list(key, complete(causes));
    if (listed > kJournalKeysMax) continue;
    const auto causes_of_row = [&](const RowKey& row) {
      const auto found = std::lower_bound(dirty.begin(), dirty.end(), row,
                                          [](const DirtyRow& a, const RowKey& b) { return a.key < b; });
      const bool there = found != dirty.end() && found->key == row;
      return complete(there ? item.whole_causes | found->causes : item.whole_causes);
    };
    for (const RowKey& row : written.rows_of(item.cell)) rows.push_back({row, causes_of_row(row)});
    // Whether these were written is not known, or an epoch that the ledger never heard of has written them.
    if (written.known && !item.whole_causes.has_any(kMayHaveChanged)) continue;
    for (const DirtyRow& row : dirty) {
      if (!row.causes.empty()) rows.push_back({row.key, complete(item.whole_causes | row.causes)});
    }
  }
  for (const auto& [entity, causes] : meta_->dirty_names()) {
    const JournalKey key{SinkKey::Kind::kName, entity, kNoDay};
    if (wanted(key, causes)) list(key, complete(causes));
  }
  for (const auto& [ad, causes] : meta_->dirty_hierarchies()) {
    const JournalKey key{SinkKey::Kind::kHierarchy, Entity(Level::kAd, ad), kNoDay};
    if (wanted(key, causes)) list(key, complete(causes));
  }
  if (listed > kJournalKeysMax) return unlisted(all);
  if (listed == 0) return {};
  std::sort(keys.begin(), keys.end(), [](const JournalChange& a, const JournalChange& b) { return a.key < b.key; });
  std::sort(rows.begin(), rows.end(),
            [](const JournalRowChange& a, const JournalRowChange& b) { return a.row < b.row; });
  return ledger_->put_changes(commit.epoch, commit.committed_at, keys, rows);
}

Result<EpochId> Engine::changes_listed_since() { return ledger_->changes_listed_since(); }

Result<std::size_t> Engine::scan_changes(JournalCursor& cursor, std::size_t limit,
                                         const std::function<void(const SinkKey&)>& visit) {
  return ledger_->scan_changes(cursor, limit, [&](const JournalKey& key, EpochId, Causes) {
    visit({key.kind, key.entity.level(), std::string(state_->dictionary.text(key.entity.id())), key.day});
  });
}

}  // namespace admetrics
