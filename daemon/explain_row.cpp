#include "daemon/explain_row.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "state/journal.hpp"

namespace admetrics {
namespace {

constexpr int kBusyTimeoutMs = 1'000;
constexpr int kJournalLooks = 5;
constexpr auto kBetweenLooks = std::chrono::milliseconds(40);

/// Adds what the journal knows. The sink commits before the ledger: where the row is newer than the journal, the ledger's
/// commit is a moment away.
Status add_last_change(const std::string& state_dir, const SinkRow& row, Explanation& explanation) {
  const std::string path = state_dir + "/ledger.db";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    explanation.notes.emplace_back("there is no ledger at " + path + ": why the row last changed is a guess");
    return {};
  }
  ADM_ASSIGN(const auto ledger, sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  for (int look = 1;; ++look) {
    ADM_ASSIGN(const RowHistory history, read_row_history(*ledger, row));
    if (tell_last_change(history, explanation) || look == kJournalLooks) return {};
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace

Result<Explanation> explain_row(const Config& config, ExplainOptions options, const std::string& column) {
  options.product_db = config.product_db;
  options.ads_db = config.ads_db;
  options.sink_db = config.sink_path;
  options.reporting = config.reporting;
  std::error_code error;
  options.temp_dir = std::filesystem::is_directory(config.state_dir, error) ? config.state_dir : std::string();
  ADM_ASSIGN(Explanation explanation, explain(options));
  SinkRow row;
  row.key = {SinkKey::Kind::kCell, options.level, options.entity_id, options.date};
  row.breakdown = options.breakdown;
  row.value = options.value;
  if (Status added = add_last_change(config.state_dir, row, explanation); !added.ok())
    explanation.notes.push_back("why the row last changed is a guess: " + added.error().detail);
  if (!column.empty()) {
    std::erase_if(explanation.columns, [&](const auto& one) { return one.name != column; });
    if (explanation.columns.empty())
      return Error{Errc::kUsage, "explain", "column " + column, "no such column in " + explanation.table};
  }
  return explanation;
}

std::optional<BreakdownValue> parse_breakdown_value(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return std::nullopt;
  const auto breakdown = parse_breakdown(std::string_view(text).substr(0, equals));
  if (!breakdown) return std::nullopt;
  return BreakdownValue{*breakdown, text.substr(equals + 1)};
}

}  // namespace admetrics
