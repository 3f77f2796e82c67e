#pragma once

#include <string>
#include <vector>

#include "verify/printable.hpp"

/// How numbers and keys are written in reports.
namespace admetrics::comparison {

/// `99.95 %`
std::string percent(double share);
/// Whole numbers without decimals.
std::string amount(double number);
/// `ad a7 2026-01-03 country=US`
std::string key_text(const std::vector<std::string>& key);

}  // namespace admetrics::comparison
