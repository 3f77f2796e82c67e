#include <algorithm>
#include <unordered_map>

#include "core/base/limits.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/plan.hpp"
#include "core/engine/user_reader.hpp"

/// What a self-audit's look found different, though nothing said that it had changed.
namespace admetrics {
namespace {

std::string told(const SinkRow& row) {
  const std::string level(name_of(row.key.level));
  switch (row.key.kind) {
    case SinkKey::Kind::kName: return "name of " + level + ' ' + row.key.entity_id;
    case SinkKey::Kind::kHierarchy: return "ad set and campaign of ad " + row.key.entity_id;
    case SinkKey::Kind::kCell: break;
  }
  const std::string cell = level + ' ' + row.key.entity_id + ' ' + format_day(row.key.day);
  return row.breakdown == Breakdown::kNone ? cell : cell + ' ' + std::string(name_of(row.breakdown)) + '=' + row.value;
}

std::uint64_t packed(CellKey cell) {
  return (static_cast<std::uint64_t>(cell.entity.packed) << 32) | static_cast<std::uint32_t>(cell.day.value);
}

}  // namespace

std::string_view name_of(Mismatch::Kind kind) {
  switch (kind) {
    case Mismatch::Kind::kMissedChange: return "missed_change";
    case Mismatch::Kind::kForeignWrite: return "foreign_write";
  }
  return "";
}

void Mismatches::add(Mismatch mismatch) {
  ++counts[static_cast<std::size_t>(mismatch.kind)];
  if (first.size() < kMismatchesListedMax) first.push_back(std::move(mismatch));
}

void Mismatches::add(Mismatches&& others) {
  for (std::size_t kind = 0; kind < counts.size(); ++kind) counts[kind] += others.counts[kind];
  for (Mismatch& mismatch : others.first) {
    if (first.size() < kMismatchesListedMax) first.push_back(std::move(mismatch));
  }
  others = {};
}

bool Engine::is_quiet(const EpochRequest& request, const EpochReport& report, const EpochInput& input, const Plan& plan,
                      const std::vector<RejectChange>& rejects) const {
  // With several sinks, the first would have to know what the others will find.
  if (request.wish != Cause::kAudit || report.audited || report.reconciled || request.purge || request.commit_always ||
      sinks_.size() != 1)
    return false;
  if (!keys_to_redo_.empty() || sink_ahead_ || !rejects.empty() || meta_->rejects_changed()) return false;
  if (input.position != header_.position || input.mappings != header_.mappings || request.as_of != header_.as_of)
    return false;
  const auto only_compared = [](const auto& item) { return item.second.empty(); };
  return std::all_of(state_->users.begin(), state_->users.end(),
                     [](const UserShard& shard) { return shard.changed().empty() && shard.removed().empty(); }) &&
         plan.rows.empty() &&
         std::all_of(plan.cells.begin(), plan.cells.end(),
                     [](const auto& item) { return item.whole_causes.empty(); }) &&
         std::all_of(meta_->dirty_names().begin(), meta_->dirty_names().end(), only_compared) &&
         std::all_of(meta_->dirty_hierarchies().begin(), meta_->dirty_hierarchies().end(), only_compared);
}

void Engine::note_foreign_writes(const Plan& plan, const std::vector<SinkReceipt>& receipts, Mismatches& mismatches) {
  std::unordered_map<std::uint64_t, const Plan::Item*> cells;
  const auto named_with_cause = [](const auto& dirty, const auto& key) {
    const auto found = dirty.find(key);
    return found != dirty.end() && !found->second.empty();
  };
  const auto has_cause = [&](const SinkRow& row) {
    const DictionaryId id = state_->dictionary.intern(row.key.entity_id);
    const Entity entity(row.key.level, id);
    switch (row.key.kind) {
      case SinkKey::Kind::kName: return named_with_cause(meta_->dirty_names(), entity);
      case SinkKey::Kind::kHierarchy: return named_with_cause(meta_->dirty_hierarchies(), id);
      case SinkKey::Kind::kCell: break;
    }
    const auto planned = cells.find(packed({entity, row.key.day}));
    if (planned == cells.end()) return false;
    const Plan::Item& item = *planned->second;
    if (!item.whole_causes.empty()) return true;
    const DictionaryId value =
        row.breakdown == Breakdown::kNone ? DictionaryId{} : state_->dictionary.intern(row.value);
    const RowKey key{item.cell, row.breakdown, value};
    const std::span<const DirtyRow> dirty = plan.rows_of(item);
    return std::any_of(dirty.begin(), dirty.end(),
                       [&](const DirtyRow& found) { return found.key == key && !found.causes.empty(); });
  };
  const auto foreign = [&](std::string key) {
    mismatches.add({Mismatch::Kind::kForeignWrite, std::move(key), Cause::kRepair});
  };
  const bool any = std::any_of(receipts.begin(), receipts.end(), [](const auto& r) { return r.written() > 0; });
  if (any) {
    for (const Plan::Item& item : plan.cells) cells.emplace(packed(item.cell), &item);
  }
  for (const SinkReceipt& receipt : receipts) {
    std::int64_t more = receipt.written();
    if (receipt.rows_known) {
      for (const SinkRow& row : receipt.rows) {
        if (!has_cause(row)) foreign(told(row));
      }
      // What is left are rows whose key is none that anybody could have wanted.
      more -= static_cast<std::int64_t>(receipt.rows.size());
      if (more > 0) foreign("rows whose key is none of ours");
      --more;
    } else if (!plan.rows.empty() || std::any_of(plan.cells.begin(), plan.cells.end(),
                                                 [](const auto& item) { return !item.whole_causes.empty(); })) {
      more = 0;  // some had a reason, and nobody knows which
    } else if (more > 0) {
      foreign("more rows than can be listed");
      --more;
    }
    if (more > 0) mismatches.counts[static_cast<std::size_t>(Mismatch::Kind::kForeignWrite)] += more;
  }
}

}  // namespace admetrics
