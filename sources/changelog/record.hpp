#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sources/changelog/landing_tables.hpp"

/// One line of a change log as it was understood. Views live until the parser's next line.
namespace admetrics::source {

/// A cell of a record.
struct Value {
  enum class Kind : std::uint8_t { kAbsent, kNull, kInteger, kReal, kText };

  Kind kind = Kind::kAbsent;
  std::int64_t integer = 0;  // of a kReal its bits: a record is a dozen of these, and copied
  std::string_view text;

  static Value null() { return {Kind::kNull, 0, {}}; }
  static Value of(std::int64_t number) { return {Kind::kInteger, number, {}}; }
  static Value of(double number) { return {Kind::kReal, std::bit_cast<std::int64_t>(number), {}}; }
  static Value of(std::string_view text) { return {Kind::kText, 0, text}; }

  [[nodiscard]] double real() const { return std::bit_cast<double>(integer); }

  [[nodiscard]] bool given() const { return kind != Kind::kAbsent; }
  [[nodiscard]] bool empty() const { return kind <= Kind::kNull || (kind == Kind::kText && text.empty()); }
};

/// Of a number, or of a text that is nothing but one.
std::optional<std::int64_t> whole_number(const Value& value);

using Cells = std::array<Value, kLandingColumnsMax>;

/// What a record says of its place in the source's history. `docs/changelog.md` has the rules.
struct Version {
  enum class Position : std::uint8_t { kNone, kNumber, kText };

  Position position = Position::kNone;
  std::int64_t number = 0;
  std::string_view text;
  bool has_ms = false;
  std::int64_t ms = 0;       // when the source made the change, since 1970
  std::uint64_t digest = 0;  // of the record; 0: its position is its own, nothing else has it
  bool snapshot = false;     // a row read as it stood, not a change
};

enum class RecordKind : std::uint8_t {
  kNothing,  // understood, and of no consequence: a tombstone, a heartbeat, a table that is none of ours
  kUpsert,
  kDelete,
  kTruncate,
  kEvent,  // of Mixpanel's export: a row of mixpanel_event, and what it tells of its user
  kBegin,  // of a transaction
  kEnd,
};

struct Record {
  RecordKind kind = RecordKind::kNothing;
  bool other_table = false;  // with kNothing
  const LandingTable* table = nullptr;
  Cells cells;  // the row; of a delete at least its key
  bool has_before = false;
  Cells before;  // as far as the record has them
  Version version;
  // kEvent: the user's columns after the key, absent where the event does not say; and when it says so.
  std::array<Value, 6> user;
  std::int64_t event_ms = 0;
  // Transactions.
  std::string_view transaction;        // its id; "": none
  std::int64_t transaction_place = 0;  // one of the same id that ended at an earlier place is another one
  std::int64_t order = -1;             // of the record in it, from 1; -1: not told
  bool ends_transaction = false;
  std::int64_t expected = -1;  // kEnd: how many records of our tables it has; -1: not told
};

/// Why a line became a dead letter. Stored in the landing database; add at the end.
enum class BadRecord : std::uint8_t {
  kNotJson = 1,
  kNotUtf8 = 2,
  kTooLong = 3,
  kUnknownShape = 4,
  kUnknownTable = 5,
  kUnknownOp = 6,
  kNoKey = 7,
  kNoRow = 8,
  kTorn = 9,
  kDamagedFile = 10,
};
/// Stable name for files, status and metrics; "" for a number that is none.
std::string_view name_of(BadRecord reason);
inline constexpr std::array kBadRecords{
    BadRecord::kNotJson,   BadRecord::kNotUtf8, BadRecord::kTooLong, BadRecord::kUnknownShape, BadRecord::kUnknownTable,
    BadRecord::kUnknownOp, BadRecord::kNoKey,   BadRecord::kNoRow,   BadRecord::kTorn,         BadRecord::kDamagedFile};

/// A line without what a writer may put around a record.
std::string_view trimmed(std::string_view line);

/// The longest line that is read; a longer one is a dead letter.
inline constexpr std::size_t kLineBytesMax = std::size_t{16} << 20;
/// How much of a bad line the dead letter keeps when it is longer than the longest line.
inline constexpr std::size_t kDeadTextBytesMax = std::size_t{64} << 10;

}  // namespace admetrics::source
