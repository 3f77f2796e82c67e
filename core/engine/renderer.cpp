#include "core/engine/renderer.hpp"

#include <algorithm>
#include <map>

#include "core/metrics/row_totals.hpp"

namespace admetrics {

CellWrite Renderer::render(const RenderCell& cell) {
  const Dictionary& dictionary = state_->dictionary;
  state_->row_shard(cell.key).members(cell.key, refs_);
  members_.clear();
  for (const UserRef user : refs_) {
    const UserShard& shard = state_->user_shard(user);
    members_.push_back(Member{shard.distinct_id(user), &shard.contribution(user)});
  }
  std::sort(members_.begin(), members_.end(),
            [](const Member& a, const Member& b) { return a.distinct_id < b.distinct_id; });

  const bool post_trial =
      static_cast<std::int64_t>(cell.key.day.value) + trial_length_days_ <= static_cast<std::int64_t>(today_.value);
  using ValueKey = std::pair<Breakdown, DictionaryId>;
  RowTotals main(cell.key.day, post_trial);
  std::map<ValueKey, RowTotals> breakdowns;
  const auto row_of = [&](ValueKey key) -> RowTotals* {
    if (cell.whole) return &breakdowns.try_emplace(key, cell.key.day, post_trial).first->second;
    const auto found = breakdowns.find(key);
    return found == breakdowns.end() ? nullptr : &found->second;
  };
  if (!cell.whole) {
    for (const ValueKey& key : cell.rows) breakdowns.try_emplace(key, cell.key.day, post_trial);
  }
  for (const Member& member : members_) {
    main.add_user(member.distinct_id, *member.contribution);
    for (const Breakdown breakdown : kBreakdowns) {
      if (RowTotals* row = row_of({breakdown, member.contribution->value_of(breakdown)})) {
        row->add_user(member.distinct_id, *member.contribution);
      }
    }
  }
  if (cell.whole) {
    for (const MetaCell::Value& value : cell.meta.values) {
      if (value.breakdown != Breakdown::kNone) row_of({value.breakdown, value.value});
    }
  }

  CellWrite write;
  write.level = cell.key.entity.level();
  write.entity_id = dictionary.text(cell.key.entity.id());
  write.day = cell.key.day;
  write.whole = cell.whole;
  if (main.has_users() || !cell.meta.values.empty()) {
    const MetaSums* daily = cell.meta.find(Breakdown::kNone, {});
    const MetaSums sums = daily == nullptr ? MetaSums{} : *daily;
    write.main = std::move(main).render(sums, sums.rows);
  }
  for (auto& [key, totals] : breakdowns) {
    BreakdownWrite row;
    row.breakdown = key.first;
    row.value = dictionary.text(key.second);
    const MetaSums* meta = cell.meta.find(key.first, key.second);
    if (totals.has_users() || meta != nullptr) {
      row.values = std::move(totals).render(meta == nullptr ? MetaSums{} : *meta, 0);
    }
    write.breakdowns.push_back(std::move(row));
  }
  std::sort(write.breakdowns.begin(), write.breakdowns.end(), [](const BreakdownWrite& a, const BreakdownWrite& b) {
    return std::pair(name_of(a.breakdown), a.value) < std::pair(name_of(b.breakdown), b.value);
  });
  return write;
}

}  // namespace admetrics
