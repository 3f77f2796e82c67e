#include "tests/support/comparison.hpp"

#include <algorithm>

namespace admetrics::support {
namespace {

void compare(const StoredTable& expected, const StoredTable& stored, std::vector<std::string>& out) {
  if (expected.columns != stored.columns) out.push_back(expected.name + ": the columns differ");
  for (const auto& [key, row] : expected.rows) {
    const auto found = stored.rows.find(key);
    if (found == stored.rows.end()) {
      out.push_back(expected.name + ' ' + key + ": missing");
      continue;
    }
    for (std::size_t i = 0; i < std::min(row.values.size(), found->second.values.size()); ++i) {
      if (row.values[i] == found->second.values[i]) continue;
      out.push_back(expected.name + ' ' + key + ' ' + expected.columns[i] + ": expected " + row.values[i] +
                    ", stored " + found->second.values[i]);
    }
  }
  for (const auto& [key, row] : stored.rows) {
    if (!expected.rows.contains(key)) out.push_back(stored.name + ' ' + key + ": should not be there");
  }
}

}  // namespace

std::vector<std::string> differences(const StoredTables& expected, const StoredTables& stored) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < expected.tables.size(); ++i) compare(expected.tables[i], stored.tables[i], out);
  return out;
}

std::vector<std::string> broken_promises(const StoredTables& before, const StoredTables& after,
                                         const std::string& committed_at, const SinkReceipt* receipt) {
  std::vector<std::string> out;
  SinkReceipt seen;
  for (std::size_t i = 0; i < before.tables.size(); ++i) {
    const StoredTable& old = before.tables[i];
    const StoredTable& now = after.tables[i];
    std::int64_t largest_id = 0;
    for (const auto& [key, row] : old.rows) {
      largest_id = std::max(largest_id, row.metric_id);
      if (!now.rows.contains(key)) ++seen.deleted;
    }
    for (const auto& [key, row] : now.rows) {
      const std::string where = now.name + ' ' + key + ": ";
      const auto was = old.rows.find(key);
      if (was == old.rows.end()) {
        ++seen.inserted;
        if (row.written_at != committed_at) out.push_back(where + "new, but dated " + row.written_at);
        if (row.metric_id != 0 && row.metric_id <= largest_id) out.push_back(where + "new, with an id used before");
        continue;
      }
      const bool same = was->second.values == row.values;
      if (!same) ++seen.updated;
      if (row.metric_id != was->second.metric_id) out.push_back(where + "metric_id changed");
      if (row.created_at != was->second.created_at) out.push_back(where + "created_at changed");
      if (same && row.written_at != was->second.written_at) out.push_back(where + "written without a change");
      if (!same && row.written_at != committed_at) out.push_back(where + "changed, but dated " + row.written_at);
    }
  }
  if (receipt != nullptr) {
    const auto count = [&](const char* what, std::int64_t told, std::int64_t counted) {
      if (told == counted) return;
      out.push_back(std::string("the receipt says ") + what + ' ' + std::to_string(told) + ", counted " +
                    std::to_string(counted));
    };
    count("inserted", receipt->inserted, seen.inserted);
    count("updated", receipt->updated, seen.updated);
    count("deleted", receipt->deleted, seen.deleted);
  }
  return out;
}

std::string told(const std::vector<std::string>& lines, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) text += "  " + lines[i] + '\n';
  if (lines.size() > most) text += "  … and " + std::to_string(lines.size() - most) + " more\n";
  return text;
}

}  // namespace admetrics::support
