#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/keys.hpp"
#include "core/model/reporting.hpp"
#include "core/model/row_history.hpp"

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
  // What is told of raw rows: at most so many users and rows; 0: all. Every one of them counts all the same.
  std::size_t users_max = 0;
  std::size_t rows_max = 0;
  bool hide_user_ids = false;     // users are told as "user 1", "user 2"; lists of them by their length
  std::function<bool()> give_up;  // asked now and then; true ends it (kInterrupted)
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
  std::int64_t rows_left_out = 0;  // beyond `rows_max`
};

struct Column {
  std::string name;
  std::string formula;   // in words
  std::string filled;    // with its numbers
  std::string expected;  // as it is stored: decimals, or a JSON array
  std::string stored;    // as SQL would write it; empty while the row is not stored
  bool equal = false;
};

/// Something that made the row change last, and what speaks for it.
struct Why {
  std::string name;  // as `name_of(Cause)`
  std::string evidence;
};

/// When the row changed last, by the ledger's journal.
struct LastChange {
  std::string at;  // UTC, as `computed_at`
  std::int64_t epoch = 0;
  std::vector<std::string> causes;
  bool since_first_fill = false;  // not once since the ledger began
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
  std::int64_t users_left_out = 0;  // of `users` and `elsewhere`, beyond `users_max`
  std::int64_t elsewhere_left_out = 0;
  std::int64_t meta_left_out = 0;
  std::string computed_at;  // when the row last changed
  // The newest event that gives something to it and is not younger than that: "RC Trial started of u1 at …"; "": none.
  std::string newest_event;
  std::optional<explanation::LastChange> last_change;  // none: the journal was not asked, or does not know the row
  std::vector<explanation::Why> causes;                // from the journal, or guessed from the raw rows' own times
  std::vector<std::string> notes;
  bool columns_agree = false;  // all of them, whichever are left in `columns`

  /// The stored row is what it should be.
  [[nodiscard]] bool agrees() const { return stored == expected && (!stored || columns_agree); }
};

/// Fails when it cannot tell: a table or column that is missing, a database that cannot be read.
Result<Explanation> explain(const ExplainOptions& options);

/// Tells when and why the row last changed from what the ledger's journal has of it; where the journal does not know, the
/// guess stays. False: the row is newer than the journal, whose next commit may tell more.
bool tell_last_change(const RowHistory& history, Explanation& explanation);

/// At most `users_shown` users with their rows.
std::string to_text(const Explanation& explanation, std::size_t users_shown);
std::string to_json(const Explanation& explanation);

}  // namespace admetrics
