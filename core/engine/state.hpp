#pragma once

#include <deque>

#include "core/engine/row_shard.hpp"
#include "core/engine/user_shard.hpp"
#include "core/model/dictionary.hpp"

namespace admetrics {

/// All that the engine holds in memory: users by shard, cells by shard, the dictionary. What it may cost per user is
/// in docs/performance.md.
class State {
 public:
  explicit State(std::size_t shard_count) {
    for (std::size_t i = 0; i < shard_count; ++i) {
      users.emplace_back(i, shard_count);
      rows.emplace_back();
    }
  }

  [[nodiscard]] std::size_t shard_count() const { return users.size(); }
  // High bits choose the shard, low bits the place inside it.
  [[nodiscard]] std::size_t user_shard_of(std::uint64_t user_hash) const { return (user_hash >> 40) % users.size(); }
  [[nodiscard]] std::size_t row_shard_of(CellKey cell) const { return (cell.hash() >> 40) % rows.size(); }

  [[nodiscard]] RowShard& row_shard(CellKey cell) { return rows[row_shard_of(cell)]; }
  [[nodiscard]] const RowShard& row_shard(CellKey cell) const { return rows[row_shard_of(cell)]; }
  [[nodiscard]] const UserShard& user_shard(UserRef user) const { return users[user.value % users.size()]; }

  [[nodiscard]] std::size_t memory_bytes() const {
    std::size_t bytes = 0;
    for (const UserShard& shard : users) bytes += shard.memory_bytes();
    for (const RowShard& shard : rows) bytes += shard.memory_bytes();
    return bytes;
  }
  [[nodiscard]] std::size_t user_count() const {
    std::size_t count = 0;
    for (const UserShard& shard : users) count += shard.size();
    return count;
  }

  Dictionary dictionary;
  std::deque<UserShard> users;  // deques: shards never move
  std::deque<RowShard> rows;
};

}  // namespace admetrics
