#include "sources/changelog/changelog_source.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "core/base/release.hpp"
#include "sources/changelog/dead_letters.hpp"
#include "sources/changelog/digest.hpp"
#include "sources/changelog/landing.hpp"
#include "sources/changelog/log_reader.hpp"
#include "sources/sqlite/capture.hpp"

namespace admetrics::source {
namespace {

constexpr std::int64_t kCommitBytes = 32 << 20;             // of the log, in one transaction of the landing database
constexpr std::int64_t kCatchUpMicros = 10'000'000;         // then an epoch shows what was read so far
constexpr std::int64_t kIdleTransactionMicros = 1'000'000;  // in a log that marks no ends
constexpr std::size_t kHeldInMemoryBytes = 8 << 20;
constexpr std::size_t kHeldPartBytes = 1 << 20;
constexpr std::size_t kOpenTransactionsMax = 1'000;
constexpr std::size_t kTransactionIdBytesMax = 256;
constexpr std::int64_t kDoneKnownMax = 100'000;
constexpr std::int64_t kReplayedKnownMax = 1'000'000;
constexpr int kBusyTimeoutMs = 10'000;

/// Which numbers from 1 on were seen, whatever their order.
class SeenNumbers {
 public:
  /// False: it was seen before. Where far too many gaps stand open, later numbers are not remembered.
  bool add(std::int64_t number) {
    auto after = ranges_.upper_bound(number);
    auto at = after == ranges_.begin() ? ranges_.end() : std::prev(after);
    if (at != ranges_.end() && number < at->second) return false;
    if (at != ranges_.end() && at->second == number) {
      ++at->second;
    } else if (ranges_.size() < kRangesMax) {
      at = ranges_.emplace_hint(after, number, number + 1);
    } else {
      return true;
    }
    if (after != ranges_.end() && after->first == at->second) {
      at->second = after->second;
      ranges_.erase(after);
    }
    return true;
  }

 private:
  static constexpr std::size_t kRangesMax = 10'000;

  std::map<std::int64_t, std::int64_t> ranges_;  // from the first to the one behind the last
};

/// A transaction in the log whose end was not seen yet.
struct OpenTransaction {
  std::string id;
  std::int64_t place = 0;  // the greatest that its records told
  std::int64_t number = 0;
  std::int64_t since_seconds = 0;
  bool ended = false;
  std::int64_t expected = -1;   // how many records it has; -1: not told
  std::int64_t bad_before = 0;  // dead letters when it began: its own may be among the later ones
  std::int64_t records = 0;
  SeenNumbers orders;
  std::string lines;       // not in the landing database yet
  std::int64_t parts = 0;  // of it in the landing database
  std::int64_t bytes = 0;
  bool changed = true;

  /// False: it was seen before.
  bool note(std::int64_t order) {
    if (order > 0 && order < INT64_MAX && !orders.add(order)) return false;
    ++records;
    return true;
  }
};

}  // namespace

struct ChangelogSource::Impl : public RecordVisitor {
  explicit Impl(ChangelogOptions with) : options(std::move(with)) {}

  const ChangelogOptions options;
  std::unique_ptr<sqlite::Connection> database;
  std::string database_identity;
  std::optional<RecordParser> parser;       // of the log
  std::optional<RecordParser> held_parser;  // of what was held back, while the other one stands on a line
  std::unique_ptr<Landing> landing;
  std::unique_ptr<DeadLetters> dead_letters;
  std::unique_ptr<LogReader> log;
  std::unique_ptr<LogReader> replays;
  std::vector<std::string> warnings;
  std::string last_export_error;
  bool stale = true;  // what is known of the database must be read again
  // Of the piece that is read.
  std::string_view file;
  std::int64_t offset = 0;
  // Transactions of the log.
  std::map<std::string, std::unique_ptr<OpenTransaction>, std::less<>> open;
  OpenTransaction* latest = nullptr;
  std::string done_id;  // one that is known to be done
  std::int64_t done_place = 0;
  std::string short_id;
  std::int64_t next_number = 1;
  bool marks_ends = false;  // the log has told at least one end
  bool marks_saved = false;
  std::size_t held_in_memory = 0;
  std::int64_t last_record_micros = 0;
  sqlite::Statement find_done, put_done;
  // Counts.
  std::int64_t records_total = 0;
  std::int64_t other_tables_total = 0;
  bool record_changes = true;
  std::int64_t bytes_total = 0;
  std::int64_t records_since_start = 0;

  // ── Opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

  Status ensure_open() {
    if (database && database_identity != sqlite::file_identity(options.landing_db)) close();
    if (!database) {
      std::error_code ignored;
      std::filesystem::create_directories(std::filesystem::path(options.landing_db).parent_path(), ignored);
      ADM_ASSIGN(database, sqlite::Connection::open(options.landing_db, sqlite::OpenMode::kCreate, kBusyTimeoutMs));
      database_identity = sqlite::file_identity(options.landing_db);
      ADM_TRY(prepare());
      stale = true;
    }
    if (!stale) return {};
    open.clear();
    latest = nullptr;
    done_id.clear();
    held_in_memory = 0;
    ADM_TRY(log->load(*database));
    ADM_TRY(replays->load(*database));
    ADM_TRY(dead_letters->load());
    ADM_TRY(load_transactions());
    ADM_TRY(landing->begin(true));
    ADM_ASSIGN(records_total, database->query_integer("SELECT number FROM _admetrics_counts WHERE name = 'records'"));
    ADM_ASSIGN(other_tables_total,
               database->query_integer("SELECT number FROM _admetrics_counts WHERE name = 'other tables'"));
    stale = false;
    return {};
  }

  void close() {
    find_done = {};
    put_done = {};
    landing.reset();
    dead_letters.reset();
    log.reset();
    replays.reset();
    database.reset();
  }

  Status prepare() {
    // The landing database can be had again up to a crash of the machine: position and rows go back together.
    ADM_TRY(database->execute("PRAGMA journal_mode = WAL"));
    ADM_TRY(
        database->execute("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 8192"));
    ADM_TRY(Landing::create(*database));
    ADM_TRY(arm_capture(*database, product_tables(), RecordedBy::kWriter));
    if (!parser) {
      ADM_ASSIGN(parser, RecordParser::create(options.format, options.mixpanel));
      ADM_ASSIGN(held_parser, RecordParser::create(options.format, options.mixpanel));
    }
    landing = std::make_unique<Landing>(*database, options.tombstones_max);
    dead_letters = std::make_unique<DeadLetters>(*database, options.dead_letters, options.dead_letters_max_bytes);
    const auto whole = [this](std::string_view line) { return held_parser->is_whole(line); };
    log = std::make_unique<LogReader>(options.path, "log", *options.clock, whole);
    replays = std::make_unique<LogReader>(options.replay_folder, "replay", *options.clock, whole);
    ADM_ASSIGN(find_done, database->prepare("SELECT place FROM _admetrics_transactions_done WHERE id = ?1"));
    ADM_ASSIGN(put_done,
               database->prepare("INSERT OR REPLACE INTO _admetrics_transactions_done (id, place) VALUES (?1, ?2)"));
    return {};
  }

  // ── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────

  [[nodiscard]] std::int64_t now_seconds() const { return options.clock->now().seconds; }

  Status on_record(const Record& record, const LogLine& line) override {
    ++records_total;
    ++records_since_start;
    if (options.rows_read != nullptr) options.rows_read->fetch_add(1, std::memory_order_relaxed);
    if (record.transaction.empty()) {
      if (record.other_table) ++other_tables_total;
      if (record.kind == RecordKind::kNothing) return {};
      if (!open.empty() && !marks_ends) ADM_TRY(complete_all());
      return landing->apply(record);
    }
    if (!marks_ends && (record.ends_transaction || record.kind == RecordKind::kBegin)) marks_ends = true;
    ADM_ASSIGN(OpenTransaction* const transaction, find_transaction(record));
    if (transaction == nullptr) return landing->apply(record);  // it is through: a record that was sent again, or late
    switch (record.kind) {
      case RecordKind::kBegin: return {};
      case RecordKind::kEnd:
        transaction->ended = true;
        transaction->expected = record.expected;
        transaction->changed = true;
        break;
      case RecordKind::kNothing:
        if (record.other_table) ++other_tables_total;
        break;
      case RecordKind::kUpsert:
      case RecordKind::kDelete:
      case RecordKind::kTruncate:
      case RecordKind::kEvent:
        if (transaction->note(record.order)) {
          transaction->lines += line.text;
          transaction->lines += '\n';
          transaction->bytes += static_cast<std::int64_t>(line.text.size()) + 1;
          held_in_memory += line.text.size() + 1;
        }
        if (record.ends_transaction) transaction->ended = true;
        transaction->changed = true;
        break;
    }
    ADM_TRY(complete_if_whole(*transaction));
    if (held_in_memory > kHeldInMemoryBytes) ADM_TRY(save_transactions());
    return {};
  }

  Status on_bad(BadRecord reason, const LogLine& line) override {
    ADM_TRY(dead_letters->add(DeadLetter{0, now_seconds(), reason, std::string(file),
                                         offset + static_cast<std::int64_t>(line.at),
                                         static_cast<std::int64_t>(line.text.size()), std::string(line.text)}));
    // It may have been the one that a transaction waits for.
    for (auto at = open.begin(); at != open.end();) {
      OpenTransaction& transaction = *at->second;
      ++at;
      if (transaction.ended) ADM_TRY(complete_if_whole(transaction));
    }
    return {};
  }

  // ── Transactions of the log ──────────────────────────────────────────────────────────────────────────────────────

  /// nullptr: it is done.
  Result<OpenTransaction*> find_transaction(const Record& record) {
    std::string_view id = record.transaction;
    if (id.size() > kTransactionIdBytesMax) {
      short_id = std::string(id.substr(0, kTransactionIdBytesMax)) + '#' + std::to_string(digest_of(id));
      id = short_id;
    }
    const std::int64_t place = record.transaction_place;
    if (latest == nullptr || latest->id != id) {
      const auto found = open.find(id);
      latest = found == open.end() ? nullptr : found->second.get();
    }
    if (latest != nullptr) {
      latest->changed = latest->changed || place > latest->place;
      latest->place = std::max(latest->place, place);
      return latest;
    }
    if (done_id != id || done_id.empty()) {
      find_done.bind(1, id);
      ADM_ASSIGN(const bool done, find_done.step());
      if (done) {
        done_id = id;
        done_place = find_done.integer(0);
      }
      find_done.reset();
    }
    if (done_id == id && place <= done_place) return nullptr;
    if (!marks_ends) ADM_TRY(complete_all());  // another one begins, so the last one has ended
    if (open.size() >= kOpenTransactionsMax) ADM_TRY(give_up_oldest("too many transactions are open at once"));
    auto begun = std::make_unique<OpenTransaction>();
    begun->id = id;
    begun->place = place;
    begun->number = next_number++;
    begun->since_seconds = now_seconds();
    begun->bad_before = dead_letters->total();
    latest = begun.get();
    open.emplace(begun->id, std::move(begun));
    return latest;
  }

  Status complete_if_whole(OpenTransaction& transaction) {
    if (!transaction.ended) return {};
    const std::int64_t bad = dead_letters->total() - transaction.bad_before;
    if (transaction.expected >= 0 && transaction.records + bad < transaction.expected) return {};
    return complete(transaction);
  }

  /// What is held back of a transaction, part by part; each with room for the parser behind it.
  template <class Use>
  Status each_held_part(const OpenTransaction& transaction, Use&& use) {
    ADM_ASSIGN(sqlite::Statement select,
               database->prepare("SELECT lines FROM _admetrics_held WHERE n = ?1 AND part = ?2"));
    std::string padded;
    for (std::int64_t part = 0; part < transaction.parts; ++part) {
      select.bind(1, transaction.number);
      select.bind(2, part);
      ADM_ASSIGN(const bool found, select.step());
      padded.assign(found ? select.text(0) : std::string_view());
      select.reset();
      ADM_TRY(use(padded));
    }
    padded = transaction.lines;
    return use(padded);
  }

  class Applier : public RecordVisitor {
   public:
    explicit Applier(Landing& landing) : landing_(&landing) {}
    Status on_record(const Record& record, const LogLine&) override { return landing_->apply(record); }
    Status on_bad(BadRecord, const LogLine&) override { return {}; }  // it was understood when it was put there

   private:
    Landing* landing_;
  };

  class Counter : public RecordVisitor {
   public:
    explicit Counter(OpenTransaction& transaction) : transaction_(&transaction) {}
    Status on_record(const Record& record, const LogLine&) override {
      transaction_->note(record.order);
      return {};
    }
    Status on_bad(BadRecord, const LogLine&) override { return {}; }

   private:
    OpenTransaction* transaction_;
  };

  Status parse_held(std::string& lines, RecordVisitor& visitor) {
    const std::size_t size = lines.size();
    lines.resize(size + RecordParser::padding(), ' ');
    return held_parser->parse(std::string_view(lines).substr(0, size), visitor);
  }

  Status complete(OpenTransaction& transaction) {
    Applier applier(*landing);
    ADM_TRY(each_held_part(transaction, [&](std::string& lines) { return parse_held(lines, applier); }));
    if (transaction.parts > 0) {
      const std::string number = std::to_string(transaction.number);
      ADM_TRY(database->execute("DELETE FROM _admetrics_held WHERE n = " + number +
                                "; DELETE FROM _admetrics_transactions WHERE n = " + number));
    }
    put_done.bind(1, std::string_view(transaction.id));
    put_done.bind(2, transaction.place);
    ADM_TRY(put_done.run());
    const std::int64_t done = database->last_insert_rowid();
    constexpr std::int64_t kForgetEvery = 1'000;
    if (done > kDoneKnownMax && done % kForgetEvery == 0)
      ADM_TRY(database->execute("DELETE FROM _admetrics_transactions_done WHERE n <= " +
                                std::to_string(done - kDoneKnownMax)));
    held_in_memory -= std::min(held_in_memory, transaction.lines.size());
    if (latest == &transaction) latest = nullptr;
    done_id = transaction.id;
    done_place = transaction.place;
    open.erase(std::string(transaction.id));
    return {};
  }

  [[nodiscard]] OpenTransaction* oldest() const {
    OpenTransaction* first = nullptr;
    for (const auto& [id, transaction] : open) {
      if (first == nullptr || transaction->number < first->number) first = transaction.get();
    }
    return first;
  }

  Status complete_all() {
    while (OpenTransaction* const first = oldest()) ADM_TRY(complete(*first));
    return {};
  }

  Status give_up_oldest(const std::string& why) {
    OpenTransaction* const first = oldest();
    warnings.push_back("transaction " + first->id + " of the change log is not held back any longer, because " + why +
                       "; its " + std::to_string(first->records) + " records count from now on, whole or not");
    return complete(*first);
  }

  Status give_up_overdue() {
    while (!open.empty()) {
      const OpenTransaction* const first = oldest();
      std::int64_t bytes = 0;
      for (const auto& [id, transaction] : open) bytes += transaction->bytes;
      if (bytes > options.hold_transactions_max_bytes) {
        ADM_TRY(give_up_oldest("what is held back is larger than hold_transactions_size_max"));
      } else if (now_seconds() - first->since_seconds >= options.hold_transactions_max_seconds) {
        ADM_TRY(give_up_oldest("its end did not come within " + std::to_string(options.hold_transactions_max_seconds) +
                               " s"));
      } else {
        return {};
      }
    }
    return {};
  }

  /// Writes what is open to the landing database, so that its position may pass it.
  Status save_transactions() {
    for (auto& [id, transaction] : open) {
      if (!transaction->changed) continue;
      ADM_ASSIGN(sqlite::Statement put,
                 database->prepare(
                     "INSERT INTO _admetrics_transactions (id, n, since, ended, expected, bad_before, place) VALUES "
                     "(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET ended = ?4, expected = ?5, place = "
                     "?7"));
      put.bind(1, std::string_view(transaction->id));
      put.bind(2, transaction->number);
      put.bind(3, transaction->since_seconds);
      put.bind(4, static_cast<std::int64_t>(transaction->ended));
      put.bind(5, transaction->expected);
      put.bind(6, transaction->bad_before);
      put.bind(7, transaction->place);
      ADM_TRY(put.run());
      ADM_ASSIGN(sqlite::Statement hold,
                 database->prepare("INSERT INTO _admetrics_held (n, part, lines) VALUES (?1, ?2, ?3)"));
      std::string_view rest = transaction->lines;
      while (!rest.empty()) {
        std::size_t size = rest.size();
        if (size > kHeldPartBytes) {
          size = rest.rfind('\n', kHeldPartBytes);
          if (size == std::string_view::npos) size = rest.find('\n');
          size = size == std::string_view::npos ? rest.size() : size + 1;
        }
        hold.bind(1, transaction->number);
        hold.bind(2, transaction->parts++);
        hold.bind_blob(3, std::as_bytes(std::span(rest.substr(0, size))));
        ADM_TRY(hold.run());
        rest.remove_prefix(size);
      }
      held_in_memory -= std::min(held_in_memory, transaction->lines.size());
      release(transaction->lines);
      transaction->changed = false;
      // A row of it stands in the database, whether or not it has parts.
      if (transaction->parts == 0) {
        hold.bind(1, transaction->number);
        hold.bind(2, transaction->parts++);
        hold.bind_blob(3, {});
        ADM_TRY(hold.run());
      }
    }
    if (marks_ends != marks_saved) {
      ADM_TRY(database->execute("INSERT OR REPLACE INTO _admetrics_counts VALUES ('marks ends', 1)"));
      marks_saved = marks_ends;
    }
    return {};
  }

  Status load_transactions() {
    ADM_ASSIGN(const std::int64_t marks,
               database->query_integer("SELECT number FROM _admetrics_counts WHERE name = 'marks ends'"));
    marks_ends = marks_saved = marks != 0;
    next_number = 1;
    ADM_ASSIGN(
        sqlite::Statement select,
        database->prepare(
            "SELECT t.id, t.n, t.since, t.ended, t.expected, t.bad_before, count(h.part), "
            "coalesce(sum(length(h.lines)), 0), t.place FROM _admetrics_transactions t LEFT JOIN _admetrics_held h "
            "ON h.n = t.n GROUP BY t.n ORDER BY t.n"));
    ADM_TRY(select.for_each_row([&] {
      auto transaction = std::make_unique<OpenTransaction>();
      transaction->id = select.text(0);
      transaction->number = select.integer(1);
      transaction->since_seconds = select.integer(2);
      transaction->ended = select.integer(3) != 0;
      transaction->expected = select.integer(4);
      transaction->bad_before = select.integer(5);
      transaction->parts = select.integer(6);
      transaction->bytes = select.integer(7);
      transaction->place = select.integer(8);
      transaction->changed = false;
      next_number = transaction->number + 1;
      open.emplace(transaction->id, std::move(transaction));
    }));
    for (auto& [id, transaction] : open) {
      Counter counter(*transaction);
      ADM_TRY(each_held_part(*transaction, [&](std::string& lines) { return parse_held(lines, counter); }));
    }
    return {};
  }

  // ── Catching up ──────────────────────────────────────────────────────────────────────────────────────────────────

  Status take_piece(const LogPiece& piece) {
    const LogLine line{0, piece.text};
    switch (piece.kind) {
      case PieceKind::kLines: return parser->parse(piece.text, *this);
      case PieceKind::kTooLong:
        return dead_letters->add(DeadLetter{0, now_seconds(), BadRecord::kTooLong, std::string(file), offset,
                                            piece.size, std::string(piece.text)});
      case PieceKind::kTorn: return on_bad(BadRecord::kTorn, line);
      case PieceKind::kDamaged: return on_bad(BadRecord::kDamagedFile, line);
    }
    return {};
  }

  /// Mended dead letters: each once, however often it is put back.
  Status take_replay(const LogPiece& piece) {
    if (piece.kind != PieceKind::kLines) return take_piece(piece);
    std::string_view rest = piece.text;
    std::string padded;
    while (!rest.empty()) {
      const std::size_t line_break = std::min(rest.find('\n'), rest.size());
      const auto letter = parse_mended_letter(rest.substr(0, line_break));
      rest.remove_prefix(std::min(line_break + 1, rest.size()));
      if (!letter) continue;
      ADM_ASSIGN(sqlite::Statement note,
                 database->prepare("INSERT OR IGNORE INTO _admetrics_replayed (id) VALUES (?1)"));
      note.bind(1, letter->key);
      ADM_TRY(note.run());
      if (database->changes() == 0) continue;
      padded = letter->text;
      std::replace(padded.begin(), padded.end(), '\n', ' ');
      padded.resize(letter->text.size() + RecordParser::padding(), ' ');
      ADM_TRY(parser->parse(std::string_view(padded).substr(0, letter->text.size()), *this));
    }
    return forget_replayed();
  }

  /// Of those that were put back longest ago.
  Status forget_replayed() {
    return database->execute("DELETE FROM _admetrics_replayed WHERE n <= (SELECT max(n) FROM _admetrics_replayed) - " +
                             std::to_string(kReplayedKnownMax));
  }

  bool in_transaction = false;
  std::int64_t bytes_taken = 0;

  Status begin() {
    if (in_transaction) return {};
    ADM_TRY(database->begin_immediate());
    in_transaction = true;
    bytes_taken = 0;
    return landing->begin(record_changes);
  }

  Status commit() {
    if (!in_transaction) return {};
    ADM_TRY(give_up_overdue());
    ADM_TRY(landing->flush());
    ADM_TRY(save_transactions());
    ADM_TRY(log->save(*database));
    ADM_TRY(replays->save(*database));
    ADM_TRY(database->execute("INSERT OR REPLACE INTO _admetrics_counts VALUES ('records', " +
                              std::to_string(records_total) + "), ('other tables', " +
                              std::to_string(other_tables_total) + ")"));
    ADM_TRY(database->commit());
    in_transaction = false;
    return {};
  }

  Status read_all() {
    ADM_ASSIGN(const bool there, log->refresh());
    if (!there && !log->ever_read()) {
      return Error{Errc::kNotFound, "open the change log", options.path,
                   "no such file or folder; whoever writes the change log creates it"};
    }
    const auto replay_there = replays->refresh();
    static_cast<void>(replay_there.ok());
    const bool input = options.path == "-";
    const std::int64_t until = options.clock->steady_micros() + kCatchUpMicros;
    bool more = true;
    while (more) {
      LogReader* reader = replays.get();
      ADM_ASSIGN(auto piece, reader->next());
      if (!piece) {
        reader = log.get();
        auto next = reader->next();
        if (!next) return std::move(next).error();
        piece = *next;
      }
      if (!piece && input && options.once && !log->ended()) {
        ADM_TRY(commit());
        log->wait_for_input();
        if (options.stop != nullptr && options.stop->load())
          return Error{Errc::kInterrupted, "read the change log", "standard input", "asked to stop"};
        continue;
      }
      if (!piece) break;
      ADM_TRY(begin());
      file = LogReader::name_of(*piece->file);
      offset = piece->offset;
      last_record_micros = options.clock->steady_micros();
      ADM_TRY(reader == log.get() ? take_piece(*piece) : take_replay(*piece));
      // Standard input cannot be read twice: a piece of it is let go only when it is safe.
      if (input && reader == log.get()) ADM_TRY(commit());
      bytes_taken += piece->size;
      bytes_total += piece->size;
      reader->advance(*piece);
      if (bytes_taken >= kCommitBytes) ADM_TRY(commit());
      if (options.stop != nullptr && options.stop->load()) {
        ADM_TRY(commit());
        return Error{Errc::kInterrupted, "read the change log", options.path, "asked to stop"};
      }
      // A first look takes all there is: until then there are no rows that anybody could wait for.
      more = options.once || !record_changes || options.clock->steady_micros() < until;
    }
    if (more && !open.empty() && !marks_ends && (options.once || log->ended() || idle())) {
      ADM_TRY(begin());
      ADM_TRY(complete_all());
    }
    if (!open.empty() && overdue()) ADM_TRY(begin());
    return commit();
  }

  [[nodiscard]] bool idle() const {
    return options.clock->steady_micros() - last_record_micros >= kIdleTransactionMicros;
  }
  [[nodiscard]] bool overdue() const {
    const OpenTransaction* const first = oldest();
    return first != nullptr && now_seconds() - first->since_seconds >= options.hold_transactions_max_seconds;
  }

  Status catch_up(bool all_will_be_read) {
    ADM_TRY(ensure_open());
    record_changes = !all_will_be_read;
    Status read = read_all();
    if (!read.ok() && in_transaction) {
      database->rollback();
      in_transaction = false;
      stale = true;
    }
    ADM_TRY(read);
    replays->remove_files_that_were_read();
    // The file of dead letters follows what was committed. It may be full or read-only: that holds nothing up.
    const Status exported = dead_letters->export_all();
    const std::string error = exported.ok() ? std::string() : exported.error().line();
    if (!error.empty() && error != last_export_error)
      warnings.push_back(error + "; they are kept in " + options.landing_db);
    last_export_error = error;
    return {};
  }
};

ChangelogSource::ChangelogSource(ChangelogOptions options, SqliteSource& tables)
    : tables_(&tables), impl_(std::make_unique<Impl>(std::move(options))) {}
ChangelogSource::~ChangelogSource() = default;

Status ChangelogSource::open() { return impl_->ensure_open(); }

Result<EpochInput> ChangelogSource::begin_epoch(const std::string& position, const EpochWish& wish) {
  tables_->end_snapshot();
  ADM_TRY(impl_->catch_up(position.empty()));
  return tables_->begin_epoch(position, wish);
}

Result<bool> ChangelogSource::has_changes() {
  Impl& i = *impl_;
  if (!i.database || i.stale || i.database_identity != sqlite::file_identity(i.options.landing_db)) return true;
  if (!i.open.empty() && (i.overdue() || (!i.marks_ends && i.idle()))) return true;
  const auto replay = i.replays->has_news();
  if (replay.ok() && *replay) return true;
  return i.log->has_news();
}

ChangelogState ChangelogSource::state() const {
  const Impl& i = *impl_;
  ChangelogState state;
  if (!i.log || !i.dead_letters) return state;
  state.where = i.log->where();
  state.bytes_waiting = i.log->bytes_waiting();
  state.records_total = i.records_total;
  state.other_tables_total = i.other_tables_total;
  for (std::size_t reason = 0; reason < kBadRecords.size(); ++reason) {
    if (i.dead_letters->counts()[reason] > 0)
      state.dead_letters.emplace_back(name_of(kBadRecords[reason]), i.dead_letters->counts()[reason]);
  }
  state.dead_letters_dropped_total = i.dead_letters->dropped();
  state.tombstones = i.landing->tombstones();
  state.tombstones_forgotten_total = i.landing->tombstones_forgotten();
  state.transactions_open = static_cast<std::int64_t>(i.open.size());
  if (const OpenTransaction* const first = i.oldest())
    state.oldest_transaction_seconds = std::max<std::int64_t>(0, i.now_seconds() - first->since_seconds);
  state.ended = i.log->ended();
  state.bytes_total = i.bytes_total;
  state.bytes_records = i.records_since_start;
  return state;
}

std::int64_t records_estimate(const ChangelogState& state) {
  constexpr std::int64_t kRecordBytes = 250;  // before any was seen
  const std::int64_t each =
      state.bytes_records == 0 ? kRecordBytes : std::max<std::int64_t>(1, state.bytes_total / state.bytes_records);
  return (state.bytes_waiting + each - 1) / each;
}

std::vector<std::string> ChangelogSource::take_warnings() { return std::exchange(impl_->warnings, {}); }

}  // namespace admetrics::source
