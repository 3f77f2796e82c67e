#include "daemon/compare_command.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>

#include "compare/compare.hpp"
#include "core/model/row.hpp"
#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/following_sinks.hpp"

namespace admetrics {
namespace {

bool is_number_column(std::string_view name) {
  return std::any_of(number_columns().begin(), number_columns().end(), [&](const NumberColumn& column) {
    return column.main_name == name || column.breakdown_name == name;
  });
}

Status read_tolerances(const std::vector<std::string>& texts, CompareOptions& options) {
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string column = equals == std::string::npos ? "" : text.substr(0, equals);
    const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
    double tolerance = 0;
    const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), tolerance);
    if (failed != std::errc() || end != number.data() + number.size() || !(tolerance >= 0)) {
      return Error{Errc::kUsage, "compare", "--tolerance " + text, "give a number such as 0.01, or meta_spend=0.01"};
    }
    if (!column.empty() && !is_number_column(column)) {
      return Error{Errc::kUsage, "compare", "--tolerance " + text, "no such number column"};
    }
    (column.empty() ? options.tolerance : options.tolerances[column]) = tolerance;
  }
  return {};
}

}  // namespace

int compare_command(const CompareArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  const auto ours = SinkDatabase::open(*config, arguments.sink);
  if (!ours) return fail(ours.error());
  CompareOptions options;
  options.here = ours->path();
  options.there = arguments.with;
  options.since = arguments.since;
  options.until = arguments.until;
  options.busy_timeout_ms = kBusyTimeoutMs;
  options.progress = [](const std::string& phase, std::uint64_t rows) {
    show_progress("compare: " + phase + (rows > 0 ? ", " + std::to_string(rows) + " rows" : ""));
  };
  if (Status read = read_tolerances(arguments.tolerances, options); !read.ok()) return fail(read.error());
  const auto report = compare(options);
  end_progress();
  if (!report) return fail(report.error());
  if (!arguments.html.empty()) {
    std::ofstream page(arguments.html);
    page << to_html(*report) << std::flush;
    if (!page) return fail({Errc::kIo, "write the page", arguments.html, "it cannot be written"});
  }
  std::cout << (arguments.json ? to_json(*report) + "\n" : to_text(*report)) << std::flush;
  return report->equal() ? exit_code::kFine : exit_code::kNo;
}

}  // namespace admetrics
