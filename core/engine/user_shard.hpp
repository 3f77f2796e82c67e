#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/metrics/contribution.hpp"
#include "core/model/cause.hpp"

namespace admetrics {

/// A user of some shard, in 32 bits. Stands for one user until the end of the epoch that removes it.
struct UserRef {
  std::uint32_t value = 0;
  constexpr auto operator<=>(const UserRef&) const = default;
};

/// The shard and the slot hash of a `distinct_id`. The same on every machine.
std::uint64_t hash_of_user(std::string_view distinct_id);

/// What happens to one cell's members because one user changed.
struct CellChange {
  enum class Member : std::uint8_t { kStays, kEnters, kLeaves };

  CellKey cell;
  UserRef user;
  Member member = Member::kStays;
  std::array<DictionaryId, 3> values;  // the breakdown values whose rows are affected
  Causes causes;
};

/// UserShard: the last contribution of every user that is in some row, and who is rejected.
///
/// Threads:    touched by whoever holds it: the worker that applies users, in the epoch's first half. In the second
///             half, when rows are rendered, it is frozen and any thread may read.
/// Invariants: (1) a stored contribution is never empty; (2) a `UserRef` given out stays that user's until
///             `end_epoch`; (3) `changed` and `removed` list each user of the epoch at most once.
class UserShard {
 public:
  UserShard(std::size_t index, std::size_t shard_count);

  /// Replaces the user's contribution; calls `emit(CellChange)` for every cell that this affects. `why(before, after)`
  /// gives the causes of a difference.
  template <class Emit, class Why>
  void apply(std::string_view distinct_id, const UserContribution& next, Emit&& emit, Why&& why);
  template <class Emit>
  void apply(std::string_view distinct_id, const UserContribution& next, Emit&& emit) {
    apply(distinct_id, next, std::forward<Emit>(emit),
          [](const UserContribution&, const UserContribution&) { return Causes(); });
  }

  /// At start, before any epoch: takes a contribution from the ledger. Gives its reference.
  UserRef load(std::string_view distinct_id, const UserContribution& contribution);

  [[nodiscard]] std::string_view distinct_id(UserRef user) const;
  [[nodiscard]] const UserContribution& contribution(UserRef user) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const;

  // Full scans: which users were seen.
  void begin_sweep();
  /// Withdraws every user that `apply` was not called for since `begin_sweep`, of those that `belongs` names. They have
  /// no row left in the source.
  template <class Belongs, class Emit>
  void sweep(Belongs&& belongs, Emit&& emit);

  // What the ledger has to learn about this epoch.
  [[nodiscard]] const std::vector<UserRef>& changed() const { return changed_; }
  [[nodiscard]] const std::vector<std::string>& removed() const { return removed_; }
  /// The ledger has it: forgets the lists and lets freed slots be used again.
  void end_epoch();

  /// Remembers the owner's rejects; true when they differ from what was known.
  bool note_rejects(std::string_view owner, std::uint64_t digest);
  void load_rejects(std::string_view owner, std::uint64_t digest) { reject_digests_[std::string(owner)] = digest; }
  [[nodiscard]] const std::unordered_map<std::string, std::uint64_t>& reject_digests() const { return reject_digests_; }

 private:
  struct Record {
    const char* id = nullptr;  // in arena_: four bytes of length, then the text; none: a free slot
    UserContribution contribution;
  };
  static constexpr std::size_t kRecordsPerBlock = 1024;
  static constexpr std::size_t kArenaBlockBytes = std::size_t{256} * 1024;

  Record& record(std::uint32_t slot) { return blocks_[slot / kRecordsPerBlock][slot % kRecordsPerBlock]; }
  [[nodiscard]] const Record& record(std::uint32_t slot) const {
    return blocks_[slot / kRecordsPerBlock][slot % kRecordsPerBlock];
  }
  [[nodiscard]] UserRef ref(std::uint32_t slot) const;
  [[nodiscard]] std::uint32_t slot(UserRef user) const;
  static std::string_view text_of(const char* id);
  const char* store_text(std::string_view text);
  void compact_texts();

  /// The index position of the id, or of the empty place where it would stand.
  [[nodiscard]] std::size_t find_place(std::string_view distinct_id) const;
  std::uint32_t insert(std::size_t place, std::string_view distinct_id);
  void erase(std::size_t place);
  void grow_index();

  template <class Emit>
  void emit_difference(UserRef user, const UserContribution& before, const UserContribution& after, Causes causes,
                       Emit&& emit);

  // Fixed after construction.
  const std::size_t index_;
  const std::size_t shard_count_;
  // Whoever holds the shard.
  std::vector<std::unique_ptr<Record[]>> blocks_;
  std::uint32_t slots_ = 0;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::uint32_t> freed_this_epoch_;
  std::vector<std::uint32_t> places_;  // open addressing: slot + 1, 0 is empty
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<char[]>> arena_;
  std::size_t arena_used_ = kArenaBlockBytes;  // of the last block
  std::size_t arena_bytes_ = 0;
  std::size_t arena_garbage_bytes_ = 0;
  std::vector<bool> seen_;
  bool sweeping_ = false;
  std::vector<UserRef> changed_;
  std::vector<std::string> removed_;
  std::unordered_map<std::string, std::uint64_t> reject_digests_;
};

template <class Emit>
void UserShard::emit_difference(UserRef user, const UserContribution& before, const UserContribution& after,
                                Causes causes, Emit&& emit) {
  // Withdraw what the user gave, give what the user gives now. A cell in both keeps its member; its rows change.
  std::array<CellKey, 6> old_cells;
  std::size_t old_count = 0;
  for_each_cell(before, [&](CellKey cell) { old_cells[old_count++] = cell; });
  std::array<CellKey, 6> new_cells;
  std::size_t new_count = 0;
  for_each_cell(after, [&](CellKey cell) { new_cells[new_count++] = cell; });
  const auto contains = [](const std::array<CellKey, 6>& cells, std::size_t count, CellKey wanted) {
    for (std::size_t i = 0; i < count; ++i) {
      if (cells[i] == wanted) return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < old_count; ++i) {
    const bool stays = contains(new_cells, new_count, old_cells[i]);
    emit(CellChange{old_cells[i], user, stays ? CellChange::Member::kStays : CellChange::Member::kLeaves, before.values,
                    causes});
    if (stays && before.values != after.values) {
      emit(CellChange{old_cells[i], user, CellChange::Member::kStays, after.values, causes});
    }
  }
  for (std::size_t i = 0; i < new_count; ++i) {
    if (contains(old_cells, old_count, new_cells[i])) continue;
    emit(CellChange{new_cells[i], user, CellChange::Member::kEnters, after.values, causes});
  }
}

template <class Emit, class Why>
void UserShard::apply(std::string_view distinct_id, const UserContribution& next, Emit&& emit, Why&& why) {
  const std::size_t place = find_place(distinct_id);
  const bool known = places_[place] != 0;
  if (!known && next.empty()) return;
  if (!known) {
    const std::uint32_t slot = insert(place, distinct_id);
    record(slot).contribution = next;
    changed_.push_back(ref(slot));
    emit_difference(ref(slot), UserContribution{}, next, why(UserContribution{}, next), emit);
    if (sweeping_) seen_.resize(slots_), seen_[slot] = true;
    return;
  }
  const std::uint32_t slot = places_[place] - 1;
  if (sweeping_) seen_[slot] = true;
  UserContribution& current = record(slot).contribution;
  if (current == next) return;
  emit_difference(ref(slot), current, next, why(current, next), emit);
  if (next.empty()) {
    removed_.emplace_back(distinct_id);
    erase(place);
  } else {
    current = next;
    changed_.push_back(ref(slot));
  }
}

template <class Belongs, class Emit>
void UserShard::sweep(Belongs&& belongs, Emit&& emit) {
  for (std::uint32_t slot = 0; slot < slots_; ++slot) {
    if (record(slot).id == nullptr || seen_[slot]) continue;
    const std::string gone(text_of(record(slot).id));
    if (!belongs(std::string_view(gone))) continue;
    apply(gone, UserContribution{}, emit, [](const UserContribution&, const UserContribution&) {
      return Cause::kEvent | Causes(Cause::kReAttribution);
    });
  }
  sweeping_ = false;
}

}  // namespace admetrics
