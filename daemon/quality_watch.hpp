#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/clock.hpp"
#include "daemon/board.hpp"
#include "daemon/config.hpp"

namespace admetrics {

/// QualityWatch: looks at the data's quality now and then, and says on the board what it found. Nothing while nothing was
/// committed since its last look.
///
/// Threads: one of its own, between construction and destruction.
class QualityWatch {
 public:
  /// Reads the tables at `sink_db`. `config.interval_ms` 0: never looks.
  QualityWatch(QualityConfig config, std::string sink_db, const Clock& clock, Board& board);
  ~QualityWatch();
  QualityWatch(const QualityWatch&) = delete;
  QualityWatch& operator=(const QualityWatch&) = delete;

 private:
  void run();
  void look();

  const QualityConfig config_;
  const std::string sink_db_;
  const Clock* clock_;
  Board* board_;
  std::uint64_t epoch_looked_at_ = 0;  // the thread's
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // for woken_
  std::condition_variable woken_;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace admetrics
