#include "sources/changelog/dead_letters.hpp"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "core/base/day.hpp"
#include "sources/changelog/digest.hpp"

namespace admetrics::source {
namespace {

void append_json_text(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64_of(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k)
      word = word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    const std::size_t letters = std::min<std::size_t>(bytes.size() - i, 3) + 1;
    for (std::size_t k = 0; k < 4; ++k) out += k < letters ? kBase64[word >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) continue;
    word = word << 6 | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(word >> bits & 0xff);
  }
  return out;
}

Error not_a_letter(std::string_view line) {
  constexpr std::size_t kShown = 60;
  return {Errc::kCorrupt, "read a dead letter", std::string(line.substr(0, kShown)),
          "it is none: a JSON object with `id`, `file`, `offset` and `text` is expected"};
}

Error file_error(const char* operation, const std::string& file) {
  const Errc code = errno == ENOSPC || errno == EDQUOT                    ? Errc::kFull
                    : errno == EACCES || errno == EROFS || errno == EPERM ? Errc::kReadOnly
                                                                          : Errc::kIo;
  return {code, operation, file, std::strerror(errno)};
}

/// The `id` of the last line of the open `file`, 0 when it has none. Half a line at the end is cut off.
Result<std::int64_t> last_id(int file, const std::string& name) {
  struct stat info {};
  if (::fstat(file, &info) != 0) return file_error("read the dead letters", name);
  std::int64_t end = info.st_size;
  std::string block;
  constexpr std::int64_t kBlock = 65'536;
  const auto line_break_before = [&](std::int64_t until) -> Result<std::int64_t> {  // -1: none
    while (until > 0) {
      const std::int64_t from = std::max<std::int64_t>(0, until - kBlock);
      block.resize(static_cast<std::size_t>(until - from));
      if (::pread(file, block.data(), block.size(), from) != static_cast<ssize_t>(block.size()))
        return file_error("read the dead letters", name);
      const std::size_t found = block.rfind('\n');
      if (found != std::string::npos) return from + static_cast<std::int64_t>(found);
      until = from;
    }
    return std::int64_t{-1};
  };
  ADM_ASSIGN(std::int64_t last, line_break_before(end));
  if (last + 1 != end && ::ftruncate(file, last + 1) != 0) return file_error("write the dead letters", name);
  if (last < 0) return std::int64_t{0};
  ADM_ASSIGN(const std::int64_t previous, line_break_before(last));
  constexpr std::string_view kBegin = "{\"id\":";
  std::array<char, 32> head{};
  const ssize_t size = ::pread(file, head.data(), head.size(), previous + 1);
  const std::string_view text(head.data(), static_cast<std::size_t>(std::max<ssize_t>(0, size)));
  std::int64_t id = 0;
  if (text.starts_with(kBegin)) std::from_chars(text.data() + kBegin.size(), text.data() + text.size(), id);
  return id;
}

}  // namespace

std::string to_json_line(const DeadLetter& letter) {
  std::string line = R"({"id":)" + std::to_string(letter.id) + R"(,"at":")" + format_timestamp({letter.at_seconds, 0}) +
                     R"(","reason":")" + std::string(name_of(letter.reason)) + R"(","file":)";
  append_json_text(simdjson::validate_utf8(letter.file) ? letter.file : "?", line);
  line += R"(,"offset":)" + std::to_string(letter.offset) + R"(,"size":)" + std::to_string(letter.size);
  if (letter.reason == BadRecord::kTooLong) line += R"(,"truncated":true)";
  if (simdjson::validate_utf8(letter.text)) {
    line += R"(,"text":)";
    append_json_text(letter.text, line);
  } else {
    line += R"(,"text_base64":)";
    append_json_text(base64_of(letter.text), line);
  }
  return line + "}\n";
}

Result<MendedLetter> parse_dead_letter(std::string_view line) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  const simdjson::padded_string padded(line);
  if (parser.parse(padded).get(root) != simdjson::SUCCESS) return not_a_letter(line);
  std::string_view at;
  std::string_view file;
  std::string_view text;
  std::int64_t id = 0;
  std::int64_t offset = 0;
  if (root["id"].get(id) != simdjson::SUCCESS || root["at"].get(at) != simdjson::SUCCESS ||
      root["file"].get(file) != simdjson::SUCCESS || root["offset"].get(offset) != simdjson::SUCCESS) {
    return not_a_letter(line);
  }
  MendedLetter letter;
  // A mended text may have been written beside the one that was not UTF-8.
  if (root["text"].get(text) == simdjson::SUCCESS) {
    letter.text = text;
  } else if (root["text_base64"].get(text) == simdjson::SUCCESS) {
    letter.text = from_base64(text);
  } else {
    return not_a_letter(line);
  }
  Digest digest;
  digest.add(static_cast<std::uint64_t>(id));
  digest.add(at);
  digest.add(file);
  digest.add(static_cast<std::uint64_t>(offset));
  letter.key = static_cast<std::int64_t>(digest.value());
  return letter;
}

std::string to_json_line(const MendedLetter& letter) {
  std::string line = R"({"key":)" + std::to_string(letter.key) + R"(,"text":)";
  append_json_text(letter.text, line);
  return line + "}\n";
}

Result<MendedLetter> parse_mended_letter(std::string_view line) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  const simdjson::padded_string padded(line);
  MendedLetter letter;
  std::string_view text;
  if (parser.parse(padded).get(root) != simdjson::SUCCESS || root["key"].get(letter.key) != simdjson::SUCCESS ||
      root["text"].get(text) != simdjson::SUCCESS) {
    return not_a_letter(line);
  }
  letter.text = text;
  return letter;
}

Status DeadLetters::load() {
  counts_.fill(0);
  total_ = 0;
  ADM_ASSIGN(waiting_, database_->query_integer("SELECT count(*) FROM _admetrics_dead_letters"));
  ADM_ASSIGN(waiting_bytes_,
             database_->query_integer("SELECT coalesce(sum(length(text)), 0) FROM _admetrics_dead_letters"));
  ADM_ASSIGN(dropped_, database_->query_integer("SELECT number FROM _admetrics_counts WHERE name = 'letters dropped'"));
  ADM_ASSIGN(sqlite::Statement select,
             database_->prepare(
                 "SELECT CAST(substr(name, 6) AS INTEGER), number FROM _admetrics_counts WHERE name GLOB 'dead *'"));
  return select.for_each_row([&] {
    const auto reason = static_cast<std::size_t>(select.integer(0));
    if (reason < 1 || reason > counts_.size()) return;
    counts_[reason - 1] = select.integer(1);
    total_ += select.integer(1);
  });
}

Status DeadLetters::add(const DeadLetter& letter) {
  if (!insert_.valid()) {
    ADM_ASSIGN(insert_,
               database_->prepare("INSERT INTO _admetrics_dead_letters (at, reason, file, offset, size, text) VALUES "
                                  "(?1, ?2, ?3, ?4, ?5, ?6)"));
  }
  const auto reason = static_cast<std::int64_t>(letter.reason);
  insert_.bind(1, letter.at_seconds);
  insert_.bind(2, reason);
  insert_.bind(3, std::string_view(letter.file));
  insert_.bind(4, letter.offset);
  insert_.bind(5, letter.size);
  insert_.bind_blob(6, std::as_bytes(std::span(letter.text)));
  ADM_TRY(insert_.run());
  ADM_TRY(database_->execute("INSERT INTO _admetrics_counts VALUES ('dead " + std::to_string(reason) +
                             "', 1) ON CONFLICT (name) DO UPDATE SET number = number + 1"));
  ++counts_[static_cast<std::size_t>(reason - 1)];
  ++total_;
  ++waiting_;
  waiting_bytes_ += static_cast<std::int64_t>(letter.text.size());
  if (waiting_bytes_ <= size_max_) return {};
  // The file takes none, and the landing database is not the place for all of them.
  ADM_ASSIGN(sqlite::Statement oldest,
             database_->prepare("SELECT id, length(text) FROM _admetrics_dead_letters ORDER BY id LIMIT 1"));
  std::int64_t dropped = 0;
  while (waiting_bytes_ > size_max_ && waiting_ > 1) {
    ADM_ASSIGN(const bool found, oldest.step());
    if (!found) break;
    const std::int64_t id = oldest.integer(0);
    waiting_bytes_ -= oldest.integer(1);
    oldest.reset();
    ADM_TRY(database_->execute("DELETE FROM _admetrics_dead_letters WHERE id = " + std::to_string(id)));
    --waiting_;
    ++dropped;
  }
  return count_dropped(dropped);
}

Status DeadLetters::count_dropped(std::int64_t letters) {
  if (letters == 0) return {};
  dropped_ += letters;
  return database_->execute("INSERT OR REPLACE INTO _admetrics_counts VALUES ('letters dropped', " +
                            std::to_string(dropped_) + ")");
}

/// Makes room for a new file.
Status DeadLetters::rotate() {
  const std::string before = file_ + ".1";
  std::int64_t letters = 0;
  if (const int old = ::open(before.c_str(), O_RDONLY | O_CLOEXEC); old >= 0) {
    std::vector<char> block(std::size_t{64} << 10);
    for (ssize_t size = 0; (size = ::read(old, block.data(), block.size())) > 0;)
      letters += std::count(block.begin(), block.begin() + size, '\n');
    ::close(old);
  }
  if (::rename(file_.c_str(), before.c_str()) != 0) return file_error("rename the dead letters", file_);
  return count_dropped(letters);
}

Status DeadLetters::export_all() {
  if (waiting_ == 0) return {};
  constexpr int kFlags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC;
  constexpr mode_t kMode = 0640;
  int file = ::open(file_.c_str(), kFlags, kMode);
  if (file < 0) return file_error("open the dead letters", file_);
  const auto write_out = [&]() -> Status {
    ADM_ASSIGN(const std::int64_t written, last_id(file, file_));
    struct stat info {};
    if (::fstat(file, &info) == 0 && info.st_size >= size_max_) {
      ADM_TRY(rotate());
      ::close(file);
      file = ::open(file_.c_str(), kFlags, kMode);
      if (file < 0) return file_error("open the dead letters", file_);
    }
    // A file of another landing database has ids of its own.
    ADM_ASSIGN(const std::int64_t last,
               database_->query_integer("SELECT coalesce(max(id), 0) FROM _admetrics_dead_letters"));
    ADM_ASSIGN(
        sqlite::Statement select,
        database_->prepare("SELECT id, at, reason, file, offset, size, text FROM _admetrics_dead_letters WHERE id > ?1 "
                           "ORDER BY id"));
    select.bind(1, written <= last ? written : 0);
    for (;;) {
      ADM_ASSIGN(const bool row, select.step());
      if (!row) break;
      const std::string line = to_json_line(
          DeadLetter{select.integer(0), select.integer(1), static_cast<BadRecord>(select.integer(2)),
                     std::string(select.text(3)), select.integer(4), select.integer(5), std::string(select.text(6))});
      std::string_view rest = line;
      while (!rest.empty()) {
        const ssize_t count = ::write(file, rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return file_error("write the dead letters", file_);
        rest.remove_prefix(static_cast<std::size_t>(count));
      }
    }
    if (::fdatasync(file) != 0 && errno != EINVAL) return file_error("write the dead letters", file_);
    return {};
  };
  const Status written = write_out();
  if (file >= 0) ::close(file);
  ADM_TRY(written);
  ADM_TRY(database_->begin_immediate());
  sqlite::Transaction transaction(*database_);
  ADM_TRY(database_->execute("DELETE FROM _admetrics_dead_letters"));
  ADM_TRY(transaction.commit());
  waiting_ = waiting_bytes_ = 0;
  return {};
}

}  // namespace admetrics::source
