#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/engine/dirty_rows.hpp"
#include "core/engine/mismatch.hpp"
#include "core/engine/ports.hpp"
#include "core/engine/progress.hpp"
#include "core/metrics/meta.hpp"

namespace admetrics {

/// MetaLedger: minus old, plus new, for the Meta rows.
///
/// Contributions of (ad, day)s and cells of ad sets and campaigns stay on disk, in the ledger's open transaction: Meta
/// rows change by the day, not by the second, and memory is for users. An ad's own cell is its contribution, so it is
/// not stored again.
///
/// Threads: one at a time; the pipeline's, or a worker while that one waits.
class MetaLedger {
 public:
  MetaLedger(LedgerStore& store, Dictionary& dictionary)
      : store_(&store), dictionary_(dictionary), texts_(&dictionary) {}

  /// At start: what the ledger remembers.
  Status load();

  /// Replaces the contribution of each of `keys`, with rows read by `reader` under `mappings`.
  /// `wished`: keys, ascending, that no record names; what they change has `wish` for a cause as well. Where `missed` is
  /// given, those that changed are added to it, and the sums that they are part of are made anew: a change that nobody
  /// recorded may as well be damage to what the ledger kept of the key.
  Status apply(FactReader& reader, const Mappings& mappings, const std::vector<AdDayKey>& keys,
               std::span<const AdDayKey> wished, Causes wish, Mismatches* missed = nullptr);
  /// Reads every Meta row; what the source no longer has is withdrawn.
  Status reconcile(FactReader& reader, const Mappings& mappings, StageProgress& progress);
  /// Brings the store up to date; before cells, names or pairs are read, and before the ledger's commit.
  Status flush();

  Status cell(CellKey key, MetaCell& out);
  /// Calls `visit` for every cell that Meta rows count for.
  Status visit_cells(const std::function<void(CellKey)>& visit);
  Result<NameWrite> name_of_entity(Entity entity);
  Result<HierarchyWrite> hierarchy_of(DictionaryId ad);

  // What changed since `end_epoch`.
  [[nodiscard]] const DirtyRows& dirty() const { return dirty_; }
  [[nodiscard]] const std::map<Entity, Causes>& dirty_names() const { return dirty_names_; }
  [[nodiscard]] const std::map<DictionaryId, Causes>& dirty_hierarchies() const { return dirty_hierarchies_; }
  [[nodiscard]] bool rejects_changed() const { return rejects_changed_; }
  void mark_name(Entity entity, Causes causes = {}) { dirty_names_[entity] |= causes; }
  void mark_hierarchy(DictionaryId ad, Causes causes = {}) { dirty_hierarchies_[ad] |= causes; }
  void end_epoch();

  /// Values of Meta's country and device rows that no active mapping covers (`metrics.md` section 4).
  [[nodiscard]] std::vector<UnmappedValue> unmapped(const Mappings& mappings) const;

 private:
  class RowCollector;

  Status replace(const AdDayKey& key, MetaContribution next, std::vector<Reject> rejects);
  void mark_names(DictionaryId ad, const MetaContribution& withdrawn, const MetaContribution& given);
  Status add_part(DictionaryId ad, Day day, const MetaPart& part, int sign, Causes causes);
  Result<MetaCell*> cached_cell(CellKey key);
  Status flush_cells();
  Status sum_again();

  LedgerStore* store_;
  DictionaryCache dictionary_;
  Dictionary* texts_;
  std::map<CellKey, MetaCell> cells_;  // changed, not yet in the store
  std::map<std::pair<Breakdown, DictionaryId>, std::int64_t> raw_values_;
  std::set<std::pair<Breakdown, DictionaryId>> raw_values_changed_;
  std::unordered_map<std::string, std::uint64_t> reject_digests_;
  DirtyRows dirty_;
  std::map<Entity, Causes> dirty_names_;
  std::map<DictionaryId, Causes> dirty_hierarchies_;
  Causes extra_;  // of the key that is being replaced
  Mismatches* missed_ = nullptr;
  std::map<Day, std::set<Entity>> to_sum_again_;  // cells of ad sets and campaigns
  bool rejects_changed_ = false;
  bool reconciling_ = false;
  std::vector<std::pair<DictionaryId, Day>> seen_;  // while reconciling
  std::set<std::string> reject_owners_seen_;
};

/// A number that two equal lists of rejects share, whatever their order; 0 for none.
std::uint64_t digest_of(std::vector<Reject>& rejects);

/// What owners of rejected Meta rows are called in the ledger; users are called by their `distinct_id` behind "u|".
std::string reject_owner_of(const AdDayKey& key);
std::string reject_owner_of_user(std::string_view distinct_id);

}  // namespace admetrics
