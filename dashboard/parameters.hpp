#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dashboard/request.hpp"

namespace admetrics::dashboard {

/// A named text, as a client gave it. Names that nobody asks for are ignored: dashboards send some that mean nothing here.
using Parameter = std::pair<std::string, std::string>;
using Parameters = std::vector<Parameter>;

/// A typed request, or every mistake that was made in asking.
template <class Request>
struct Parsed {
  Request request;
  std::vector<std::string> mistakes;

  [[nodiscard]] bool good() const { return mistakes.empty(); }
  /// All of them in one line.
  [[nodiscard]] std::string error() const {
    std::string line;
    for (const std::string& mistake : mistakes) line += (line.empty() ? "" : "; ") + mistake;
    return line;
  }
};

enum class Mode : std::uint8_t { kPrecomputed, kRecompute };

Parsed<DataRequest> parse_data_request(const Parameters& parameters, const Limits& limits);
Parsed<ChartRequest> parse_chart_request(const Parameters& parameters, const Limits& limits);
Parsed<OverviewRequest> parse_overview_request(const Parameters& parameters, const Limits& limits);
/// `mode`: from the materialized tables unless it says otherwise.
Parsed<Mode> parse_mode(const Parameters& parameters);

/// One text for equal requests, however they were spelled: what an answer may be kept under.
std::string canonical(const DataRequest& request);
std::string canonical(const ChartRequest& request);
std::string canonical(const OverviewRequest& request);

}  // namespace admetrics::dashboard
