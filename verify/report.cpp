#include <array>
#include <cstdio>

#include <boost/json.hpp>

#include "verify/printable.hpp"
#include "verify/verify.hpp"

namespace admetrics {
namespace {

using verification::printable;

const char* name_of(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kColumn: return "column";
    case DifferenceKind::kMissingRow: return "missing_row";
    case DifferenceKind::kExtraRow: return "extra_row";
  }
  return "";
}

std::string plural(std::uint64_t number, const char* noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string seconds_text(double seconds) {
  std::array<char, 32> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.1f s", seconds);
  return buffer.data();
}

boost::json::array to_array(const std::vector<Difference>& list) {
  boost::json::array differences;
  for (const Difference& difference : list) {
    boost::json::object entry;
    entry["kind"] = name_of(difference.kind);
    entry["table"] = difference.table;
    boost::json::array key;
    for (const std::string& part : difference.key) key.emplace_back(printable(part));
    entry["key"] = std::move(key);
    if (difference.kind == DifferenceKind::kColumn) {
      entry["column"] = difference.column;
      entry["expected"] = printable(difference.expected);
      entry["stored"] = printable(difference.stored);
    }
    differences.push_back(std::move(entry));
  }
  return differences;
}

std::string percent_text(double percent) {
  std::array<char, 32> buffer;
  std::snprintf(buffer.data(), buffer.size(), percent == 100 ? "%.0f %%" : "%.2f %%", percent);
  return buffer.data();
}

}  // namespace

std::string Difference::key_text() const {
  std::string text;
  for (std::size_t i = 0; i < key.size(); ++i) {
    // The fourth and fifth are a breakdown's type and value.
    if (i > 0) text += i == 4 ? "=" : " ";
    text += key[i];
  }
  return text;
}

std::string to_text(const VerifyReport& report) {
  std::string text = (report.equal() ? "equal" : plural(report.difference_count, "difference")) + ", as of " +
                     format_day(report.as_of);
  if (report.epoch) text += ", epoch " + std::to_string(*report.epoch);
  if (report.seconds > 0) text += ", " + seconds_text(report.seconds);
  text += "\n";
  for (const TableReport& table : report.tables) {
    text += "  " + table.table + ": " + plural(table.rows_expected, "row") + " expected, " +
            std::to_string(table.rows_stored) + " stored, " + std::to_string(table.rows_equal) + " equal";
    if (table.rows_missing > 0) text += ", " + std::to_string(table.rows_missing) + " missing";
    if (table.rows_extra > 0) text += ", " + std::to_string(table.rows_extra) + " too many";
    text += ", " + percent_text(table.completeness()) + " complete\n";
    for (const auto& [column, count] : table.column_differences) {
      text += "    " + column + " differs in " + plural(count, "row") + "\n";
    }
  }
  for (const RejectCount& reject : report.rejects) {
    text += "  rejected: " + reject.table + " " + reject.reason + " " + std::to_string(reject.rows) + "\n";
  }
  for (const std::string& note : report.notes) text += "  note: " + printable(note) + "\n";
  for (const Difference& difference : report.differences) {
    text += difference.table + "  " + printable(difference.key_text()) + "  ";
    switch (difference.kind) {
      case DifferenceKind::kColumn:
        text += difference.column + ": expected " + printable(difference.expected) + ", stored " +
                printable(difference.stored);
        break;
      case DifferenceKind::kMissingRow: text += "missing"; break;
      case DifferenceKind::kExtraRow: text += "should not exist"; break;
    }
    text += "\n";
  }
  if (report.differences.size() < report.difference_count) {
    text += "… and " + std::to_string(report.difference_count - report.differences.size()) + " more\n";
  }
  return text;
}

std::string repair_to_text(const VerifyReport& before) {
  std::string text = "repaired\n";
  for (const TableReport& table : before.tables) {
    if (table.equal()) continue;
    text += "  " + table.table + ": " + plural(table.rows_differing(), "row") + " rewritten, " +
            std::to_string(table.rows_missing) + " inserted, " + std::to_string(table.rows_extra) + " removed\n";
  }
  for (const Difference& difference : before.differences) {
    text += "  " + difference.table + "  " + printable(difference.key_text()) + "  ";
    switch (difference.kind) {
      case DifferenceKind::kColumn:
        text += difference.column + ": " + printable(difference.stored) + " → " + printable(difference.expected);
        break;
      case DifferenceKind::kMissingRow: text += "inserted"; break;
      case DifferenceKind::kExtraRow: text += "removed"; break;
    }
    text += "\n";
  }
  if (before.differences.size() < before.difference_count) {
    text += "  … and " + std::to_string(before.difference_count - before.differences.size()) + " more\n";
  }
  return text;
}

std::string to_json(const VerifyReport& report, const VerifyReport* repaired) {
  boost::json::object root;
  root["equal"] = report.equal();
  root["as_of"] = format_day(report.as_of);
  if (report.epoch) root["epoch"] = *report.epoch;
  root["seconds"] = report.seconds;
  boost::json::array tables;
  for (const TableReport& table : report.tables) {
    boost::json::object columns;
    for (const auto& [column, count] : table.column_differences) columns[column] = count;
    boost::json::object all;
    for (const std::string& column : table.columns) all[column] = 0;
    for (const auto& [column, count] : table.column_differences) all[column] = count;
    boost::json::array missing;
    for (const auto& key : table.missing) {
      boost::json::array parts;
      for (const std::string& part : key) parts.emplace_back(printable(part));
      missing.push_back(std::move(parts));
    }
    tables.push_back({{"table", table.table},
                      {"rows_expected", table.rows_expected},
                      {"rows_stored", table.rows_stored},
                      {"rows_equal", table.rows_equal},
                      {"rows_missing", table.rows_missing},
                      {"rows_extra", table.rows_extra},
                      {"rows_differing", table.rows_differing()},
                      {"completeness_percent", table.completeness()},
                      {"missing", std::move(missing)},
                      {"columns", std::move(all)},
                      {"column_differences", std::move(columns)}});
  }
  root["tables"] = std::move(tables);
  root["difference_count"] = report.difference_count;
  root["differences"] = to_array(report.differences);
  boost::json::array rejects;
  for (const RejectCount& reject : report.rejects) {
    rejects.push_back({{"table", reject.table}, {"reason", reject.reason}, {"rows", reject.rows}});
  }
  root["rejects"] = std::move(rejects);
  boost::json::array notes;
  for (const std::string& note : report.notes) notes.emplace_back(printable(note));
  root["notes"] = std::move(notes);
  if (repaired != nullptr) {
    boost::json::array changed;
    for (const TableReport& table : repaired->tables) {
      changed.push_back({{"table", table.table},
                         {"rewritten", table.rows_differing()},
                         {"inserted", table.rows_missing},
                         {"removed", table.rows_extra}});
    }
    root["repaired"] = {{"tables", std::move(changed)},
                        {"difference_count", repaired->difference_count},
                        {"differences", to_array(repaired->differences)}};
  }
  return boost::json::serialize(root);
}

}  // namespace admetrics
