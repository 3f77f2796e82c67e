#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "compare/compare.hpp"
#include "compare/words.hpp"

namespace admetrics {
namespace comparison {

std::string percent(double share) {
  // Never a round 100 while something differs.
  if (share < 100 && share > 99.99) return "99.99 %";
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.2f %%", share);
  return text.data();
}

std::string amount(double number) {
  std::array<char, 400> text;
  const bool whole = std::fabs(number - std::round(number)) < 1e-9;
  std::snprintf(text.data(), text.size(), whole ? "%.0f" : "%.4f", number);
  return text.data();
}

std::string key_text(const std::vector<std::string>& key) {
  std::string text;
  for (std::size_t i = 0; i < key.size(); ++i) text += (i == 0 ? "" : i == 4 ? "=" : " ") + key[i];
  return verification::printable(text);
}

}  // namespace comparison

namespace {

namespace json = boost::json;
using comparison::amount;
using comparison::Cause;
using comparison::Column;
using comparison::Difference;
using comparison::key_text;
using comparison::LevelRows;
using comparison::percent;
using comparison::Table;
using verification::printable;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array list;
  for (const std::string& text : texts) list.emplace_back(printable(text));
  return list;
}

json::object to_object(const Column& column) {
  json::array largest;
  for (const Difference& difference : column.largest) {
    largest.push_back({{"key", to_array(difference.key)},
                       {"here", printable(difference.here)},
                       {"there", printable(difference.there)},
                       {"size", std::isfinite(difference.size) ? json::value(difference.size) : json::value()}});
  }
  return {{"column", column.name},
          {"column_there", column.name_there.empty() ? json::value() : json::value(column.name_there)},
          {"compared", column.compared},
          {"equal", column.equal},
          {"accuracy_percent", column.accuracy()},
          {"sum_here", column.sum_here},
          {"sum_there", column.sum_there},
          {"largest", std::move(largest)}};
}

json::object to_object(const Table& table) {
  json::array levels;
  for (const LevelRows& rows : table.levels) {
    levels.push_back({{"level", printable(rows.level)},
                      {"both", rows.both},
                      {"equal", rows.equal},
                      {"only_here", rows.only_here},
                      {"only_there", rows.only_there}});
  }
  json::array columns;
  for (const Column& column : table.columns) columns.push_back(to_object(column));
  const auto keys = [](const std::vector<std::vector<std::string>>& from) {
    json::array list;
    for (const auto& key : from) list.push_back(to_array(key));
    return list;
  };
  return {{"table", table.name},
          {"rows_both", table.total(&LevelRows::both)},
          {"rows_equal", table.total(&LevelRows::equal)},
          {"rows_only_here", table.total(&LevelRows::only_here)},
          {"rows_only_there", table.total(&LevelRows::only_there)},
          {"levels", std::move(levels)},
          {"columns", std::move(columns)},
          {"only_here", keys(table.only_here)},
          {"only_there", keys(table.only_there)}};
}

}  // namespace

std::string to_text(const CompareReport& report) {
  std::string text = report.equal() ? "equal\n" : "different\n";
  text += "here   " + printable(report.here) + "\nthere  " + printable(report.there) + "\n";
  for (const std::string& note : report.notes) text += "note: " + printable(note) + "\n";
  for (const Table& table : report.tables) {
    text += "\n" + table.name + "\n  " + padded("", 10) + padded("both", 10) + padded("equal", 10) +
            padded("only here", 11) + "only there\n";
    for (const LevelRows& rows : table.levels) {
      text += "  " + padded(printable(rows.level), 10) + padded(std::to_string(rows.both), 10) +
              padded(std::to_string(rows.equal), 10) + padded(std::to_string(rows.only_here), 11) +
              std::to_string(rows.only_there) + "\n";
    }
    text += "\n  " + padded("column", 34) + padded("agrees", 10) + padded("differs in", 12) + padded("sum here", 16) +
            "sum there\n";
    for (const Column& column : table.columns) {
      text += "  " + padded(column.name, 34);
      if (column.name_there.empty()) {
        text += "not there\n";
        continue;
      }
      text += padded(percent(column.accuracy()), 10) + padded(std::to_string(column.compared - column.equal), 12) +
              padded(amount(column.sum_here), 16) + amount(column.sum_there) + "\n";
    }
    for (const Column& column : table.columns) {
      if (column.largest.empty()) continue;
      text += "  largest in " + column.name + "\n";
      constexpr std::size_t kShown = 3;
      for (std::size_t i = 0; i < column.largest.size() && i < kShown; ++i) {
        const Difference& difference = column.largest[i];
        text += "    " + key_text(difference.key) + ": here " + printable(difference.here) + "; there " +
                printable(difference.there) + "\n";
      }
    }
    for (const auto& [keys, where] : {std::pair(&table.only_here, "here"), std::pair(&table.only_there, "there")}) {
      constexpr std::size_t kShown = 5;
      for (std::size_t i = 0; i < keys->size() && i < kShown; ++i) {
        text += std::string("  only ") + where + ": " + key_text((*keys)[i]) + "\n";
      }
    }
  }
  if (!report.causes.empty()) text += "\ncauses, each row under the one that explains most of it\n";
  for (const Cause& cause : report.causes) {
    text += "  " + padded(std::to_string(cause.rows) + " rows", 14) + cause.text;
    if (cause.users > 0) text += " (" + std::to_string(cause.users) + " users)";
    text += "\n";
    for (const std::string& example : cause.examples) text += "    " + printable(example) + "\n";
  }
  return text;
}

std::string to_json(const CompareReport& report) {
  json::array tables;
  for (const Table& table : report.tables) tables.push_back(to_object(table));
  json::array causes;
  for (const Cause& cause : report.causes) {
    causes.push_back({{"cause", cause.name},
                      {"text", cause.text},
                      {"rows", cause.rows},
                      {"users", cause.users},
                      {"examples", to_array(cause.examples)}});
  }
  json::object days;
  for (const auto& [day, sums] : report.days) {
    json::object columns;
    for (const auto& [column, both] : sums.columns) columns[column] = {{"here", both.first}, {"there", both.second}};
    days[printable(day)] = std::move(columns);
  }
  return json::serialize(json::object{{"equal", report.equal()},
                                      {"here", printable(report.here)},
                                      {"there", printable(report.there)},
                                      {"notes", to_array(report.notes)},
                                      {"tables", std::move(tables)},
                                      {"causes", std::move(causes)},
                                      {"days", std::move(days)}});
}

}  // namespace admetrics
