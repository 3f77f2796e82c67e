#pragma once

namespace admetrics {

/// Reports a broken assumption of ours on standard error and aborts. Data from outside never gets here.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace admetrics

/// The impossible, on in release too. What outsiders write is never checked with it.
#define ADM_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::admetrics::check_failed(#expression, __FILE__, __LINE__))
