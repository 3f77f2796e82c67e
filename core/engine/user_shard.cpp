#include "core/engine/user_shard.hpp"
#include "core/base/release.hpp"

#include <cstring>
#include <limits>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"

namespace admetrics {

std::uint64_t hash_of_user(std::string_view distinct_id) {
  // FNV-1a over eight bytes at a time, then mixed. Nothing depends on its values but balance.
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ distinct_id.size();
  while (distinct_id.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, distinct_id.data(), sizeof word);
    hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
    hash ^= hash >> 32;
    distinct_id.remove_prefix(sizeof word);
  }
  for (const char c : distinct_id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9ULL;
  return hash ^ (hash >> 32);
}

UserShard::UserShard(std::size_t index, std::size_t shard_count)
    : index_(index), shard_count_(shard_count), places_(64, 0) {}

UserRef UserShard::ref(std::uint32_t slot) const {
  const std::uint64_t value = static_cast<std::uint64_t>(slot) * shard_count_ + index_;
  ADM_CHECK(value <= std::numeric_limits<std::uint32_t>::max());
  return UserRef{static_cast<std::uint32_t>(value)};
}

std::uint32_t UserShard::slot(UserRef user) const { return static_cast<std::uint32_t>(user.value / shard_count_); }

std::string_view UserShard::text_of(const char* id) {
  std::uint32_t length;
  std::memcpy(&length, id, sizeof length);
  return {id + sizeof length, length};
}

const char* UserShard::store_text(std::string_view text) {
  const std::size_t needed = sizeof(std::uint32_t) + text.size();
  if (needed > kArenaBlockBytes - arena_used_ || arena_.empty()) {
    const std::size_t block_bytes = std::max(needed, kArenaBlockBytes);
    arena_.push_back(std::make_unique<char[]>(block_bytes));
    arena_used_ = 0;
    arena_bytes_ += block_bytes;
  }
  char* at = arena_.back().get() + arena_used_;
  const auto length = static_cast<std::uint32_t>(text.size());
  std::memcpy(at, &length, sizeof length);
  std::memcpy(at + sizeof length, text.data(), text.size());
  arena_used_ = std::min(kArenaBlockBytes, arena_used_ + needed);
  return at;
}

void UserShard::compact_texts() {
  const std::vector<std::unique_ptr<char[]>> old = std::move(arena_);
  arena_.clear();
  arena_bytes_ = 0;
  arena_garbage_bytes_ = 0;
  for (std::uint32_t slot = 0; slot < slots_; ++slot) {
    if (record(slot).id != nullptr) record(slot).id = store_text(text_of(record(slot).id));
  }
}

std::size_t UserShard::find_place(std::string_view distinct_id) const {
  const std::size_t mask = places_.size() - 1;
  std::size_t place = hash_of_user(distinct_id) & mask;
  while (places_[place] != 0 && text_of(record(places_[place] - 1).id) != distinct_id) place = (place + 1) & mask;
  return place;
}

std::uint32_t UserShard::insert(std::size_t place, std::string_view distinct_id) {
  std::uint32_t slot;
  if (!free_slots_.empty()) {
    slot = free_slots_.back();
    free_slots_.pop_back();
  } else {
    slot = slots_++;
    if (slot / kRecordsPerBlock == blocks_.size()) blocks_.push_back(std::make_unique<Record[]>(kRecordsPerBlock));
  }
  record(slot).id = store_text(distinct_id);
  places_[place] = slot + 1;
  ++size_;
  if (size_ * 4 > places_.size() * 3) grow_index();
  return slot;
}

void UserShard::grow_index() {
  std::vector<std::uint32_t> old(places_.size() * 2, 0);
  old.swap(places_);
  for (const std::uint32_t entry : old) {
    if (entry != 0) places_[find_place(text_of(record(entry - 1).id))] = entry;
  }
}

void UserShard::erase(std::size_t place) {
  const std::uint32_t slot = places_[place] - 1;
  // Close the gap: move up every later entry of the run that may stand here.
  const std::size_t mask = places_.size() - 1;
  std::size_t gap = place;
  for (std::size_t next = (gap + 1) & mask; places_[next] != 0; next = (next + 1) & mask) {
    const std::size_t home = hash_of_user(text_of(record(places_[next] - 1).id)) & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      places_[gap] = places_[next];
      gap = next;
    }
  }
  places_[gap] = 0;
  arena_garbage_bytes_ += sizeof(std::uint32_t) + text_of(record(slot).id).size();
  record(slot) = Record{};
  freed_this_epoch_.push_back(slot);
  --size_;
}

UserRef UserShard::load(std::string_view distinct_id, const UserContribution& contribution) {
  const std::size_t place = find_place(distinct_id);
  ADM_CHECK(places_[place] == 0);
  const std::uint32_t slot = insert(place, distinct_id);
  record(slot).contribution = contribution;
  return ref(slot);
}

std::string_view UserShard::distinct_id(UserRef user) const { return text_of(record(slot(user)).id); }
const UserContribution& UserShard::contribution(UserRef user) const { return record(slot(user)).contribution; }

std::size_t UserShard::memory_bytes() const {
  return blocks_.size() * kRecordsPerBlock * sizeof(Record) + places_.capacity() * sizeof(std::uint32_t) +
         arena_bytes_ + (changed_.capacity() + free_slots_.capacity()) * sizeof(std::uint32_t);
}

void UserShard::begin_sweep() {
  seen_.assign(slots_, false);
  sweeping_ = true;
}

void UserShard::end_epoch() {
  release(changed_);
  release(removed_);
  free_slots_.insert(free_slots_.end(), freed_this_epoch_.begin(), freed_this_epoch_.end());
  release(freed_this_epoch_);
  release(seen_);
  if (arena_garbage_bytes_ > kArenaBlockBytes && arena_garbage_bytes_ * 2 > arena_bytes_) compact_texts();
}

bool UserShard::note_rejects(std::string_view owner, std::uint64_t digest) {
  if (digest == 0 && reject_digests_.empty()) return false;
  const auto found = reject_digests_.find(std::string(owner));
  if (found == reject_digests_.end()) {
    if (digest == 0) return false;
    reject_digests_.emplace(owner, digest);
    return true;
  }
  if (found->second == digest) return false;
  if (digest == 0) {
    reject_digests_.erase(found);
  } else {
    found->second = digest;
  }
  return true;
}

}  // namespace admetrics
