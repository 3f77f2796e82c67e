// A change log's lines, as bytes from outside: every line is visited once, whatever it holds, and what was understood is
// understood again in the same way by itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sources/changelog/dead_letters.hpp"
#include "sources/changelog/record_parser.hpp"

namespace {

using namespace admetrics;
using namespace admetrics::source;

void require(bool holds) {
  if (!holds) std::abort();
}

class Visitor : public RecordVisitor {
 public:
  explicit Visitor(std::string_view all) : all_(all) {}

  Status on_record(const Record& record, const LogLine& line) override {
    check(line);
    ++records;
    const bool row = record.kind == RecordKind::kUpsert || record.kind == RecordKind::kDelete ||
                     record.kind == RecordKind::kTruncate || record.kind == RecordKind::kEvent;
    require(!row || record.table != nullptr);
    if (record.kind == RecordKind::kUpsert || record.kind == RecordKind::kDelete) {
      for (std::size_t i = 0; i < record.table->key_columns; ++i) require(record.cells[i].kind > Value::Kind::kNull);
    }
    return {};
  }
  Status on_bad(BadRecord reason, const LogLine& line) override {
    check(line);
    ++bad;
    require(!name_of(reason).empty());
    const DeadLetter letter{1, 2, reason, "file", 3, 4, std::string(line.text)};
    const auto again = parse_dead_letter(to_json_line(letter));
    require(again.ok() && again->text == letter.text);
    return {};
  }

  int records = 0;
  int bad = 0;

 private:
  void check(const LogLine& line) {
    require(line.at >= seen_ && line.at + line.text.size() <= all_.size());
    require(line.text.data() == all_.data() + line.at);
    require(line.text.find('\n') == std::string_view::npos);
    seen_ = line.at + line.text.size();
  }

  std::string_view all_;
  std::size_t seen_ = 0;
};

/// The same lines, each by itself.
class Counts : public RecordVisitor {
 public:
  Status on_record(const Record&, const LogLine&) override {
    ++records;
    return {};
  }
  Status on_bad(BadRecord, const LogLine&) override {
    ++bad;
    return {};
  }
  int records = 0;
  int bad = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto parser = RecordParser::create(LogFormat::kAuto, MixpanelMapping()).value();
  std::string text(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes are what a fuzzer gives
  text.resize(size + RecordParser::padding(), ' ');
  const std::string_view lines = std::string_view(text).substr(0, size);
  Visitor visitor(lines);
  require(parser.parse(lines, visitor).ok());
  Counts counts;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    std::string line(lines.substr(at, end - at));
    const std::size_t length = line.size();
    line.resize(length + RecordParser::padding(), ' ');
    require(parser.parse(std::string_view(line).substr(0, length), counts).ok());
    at = end + 1;
  }
  require(counts.records == visitor.records && counts.bad == visitor.bad);
  static_cast<void>(parser.is_whole(lines));
  return 0;
}
