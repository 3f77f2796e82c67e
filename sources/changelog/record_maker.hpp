#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sources/changelog/connect_values.hpp"
#include "sources/changelog/envelope.hpp"
#include "sources/changelog/mixpanel_shape.hpp"
#include "sources/changelog/record.hpp"

namespace admetrics::source {

/// Which shapes are looked for.
enum class LogFormat : std::uint8_t { kAuto, kDebezium, kPlain, kMixpanel };

/// What a line turned out to be.
struct Verdict {
  bool good = false;
  BadRecord reason = BadRecord::kNotJson;
};

/// The columns of one table, found quickly where records keep their order.
class ColumnFinder {
 public:
  explicit ColumnFinder(const LandingTable& table) : table_(&table) {}

  /// `member`: the how manieth of its record it is. kLandingColumnsMax: none of ours.
  std::size_t find(std::size_t member, std::string_view name) {
    if (member < guesses_.size() && guesses_[member].name == name && !name.empty()) return guesses_[member].column;
    return look_up(member, name);
  }

 private:
  struct Guess {
    std::string_view name;  // as the table has it
    std::size_t column = kLandingColumnsMax;
  };

  std::size_t look_up(std::size_t member, std::string_view name);

  const LandingTable* table_;
  std::array<Guess, 32> guesses_;
};

/// RecordMaker: tells the three shapes apart, and makes of what a line held the record that it means.
///
/// Threads: one at a time.
class RecordMaker {
 public:
  RecordMaker(LogFormat format, const MixpanelMapping& mapping, TimeZone zone);

  /// When the verdict is good, `record` has it.
  Verdict take(Envelope& envelope, std::string_view line);
  /// Until the next one; its texts also live no longer than the envelope's.
  [[nodiscard]] const Record& record() const { return record_; }

 private:
  using Buffers = std::array<Scratch, kLandingColumnsMax>;

  Verdict take_debezium(const Envelope& e);
  Verdict take_plain(const Envelope& e);
  Verdict take_row_change(const Envelope& e, RecordKind kind, const Members* row, const Members* before, bool debezium);
  void take_cells(const Envelope& e, const Members& members, bool encoded, Cells& cells, Buffers& buffers);
  void take_version(const Envelope& e, bool debezium);
  const LandingTable* table_of(std::string_view name);

  const LogFormat format_;
  std::vector<ColumnFinder> finders_;
  ConnectValues connect_;
  MixpanelShape mixpanel_;
  const LandingTable* last_table_ = nullptr;
  // Of the line.
  Record record_;
  bool before_taken_ = false;  // something stands in its `before`
  Buffers buffers_, buffers_before_;
  std::string position_text_;
};

}  // namespace admetrics::source
