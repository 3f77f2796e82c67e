#pragma once

#include <stdexcept>
#include <utility>

#include "core/base/result.hpp"

namespace admetrics::support {

/// What a test takes for granted: an error ends the test, with the error's line.
inline void must(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error().line());
}

template <class T>
T must(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().line());
  return std::move(result).value();
}

}  // namespace admetrics::support
