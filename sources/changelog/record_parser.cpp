#include "sources/changelog/record_parser.hpp"

#include <simdjson.h>

#include <algorithm>

#include "sources/changelog/envelope_reader.hpp"

namespace admetrics::source {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t kWindowBytes = 256 << 10;    // lines that go through simdjson's first stage together
constexpr std::size_t kSalvageAttemptsMax = 64;    // to find a whole record behind a torn one
constexpr std::size_t kSalvageBytesMax = 8 << 20;  // … and what these attempts may cost together

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

Verdict bad(simdjson::error_code error) {
  return {false, error == simdjson::UTF8_ERROR ? BadRecord::kNotUtf8 : BadRecord::kNotJson};
}

}  // namespace

struct RecordParser::Impl {
  Impl(LogFormat format, const MixpanelMapping& mapping, TimeZone zone) : maker(format, mapping, std::move(zone)) {
    lines.threaded = false;
  }

  ondemand::parser lines;
  ondemand::parser single;
  RecordMaker maker;
  Envelope envelope;  // of the line

  /// One line by itself; `maker` holds the record when the verdict is good.
  Verdict read_line(std::string_view line) {
    ondemand::document document;
    if (const auto error =
            single.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING).get(document))
      return bad(error);
    if (const auto error = read_document(document, envelope)) return bad(error);
    const char* more = nullptr;
    if (document.current_location().get(more) == simdjson::SUCCESS) return {false, BadRecord::kNotJson};
    return maker.take(envelope, line);
  }

  Status visit_line(std::size_t at, std::string_view text, RecordVisitor& visitor) {
    if (trimmed(text).empty()) return {};  // also what a crash may leave: a block of NULs
    const LogLine line{at, text};
    const Verdict verdict = read_line(text);
    if (verdict.good) return visitor.on_record(maker.record(), line);
    if (verdict.reason != BadRecord::kNotJson) return visitor.on_bad(verdict.reason, line);
    const std::size_t from = find_record_behind(text);
    if (from == 0) return visitor.on_bad(verdict.reason, line);
    const std::string_view half = text.substr(0, from);
    const std::string_view rest = text.substr(from);
    if (!trimmed(half).empty()) {
      if (read_line(half).good) {
        ADM_TRY(visitor.on_record(maker.record(), {at, half}));
      } else {
        ADM_TRY(visitor.on_bad(BadRecord::kTorn, {at, half}));
      }
    }
    if (!read_line(rest).good) return visitor.on_bad(BadRecord::kTorn, {at + from, rest});
    return visitor.on_record(maker.record(), {at + from, rest});
  }

  /// A writer that was killed leaves half a line, and the next one may write on behind it: where a whole record begins that
  /// reaches to the end of the line; 0: nowhere.
  std::size_t find_record_behind(std::string_view text) {
    std::size_t cost = 0;
    std::size_t from = text.find("{\"", 1);
    for (std::size_t attempt = 0; attempt < kSalvageAttemptsMax && from != std::string_view::npos; ++attempt) {
      const std::string_view rest = text.substr(from);
      cost += rest.size();
      if (cost > kSalvageBytesMax) break;
      if (read_line(rest).good && maker.record().kind != RecordKind::kNothing) return from;
      from = text.find("{\"", from + 1);
    }
    return 0;
  }

  /// The lines from `at` to `end`, each by itself.
  Status visit_lines(std::string_view all, std::size_t at, std::size_t end, RecordVisitor& visitor) {
    while (at < end) {
      std::size_t line_end = all.find('\n', at);
      if (line_end == std::string_view::npos || line_end > end) line_end = end;
      ADM_TRY(visit_line(at, all.substr(at, line_end - at), visitor));
      at = line_end + 1;
    }
    return {};
  }

  /// The lines from `at` to `end` through one first stage. What it does not like is read line by line.
  Status visit_window(std::string_view all, const std::size_t at, const std::size_t end, RecordVisitor& visitor) {
    std::size_t done = at;  // lines before this one were visited
    ondemand::document_stream documents;
    if (lines.iterate_many(all.data() + at, end - at, std::max(end - at, kWindowBytes)).get(documents) !=
        simdjson::SUCCESS) {
      return visit_lines(all, at, end, visitor);
    }
    for (auto each = documents.begin(); each != documents.end(); ++each) {
      ondemand::document_reference document;
      if ((*each).get(document) != simdjson::SUCCESS) break;
      const std::size_t start = at + each.current_index();
      if (start >= end || (start > done && !is_blank(all.substr(done, start - done)))) break;
      std::size_t line_end = all.find('\n', start);
      if (line_end == std::string_view::npos || line_end > end) line_end = end;
      if (read_document(document, envelope) != simdjson::SUCCESS) break;
      // Nothing but a line break may stand between this document and the next. What stands behind the last one the library
      // does not tell: that line is read by itself.
      const char* next = nullptr;
      if (document.current_location().get(next) != simdjson::SUCCESS) break;
      const auto next_at = static_cast<std::size_t>(next - all.data());
      if (next_at <= line_end || next_at > end || !is_blank(all.substr(line_end, next_at - line_end))) break;
      const LogLine line{start, all.substr(start, line_end - start)};
      const Verdict verdict = maker.take(envelope, line.text);
      ADM_TRY(verdict.good ? visitor.on_record(maker.record(), line) : visitor.on_bad(verdict.reason, line));
      done = std::min(line_end + 1, end);
    }
    return visit_lines(all, done, end, visitor);
  }
};

RecordParser::RecordParser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordParser::RecordParser(RecordParser&&) noexcept = default;
RecordParser& RecordParser::operator=(RecordParser&&) noexcept = default;
RecordParser::~RecordParser() = default;

Result<RecordParser> RecordParser::create(LogFormat format, const MixpanelMapping& mapping) {
  ADM_ASSIGN(TimeZone zone, TimeZone::find(mapping.time_zone));
  return RecordParser(std::make_unique<Impl>(format, mapping, std::move(zone)));
}

std::size_t RecordParser::padding() { return simdjson::SIMDJSON_PADDING; }

Status RecordParser::parse(std::string_view lines, RecordVisitor& visitor) {
  std::size_t at = 0;
  while (at < lines.size()) {
    std::size_t end = lines.size();
    if (lines.size() - at > kWindowBytes) {
      // Whole lines: up to the last line break in the window, or the first one behind it.
      end = lines.rfind('\n', at + kWindowBytes);
      if (end == std::string_view::npos || end < at) end = lines.find('\n', at + kWindowBytes);
      end = end == std::string_view::npos ? lines.size() : end + 1;
    }
    ADM_TRY(impl_->visit_window(lines, at, end, visitor));
    at = end;
  }
  return {};
}

bool RecordParser::is_whole(std::string_view line) {
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  if (line.empty() || line.back() != '}') return false;
  const Verdict verdict = impl_->read_line(line);
  if (verdict.good || (verdict.reason != BadRecord::kNotJson && verdict.reason != BadRecord::kNotUtf8)) return true;
  return impl_->find_record_behind(line) != 0;
}

}  // namespace admetrics::source
