#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/day.hpp"
#include "core/base/result.hpp"

namespace admetrics::sink {

struct FeedFileOptions {
  std::string path;  // "rows.ndjson" makes rows-00000001.ndjson, …; "-": standard output
  std::int64_t size_max = std::int64_t{256} << 20;  // a file is closed once it is as large; 0: never
  std::int64_t age_max_seconds = 0;                 // … or as old; 0: never
  std::int64_t keep = 0;                            // so many closed files stay; 0: all
  const std::atomic<bool>* stop = nullptr;
};

/// Which file is open, and how far it is written: what a state database remembers.
struct FeedPlace {
  std::int64_t number = 0;  // 0: none yet
  std::int64_t offset = 0;
  std::int64_t opened_at_seconds = 0;
};

/// Lines into numbered files that are only ever appended to, or standard output.
///
/// Whoever calls remembers the place in its own transaction: what stands behind it in the file is cut off when writing goes
/// on, so a line that was written but not remembered is written once all the same. Standard output has no place: a line
/// may come twice.
///
/// Threads: one. Errors: kFull, kReadOnly, kIo, kInterrupted.
class FeedFiles {
 public:
  explicit FeedFiles(FeedFileOptions options) : options_(std::move(options)) {}
  ~FeedFiles();
  FeedFiles(const FeedFiles&) = delete;
  FeedFiles& operator=(const FeedFiles&) = delete;

  /// Appends whole lines behind `place`, in the next file where this one is full or gone, and makes them durable.
  Result<FeedPlace> append(const FeedPlace& place, std::string_view lines, Instant now);
  /// Removes closed files beyond those that are kept.
  void remove_old(const FeedPlace& place) const;
  [[nodiscard]] std::string path_of(std::int64_t number) const;

 private:
  Result<FeedPlace> open_at(const FeedPlace& place, Instant now);
  Status write_all(int file, std::string_view bytes);
  Status write_to_output(std::string_view bytes);

  const FeedFileOptions options_;
  int file_ = -1;
  std::int64_t open_number_ = 0;
};

}  // namespace admetrics::sink
