#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::backfill {

/// What shall be read again, whether or not anything says that it changed.
struct Request {
  std::optional<Day> since;  // of rows; both ends belong to it
  std::optional<Day> until;
  std::optional<Level> level;  // with entity_id: this entity only
  std::string entity_id;
  std::int64_t keys_per_second = 0;  // 0: as fast as streaming leaves room
  // Of a cycle of the self-audit:
  bool strange_keys = false;              // rows whose key is none that anybody could have wanted are listed, too
  std::int64_t unseen_since_seconds = 0;  // when the look at everything that came before it began; 0: there was none

  bool operator==(const Request&) const = default;
};

/// Where the plan reads.
struct Places {
  std::string product_db;
  std::string ads_db;
  std::string ledger_db;
  std::string sink_db;
};

/// A share of the list, for one epoch.
struct Share {
  std::vector<std::string> users;
  std::vector<AdDayKey> ad_days;
  std::vector<SinkKey> rows;
  bool strange_keys = false;  // rows with such keys were seen
  std::int64_t last_item = 0;
  std::int64_t items = 0;  // of the list, in its order

  [[nodiscard]] std::int64_t size() const {
    return static_cast<std::int64_t>(users.size() + ad_days.size() + rows.size());
  }
};

struct Progress {
  enum class State : std::uint8_t { kNone, kPlanning, kRunning, kPaused, kDone, kFailed, kCancelled };

  State state = State::kNone;
  Request request;
  std::int64_t started_at_seconds = 0;  // UTC
  std::int64_t ended_at_seconds = 0;    // 0: not yet
  std::int64_t items_done = 0;
  std::int64_t items_total = 0;  // while planning: found so far
  std::string day;               // that is worked on; "": none
  double seconds_left = -1;      // below 0: not known yet
  std::string error;

  [[nodiscard]] bool open() const {
    return state == State::kPlanning || state == State::kRunning || state == State::kPaused;
  }
};

std::string_view name_of(Progress::State state);

/// Backfill: one at a time, kept in the state folder until it is done, so that a crash resumes it where it was.
///
/// Threads: `share`, `taken` and `ready` are the pipeline's; the rest may be called from any.
/// Invariants: (1) an item leaves the list only after the epoch that took it was committed; (2) newest day first; within
///             a day keys before the rows that they make.
class Backfill {
 public:
  /// Kept in `path`. `wake`: there is something to share, from any thread.
  Backfill(std::string path, Places places, const Clock& clock, std::function<void()> wake);
  ~Backfill();
  Backfill(const Backfill&) = delete;
  Backfill& operator=(const Backfill&) = delete;

  /// Goes on with one that was left open.
  Status resume_after_restart();
  /// kBusy while another one is open.
  Status start(const Request& request);
  /// Each gives whether that changed anything.
  bool pause();
  bool resume();
  bool cancel();
  [[nodiscard]] Progress progress() const;

  /// Whether a share may be taken now, by state and rate.
  [[nodiscard]] bool ready() const;
  /// When it may be, in microseconds of the steady clock; INT64_MAX: nobody knows.
  [[nodiscard]] std::int64_t ready_at_micros() const;
  /// The next items, at most `items_max`. Empty: the list is at its end, and the backfill is done.
  Result<Share> share(std::int64_t items_max);
  /// Adds these items, from 1 to `items_total`, wherever the list is read; they stay on it.
  Status draw(std::span<const std::int64_t> items, Share& into);
  /// The epoch that took it was committed.
  Status taken(const Share& share);

 private:
  void plan();
  static void put(const sqlite::Statement& item, Share& into);
  Status open_list();
  void fail(const Error& error);
  void end(Progress::State state);
  Status save();

  // Fixed after construction.
  const std::string path_;
  const Places places_;
  const Clock* clock_;
  const std::function<void()> wake_;
  std::thread planner_;
  std::atomic<bool> stop_planning_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::unique_ptr<sqlite::Connection> list_;
  Progress progress_;
  std::int64_t next_share_micros_ = 0;
  std::int64_t running_since_micros_ = 0;  // since the last start, resume or restart
  std::int64_t done_before_ = 0;           // items that were done by then
};

/// Kinds of items, in the order in which a day's are taken. Stored. Add at the end.
enum class Item : std::uint8_t { kAdDay = 1, kUser = 2, kCell = 3, kName = 4, kHierarchy = 5, kStrangeKeys = 6 };

/// Fills the list's tables; `found(items)` is called now and then. kInterrupted once `stop` is set.
Status make_plan(sqlite::Connection& list, const Places& places, const Request& request, const std::atomic<bool>& stop,
                 const std::function<void(std::int64_t)>& found);

}  // namespace admetrics::backfill
