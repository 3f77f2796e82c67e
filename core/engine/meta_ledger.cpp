#include "core/engine/meta_ledger.hpp"
#include "core/base/release.hpp"

#include <algorithm>
#include <array>

#include "core/base/limits.hpp"
#include "core/engine/causes.hpp"
#include "core/engine/codec.hpp"
#include "core/metrics/facts.hpp"
#include "core/metrics/naming.hpp"

namespace admetrics {
namespace {

constexpr std::string_view kMetaOwnerPrefix = "m|";
constexpr std::string_view kUserOwnerPrefix = "u|";

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return (hash ^ 0xff) * 0x100000001b3ULL;
}

/// The ad's own cell is its contribution, seen per breakdown value.
MetaCell cell_of(const MetaContribution& contribution) {
  MetaCell cell;
  for (const MetaPart& part : contribution) cell.apply(part, Level::kAd, +1);
  return cell;
}

}  // namespace

std::string reject_owner_of(const AdDayKey& key) { return std::string(kMetaOwnerPrefix) + key.ad_id + '|' + key.date; }
std::string reject_owner_of_user(std::string_view distinct_id) {
  return std::string(kUserOwnerPrefix) + std::string(distinct_id);
}

std::uint64_t digest_of(std::vector<Reject>& rejects) {
  if (rejects.empty()) return 0;
  std::sort(rejects.begin(), rejects.end());
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const Reject& reject : rejects) {
    hash = mix(mix(hash, reject.table), reject.row_key);
    hash = mix(mix(hash, name_of(reject.reason)), reject.column);
    hash = mix(hash, reject.text);
  }
  return hash == 0 ? 1 : hash;
}

/// Gathers the rows of one (ad, day) at a time, and hands them on when the next begins.
class MetaLedger::RowCollector : public MetaRowVisitor {
 public:
  /// `progress`: counts rows and is told of them, on this thread; may be none.
  RowCollector(MetaLedger& ledger, const Mappings& mappings, StageProgress* progress = nullptr)
      : ledger_(&ledger), mappings_(&mappings), progress_(progress) {}

  void begin(const AdDayKey& key) {
    if (unreadable(key)) {
      odd_[key];  // known even when it has no row left: then its rejects are forgotten
      return;
    }
    key_ = key;
    open_ = true;
  }
  void on_meta(const RawMeta& row) override {
    if (!status_.ok()) return;
    if (progress_ != nullptr && ++rows_ % kProgressEveryRows == 0) {
      progress_->add(kProgressEveryRows);
      progress_->tell();
    }
    const AdDayKey key{std::string(readable_key(row.ad_id).value_or("")),
                       std::string(readable_key(row.date).value_or(""))};
    if (unreadable(key)) {
      // Rejects, all of them; in a full scan such rows do not stand together.
      meta_part_of(row, *mappings_, ledger_->dictionary_, odd_[key]);
      return;
    }
    if (!open_ || key != key_) {
      status_ = finish();
      begin(key);
    }
    if (auto part = meta_part_of(row, *mappings_, ledger_->dictionary_, rejects_)) parts_.push_back(*part);
  }
  Status finish() {
    if (!status_.ok() || !open_) return status_;
    open_ = false;
    std::sort(parts_.begin(), parts_.end());
    status_ = ledger_->replace(key_, std::move(parts_), std::move(rejects_));
    parts_.clear();
    rejects_.clear();
    return status_;
  }
  Status finish_all() {
    ADM_TRY(finish());
    for (auto& [key, rejects] : odd_) ADM_TRY(ledger_->replace(key, {}, std::move(rejects)));
    return {};
  }

 private:
  static bool unreadable(const AdDayKey& key) { return key.ad_id.empty() || !parse_day(key.date); }

  MetaLedger* ledger_;
  const Mappings* mappings_;
  StageProgress* progress_;
  std::int64_t rows_ = 0;
  bool open_ = false;
  std::map<AdDayKey, std::vector<Reject>> odd_;
  AdDayKey key_;
  MetaContribution parts_;
  std::vector<Reject> rejects_;
  Status status_;
};

Status MetaLedger::load() {
  ADM_TRY(store_->load_reject_owners([&](std::string_view owner, std::uint64_t digest) {
    if (owner.starts_with(kMetaOwnerPrefix)) reject_digests_.emplace(owner, digest);
  }));
  return store_->load_raw_values([&](Breakdown breakdown, DictionaryId value, std::int64_t rows) {
    raw_values_[{breakdown, value}] = rows;
  });
}

Status MetaLedger::apply(FactReader& reader, const Mappings& mappings, const std::vector<AdDayKey>& keys,
                         std::span<const AdDayKey> wished, Causes wish, Mismatches* missed) {
  RowCollector collector(*this, mappings);
  missed_ = missed;
  for (const AdDayKey& key : keys) {
    ADM_TRY(collector.finish());
    extra_ = std::binary_search(wished.begin(), wished.end(), key) ? wish : Causes();
    collector.begin(key);
    ADM_TRY(reader.read_ad_day(key, collector));
  }
  ADM_TRY(collector.finish_all());
  extra_ = wish;
  Status summed = sum_again();
  extra_ = {};
  missed_ = nullptr;
  return summed;
}

Status MetaLedger::sum_again() {
  if (to_sum_again_.empty()) return {};
  ADM_TRY(flush_cells());
  // A day's ads are found by looking at all keys: rare enough for no index.
  std::vector<std::pair<Day, DictionaryId>> keys;
  ADM_TRY(store_->scan_ad_day_keys([&](DictionaryId ad, Day day) {
    if (to_sum_again_.contains(day)) keys.emplace_back(day, ad);
  }));
  std::map<CellKey, MetaCell> sums;
  for (const auto& [day, entities] : to_sum_again_) {
    for (const Entity entity : entities) sums[{entity, day}];
  }
  Bytes bytes;
  for (const auto& key : keys) {
    const Day day = key.first;  // clang 14 captures no structured bindings
    ADM_TRY(store_->get_ad_day(key.second, day, bytes));
    ADM_ASSIGN(const MetaContribution contribution, decode_ad_day(bytes));
    for (const MetaPart& part : contribution) {
      for_each_entity(key.second, part, [&](Entity entity, const MetaPart&) {
        const auto sum = sums.find({entity, day});
        if (sum != sums.end()) sum->second.apply(part, entity.level(), +1);
      });
    }
  }
  for (auto& [key, sum] : sums) {
    dirty_.add_cell(key, Cause::kMeta | extra_);
    mark_name(key.entity, Cause::kMeta | extra_);
    cells_[key] = std::move(sum);
  }
  to_sum_again_.clear();
  return flush_cells();
}

Status MetaLedger::reconcile(FactReader& reader, const Mappings& mappings, StageProgress& progress) {
  reconciling_ = true;
  RowCollector collector(*this, mappings, &progress);
  ADM_TRY(reader.scan_meta(collector));
  ADM_TRY(collector.finish_all());
  reconciling_ = false;

  sort_unique(seen_);
  std::vector<std::pair<DictionaryId, Day>> gone;
  ADM_TRY(store_->scan_ad_day_keys([&](DictionaryId ad, Day day) {
    if (!std::binary_search(seen_.begin(), seen_.end(), std::pair(ad, day))) gone.emplace_back(ad, day);
  }));
  for (const auto& [ad, day] : gone) {
    ADM_TRY(replace(AdDayKey{std::string(texts_->text(ad)), format_day(day)}, {}, {}));
  }
  std::vector<std::string> stale;
  for (const auto& [owner, digest] : reject_digests_) {
    if (!reject_owners_seen_.contains(owner)) stale.push_back(owner);
  }
  for (const std::string& owner : stale) {
    reject_digests_.erase(owner);
    ADM_TRY(store_->put_rejects(owner, 0, {}));
    rejects_changed_ = true;
  }
  release(seen_);
  release(reject_owners_seen_);
  return {};
}

Status MetaLedger::replace(const AdDayKey& key, MetaContribution next, std::vector<Reject> rejects) {
  const std::uint64_t digest = digest_of(rejects);
  const std::string owner = reject_owner_of(key);
  const auto known = reject_digests_.find(owner);
  if ((known == reject_digests_.end() ? 0 : known->second) != digest) {
    ADM_TRY(store_->put_rejects(owner, digest, rejects));
    rejects_changed_ = true;
    if (digest == 0) {
      reject_digests_.erase(known);
    } else {
      reject_digests_[owner] = digest;
    }
  }
  if (reconciling_ && digest != 0) reject_owners_seen_.insert(owner);

  const auto day = parse_day(key.date);
  if (key.ad_id.empty() || !day) return {};  // such rows are rejects, all of them
  const DictionaryId ad = dictionary_.intern(key.ad_id);
  if (reconciling_) seen_.emplace_back(ad, *day);

  Bytes bytes;
  ADM_TRY(store_->get_ad_day(ad, *day, bytes));
  ADM_ASSIGN(const MetaContribution before, decode_ad_day(bytes));
  if (before == next) return {};

  MetaContribution withdrawn;
  MetaContribution given;
  std::set_difference(before.begin(), before.end(), next.begin(), next.end(), std::back_inserter(withdrawn));
  std::set_difference(next.begin(), next.end(), before.begin(), before.end(), std::back_inserter(given));
  mark_names(ad, withdrawn, given);
  const Causes why = only_mapped_anew(withdrawn, given) ? Cause::kMapping : Cause::kMeta;
  const Causes causes = extra_ | why;
  if (missed_ != nullptr && !extra_.empty()) {
    missed_->add({Mismatch::Kind::kMissedChange, "ad " + key.ad_id + ' ' + key.date, why});
    for (const MetaContribution* parts : std::array<const MetaContribution*, 2>{&before, &next}) {
      for (const MetaPart& part : *parts) {
        for_each_entity(ad, part, [&](Entity entity, const MetaPart&) {
          if (entity.level() != Level::kAd) to_sum_again_[*day].insert(entity);
        });
      }
    }
  }
  for (const MetaPart& part : given) ADM_TRY(add_part(ad, *day, part, +1, causes));
  for (const MetaPart& part : withdrawn) ADM_TRY(add_part(ad, *day, part, -1, causes));
  if (next.empty()) {
    bytes.clear();
  } else {
    encode(next, bytes);
  }
  ADM_TRY(store_->put_ad_day(ad, *day, bytes));
  if (cells_.size() >= kMetaCellsCachedMax) ADM_TRY(flush_cells());
  return {};
}

void MetaLedger::mark_names(DictionaryId ad, const MetaContribution& withdrawn, const MetaContribution& given) {
  // A correction of spend withdraws and gives the same names: only what is left over can move a choice.
  std::map<std::pair<Entity, DictionaryId>, int> names;
  std::map<std::pair<DictionaryId, DictionaryId>, int> pairs;
  const auto count = [&](const MetaContribution& parts, int sign) {
    for (const MetaPart& part : parts) {
      for_each_entity(ad, part, [&](Entity entity, const MetaPart&) {
        const DictionaryId name = part.names[index_of(entity.level())];
        if (name.value != 0) names[{entity, name}] += sign;
      });
      if (part.breakdown == Breakdown::kNone) pairs[{part.ids[0], part.ids[1]}] += sign;
    }
  };
  count(withdrawn, -1);
  count(given, +1);
  for (const auto& [name, balance] : names) {
    if (balance != 0) mark_name(name.first, Cause::kMeta | extra_);
  }
  for (const auto& [pair, balance] : pairs) {
    if (balance != 0) mark_hierarchy(ad, Cause::kMeta | extra_);
  }
}

Status MetaLedger::add_part(DictionaryId ad, Day day, const MetaPart& part, int sign, Causes causes) {
  Status status;
  for_each_entity(ad, part, [&](Entity entity, const MetaPart&) {
    if (!status.ok()) return;
    const CellKey key{entity, day};
    dirty_.add(RowKey{key, Breakdown::kNone, {}}, causes);
    if (part.breakdown != Breakdown::kNone) dirty_.add(RowKey{key, part.breakdown, part.value}, causes);
    if (entity.level() == Level::kAd) return;
    auto cell = cached_cell(key);
    if (!cell) {
      status = std::move(cell).error();
      return;
    }
    cell.value()->apply(part, entity.level(), sign);
  });
  if (part.breakdown == Breakdown::kCountry || part.breakdown == Breakdown::kDevice) {
    const auto value = std::pair(part.breakdown, part.raw_value);
    raw_values_[value] += sign;
    raw_values_changed_.insert(value);
  }
  return status;
}

Result<MetaCell*> MetaLedger::cached_cell(CellKey key) {
  const auto found = cells_.find(key);
  if (found != cells_.end()) return &found->second;
  Bytes bytes;
  ADM_TRY(store_->get_cell(key.entity, key.day, bytes));
  ADM_ASSIGN(MetaCell cell, decode_cell(bytes));
  return &cells_.emplace(key, std::move(cell)).first->second;
}

Status MetaLedger::flush_cells() {
  Bytes bytes;
  for (const auto& [key, cell] : cells_) {
    bytes.clear();
    if (!cell.empty()) encode(cell, bytes);
    ADM_TRY(store_->put_cell(key.entity, key.day, bytes));
  }
  cells_.clear();
  return {};
}

Status MetaLedger::flush() {
  ADM_TRY(flush_cells());
  for (const auto& value : raw_values_changed_) {
    const auto found = raw_values_.find(value);
    ADM_TRY(store_->put_raw_value(value.first, value.second, found->second));
    if (found->second == 0) raw_values_.erase(found);
  }
  raw_values_changed_.clear();
  return {};
}

Status MetaLedger::cell(CellKey key, MetaCell& out) {
  Bytes bytes;
  if (key.entity.level() == Level::kAd) {
    ADM_TRY(store_->get_ad_day(key.entity.id(), key.day, bytes));
    ADM_ASSIGN(const MetaContribution contribution, decode_ad_day(bytes));
    out = cell_of(contribution);
    return {};
  }
  ADM_TRY(store_->get_cell(key.entity, key.day, bytes));
  ADM_ASSIGN(out, decode_cell(bytes));
  return {};
}

Status MetaLedger::visit_cells(const std::function<void(CellKey)>& visit) {
  ADM_TRY(store_->scan_ad_day_keys([&](DictionaryId ad, Day day) { visit(CellKey{Entity(Level::kAd, ad), day}); }));
  return store_->scan_cell_keys([&](Entity entity, Day day) { visit(CellKey{entity, day}); });
}

Result<NameWrite> MetaLedger::name_of_entity(Entity entity) {
  CarriedCounter names;
  Status decoded;
  if (entity.level() == Level::kAd) {
    ADM_TRY(store_->scan_ad(entity.id(), kFirstDay, kLastDay, [&](Day day, BytesView bytes) {
      auto contribution = decode_ad_day(bytes);
      if (!contribution) {
        decoded = std::move(contribution).error();
        return;
      }
      for (const MetaPart& part : contribution.value()) {
        const DictionaryId name = part.names[index_of(Level::kAd)];
        if (name.value != 0) names.add(name, {}, part.sums.rows, day);
      }
    }));
  } else {
    ADM_TRY(store_->scan_entity(entity, kFirstDay, kLastDay, [&](Day day, BytesView bytes) {
      auto cell = decode_cell(bytes);
      if (!cell) {
        decoded = std::move(cell).error();
        return;
      }
      for (const MetaCell::Name& name : cell.value().names) names.add(name.name, {}, name.rows, day);
    }));
  }
  ADM_TRY(decoded);
  NameWrite write;
  write.level = entity.level();
  write.entity_id = texts_->text(entity.id());
  if (const auto chosen = names.choose(*texts_)) {
    write.canonical_name = std::string(texts_->text(chosen->first));
    write.frequency_count = chosen->rows;
    write.last_seen = chosen->last_day;
  }
  return write;
}

Result<HierarchyWrite> MetaLedger::hierarchy_of(DictionaryId ad) {
  CarriedCounter pairs;
  Status decoded;
  ADM_TRY(store_->scan_ad(ad, kFirstDay, kLastDay, [&](Day day, BytesView bytes) {
    auto contribution = decode_ad_day(bytes);
    if (!contribution) {
      decoded = std::move(contribution).error();
      return;
    }
    for (const MetaPart& part : contribution.value()) {
      const DictionaryId campaign = part.ids[index_of(Level::kCampaign)];
      const DictionaryId adset = part.ids[index_of(Level::kAdset)];
      if (part.breakdown != Breakdown::kNone || campaign.value == 0 || adset.value == 0) continue;
      pairs.add(adset, campaign, part.sums.rows, day);
    }
  }));
  ADM_TRY(decoded);
  HierarchyWrite write;
  write.ad_id = texts_->text(ad);
  if (const auto chosen = pairs.choose(*texts_)) {
    write.present = true;
    write.adset_id = texts_->text(chosen->first);
    write.campaign_id = texts_->text(chosen->second);
    write.confidence_hundredths = share_hundredths(chosen->rows, pairs.total_rows());
    write.first_seen = chosen->first_day;
    write.last_seen = chosen->last_day;
  }
  return write;
}

void MetaLedger::end_epoch() {
  dirty_.clear();
  dirty_names_.clear();
  dirty_hierarchies_.clear();
  rejects_changed_ = false;
}

std::vector<UnmappedValue> MetaLedger::unmapped(const Mappings& mappings) const {
  std::vector<UnmappedValue> values;
  for (const auto& [key, rows] : raw_values_) {
    const auto& [breakdown, raw] = key;
    if (raw.value == 0 || rows == 0) continue;
    const ValueMapping& mapping = breakdown == Breakdown::kCountry ? mappings.country : mappings.device;
    const std::string_view text = texts_->text(raw);
    if (!mapping.find(text)) values.push_back(UnmappedValue{breakdown, std::string(text), rows});
  }
  return values;
}

}  // namespace admetrics
