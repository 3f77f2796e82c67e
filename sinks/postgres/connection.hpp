#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "sinks/postgres/settings.hpp"

// libpq's own names, so that its header stays in connection.cpp.
struct pg_conn;
struct pg_result;

namespace admetrics::sink::postgres {

/// The rows of a small answer, as text; NULL is none.
class Answer {
 public:
  using Row = std::vector<std::optional<std::string>>;
  std::vector<Row> rows;

  [[nodiscard]] bool empty() const { return rows.empty(); }
  [[nodiscard]] std::string text(std::size_t row, std::size_t column) const {
    return rows.at(row).at(column).value_or("");
  }
  [[nodiscard]] std::int64_t integer(std::size_t row, std::size_t column) const;
};

/// One connection to a server. Nothing here waits without an end: a server that hangs, and a stop, end any call with an
/// error, and then the connection, too.
///
/// Threads: one. Errors: kBusy (a lock, a conflict, too many clients), kIo (no server, or it went away or hangs), kFull,
/// kReadOnly (a standby, or rights are missing), kNotFound (no such database), kReplaced (a table vanished), kSchema,
/// kInterrupted. No message repeats what it was connected with but host, database and user.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const PostgresSinkOptions& options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Statements without an answer, or whose answer nobody wants.
  Status execute(const std::string& sql);
  /// One statement, with texts for $1, $2, …
  Result<Answer> query(const std::string& sql, std::span<const std::string> parameters = {});
  /// Begins `COPY … FROM STDIN`; then `put_copy`, then `end_copy`. The server's verdict on the rows is heard with the next call.
  Status begin_copy(const std::string& sql);
  Status put_copy(std::string_view lines);
  Status end_copy();
  /// `COPY … TO STDOUT`, line by line, values unescaped; NULL is none. Views last until the next line.
  Status copy_out(const std::string& sql,
                  const std::function<Status(std::span<const std::optional<std::string>>)>& row);

  /// False once the server is gone, as far as it has told.
  [[nodiscard]] bool alive() const;
  /// Host, database and user, for messages.
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  Connection(pg_conn* connection, const PostgresSinkOptions& options);
  Status wait(bool read, bool write, std::int64_t deadline_micros);
  Status send(const std::string& sql, std::span<const std::string> parameters);
  Status flush(std::int64_t deadline_micros);
  /// The next result; null at the end of a statement.
  Result<pg_result*> next_result();
  Status drain(Answer* answer);
  Error lost(const std::string& detail);
  Error error_of(const pg_result* result) const;
  [[nodiscard]] std::int64_t deadline() const;

  pg_conn* connection_;
  const PostgresSinkOptions* options_;
  std::string where_;
  bool copy_verdict_open_ = false;
};

/// A text as an SQL literal, and a name as an SQL identifier.
std::string literal(std::string_view text);
std::string identifier(std::string_view name);

}  // namespace admetrics::sink::postgres
