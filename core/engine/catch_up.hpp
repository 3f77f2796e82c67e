#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/ports.hpp"

namespace admetrics {

/// What a sink shall have of some keys. Owns every text, so that it may travel to another thread.
struct RenderedRows {
  std::vector<CellWrite> cells;  // ascending, as sinks want them
  std::vector<NameWrite> names;
  std::vector<HierarchyWrite> hierarchies;
  std::deque<std::string> texts;  // its elements never move

  std::string_view keep(std::string_view text) { return texts.emplace_back(text); }
  [[nodiscard]] std::size_t size() const { return cells.size() + names.size() + hierarchies.size(); }
};

/// How far a sink that stands at an older epoch was brought up to date. Keys come in the order in which they changed last, so
/// one that changes meanwhile comes (again) later: at the end the sink holds what the ledger says at that moment.
struct CatchUp {
  bool everything = false;       // nobody knows what it lacks: every key is given, and it shall hold nothing else
  std::vector<JournalKey> list;  // all keys, in the sinks' order; worked off first
  std::size_t next = 0;          // in the list
  JournalCursor cursor;          // in the change journal
  EpochId listed_since;          // of the journal, when it began
  std::uint64_t generation = 0;  // of the state in memory
};

enum class CatchUpStep : std::uint8_t {
  kMore,
  kDone,        // with these rows the sink stands where the ledger stands
  kStartAgain,  // what was given may not be all any more
};

}  // namespace admetrics
