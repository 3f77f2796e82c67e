#include "sources/changelog/log_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "sources/changelog/log_file.hpp"
#include "sources/changelog/log_folder.hpp"
#include "sources/changelog/record.hpp"
#include "sources/changelog/record_parser.hpp"

namespace admetrics::source {
namespace {

constexpr std::size_t kChunkBytes = 1 << 20;
constexpr std::int64_t kTornSecondsMax =
    900;  // how long the other half of a line may take, once a later file was begun
constexpr std::int64_t kFilesKnownMax = 10'000;
constexpr std::string_view kThen = " then";  // behind the identity of what stood in a file before
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int handle) : handle_(handle) {}
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Descriptor() {
    if (handle_ >= 0) ::close(handle_);
  }
  [[nodiscard]] int get() const { return handle_; }
  [[nodiscard]] bool open() const { return handle_ >= 0; }

 private:
  int handle_ = -1;
};

/// Standard input, which cannot be read again.
class InputStream : public ByteStream {
 public:
  Result<std::size_t> read(std::span<char> into) override {
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    if (ended_ || ::poll(&ready, 1, 0) <= 0) return std::size_t{0};
    const ssize_t count = ::read(STDIN_FILENO, into.data(), into.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::size_t{0};
    if (count < 0) return Error{Errc::kIo, "read the change log", "standard input", std::strerror(errno)};
    ended_ = count == 0;
    return static_cast<std::size_t>(count);
  }
  [[nodiscard]] bool ended() const { return ended_; }

 private:
  bool ended_ = false;
};

}  // namespace

struct LogReader::Impl {
  Impl(std::string log_path, std::string file_set, const Clock& wall_clock, std::function<bool(std::string_view)> whole)
      : path(std::move(log_path)), set(std::move(file_set)), clock(&wall_clock), is_whole(std::move(whole)) {
    buffer.resize(kChunkBytes + RecordParser::padding());
  }

  const std::string path;
  const std::string set;
  const Clock* clock;
  const std::function<bool(std::string_view)> is_whole;
  std::vector<std::unique_ptr<LogFile>> files;  // known and listed
  std::vector<LogFile*> order;                  // those that are there, as they are to be read
  bool folder = false;
  bool there = false;
  bool reordered = false;  // a file turned out to be a new one: `order` is not what it was
  // The file that is being read.
  LogFile* current = nullptr;
  Descriptor descriptor;
  std::unique_ptr<ByteStream> stream;
  InputStream* input = nullptr;
  std::vector<char> buffer;
  std::size_t begin = 0, end = 0;  // what was read and not handed out
  std::int64_t buffer_offset = 0;  // of `begin`
  bool at_end = false;
  bool marked = false;        // its byte order mark was blanked out
  std::int64_t skipping = 0;  // bytes of a line that is too long, so far
  std::string skipped_text;
  std::string joined;

  [[nodiscard]] bool is_input() const { return path == "-"; }
  [[nodiscard]] std::string_view rest() const { return {buffer.data() + begin, end - begin}; }

  void close() {
    current = nullptr;
    stream.reset();
    input = nullptr;
    descriptor = Descriptor();
    begin = end = 0;
    skipping = 0;
    at_end = false;
    marked = false;
  }

  // ── Which files there are ────────────────────────────────────────────────────────────────────────────────────────

  /// Those that were begun, in the order of their beginning; then the others by their names.
  void sort_order() {
    const auto place = [](const LogFile* file) {
      return std::tuple(file->listed, file->id == 0, file->id, std::string_view(file->rank),
                        std::string_view(file->name));
    };
    std::sort(order.begin(), order.end(), [&](const LogFile* a, const LogFile* b) { return place(a) < place(b); });
  }

  Result<bool> refresh() {
    if (is_input()) {
      if (files.empty()) {
        files.push_back(std::make_unique<LogFile>());
        files.back()->name = "standard input";
        order = {files.back().get()};
      }
      return true;
    }
    ADM_ASSIGN(const LogListing listing, list_log(path, folder));
    there = listing.there;
    folder = listing.folder;
    const std::vector<LogFile*> before = order;
    for (auto& file : files) file->listed = false;
    order.clear();
    for (const FoundFile& one : listing.files) {
      const std::string identity = identity_of(one.info);
      LogFile* file = nullptr;
      for (auto& candidate : files) {
        if (candidate->identity == identity && !candidate->listed) file = candidate.get();
      }
      if (file == nullptr) {
        files.push_back(std::make_unique<LogFile>());
        file = files.back().get();
        file->identity = identity;
        file->compression = compression_of(one.name);
      }
      file->listed = true;
      file->rank = one.rank;
      if (file->name != one.path) {
        if (file->name_before.empty()) file->name_before = file->name;
        file->name = one.path;
        file->changed = file->id != 0;
      }
      file->disk_size = one.info.st_size;
      file->modified_nanos = one.info.st_mtim.tv_sec * 1'000'000'000 + one.info.st_mtim.tv_nsec;
      order.push_back(file);
    }
    sort_order();
    // A file that is gone may still be open: what was written to it before it went is read.
    if (current != nullptr && !current->listed && descriptor.open()) {
      struct stat info {};
      if (::fstat(descriptor.get(), &info) == 0) {
        current->disk_size = info.st_size;
        current->modified_nanos = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
        order.insert(order.begin(), current);
      }
    }
    if (order != before) {
      for (auto& file : files) file->exhausted = file->exhausted && !file->tail_pending;
    }
    std::erase_if(files, [&](const auto& file) { return file->id == 0 && !file->listed && file.get() != current; });
    return there;
  }

  /// Makes `file` the one that is read, from where it was left. False: it is gone.
  Result<bool> open(LogFile& file) {
    if (is_input()) {
      if (current == &file) return true;
      auto opened = std::make_unique<InputStream>();
      input = opened.get();
      stream = std::move(opened);
      current = &file;
      file.bytes_known = true;
      return true;
    }
    Descriptor opened;
    const bool same = current == &file && descriptor.open();
    if (same) {
      opened = std::move(descriptor);
    } else {
      opened = Descriptor(::open(file.name.c_str(), O_RDONLY | O_CLOEXEC));
      if (!opened.open()) {
        if (errno == ENOENT) return false;
        return Error{errno == EACCES ? Errc::kReadOnly : Errc::kIo, "open the change log", file.name,
                     std::strerror(errno)};
      }
      struct stat info {};
      if (::fstat(opened.get(), &info) != 0 || identity_of(info) != file.identity) return false;  // replaced meanwhile
    }
    close();
    const bool was_known = file.id != 0;
    if (file.taken > 0) {
      ADM_ASSIGN(const bool same_content, goes_on(opened.get(), file, file));
      if (!same_content) {
        // Truncated, or another file in the place of one that was deleted. What is known stays known: a copy of it may stand
        // elsewhere.
        auto known = std::make_unique<LogFile>(file);
        if (!known->name_before.empty()) known->name = known->name_before;
        known->identity += kThen;
        known->listed = false;
        known->changed = true;
        files.push_back(std::move(known));
        file.begin_anew();
      }
    }
    file.name_before.clear();
    if (file.taken == 0) {
      // A copy, or a compressed form, of a file that is known and no longer there.
      LogFile* match = nullptr;
      std::optional<std::uint64_t> long_head;  // one digest for all that began with so much
      for (auto& known : files) {
        if (known->id == 0 || known->listed || known->taken == 0) continue;
        if (known->identity == file.identity + std::string(kThen)) continue;  // truncated: no copy of what it was
        if (known->head_size == kHeadBytesMax) {
          if (!long_head) {
            ADM_ASSIGN(const auto head, bytes_before(opened.get(), file, kHeadBytesMax, kHeadBytesMax));
            long_head = head ? digest_of(*head) : 0;
          }
          if (*long_head != known->head_digest) continue;
        } else if (!names_fit(known->name, file.name)) {
          continue;  // so few bytes are easily the same
        }
        ADM_ASSIGN(const bool matches, goes_on(opened.get(), file, *known));
        if (matches && (match == nullptr || match->taken < known->taken)) match = known.get();
      }
      if (match != nullptr) {
        const std::string name = file.name;
        const std::string identity = file.identity;
        const Compression compression = file.compression;
        const LogFile seen = file;
        file = *match;
        file.name = name;
        file.identity = identity;
        file.compression = compression;
        file.listed = seen.listed;
        file.rank = seen.rank;
        file.disk_size = seen.disk_size;
        file.modified_nanos = seen.modified_nanos;
        file.exhausted = false;
        file.changed = true;
        std::erase_if(files, [&](const auto& known) { return known.get() == match; });
      }
    }
    if (!file.bytes_known) {
      ADM_ASSIGN(const auto head, bytes_before(opened.get(), file, file.head_size, file.head_size));
      ADM_ASSIGN(const auto tail, bytes_before(opened.get(), file, file.taken, file.tail_size));
      if (!head || !tail) return false;
      file.head = *head;
      file.tail = *tail;
      file.bytes_known = true;
    }
    if (was_known && file.id == 0) {
      // Its turn is by its name now, which others may come before.
      const std::vector<LogFile*> before = order;
      sort_order();
      reordered = order != before;
      if (reordered) return true;
    }
    ADM_ASSIGN(stream, ByteStream::open(opened.get(), file.name, file.compression, file.taken));
    descriptor = std::move(opened);
    current = &file;
    buffer_offset = file.taken;
    return true;
  }

  // ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /// Reads more behind what is buffered; false at the end of what there is.
  Result<bool> fill() {
    if (begin > 0) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
    }
    const std::size_t room = buffer.size() - RecordParser::padding();
    if (end == room) {
      if (room > kLineBytesMax) return false;  // the caller skips
      buffer.resize(std::min(room * 2, kLineBytesMax + kChunkBytes) + RecordParser::padding());
    }
    ADM_ASSIGN(const std::size_t count,
               stream->read(std::span(buffer).subspan(end, buffer.size() - RecordParser::padding() - end)));
    end += count;
    return count > 0;
  }

  LogPiece piece_of(PieceKind kind, std::size_t size) {
    LogPiece piece;
    piece.kind = kind;
    piece.text = rest().substr(0, size);
    piece.offset = buffer_offset;
    piece.size = static_cast<std::int64_t>(size);
    piece.file = current;
    return piece;
  }

  /// The line that is skipped, with `more` bytes that are buffered.
  LogPiece too_long_piece(std::size_t more) {
    LogPiece piece;
    piece.kind = PieceKind::kTooLong;
    piece.text = skipped_text;
    piece.offset = buffer_offset - skipping;
    piece.size = skipping + static_cast<std::int64_t>(more);
    piece.file = current;
    return piece;
  }

  /// Throws the rest of a line away that is too long. A piece when its end was found.
  Result<std::optional<LogPiece>> skip_line() {
    for (;;) {
      const std::size_t line_break = rest().find('\n');
      if (line_break != std::string_view::npos) {
        return std::optional(too_long_piece(line_break + 1));
      }
      skipping += static_cast<std::int64_t>(end - begin);
      buffer_offset += static_cast<std::int64_t>(end - begin);
      begin = end = 0;
      ADM_ASSIGN(const bool more, fill());
      if (!more) return std::optional<LogPiece>();
    }
  }

  /// The first line of a file of which nothing was read yet; nothing while it has none.
  Result<std::optional<std::string>> first_line(LogFile& file) {
    const std::optional<std::string> none;
    Descriptor opened(::open(file.name.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened.open()) return none;
    auto bytes = ByteStream::open(opened.get(), file.name, file.compression, 0);
    if (!bytes) return none;
    std::string line;
    while (line.size() <= kLineBytesMax) {
      const std::size_t from = line.size();
      line.resize(from + (std::size_t{64} << 10));
      auto count = (*bytes)->read(std::span(line).subspan(from));
      if (!count) return none;
      line.resize(from + *count);
      const std::size_t line_break = line.find('\n', from);
      if (line_break != std::string::npos) {
        line.resize(line_break + 1);
        return std::optional(std::move(line));
      }
      if (*count == 0) return line.empty() ? none : std::optional(std::move(line));
    }
    return none;
  }

  [[nodiscard]] bool whole(std::string& text) const {
    const std::size_t size = text.size();
    text.resize(size + RecordParser::padding(), ' ');
    const bool is = is_whole(std::string_view(text).substr(0, size));
    text.resize(size);
    return is;
  }

  /// A line that rotation cut: its beginning is buffered, it goes on in files of which nothing was read.
  Result<std::optional<LogPiece>> line_over_files(std::size_t place) {
    constexpr std::size_t kFilesMax = 64;
    const std::optional<LogPiece> none;
    joined.assign(rest());
    LogPiece piece = piece_of(PieceKind::kLines, end - begin);
    for (std::size_t at = place + 1; at < order.size() && piece.next.size() < kFilesMax; ++at) {
      LogFile& behind = *order[at];
      if (current->listed && behind.rank < current->rank) continue;  // begun before, and not understood until now
      if (behind.taken != 0 || joined.size() > kLineBytesMax) return none;
      ADM_ASSIGN(auto line, first_line(behind));
      if (!line) {
        if (behind.disk_size == 0) continue;
        return none;
      }
      if (whole(*line)) return none;
      joined += *line;
      piece.next.emplace_back(&behind, static_cast<std::int64_t>(line->size()));
      if (whole(joined)) {
        joined.resize(joined.size() + RecordParser::padding(), ' ');
        piece.text = std::string_view(joined).substr(0, joined.size() - RecordParser::padding());
        return std::optional(piece);
      }
      if (line->ends_with('\n')) return none;
    }
    return none;
  }

  [[nodiscard]] std::int64_t size_behind(std::size_t place) const {
    std::int64_t size = 0;
    for (std::size_t at = place + 1; at < order.size(); ++at) size += order[at]->taken == 0 ? order[at]->disk_size : 0;
    return size;
  }

  /// What becomes of half a line at the end of a file.
  Result<std::optional<LogPiece>> end_of_file(std::size_t place) {
    const std::optional<LogPiece> none;
    LogFile& file = *current;
    if (begin == end) {
      if (!file.cut_short) {
        file.note_exhausted(false);
      } else if (is_given_up(file, place)) {
        return std::optional(damaged_piece("the compressed data stops short of its end"));
      } else {
        note_pending(file, place);
      }
      return none;
    }
    if (is_whole(rest())) return std::optional(piece_of(PieceKind::kLines, end - begin));
    if (is_input()) {
      if (!input->ended()) return none;
      return std::optional(piece_of(PieceKind::kTorn, end - begin));
    }
    ADM_ASSIGN(auto over_files, line_over_files(place));
    if (over_files) return over_files;
    if (is_given_up(file, place)) return std::optional(piece_of(PieceKind::kTorn, end - begin));
    note_pending(file, place);
    return none;
  }

  /// When nobody will write the rest of `file`, of which the reader stands at the end.
  [[nodiscard]] std::int64_t given_up_at(const LogFile& file, std::size_t place) const {
    const bool gone = !file.listed;
    if (gone || (file.compression != Compression::kNone && !file.cut_short)) return INT64_MIN;
    const bool successor = place + 1 < order.size();
    if (!successor && !file.cut_short) return INT64_MAX;
    return file.modified_nanos / 1'000'000'000 + kTornSecondsMax + 1;
  }
  [[nodiscard]] bool is_given_up(const LogFile& file, std::size_t place) const {
    if (is_input()) return input->ended();
    return given_up_at(file, place) <= clock->now().seconds;
  }
  void note_pending(LogFile& file, std::size_t place) {
    file.note_exhausted(true);
    file.exhausted_next = size_behind(place);
    file.given_up_at = given_up_at(file, place);
  }
  LogPiece damaged_piece(const std::string& why) {
    LogPiece piece = piece_of(PieceKind::kDamaged, end - begin);
    skipped_text = why;
    piece.text = skipped_text;
    return piece;
  }

  Result<std::optional<LogPiece>> next_of(std::size_t place) {
    const std::optional<LogPiece> none;
    LogFile& file = *order[place];
    const bool gone = !file.listed && !is_input();
    if (!is_input() && file.is_as_exhausted() &&
        (!file.tail_pending ||
         (file.exhausted_next == size_behind(place) && clock->now().seconds < file.given_up_at))) {
      return none;
    }
    // What was read to the end may have been truncated and written again since: it is looked at like one just opened.
    const bool shorter = !is_input() && skipping > 0 && file.disk_size < buffer_offset;
    if (current != &file || (at_end && skipping == 0 && !is_input()) || shorter) {
      if (gone && current != &file) return none;
      ADM_ASSIGN(const bool opened, open(file));
      if (!opened) {
        file.note_exhausted(false);
        return none;
      }
      if (reordered) return none;
    }
    at_end = false;
    for (;;) {
      if (skipping > 0) {
        ADM_ASSIGN(const auto piece, skip_line());
        if (piece) return piece;
        at_end = true;
        file.cut_short = stream->cut_short();
        if (is_given_up(file, place)) return std::optional(too_long_piece(0));
        note_pending(file, place);
        return none;
      }
      const std::size_t line_break = rest().rfind('\n');
      if (line_break != std::string_view::npos) {
        if (buffer_offset == 0 && rest().starts_with(kByteOrderMark)) {
          for (std::size_t i = 0; i < kByteOrderMark.size(); ++i) buffer[begin + i] = ' ';
          marked = true;
        }
        return std::optional(piece_of(PieceKind::kLines, line_break + 1));
      }
      if (end - begin > kLineBytesMax) {
        skipped_text.assign(rest().substr(0, kDeadTextBytesMax));
        skipping = static_cast<std::int64_t>(end - begin);
        buffer_offset += skipping;
        begin = end = 0;
        continue;
      }
      auto more = fill();
      if (!more) {
        if (more.error().code != Errc::kCorrupt) return std::move(more).error();
        return std::optional(damaged_piece(more.error().detail));
      }
      if (*more) continue;
      at_end = true;
      file.cut_short = stream->cut_short();
      return end_of_file(place);
    }
  }
};

LogReader::LogReader(std::string path, std::string set, const Clock& clock,
                     std::function<bool(std::string_view)> is_whole_record)
    : impl_(std::make_unique<Impl>(std::move(path), std::move(set), clock, std::move(is_whole_record))) {}
LogReader::~LogReader() = default;

const std::string& LogReader::name_of(const LogFile& file) { return file.name; }

Status LogReader::load(sqlite::Connection& database) {
  Impl& i = *impl_;
  if (i.is_input()) return {};  // what was not committed of it is gone: it is read on from where it is
  i.close();
  i.files.clear();
  i.order.clear();
  ADM_ASSIGN(
      sqlite::Statement select,
      database.prepare("SELECT id, name, identity, compressed, taken, head_size, head_digest, tail_size, "
                       "tail_digest, done_size, done_nanos FROM _admetrics_log_files WHERE log = ?1 ORDER BY id"));
  select.bind(1, std::string_view(i.set));
  return select.for_each_row([&] {
    auto file = std::make_unique<LogFile>();
    file->id = select.integer(0);
    file->name = select.text(1);
    file->identity = select.text(2);
    file->compression = static_cast<Compression>(std::clamp<std::int64_t>(select.integer(3), 0, 2));
    file->taken = select.integer(4);
    file->head_size = select.integer(5);
    file->head_digest = static_cast<std::uint64_t>(select.integer(6));
    file->tail_size = select.integer(7);
    file->tail_digest = static_cast<std::uint64_t>(select.integer(8));
    file->exhausted_size = select.integer(9);
    file->exhausted_nanos = select.integer(10);
    file->exhausted = file->exhausted_size > 0;
    i.files.push_back(std::move(file));
  });
}

Status LogReader::save(sqlite::Connection& database) {
  Impl& i = *impl_;
  if (i.is_input()) return {};
  std::int64_t known = 0;
  for (auto& file : i.files) {
    known += file->id != 0 ? 1 : 0;
    if (!file->changed) continue;
    ADM_ASSIGN(
        sqlite::Statement put,
        database.prepare("INSERT INTO _admetrics_log_files (id, log, name, identity, compressed, taken, head_size, "
                         "head_digest, tail_size, tail_digest, done_size, done_nanos) VALUES (?1, ?2, ?3, ?4, ?5, "
                         "?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO UPDATE SET name = ?3, identity = ?4, "
                         "compressed = ?5, taken = ?6, head_size = ?7, head_digest = ?8, tail_size = ?9, "
                         "tail_digest = ?10, done_size = ?11, done_nanos = ?12"));
    if (file->id == 0) {
      put.bind_null(1);
    } else {
      put.bind(1, file->id);
    }
    put.bind(2, std::string_view(i.set));
    put.bind(3, std::string_view(file->name));
    put.bind(4, std::string_view(file->identity));
    put.bind(5, static_cast<std::int64_t>(file->compression));
    put.bind(6, file->taken);
    put.bind(7, file->head_size);
    put.bind(8, static_cast<std::int64_t>(file->head_digest));
    put.bind(9, file->tail_size);
    put.bind(10, static_cast<std::int64_t>(file->tail_digest));
    const bool done = file->exhausted && !file->tail_pending;
    put.bind(11, done ? file->exhausted_size : 0);
    put.bind(12, done ? file->exhausted_nanos : 0);
    ADM_TRY(put.run());
    if (file->id == 0) file->id = database.last_insert_rowid();
    file->changed = false;
  }
  if (known <= kFilesKnownMax) return {};
  // Of files that are long gone nobody will ask.
  for (auto file = i.files.begin(); file != i.files.end() && known > kFilesKnownMax / 2;) {
    if ((*file)->listed || (*file)->id == 0 || file->get() == i.current) {
      ++file;
      continue;
    }
    ADM_TRY(database.execute("DELETE FROM _admetrics_log_files WHERE id = " + std::to_string((*file)->id)));
    file = i.files.erase(file);
    --known;
  }
  return {};
}

Result<bool> LogReader::refresh() { return impl_->refresh(); }

Result<bool> LogReader::has_news() {
  Impl& i = *impl_;
  if (i.is_input()) {
    pollfd ready{STDIN_FILENO, POLLIN, 0};
    return !ended() && ::poll(&ready, 1, 0) > 0;
  }
  ADM_ASSIGN(const bool there, i.refresh());
  if (!there) return false;
  const std::int64_t now_seconds = i.clock->now().seconds;
  return std::any_of(i.order.begin(), i.order.end(), [&](const LogFile* file) {
    const bool unread = file->disk_size > 0 || file->taken > 0;
    return unread && (!file->is_as_exhausted() || (file->tail_pending && file->given_up_at <= now_seconds));
  });
}

Result<std::optional<LogPiece>> LogReader::next() {
  for (std::size_t place = 0; place < impl_->order.size(); ++place) {
    ADM_ASSIGN(auto piece, impl_->next_of(place));
    if (piece) return std::optional(*piece);
    if (std::exchange(impl_->reordered, false)) place = static_cast<std::size_t>(-1);  // from the first one again
  }
  return std::optional<LogPiece>();
}

void LogReader::advance(const LogPiece& piece) {
  Impl& i = *impl_;
  LogFile& file = *piece.file;
  switch (piece.kind) {
    case PieceKind::kLines:
    case PieceKind::kTorn: {
      // What is compared later is the file, not what was read instead of its byte order mark.
      if (i.marked && piece.offset == 0)
        std::copy(kByteOrderMark.begin(), kByteOrderMark.end(),
                  i.buffer.begin() + static_cast<std::ptrdiff_t>(i.begin));
      file.take(i.rest().substr(0, static_cast<std::size_t>(piece.size)), piece.size);
      i.begin += static_cast<std::size_t>(piece.size);
      i.buffer_offset += piece.size;
      auto from = static_cast<std::size_t>(piece.size);
      for (const auto& [next, size] : piece.next) {
        next->bytes_known = true;
        next->take(piece.text.substr(from, static_cast<std::size_t>(size)), size);
        from += static_cast<std::size_t>(size);
      }
      break;
    }
    case PieceKind::kTooLong: {
      file.take({}, piece.size);
      const std::int64_t here = piece.offset + piece.size - i.buffer_offset;
      i.begin += static_cast<std::size_t>(here);
      i.buffer_offset += here;
      i.skipping = 0;
      break;
    }
    case PieceKind::kDamaged:
      // Until the file is another one.
      file.note_exhausted(false);
      i.close();
      break;
  }
}

void LogReader::remove_files_that_were_read() {
  for (const LogFile* file : impl_->order) {
    struct stat info {};
    const bool read = file->id != 0 && !file->changed && file->exhausted && !file->tail_pending && file->listed;
    if (!read || ::stat(file->name.c_str(), &info) != 0 || info.st_size != file->exhausted_size) continue;
    if (identity_of(info) == file->identity) ::unlink(file->name.c_str());
  }
}

void LogReader::wait_for_input() const {
  constexpr int kMomentMs = 100;
  pollfd ready{STDIN_FILENO, POLLIN, 0};
  ::poll(&ready, 1, kMomentMs);
}

bool LogReader::ended() const { return impl_->input != nullptr && impl_->input->ended() && impl_->begin == impl_->end; }

bool LogReader::ever_read() const {
  return std::any_of(impl_->files.begin(), impl_->files.end(), [](const auto& file) { return file->id != 0; });
}

std::int64_t LogReader::bytes_waiting() const {
  std::int64_t bytes = 0;
  for (const LogFile* file : impl_->order) {
    if (file->compression == Compression::kNone) bytes += std::max<std::int64_t>(0, file->disk_size - file->taken);
  }
  return bytes;
}

std::string LogReader::where() const {
  const LogFile* file = impl_->current;
  if (file == nullptr) return "";
  return file->name + ':' + std::to_string(file->taken);
}

}  // namespace admetrics::source
