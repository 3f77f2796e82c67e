#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/keys.hpp"
#include "core/model/reporting.hpp"

/// explain: where one stored row comes from. The raw rows behind it, what each gives to which column, each column's formula
/// with its numbers filled in, and whether the stored row says the same.
///
/// Threads: one per call; calls share nothing.
namespace admetrics {

struct ExplainOptions {
  std::string product_db;
  std::string ads_db;
  std::string sink_db;
  Reporting reporting;
  std::optional<Day> as_of;  // absent: the day that the sink's rows were written for
  Level level = Level::kCampaign;
  std::string entity_id;
  Day date;
  Breakdown breakdown = Breakdown::kNone;  // kNone: the main row
  std::string value;                       // the breakdown's
  std::string temp_dir;
  int align_timeout_ms = 5'000;
  int busy_timeout_ms = 5'000;
};

namespace explanation {

/// What a raw row gives to a column: an amount to add, or (empty) a place in a list.
struct Gift {
  std::string column;
  std::string amount;
};

/// A raw row, as it was read.
struct RawRow {
  std::string table;
  std::string key;
  std::vector<std::pair<std::string, std::string>> cells;  // column, text
  std::vector<Gift> gifts;
  std::string note;  // why it gives nothing, or less than one might think
};

struct User {
  std::string distinct_id;
  std::vector<std::string> lists;  // the columns whose lists name the user
  std::vector<RawRow> rows;        // the user's own, then events, then products
};

struct Column {
  std::string name;
  std::string formula;   // in words
  std::string filled;    // with its numbers
  std::string expected;  // as it is stored: decimals, or a JSON array
  std::string stored;    // as SQL would write it; empty while the row is not stored
  bool equal = false;
};

/// Something that can have made the row change last, and what speaks for it. The raw tables do not say when a row of theirs
/// came, so this is what can be told from times that they do hold.
struct Cause {
  std::string name;  // event, time_passing, not_known
  std::string evidence;
};

}  // namespace explanation

struct Explanation {
  std::string table;
  std::vector<std::string> key;
  Day as_of;
  std::optional<std::int64_t> epoch;
  Day post_trial_on;      // the day from which on the row's trials are post-trial
  bool expected = false;  // the row should be there
  bool stored = false;    // it is
  std::vector<explanation::User> users;
  std::vector<explanation::User> elsewhere;  // had a start or a purchase on this day, but count on another
  std::vector<explanation::RawRow> meta;
  std::vector<explanation::Column> columns;
  std::string computed_at;  // when the row last changed
  std::vector<explanation::Cause> causes;
  std::vector<std::string> notes;

  /// The stored row is what it should be.
  [[nodiscard]] bool agrees() const;
};

/// Fails when it cannot tell: a table or column that is missing, a database that cannot be read.
Result<Explanation> explain(const ExplainOptions& options);

/// At most `users_shown` users with their rows.
std::string to_text(const Explanation& explanation, std::size_t users_shown);
std::string to_json(const Explanation& explanation);

}  // namespace admetrics
