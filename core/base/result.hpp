#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace admetrics {

/// What kind of failure happened; `daemon/pipeline` chooses the remedy by it.
/// Never reaches disk.
enum class Errc : std::uint8_t {
  kUsage,        // the command line is wrong
  kConfig,       // the configuration is wrong
  kNotFound,     // a file, table or column is missing
  kBusy,         // somebody else holds a lock; retry later
  kFull,         // the disk (or a quota) is full
  kReadOnly,     // the file or its folder cannot be written
  kIo,           // the operating system failed a read or a write
  kCorrupt,      // the file is not a database, or a damaged one
  kSchema,       // a table has not the shape that is needed
  kReplaced,     // the file under us is another one than we opened
  kOutOfMemory,  // the memory limit would be passed
  kInterrupted,  // asked to stop
  kUnsupported,  // this build or this file system cannot do it
  kInternal,     // an assumption of ours was wrong
};

/// Short stable name of a code, for logs and metrics.
const char* name_of(Errc code);

/// An expected failure: which operation failed, on what, and why.
struct Error {
  Errc code = Errc::kInternal;
  std::string operation;  // "open the source", "commit the epoch"
  std::string where;      // a file, a table, a key with its line
  std::string detail;     // the cause, and what to do where that is known

  /// One line for standard error and logs.
  [[nodiscard]] std::string line() const;
};

/// A value or the error that prevented it. Reading the wrong side is a bug and stops the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const& { return error_.value(); }
  [[nodiscard]] Error&& error() && { return std::move(error_).value(); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace admetrics

#define ADM_CONCAT_INNER(a, b) a##b
#define ADM_CONCAT(a, b) ADM_CONCAT_INNER(a, b)

/// Returns the error of `expression` (a Status) to the caller, if it has one.
#define ADM_TRY(expression)                                 \
  do {                                                      \
    if (auto adm_status = (expression); !adm_status.ok()) { \
      return std::move(adm_status).error();                 \
    }                                                       \
  } while (false)

/// Declares `declaration` from the value of `expression` (a Result), or returns its error.
/// A declaration cannot stand in parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define ADM_ASSIGN(declaration, expression) ADM_ASSIGN_INNER(ADM_CONCAT(adm_result_, __LINE__), declaration, expression)
#define ADM_ASSIGN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                             \
  if (!temporary.ok()) {                                     \
    return std::move(temporary).error();                     \
  }                                                          \
  declaration = std::move(temporary).value()
// NOLINTEND(bugprone-macro-parentheses)
