#include "sinks/postgres/connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <utility>

namespace admetrics::sink::postgres {
namespace {

constexpr const char* kOperation = "write to PostgreSQL";
constexpr std::int64_t kSliceMs = 50;  // how soon a stop is seen
// Beyond what the server was told: it is to give up first, with a reason.
constexpr std::int64_t kGraceMs = 5'000;

// Deadlines of sockets are no decision of ours about rows; the engine's clock knows nothing of them.
std::int64_t steady_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

/// One line, and no novel.
std::string one_line(const char* message) {
  constexpr std::size_t kLengthMax = 500;
  std::string text = message == nullptr ? "" : message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  if (text.size() > kLengthMax) text = text.substr(0, kLengthMax) + "…";
  return text;
}

Errc code_of(std::string_view state) {
  const auto is = [&](std::initializer_list<std::string_view> states) {
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  const std::string_view group = state.substr(0, 2);
  if (is({"55P03", "40001", "40P01", "57014", "53300", "55006"})) return Errc::kBusy;
  if (is({"53100"})) return Errc::kFull;
  if (is({"53200", "53000", "53400"})) return Errc::kBusy;
  if (is({"25006", "42501"})) return Errc::kReadOnly;
  if (is({"3D000", "3F000"})) return Errc::kNotFound;
  if (is({"42P01"})) return Errc::kReplaced;
  if (is({"42703", "42P10", "0A000", "42804"})) return Errc::kSchema;
  if (is({"XX001", "XX002"})) return Errc::kCorrupt;
  if (is({"54000", "54001"}) || group == "54") return Errc::kUnsupported;
  if (group == "28") return Errc::kConfig;
  if (group == "08" || group == "57" || group == "58" || state.empty()) return Errc::kIo;
  return Errc::kInternal;
}

std::string part(const char* text) { return text == nullptr ? "" : text; }

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

}  // namespace

std::int64_t Answer::integer(std::size_t row, std::size_t column) const {
  const std::string value = text(row, column);
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

Connection::Connection(pg_conn* connection, const PostgresSinkOptions& options)
    : connection_(connection), options_(&options) {}

Connection::~Connection() {
  if (connection_ != nullptr) PQfinish(connection_);
}

Result<std::unique_ptr<Connection>> Connection::open(const PostgresSinkOptions& options) {
  // What stands before `dbname` is a default, what stands after it decides.
  const char* const names[] = {"fallback_application_name",
                               "keepalives_idle",
                               "keepalives_interval",
                               "keepalives_count",
                               "dbname",
                               "client_encoding",
                               nullptr};
  const char* const values[] = {"admetricsd", "10", "5", "3", options.conninfo.c_str(), "UTF8", nullptr};
  constexpr int kExpandDbname = 1;
  std::unique_ptr<Connection> made(new Connection(PQconnectStartParams(names, values, kExpandDbname), options));
  made->where_ = "PostgreSQL";
  if (made->connection_ == nullptr) return made->lost("out of memory");
  const std::int64_t until = steady_micros() + options.connect_timeout_ms * 1'000;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  if (PQstatus(made->connection_) == CONNECTION_BAD) state = PGRES_POLLING_FAILED;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) {
      Error error = made->lost(one_line(PQerrorMessage(made->connection_)));
      error.operation = "connect to PostgreSQL";
      return error;
    }
    if (Status waited = made->wait(state == PGRES_POLLING_READING, state == PGRES_POLLING_WRITING, until);
        !waited.ok()) {
      Error error = waited.error();
      error.operation = "connect to PostgreSQL";
      return error;
    }
    state = PQconnectPoll(made->connection_);
  }
  made->where_ = "PostgreSQL at " + part(PQhost(made->connection_)) + ", database " + part(PQdb(made->connection_)) +
                 ", user " + part(PQuser(made->connection_));
  constexpr int kNonblocking = 1;
  if (PQsetnonblocking(made->connection_, kNonblocking) != 0) return made->lost("cannot be used without blocking");
  PQsetNoticeProcessor(
      made->connection_, [](void*, const char*) {}, nullptr);
  // A statement whose client is gone, or who forgot it, must not hold its locks.
  const std::string timeout = std::to_string(options.statement_timeout_ms);
  ADM_TRY(
      made->execute("SET client_min_messages = warning; SET standard_conforming_strings = on; SET datestyle = 'ISO'; "
                    "SET timezone = 'UTC'; SET work_mem = '256MB'; SET extra_float_digits = 1; SET jit = off; SET "
                    "default_statistics_target = "
                    "10; SET statement_timeout = " +
                    timeout + "; SET idle_in_transaction_session_timeout = " + timeout +
                    "; SET lock_timeout = " + std::to_string(options.lock_timeout_ms)));
  return made;
}

std::int64_t Connection::deadline() const {
  return steady_micros() + (options_->statement_timeout_ms + kGraceMs) * 1'000;
}

Error Connection::lost(const std::string& detail) {
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
  copy_verdict_open_ = false;
  return {Errc::kIo, kOperation, where_, detail.empty() ? "the connection is lost" : detail};
}

Error Connection::error_of(const pg_result* result) const {
  const std::string state = part(PQresultErrorField(result, PG_DIAG_SQLSTATE));
  std::string message = one_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  if (message.empty()) message = one_line(PQresultErrorMessage(result));
  return {code_of(state), kOperation, where_, message + (state.empty() ? "" : " (" + state + ")")};
}

Status Connection::wait(bool read, bool write, std::int64_t deadline_micros) {
  for (;;) {
    if (options_->stop != nullptr && options_->stop->load()) {
      Error error = lost("asked to stop");
      error.code = Errc::kInterrupted;
      return error;
    }
    const std::int64_t left_ms = (deadline_micros - steady_micros()) / 1'000;
    if (left_ms <= 0) return lost("no answer in time: the server hangs, or the way to it does");
    const int socket = PQsocket(connection_);
    if (socket < 0) return lost("the connection is closed");
    pollfd waiting{socket, static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min(left_ms, kSliceMs)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return lost("its socket cannot be waited for");
  }
}

Status Connection::flush(std::int64_t deadline_micros) {
  for (;;) {
    const int left = PQflush(connection_);
    if (left == 0) return {};
    if (left < 0) return lost(one_line(PQerrorMessage(connection_)));
    ADM_TRY(wait(true, true, deadline_micros));
    // Who only writes while the server also writes would wait for it for ever.
    if (PQconsumeInput(connection_) == 0) return lost(one_line(PQerrorMessage(connection_)));
  }
}

Result<pg_result*> Connection::next_result() {
  const std::int64_t until = deadline();
  while (PQisBusy(connection_) == 1) {
    ADM_TRY(wait(true, false, until));
    if (PQconsumeInput(connection_) == 0) return lost(one_line(PQerrorMessage(connection_)));
  }
  return PQgetResult(connection_);
}

Status Connection::send(const std::string& sql, std::span<const std::string> parameters) {
  if (connection_ == nullptr) return Error{Errc::kIo, kOperation, where_, "the connection is lost"};
  if (copy_verdict_open_) {
    copy_verdict_open_ = false;
    ADM_TRY(drain(nullptr));
  }
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  const int sent = parameters.empty() ? PQsendQuery(connection_, sql.c_str())
                                      : PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()),
                                                          nullptr, values.data(), nullptr, nullptr, 0);
  if (sent == 0) return lost(one_line(PQerrorMessage(connection_)));
  return flush(deadline());
}

Status Connection::drain(Answer* answer) {
  Status status;
  for (;;) {
    ADM_ASSIGN(pg_result * result, next_result());
    if (result == nullptr) return status;
    switch (PQresultStatus(result)) {
      case PGRES_TUPLES_OK:
        if (answer != nullptr) {
          for (int row = 0; row < PQntuples(result); ++row) {
            Answer::Row& values = answer->rows.emplace_back();
            for (int column = 0; column < PQnfields(result); ++column) {
              if (PQgetisnull(result, row, column) == 1) {
                values.emplace_back();
              } else {
                values.emplace_back(std::string(PQgetvalue(result, row, column),
                                                static_cast<std::size_t>(PQgetlength(result, row, column))));
              }
            }
          }
        }
        break;
      case PGRES_COMMAND_OK:
      case PGRES_EMPTY_QUERY: break;
      case PGRES_FATAL_ERROR:
      case PGRES_BAD_RESPONSE:
        if (status.ok()) status = error_of(result);
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
      case PGRES_NONFATAL_ERROR:
      case PGRES_SINGLE_TUPLE:
      case PGRES_PIPELINE_SYNC:
      case PGRES_PIPELINE_ABORTED: PQclear(result); return lost("an answer that nobody asked for");
    }
    PQclear(result);
    if (PQstatus(connection_) == CONNECTION_BAD) {
      const std::string why = status.ok() ? "" : status.error().detail;
      return lost(why);
    }
  }
}

Status Connection::execute(const std::string& sql) {
  ADM_TRY(send(sql, {}));
  return drain(nullptr);
}

Result<Answer> Connection::query(const std::string& sql, std::span<const std::string> parameters) {
  ADM_TRY(send(sql, parameters));
  Answer answer;
  ADM_TRY(drain(&answer));
  return answer;
}

Status Connection::begin_copy(const std::string& sql) {
  ADM_TRY(send(sql, {}));
  ADM_ASSIGN(pg_result * result, next_result());
  if (result == nullptr) return lost("no answer to COPY");
  if (PQresultStatus(result) == PGRES_COPY_IN) {
    PQclear(result);
    return {};
  }
  const Error error = error_of(result);
  PQclear(result);
  ADM_TRY(drain(nullptr));
  return error;
}

Status Connection::put_copy(std::string_view lines) {
  if (connection_ == nullptr) return Error{Errc::kIo, kOperation, where_, "the connection is lost"};
  constexpr std::size_t kPiece = 1 << 18;  // what libpq holds beside what the socket takes
  const std::int64_t until = deadline();
  while (!lines.empty()) {
    const std::string_view piece = lines.substr(0, kPiece);
    const int put = PQputCopyData(connection_, piece.data(), static_cast<int>(piece.size()));
    if (put < 0) return lost(one_line(PQerrorMessage(connection_)));
    if (put == 1) lines.remove_prefix(piece.size());
    ADM_TRY(flush(until));
  }
  return {};
}

Status Connection::end_copy() {
  if (connection_ == nullptr) return Error{Errc::kIo, kOperation, where_, "the connection is lost"};
  const std::int64_t until = deadline();
  for (;;) {
    const int put = PQputCopyEnd(connection_, nullptr);
    if (put < 0) return lost(one_line(PQerrorMessage(connection_)));
    ADM_TRY(flush(until));
    if (put == 1) break;
  }
  copy_verdict_open_ = true;
  return {};
}

Status Connection::copy_out(const std::string& sql,
                            const std::function<Status(std::span<const std::optional<std::string>>)>& row) {
  ADM_TRY(send(sql, {}));
  ADM_ASSIGN(pg_result * begun, next_result());
  if (begun == nullptr) return lost("no answer to COPY");
  if (PQresultStatus(begun) != PGRES_COPY_OUT) {
    const Error error = error_of(begun);
    PQclear(begun);
    ADM_TRY(drain(nullptr));
    return error;
  }
  PQclear(begun);
  Status status;
  std::vector<std::optional<std::string>> values;
  for (;;) {
    char* buffer = nullptr;
    constexpr int kAsync = 1;
    const int length = PQgetCopyData(connection_, &buffer, kAsync);
    if (length == 0) {
      ADM_TRY(wait(true, false, deadline()));
      if (PQconsumeInput(connection_) == 0) return lost(one_line(PQerrorMessage(connection_)));
      continue;
    }
    if (length == -1) break;
    if (length < 0) return lost(one_line(PQerrorMessage(connection_)));
    const std::string_view line(buffer, static_cast<std::size_t>(length));
    values.clear();
    values.emplace_back("");
    for (std::size_t i = 0; i < line.size(); ++i) {
      const char c = line[i];
      if (c == '\n') break;
      if (c == '\t') {
        values.emplace_back("");
      } else if (c == '\\' && i + 1 < line.size()) {
        const char escaped = line[++i];
        constexpr std::string_view kLetters = "bfnrtv";
        constexpr std::string_view kMeant = "\b\f\n\r\t\v";
        if (escaped == 'N') {
          values.back().reset();
        } else if (const std::size_t at = kLetters.find(escaped); at != std::string_view::npos) {
          *values.back() += kMeant[at];
        } else {
          *values.back() += escaped;
        }
      } else {
        *values.back() += c;
      }
    }
    PQfreemem(buffer);
    if (status.ok()) status = row(values);
    if (!status.ok()) {
      Error error = std::move(status).error();
      static_cast<void>(lost("given up"));  // nobody wants the rest
      return error;
    }
  }
  return drain(nullptr);
}

bool Connection::alive() const {
  if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) return false;
  // A server that goes says so: what it said waits in the socket.
  return PQconsumeInput(connection_) == 1 && PQstatus(connection_) == CONNECTION_OK;
}

std::string literal(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + '\'';
}

std::string identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace admetrics::sink::postgres

namespace admetrics::sink {

std::string check_conninfo(const std::string& conninfo) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, postgres::OptionsFree> options(PQconninfoParse(conninfo.c_str(), &problem));
  const std::string words = problem == nullptr ? "" : problem;
  if (problem != nullptr) PQfreemem(problem);
  if (!options) {
    // Its words may repeat what stands there: only the name of an unknown option is passed on.
    constexpr std::string_view kUnknown = "invalid connection option \"";
    std::string what = "is no libpq connection string, such as \"host=/run/postgresql dbname=metrics user=admetrics\"";
    if (words.starts_with(kUnknown)) {
      what += ": unknown option " + words.substr(kUnknown.size(), words.find('"', kUnknown.size()) - kUnknown.size());
    }
    return what;
  }
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const bool secret = keyword == "password" || keyword == "sslpassword";
    if (secret && option->val != nullptr) {
      return "must not hold a password (" + std::string(keyword) +
             "): put it into the service file, the password file (passfile=, ~/.pgpass) or the environment";
    }
  }
  return "";
}

}  // namespace admetrics::sink
