#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "daemon/status.hpp"

namespace admetrics {

/// What a commit changed, for those who look at the rows.
struct EpochEvent {
  EpochReport report;
  std::int64_t committed_at_millis = 0;  // since 1970, UTC
  std::int64_t fresh_micros = 0;         // since the oldest change in it was noticed; 0: not by a notice
};

/// Board: where the pipeline says how it stands, and anyone reads it.
///
/// Threads: any. Listeners are called on the pipeline's thread, one at a time, and must not wait.
class Board {
 public:
  using Listener = std::function<void(const std::shared_ptr<const EpochEvent>&)>;
  /// Ends a subscription when it is destroyed; the board must outlive it.
  using Subscription = std::shared_ptr<void>;

  Board();

  /// Keeps what `note_reload` and `note_quality` said.
  void publish(DaemonStatus status);
  void note_quality(QualityOutcome outcome);
  void note_reload(bool accepted, std::int64_t at_seconds, const std::string& text);
  /// Never null: before the first `publish` a status of phase "starting".
  [[nodiscard]] std::shared_ptr<const DaemonStatus> status() const;

  /// The rows of an epoch are visible.
  void announce(EpochEvent event);
  [[nodiscard]] Subscription subscribe(Listener listener);

 private:
  mutable std::mutex mutex_;  // guards status_
  std::shared_ptr<const DaemonStatus> status_;
  std::mutex listeners_mutex_;  // held while listeners are called, so that an ended subscription is never called again
  std::list<Listener> listeners_;
};

}  // namespace admetrics
