#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_snapshot;

/// The one place that calls SQLite. Everything here belongs to one thread at a time; several connections,
/// each on its thread, are how work is shared.
namespace admetrics::sqlite {

class Connection;
class LockMeter;

enum class ColumnType : std::uint8_t { kInteger, kReal, kText, kBlob, kNull };

/// A prepared statement. `reset()` before using it again; bound text must live until the next reset.
class Statement {
 public:
  Statement() = default;

  [[nodiscard]] bool valid() const { return handle_ != nullptr; }

  // Parameters, counted from 1. The text is not copied.
  void bind_null(int index);
  void bind(int index, std::int64_t number);
  void bind(int index, double number);
  void bind(int index, std::string_view text);
  void bind_blob(int index, std::span<const std::byte> bytes);

  /// True: a row stands ready. False: the statement has ended (and was reset).
  Result<bool> step();
  /// Runs a statement that gives no rows, then resets it.
  Status run();
  void reset();
  /// Calls `on_row()` at each row that is left.
  template <class OnRow>
  Status for_each_row(OnRow&& on_row) {
    for (;;) {
      ADM_ASSIGN(const bool row, step());
      if (!row) return {};
      on_row();
    }
  }

  // The current row's columns, counted from 0. Views live until the next step or reset.
  [[nodiscard]] ColumnType type(int column) const;
  [[nodiscard]] bool is_null(int column) const { return type(column) == ColumnType::kNull; }
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string_view text(int column) const;  // as CAST(… AS TEXT); "" for NULL
  [[nodiscard]] std::span<const std::byte> blob(int column) const;
  [[nodiscard]] int column_count() const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  Statement(sqlite3_stmt* handle, Connection* connection) : handle_(handle), connection_(connection) {}

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  Connection* connection_ = nullptr;
};

/// A read position that several connections can share (WAL only).
class Snapshot {
 public:
  Snapshot() = default;
  [[nodiscard]] bool valid() const { return handle_ != nullptr; }

 private:
  friend class Connection;
  struct Free {
    void operator()(sqlite3_snapshot* handle) const;
  };
  std::unique_ptr<sqlite3_snapshot, Free> handle_;
};

enum class OpenMode : std::uint8_t {
  kReadOnly,   // never writes; the file must exist
  kReadWrite,  // the file must exist
  kCreate,     // created when it is missing
};

/// How a failed statement of SQLite becomes an `Errc`.
Errc errc_of(int sqlite_code);

/// A connection. Not movable while statements live; hold it by unique_ptr.
class Connection {
 public:
  /// `busy_timeout_ms`: how long SQLite waits for another's lock before kBusy.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, OpenMode mode, int busy_timeout_ms);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  Result<Statement> prepare(std::string_view sql);
  /// Runs one or more statements that give no rows.
  Status execute(const std::string& sql);
  /// The single integer that `sql` gives; 0 when it gives no row or NULL.
  Result<std::int64_t> query_integer(std::string_view sql);
  /// The single text that `sql` gives; empty when it gives no row or NULL.
  Result<std::string> query_text(std::string_view sql);

  Status begin_read();       // BEGIN and a first read, so that the snapshot stands
  Status begin_immediate();  // BEGIN IMMEDIATE: for anything that may write
  /// How long the log of a metered connection may grow before its commits checkpoint it, passively; 0: the usual length.
  void set_checkpoint_pages(int pages) { checkpoint_pages_ = pages == 0 ? kCheckpointPages : pages; }
  Status commit();
  void rollback();  // never fails: nothing is left open
  /// From now on measures how long `begin_immediate` to `commit` or `rollback` hold the write lock; null: nothing does.
  /// The meter must outlive the connection.
  void set_lock_meter(LockMeter* meter) { meter_ = meter; }
  [[nodiscard]] bool in_transaction() const;

  [[nodiscard]] bool is_wal();
  /// The snapshot of this connection's open read transaction; kUnsupported outside WAL.
  Result<Snapshot> snapshot();
  /// Opens a read transaction at `snapshot`, taken by another connection on the same file. kUnsupported: it cannot be
  /// shared (any more), which is no fault; read through the connection that took it.
  Status begin_read_at(const Snapshot& snapshot);

  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] sqlite3* handle() const { return handle_; }
  [[nodiscard]] Error error(std::string operation) const;

  /// Gives cached pages back that are not in use.
  void release_memory();

  /// Stops a running statement from another thread (kInterrupted).
  void interrupt();

 private:
  friend class Statement;
  Connection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  /// Two threads that use one connection at a time race here, where ThreadSanitizer sees it: SQLite is not instrumented.
  void note_use() { ++uses_; }
  void note_lock_released();

  sqlite3* handle_;
  std::string path_;
  std::uint64_t uses_ = 0;
  LockMeter* meter_ = nullptr;
  static constexpr int kCheckpointPages = 1'000;  // SQLite's own
  int checkpoint_pages_ = kCheckpointPages;
  std::int64_t locked_at_micros_ = -1;  // by the meter's clock; -1: not locked, or not measured
};

/// Rolls back at the end of its scope unless committed.
class Transaction {
 public:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (connection_ != nullptr) connection_->rollback();
  }
  Status commit() {
    ADM_TRY(connection_->commit());
    connection_ = nullptr;
    return {};
  }

 private:
  Connection* connection_;
};

/// Which file stands behind a path, "device:inode": changes when another one is put there. "": none.
std::string file_identity(const std::string& path);

/// The `file:` address to ATTACH a database by, so that it is never written. What means something in an address is escaped.
std::string read_only_address(const std::string& path);

/// `"name"` with inner quotes doubled: an identifier in SQL text.
std::string quote_identifier(std::string_view name);
/// `'text'` with inner quotes doubled.
std::string quote_text(std::string_view text);

/// Version of the library in use, and whether it has the WAL-reset race (pitfalls.md 16).
const char* library_version();
bool library_has_wal_reset_race();

}  // namespace admetrics::sqlite
