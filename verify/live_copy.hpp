#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "verify/compare.hpp"
#include "verify/recompute.hpp"
#include "verify/verify.hpp"
#include "verify/workspace.hpp"

namespace admetrics::verification {

/// Positions in the change logs of the product database and of the ads database. One file: the same twice.
struct LogPosition {
  std::int64_t product = 0;
  std::int64_t ads = 0;

  bool operator==(const LogPosition&) const = default;
  [[nodiscard]] bool reaches(const LogPosition& other) const { return product >= other.product && ads >= other.ads; }
};

/// LiveCopy: the raw rows as they stood at one position, taken from databases that are written meanwhile, in read
/// transactions of some milliseconds. We call each of them a look.
///
/// The raw tables are copied piece by piece. Each look also reads the change logs on, and reads again what they name: so
/// whose rows did not stand still while they were copied is known, and has versions of a known position. The logs tell
/// nothing but whom to read again: a change that they miss shows as a difference, in this verification or the next.
///
/// Threads: one. An error of kReplaced: a database or its log is not what it was at the beginning; begin anew.
class LiveCopy {
 public:
  /// Whether the databases offer what it takes: change logs on both sides, positions in them at the sink, and indexes to
  /// find what is to be read again. Inside a read transaction.
  static Result<bool> possible(Workspace& workspace);

  LiveCopy(Workspace& workspace, const VerifyOptions& options) : workspace_(&workspace), options_(&options) {}

  /// Waits until the sink has everything that the sources held at the beginning (kBusy: it does not come).
  Status begin(std::vector<std::string>& notes);
  Status copy_sources();
  /// The rows of the sink as they come along: of several positions.
  Status copy_stored_rows(const Table& table);
  /// Brings the copied raw rows to one position, that of now. Gives what the sink says at that moment.
  Result<SinkState> catch_up();
  /// Nothing was written since the beginning: sources and sink stand at one position.
  [[nodiscard]] bool stood_still() const { return still_; }
  /// Waits for a look in which all raw rows are known as they stood at the sink's very position (kBusy: there is none in
  /// time), and calls `in_look` within it. The copied raw rows are then those of that position. After `catch_up`.
  Result<SinkState> look_exactly(const std::function<Status()>& in_look);

 private:
  struct Look {
    std::int64_t number = 0;
    LogPosition at;
  };

  enum class Reading : std::uint8_t {
    kLogOnly,  // whom it names is read again later
    kAgain,    // and is read again, up to some hundred
  };

  /// Begins a read transaction and reads the logs on.
  Result<SinkState> look(Reading reading);
  /// Ends it, and stays away for a while where somebody writes.
  Status end_look();
  Status follow_log(const std::string& schema, std::int64_t& read_to, std::int64_t last);
  Status read_again();
  /// Copies a table in pieces, each in a look of its own. `insert`: an INSERT … SELECT from the table `t`, up to its WHERE.
  Status copy_in_pieces(const std::string& schema, const std::string& table, const std::string& insert);
  [[nodiscard]] Result<bool> all_known_at(const LogPosition& position);
  /// Puts the versions of `position` in the places of whose rows changed.
  Status take_versions_of(const LogPosition& position);
  [[nodiscard]] std::string version_at(const char* side, const LogPosition& position) const;
  [[nodiscard]] Result<bool> is_row_table(const std::string& schema, const std::string& table);
  [[nodiscard]] Error replaced(const std::string& why) const;

  Workspace* workspace_;
  const VerifyOptions* options_;
  std::vector<RawCopy> copies_;
  Look now_;  // the last one
  std::chrono::steady_clock::time_point looked_at_;
  static constexpr std::int64_t kKeysPerLookMin = 500;  // read again in some 20 milliseconds
  std::int64_t keys_per_look_ = kKeysPerLookMin;
  std::int64_t schemas_ = -1;   // versions of the three databases' schemas
  std::int64_t mapped_at_ = 0;  // the product log's last record that names a mapping
  bool mappings_changed_ = false;
  bool still_ = true;                 // since the beginning
  bool written_ = false;              // between the last two looks
  LogPosition known_;                 // the last position within the sink's that everything is known of
  std::deque<LogPosition> all_read_;  // of later looks after which nothing was left to be read again
  std::string sink_position_;
};

}  // namespace admetrics::verification
