#pragma once

#include <memory>
#include <string_view>

#include "core/base/result.hpp"
#include "sources/changelog/mixpanel_shape.hpp"
#include "sources/changelog/record.hpp"
#include "sources/changelog/record_maker.hpp"

namespace admetrics::source {

/// Where a line stands in what `parse` was given.
struct LogLine {
  std::size_t at = 0;
  std::string_view text;  // without its line break
};

class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual Status on_record(const Record& record, const LogLine& line) = 0;
  virtual Status on_bad(BadRecord reason, const LogLine& line) = 0;
};

/// RecordParser: lines of NDJSON to records.
///
/// Threads:    one at a time.
/// Invariants: (1) every line that is not blank is visited once, in order: as a record or as a bad one. Only a line that
///             holds two, one written behind the torn half of another, is visited twice;
///             (2) no bytes make it fail: what cannot be read is visited as bad.
class RecordParser {
 public:
  /// Fails with kConfig when the mapping's time zone is unknown.
  static Result<RecordParser> create(LogFormat format, const MixpanelMapping& mapping);
  RecordParser(RecordParser&&) noexcept;
  RecordParser& operator=(RecordParser&&) noexcept;
  ~RecordParser();

  /// How many readable bytes must lie behind the text that is parsed.
  static std::size_t padding();

  /// Visits each line of `lines`; the last one needs no line break. Fails only as the visitor does.
  Status parse(std::string_view lines, RecordVisitor& visitor);
  /// Whether `line` is one whole record or one whole JSON object of no known shape, or ends in such a record: nothing more
  /// belongs to it.
  bool is_whole(std::string_view line);

 private:
  struct Impl;
  explicit RecordParser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
