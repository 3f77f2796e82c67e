#pragma once

#include <deque>
#include <functional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/strong.hpp"

namespace admetrics {

/// Gives each distinct text a small number for as long as the ledger lives.
///
/// Threads:    any thread may call anything; texts never move and are never forgotten.
/// Invariants: (1) id 0 is the empty text; (2) ids are dense; (3) two equal texts have one id.
class Dictionary {
 public:
  Dictionary();

  DictionaryId intern(std::string_view text);
  /// The text's id, or nothing when it was never interned.
  [[nodiscard]] DictionaryId find(std::string_view text) const;
  /// Lives as long as the dictionary.
  [[nodiscard]] std::string_view text(DictionaryId id) const;
  /// One more than the largest id.
  [[nodiscard]] std::uint32_t size() const;
  /// Forgets all but the empty text. Alone: no other thread may hold an id.
  void clear();

 private:
  mutable std::shared_mutex mutex_;
  std::deque<std::string> texts_;  // a deque: its elements never move
  std::unordered_map<std::string_view, std::uint32_t> ids_;
};

/// One thread's memory of what it interned before, so that the shared lock is taken once per new text.
class DictionaryCache {
 public:
  explicit DictionaryCache(Dictionary& dictionary) : dictionary_(&dictionary) {}
  DictionaryId intern(std::string_view text);

 private:
  Dictionary* dictionary_;
  std::unordered_map<std::string_view, std::uint32_t> known_;
};

}  // namespace admetrics
