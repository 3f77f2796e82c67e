#include "core/sqlite/database.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/base/check.hpp"
#include "core/sqlite/lock_meter.hpp"

namespace admetrics::sqlite {
namespace {

Error make_error(int extended_code, const char* message, std::string operation, std::string path, int system_errno) {
  std::string detail = message == nullptr ? "" : message;
  const Errc code = errc_of(extended_code);
  if (system_errno != 0 && (code == Errc::kIo || (extended_code & 0xff) == SQLITE_CANTOPEN)) {
    detail += std::string(" (") + std::strerror(system_errno) + ")";
  }
  return Error{code, std::move(operation), std::move(path), std::move(detail)};
}

Error statement_error(sqlite3_stmt* statement, const std::string& path) {
  sqlite3* db = sqlite3_db_handle(statement);
  const char* sql = sqlite3_sql(statement);
  std::string operation = "run SQL";
  if (sql != nullptr) {
    std::string_view text(sql);
    constexpr std::size_t kShown = 80;
    operation = "run \"" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…\"" : "\"");
  }
  return make_error(sqlite3_extended_errcode(db), sqlite3_errmsg(db), std::move(operation), path,
                    sqlite3_system_errno(db));
}

}  // namespace

Errc errc_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Errc::kBusy;
    case SQLITE_FULL: return Errc::kFull;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return Errc::kReadOnly;
    case SQLITE_CANTOPEN: return Errc::kNotFound;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: return Errc::kCorrupt;
    case SQLITE_NOMEM: return Errc::kOutOfMemory;
    case SQLITE_INTERRUPT: return Errc::kInterrupted;
    case SQLITE_IOERR: return Errc::kIo;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT: return Errc::kSchema;
    default: return Errc::kInternal;
  }
}

void Statement::Finalize::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

void Statement::bind_null(int index) { ADM_CHECK(sqlite3_bind_null(handle_.get(), index) == SQLITE_OK); }
void Statement::bind(int index, std::int64_t number) {
  ADM_CHECK(sqlite3_bind_int64(handle_.get(), index, number) == SQLITE_OK);
}
void Statement::bind(int index, double number) {
  ADM_CHECK(sqlite3_bind_double(handle_.get(), index, number) == SQLITE_OK);
}
void Statement::bind(int index, std::string_view text) {
  // An empty view may have no address, and SQLite would take that for NULL. A text beyond SQLite's size limit
  // leaves NULL behind: the step then fails on a NOT NULL column, with an error instead of a wrong value.
  const char* data = text.data() == nullptr ? "" : text.data();
  static_cast<void>(sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}
void Statement::bind_blob(int index, std::span<const std::byte> bytes) {
  static const std::byte kNothing{};
  const void* data = bytes.data() == nullptr ? &kNothing : bytes.data();
  static_cast<void>(sqlite3_bind_blob64(handle_.get(), index, data, bytes.size(), SQLITE_STATIC));
}

Result<bool> Statement::step() {
  connection_->note_use();
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_.get());
    return false;
  }
  Error error = statement_error(handle_.get(), connection_->path());
  sqlite3_reset(handle_.get());
  return error;
}

Status Statement::run() {
  ADM_ASSIGN(const bool row, step());
  if (row) sqlite3_reset(handle_.get());
  return {};
}

void Statement::reset() { sqlite3_reset(handle_.get()); }

ColumnType Statement::type(int column) const {
  switch (sqlite3_column_type(handle_.get(), column)) {
    case SQLITE_INTEGER: return ColumnType::kInteger;
    case SQLITE_FLOAT: return ColumnType::kReal;
    case SQLITE_TEXT: return ColumnType::kText;
    case SQLITE_BLOB: return ColumnType::kBlob;
    default: return ColumnType::kNull;
  }
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_.get(), column); }

std::string_view Statement::text(int column) const {
  if (type(column) == ColumnType::kBlob) {
    // Asking SQLite for the text would turn the column into one, for whoever asks next.
    const auto bytes = blob(column);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // NOLINT: bytes are characters here
  }
  const auto* data = sqlite3_column_text(handle_.get(), column);
  if (data == nullptr) return {};
  return {reinterpret_cast<const char*>(data),  // NOLINT: SQLite's text is unsigned char
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::span<const std::byte> Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const std::byte*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

int Statement::column_count() const { return sqlite3_column_count(handle_.get()); }

void Snapshot::Free::operator()(sqlite3_snapshot* handle) const { sqlite3_snapshot_free(handle); }

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, OpenMode mode, int busy_timeout_ms) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case OpenMode::kReadOnly: flags |= SQLITE_OPEN_READONLY; break;
    case OpenMode::kReadWrite: flags |= SQLITE_OPEN_READWRITE; break;
    case OpenMode::kCreate: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE; break;
  }
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(handle, path));
  if (code != SQLITE_OK) {
    if (handle == nullptr) return Error{Errc::kOutOfMemory, "open the database", path, ""};
    return make_error(code, sqlite3_errmsg(handle), "open the database", path, sqlite3_system_errno(handle));
  }
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  // The first read tells whether this is a database at all.
  auto first_read = connection->query_integer("SELECT count(*) FROM sqlite_schema");
  if (!first_read) {
    Error error = std::move(first_read).error();
    error.operation = "open the database";
    return error;
  }
  return connection;
}

Connection::~Connection() { sqlite3_close_v2(handle_); }

Error Connection::error(std::string operation) const {
  return make_error(sqlite3_extended_errcode(handle_), sqlite3_errmsg(handle_), std::move(operation), path_,
                    sqlite3_system_errno(handle_));
}

Result<Statement> Connection::prepare(std::string_view sql) {
  note_use();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) {
    constexpr std::size_t kShown = 80;
    return error("prepare \"" + std::string(sql.substr(0, kShown)) + (sql.size() > kShown ? "…\"" : "\""));
  }
  return Statement(statement, this);
}

Status Connection::execute(const std::string& sql) {
  note_use();
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) {
    constexpr std::size_t kShown = 80;
    return error("run \"" + sql.substr(0, kShown) + (sql.size() > kShown ? "…\"" : "\""));
  }
  return {};
}

Result<std::int64_t> Connection::query_integer(std::string_view sql) {
  ADM_ASSIGN(Statement statement, prepare(sql));
  ADM_ASSIGN(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<std::string> Connection::query_text(std::string_view sql) {
  ADM_ASSIGN(Statement statement, prepare(sql));
  ADM_ASSIGN(const bool row, statement.step());
  return row ? std::string(statement.text(0)) : std::string();
}

Status Connection::begin_read() {
  ADM_TRY(execute("BEGIN"));
  auto first = query_integer("SELECT count(*) FROM (SELECT 1 FROM sqlite_schema LIMIT 1)");
  if (!first) {
    rollback();
    return std::move(first).error();
  }
  return {};
}

Status Connection::begin_immediate() {
  ADM_TRY(execute("BEGIN IMMEDIATE"));
  if (meter_ == nullptr) return {};
  locked_at_micros_ = meter_->now_micros();
  // Called when the lock is free again, before the log is checkpointed: as SQLite's own hook does it, passively.
  sqlite3_wal_hook(
      handle_,
      [](void* self, sqlite3* handle, const char* name, int pages) {
        auto* const connection = static_cast<Connection*>(self);
        connection->note_lock_released();
        if (pages >= connection->checkpoint_pages_)
          sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
        return SQLITE_OK;
      },
      this);
  return {};
}

Status Connection::commit() {
  Status done = execute("COMMIT");
  if (!in_transaction()) note_lock_released();
  return done;
}

void Connection::rollback() {
  if (in_transaction()) static_cast<void>(sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr));
  note_lock_released();
}

void Connection::note_lock_released() {
  if (meter_ != nullptr && locked_at_micros_ >= 0) meter_->note(meter_->now_micros() - locked_at_micros_);
  locked_at_micros_ = -1;
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

bool Connection::is_wal() {
  const auto mode = query_text("PRAGMA journal_mode");
  return mode.ok() && mode.value() == "wal";
}

Result<Snapshot> Connection::snapshot() {
  Snapshot snapshot;
  sqlite3_snapshot* handle = nullptr;
  const int code = sqlite3_snapshot_get(handle_, "main", &handle);
  if (code != SQLITE_OK) {
    return Error{Errc::kUnsupported, "take a snapshot", path_, sqlite3_errstr(code)};
  }
  snapshot.handle_.reset(handle);
  return snapshot;
}

Status Connection::begin_read_at(const Snapshot& snapshot) {
  ADM_TRY(execute("BEGIN"));
  // A connection that has not read yet does not know that the file is in WAL mode.
  int code = sqlite3_snapshot_open(handle_, "main", snapshot.handle_.get());
  if (code != SQLITE_OK) {
    static_cast<void>(query_integer("PRAGMA application_id"));
    rollback();
    ADM_TRY(execute("BEGIN"));
    code = sqlite3_snapshot_open(handle_, "main", snapshot.handle_.get());
  }
  if (code != SQLITE_OK) {
    // A snapshot whose reader needs no log any more is gone once a writer starts the log anew: its reader goes on, but
    // nobody can join it.
    const bool cannot_be_shared = (code & 0xff) == SQLITE_ERROR || (code & 0xff) == SQLITE_BUSY;
    Error failed{cannot_be_shared ? Errc::kUnsupported : errc_of(code), "open a snapshot", path_, sqlite3_errstr(code)};
    rollback();
    return failed;
  }
  return {};
}

std::int64_t Connection::changes() const { return sqlite3_changes64(handle_); }
std::int64_t Connection::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }
void Connection::release_memory() { sqlite3_db_release_memory(handle_); }
void Connection::interrupt() { sqlite3_interrupt(handle_); }

std::string file_identity(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "";
  return std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

std::string read_only_address(const std::string& path) {
  std::string address = "file:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                       c == '.' || c == '-' || c == '_';
    if (plain) {
      address += c;
    } else {
      std::array<char, 4> escaped;
      std::snprintf(escaped.data(), escaped.size(), "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      address += escaped.data();
    }
  }
  return address + "?mode=ro";
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string quote_text(std::string_view text) {
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + '\'';
}

const char* library_version() { return sqlite3_libversion(); }

bool library_has_wal_reset_race() {
  const int version = sqlite3_libversion_number();
  if (version < 3'007'000 || version > 3'051'002) return false;
  return version != 3'050'007 && version != 3'044'006;
}

}  // namespace admetrics::sqlite
