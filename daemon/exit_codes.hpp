#pragma once

#include "core/base/result.hpp"

/// What the program's exit status means; scripts depend on it.
namespace admetrics::exit_code {

inline constexpr int kFine = 0;
inline constexpr int kNo = 1;       // the answer is "no": verify found differences
inline constexpr int kCannot = 2;   // could not do it
inline constexpr int kUsage = 64;   // wrong usage
inline constexpr int kConfig = 78;  // wrong configuration

constexpr int of(Errc code) { return code == Errc::kUsage ? kUsage : code == Errc::kConfig ? kConfig : kCannot; }

}  // namespace admetrics::exit_code
