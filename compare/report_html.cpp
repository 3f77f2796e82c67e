#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "compare/compare.hpp"
#include "compare/words.hpp"

/// The page for people who would rather look. Plain HTML and SVG: it can be mailed, and opens anywhere.
namespace admetrics {
namespace {

using comparison::amount;
using comparison::Cause;
using comparison::Column;
using comparison::key_text;
using comparison::LevelRows;
using comparison::percent;
using comparison::Table;

constexpr const char* kHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>admetricsd compare</title><style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --faint: #667085; --line: #d8dde6; --here: #2563eb;
  --there: #d97706; --good: #15803d; --bad: #b91c1c; --box: #f6f8fb }
@media (prefers-color-scheme: dark) { :root { --paper: #12161d; --ink: #e6eaf0; --faint: #98a2b3; --line: #2c3542;
  --here: #60a5fa; --there: #fbbf24; --good: #4ade80; --bad: #f87171; --box: #1a2029 } }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2.5rem } h3 { font-size: 1rem; margin-bottom: .3rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right } td.n { white-space: nowrap } code, .k { font-family: ui-monospace, monospace; font-size: .87em }
.bar { display: inline-block; width: 9rem; height: .6rem; background: var(--bad); border-radius: .3rem; overflow: hidden }
.bar i { display: block; height: 100%; background: var(--good) }
.faint { color: var(--faint) } .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.2rem }
figure { margin: 0; padding: .8rem; background: var(--box); border-radius: .5rem } figcaption { font-weight: 600 }
svg { width: 100%; height: auto } .here { stroke: var(--here) } .there { stroke: var(--there); stroke-dasharray: 5 3 }
polyline { fill: none; stroke-width: 1.8 } text { fill: var(--faint); font-size: 11px } .axis { stroke: var(--line) }
b.here { color: var(--here) } b.there { color: var(--there) } details { margin: .4rem 0 } .scroll { overflow-x: auto }
</style></head><body>
)html";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : verification::printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string coordinate(double number) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f", number);
  return text.data();
}

/// A number that fits beside an axis: 1.07k, 68M.
std::string axis_label(double number) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits{{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  const char* unit = "";
  for (const auto& [size, name] : kUnits) {
    if (std::fabs(number) < size) continue;
    number /= size;
    unit = name;
    break;
  }
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.3g%s", number, unit);
  return text.data();
}

/// One column's daily sums, both sides, as two lines.
std::string plot(const std::string& column, const CompareReport& report) {
  constexpr double kWidth = 480;
  constexpr double kHeight = 170;
  constexpr double kLeft = 58;
  constexpr double kBottom = 20;
  constexpr double kTop = 8;
  double low = 0;
  double high = 0;
  for (const auto& [day, sums] : report.days) {
    const auto found = sums.columns.find(column);
    if (found == sums.columns.end()) continue;
    low = std::min({low, found->second.first, found->second.second});
    high = std::max({high, found->second.first, found->second.second});
  }
  if (high == low) high = low + 1;
  const double steps = report.days.size() > 1 ? static_cast<double>(report.days.size() - 1) : 1;
  const auto x = [&](double i) { return kLeft + (kWidth - kLeft - 8) * i / steps; };
  const auto y = [&](double value) { return kTop + (kHeight - kTop - kBottom) * (high - value) / (high - low); };
  std::string here;
  std::string there;
  double i = 0;
  for (const auto& [day, sums] : report.days) {
    const auto found = sums.columns.find(column);
    const auto both = found == sums.columns.end() ? std::pair(0.0, 0.0) : found->second;
    here += coordinate(x(i)) + "," + coordinate(y(both.first)) + " ";
    there += coordinate(x(i)) + "," + coordinate(y(both.second)) + " ";
    ++i;
  }
  const std::string first = escaped(report.days.begin()->first);
  const std::string last = escaped(report.days.rbegin()->first);
  std::string svg = "<figure><figcaption>" + escaped(column) +
                    "</figcaption><svg viewBox=\"0 0 480 170\" role=\"img\" "
                    "aria-label=\"" +
                    escaped(column) + " by day, here and there\">";
  for (const double at : {low, high}) {
    svg += "<line class=\"axis\" x1=\"58\" x2=\"472\" y1=\"" + coordinate(y(at)) + "\" y2=\"" + coordinate(y(at)) +
           "\"/><text x=\"52\" y=\"" + coordinate(y(at) + 4) + "\" text-anchor=\"end\">" + axis_label(at) + "</text>";
  }
  return svg + "<text x=\"58\" y=\"166\">" + first + "</text><text x=\"472\" y=\"166\" text-anchor=\"end\">" + last +
         "</text><polyline class=\"there\" points=\"" + there + "\"/><polyline class=\"here\" points=\"" + here +
         "\"/></svg></figure>\n";
}

std::string plots(const CompareReport& report) {
  if (report.days.empty()) return "";
  std::string html =
      "<h2>Campaigns by day</h2><p><b class=\"here\">— here</b> &nbsp; <b class=\"there\">- - there</b></p>"
      "<div class=\"plots\">\n";
  for (const auto& [column, sums] : report.days.begin()->second.columns) html += plot(column, report);
  return html + "</div>\n";
}

std::string table_html(const Table& table) {
  std::string html = "<h2>" + escaped(table.name) +
                     "</h2><table><tr><th>level<th class=\"n\">on both sides<th class=\"n\">equal<th class=\"n\">only "
                     "here<th class=\"n\">only there</tr>\n";
  for (const LevelRows& rows : table.levels) {
    html += "<tr><td>" + escaped(rows.level);
    for (const std::uint64_t number : {rows.both, rows.equal, rows.only_here, rows.only_there}) {
      html += "<td class=\"n\">" + std::to_string(number);
    }
    html += "</tr>\n";
  }
  html +=
      "</table><h3>Columns</h3><div class=\"scroll\"><table><tr><th>column<th>agrees<th class=\"n\"><th class=\"n\">"
      "differs in<th class=\"n\">sum here<th class=\"n\">sum there<th>largest difference</tr>\n";
  for (const Column& column : table.columns) {
    html += "<tr><td class=\"k\">" + escaped(column.name);
    if (column.name_there.empty()) {
      html += "<td colspan=\"6\" class=\"faint\">not there</tr>\n";
      continue;
    }
    html += "<td><span class=\"bar\"><i style=\"width:" + coordinate(column.accuracy()) +
            "%\"></i></span><td class=\"n\">" + percent(column.accuracy()) + "<td class=\"n\">" +
            std::to_string(column.compared - column.equal) + "<td class=\"n\">" + amount(column.sum_here) +
            "<td class=\"n\">" + amount(column.sum_there) + "<td>";
    if (!column.largest.empty()) {
      const auto& first = column.largest.front();
      html += "<span class=\"k\">" + escaped(key_text(first.key)) + "</span><br>here " + escaped(first.here) +
              "; there " + escaped(first.there);
    }
    html += "</tr>\n";
  }
  html += "</table></div>\n";
  for (const auto& [keys, where] : {std::pair(&table.only_here, "here"), std::pair(&table.only_there, "there")}) {
    if (keys->empty()) continue;
    html += std::string("<details><summary>Rows only ") + where + " (the first)</summary><ul>";
    for (const auto& key : *keys) html += "<li class=\"k\">" + escaped(key_text(key));
    html += "</ul></details>\n";
  }
  return html;
}

std::string causes_html(const CompareReport& report) {
  if (report.causes.empty()) return "";
  std::string html = "<h2>Causes</h2><p class=\"faint\">Each row stands under the one that explains most of it.</p>\n";
  std::uint64_t most = 1;
  for (const Cause& cause : report.causes) most = std::max(most, cause.rows);
  for (const Cause& cause : report.causes) {
    const double share = 100.0 * static_cast<double>(cause.rows) / static_cast<double>(most);
    html +=
        "<details open><summary><b>" + std::to_string(cause.rows) + " rows</b> " + escaped(cause.text) +
        (cause.users > 0 ? " (" + std::to_string(cause.users) + " users)" : "") +
        "</summary><svg viewBox=\"0 0 100 2\" preserveAspectRatio=\"none\" style=\"height:.4rem\" aria-hidden=\"true\">"
        "<rect width=\"" +
        coordinate(share) + "\" height=\"2\" fill=\"var(--here)\"/></svg><ul>";
    for (const std::string& example : cause.examples) html += "<li class=\"k\">" + escaped(example);
    html += "</ul></details>\n";
  }
  return html;
}

}  // namespace

std::string to_html(const CompareReport& report) {
  std::string html = kHead;
  html += std::string("<h1>Compared: ") + (report.equal() ? "equal" : "different") +
          "</h1><p><b class=\"here\">here</b> <code>" + escaped(report.here) +
          "</code><br><b class=\"there\">there</b> <code>" + escaped(report.there) + "</code></p>\n";
  for (const std::string& note : report.notes) html += "<p class=\"faint\">" + escaped(note) + "</p>\n";
  html += causes_html(report) + plots(report);
  for (const Table& table : report.tables) html += table_html(table);
  return html + "</body></html>\n";
}

}  // namespace admetrics
