#include "core/engine/catch_up.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/base/limits.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/renderer.hpp"

/// How the state is given to sinks that follow: between epochs, in steps that an epoch can wait for.
namespace admetrics {
namespace {

/// Puts keys into the order in which sinks get them: cells as `write_week_of` says, then names, then pairs.
void sort_for_sinks(std::vector<JournalKey>& keys, const Dictionary& dictionary) {
  std::vector<Entity> entities;
  entities.reserve(keys.size());
  for (const JournalKey& key : keys) entities.push_back(key.entity);
  sort_unique(entities);
  std::sort(entities.begin(), entities.end(), [&](Entity a, Entity b) {
    if (a.level() != b.level()) return name_of(a.level()) < name_of(b.level());
    return dictionary.text(a.id()) < dictionary.text(b.id());
  });
  std::unordered_map<std::uint32_t, std::uint32_t> ranks;
  for (std::uint32_t rank = 0; rank < entities.size(); ++rank) ranks.emplace(entities[rank].packed, rank);
  const auto place = [&](const JournalKey& key) {
    const std::int32_t week = key.kind == SinkKey::Kind::kCell ? write_week_of(key.day) : 0;
    return std::tuple(key.kind, name_of(key.entity.level()), week, ranks.at(key.entity.packed), key.day);
  };
  std::sort(keys.begin(), keys.end(), [&](const JournalKey& a, const JournalKey& b) { return place(a) < place(b); });
}

}  // namespace

Result<CatchUp> Engine::begin_catch_up(const std::string& ledger, EpochId epoch) {
  CatchUp begun;
  begun.generation = generation_;
  ADM_ASSIGN(begun.listed_since, ledger_->changes_listed_since());
  begun.cursor.epoch = epoch;
  begun.everything =
      ledger != header_.ledger || epoch.value > header_.epoch.value || epoch.value < begun.listed_since.value;
  if (!begun.everything) return begun;
  begun.cursor.epoch = header_.epoch;  // what changes while the list is worked off
  for (const RowShard& rows : state_->rows) {
    rows.for_each_cell([&](CellKey cell) { begun.list.push_back({SinkKey::Kind::kCell, cell.entity, cell.day}); });
  }
  ADM_TRY(meta_->visit_cells([&](CellKey cell) {
    begun.list.push_back({SinkKey::Kind::kCell, cell.entity, cell.day});
    begun.list.push_back({SinkKey::Kind::kName, cell.entity, kNoDay});
    if (cell.entity.level() == Level::kAd) begun.list.push_back({SinkKey::Kind::kHierarchy, cell.entity, kNoDay});
  }));
  sort_unique(begun.list);
  sort_for_sinks(begun.list, state_->dictionary);
  return begun;
}

Result<CatchUpStep> Engine::catch_up(CatchUp& at, std::size_t keys_max, RenderedRows& out) {
  if (!can_catch_up() || at.generation != generation_) return CatchUpStep::kStartAgain;
  ADM_ASSIGN(const EpochId listed_since, ledger_->changes_listed_since());
  if (listed_since != at.listed_since) return CatchUpStep::kStartAgain;

  // As many keys as their users allow: a cell of many users is large.
  std::size_t users = 0;
  const auto room_for = [&](const JournalKey& key) {
    if (users > kRenderChunkUsers) return false;
    if (key.kind != SinkKey::Kind::kCell) return true;
    const CellKey cell{key.entity, key.day};
    users += state_->row_shard(cell).member_count(cell);
    return true;
  };
  std::vector<JournalKey> keys;
  bool done = false;
  if (at.next < at.list.size()) {
    while (at.next < at.list.size() && keys.size() < keys_max && room_for(at.list[at.next]))
      keys.push_back(at.list[at.next++]);
    if (at.next == at.list.size()) at.list.shrink_to_fit();
  } else {
    std::vector<std::pair<JournalKey, EpochId>> changes;
    JournalCursor end = at.cursor;
    ADM_ASSIGN(const std::size_t found,
               ledger_->scan_changes(end, keys_max, [&](const JournalKey& key, EpochId epoch, Causes) {
                 changes.emplace_back(key, epoch);
               }));
    for (const auto& [key, epoch] : changes) {
      if (!room_for(key)) break;
      keys.push_back(key);
      at.cursor = {epoch, key};
    }
    done = found < keys_max && keys.size() == changes.size();
    if (done) at.cursor = end;
    sort_for_sinks(keys, state_->dictionary);
  }
  ADM_TRY(render(keys, out));
  return done ? CatchUpStep::kDone : CatchUpStep::kMore;
}

Status Engine::render(const std::vector<JournalKey>& keys, RenderedRows& out) {
  Renderer renderer(*state_, header_.as_of, reporting_->trial_length_days);
  for (const JournalKey& key : keys) {
    switch (key.kind) {
      case SinkKey::Kind::kCell: {
        RenderCell cell;
        cell.key = {key.entity, key.day};
        cell.whole = true;
        ADM_TRY(meta_->cell(cell.key, cell.meta));
        CellWrite& write = out.cells.emplace_back(renderer.render(cell));
        write.entity_id = out.keep(write.entity_id);
        for (BreakdownWrite& row : write.breakdowns) row.value = out.keep(row.value);
        break;
      }
      case SinkKey::Kind::kName: {
        ADM_ASSIGN(NameWrite name, meta_->name_of_entity(key.entity));
        name.entity_id = out.keep(name.entity_id);
        out.names.push_back(std::move(name));
        break;
      }
      case SinkKey::Kind::kHierarchy: {
        ADM_ASSIGN(HierarchyWrite hierarchy, meta_->hierarchy_of(key.entity.id()));
        for (std::string_view* text : {&hierarchy.ad_id, &hierarchy.adset_id, &hierarchy.campaign_id})
          *text = out.keep(*text);
        out.hierarchies.push_back(hierarchy);
        break;
      }
    }
  }
  return {};
}

}  // namespace admetrics
