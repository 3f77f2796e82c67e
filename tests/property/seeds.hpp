#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/property/simulator.hpp"

namespace admetrics {

/// A number from the environment, or `otherwise` where there is none.
inline std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* given = std::getenv(variable);
  if (given == nullptr) return otherwise;
  const std::string_view text(given);
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return number;
  ADD_FAILURE() << variable << " is no number: " << text;
  return otherwise;
}

inline void play_seed(std::uint64_t seed, std::uint64_t epochs) {
  if (const auto failure = Simulator(seed, static_cast<int>(epochs)).run()) ADD_FAILURE() << *failure;
}

}  // namespace admetrics
