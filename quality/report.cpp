#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>

#include "quality/quality.hpp"
#include "verify/printable.hpp"

namespace admetrics::quality {
namespace {

namespace json = boost::json;
using verification::printable;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string aligned(std::int64_t number, std::size_t width) {
  std::string text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

double dollars(std::int64_t cents) { return static_cast<double>(cents) / 100; }

std::string money(std::int64_t cents) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%14.2f", dollars(cents));
  return text.data();
}

json::object counts_of(const Report& report, Check check) {
  json::object counts;
  for (const Level level : kLevels) counts[name_of(level)] = report.counts[index_of(check)][admetrics::index_of(level)];
  return counts;
}

json::object to_object(const Finding& finding) {
  json::object object{
      {"check", name_of(finding.check)},
      {"date", format_day(finding.day)},
      {"entity_type", name_of(finding.level)},
      {"entity_id", finding.entity_id.empty() ? json::value() : json::value(printable(finding.entity_id))},
      {"spend_usd", dollars(finding.spend_cents)},
      {"text", finding.text}};
  if (finding.breakdown == Breakdown::kNone) return object;
  object["breakdown"] = name_of(finding.breakdown);
  json::array gaps;
  for (const Gap& gap : finding.gaps) {
    const bool cents = gap.column == "meta_spend";
    const auto number = [&](std::int64_t value) { return cents ? json::value(dollars(value)) : json::value(value); };
    gaps.push_back({{"column", gap.column}, {"main_row", number(gap.parent)}, {"breakdown_total", number(gap.total)}});
  }
  object["gaps"] = std::move(gaps);
  return object;
}

}  // namespace

std::string to_text(const Report& report) {
  std::string text = std::to_string(report.count()) + " findings in " + std::to_string(report.rows) + " rows, " +
                     format_day(report.since) + " to " + format_day(report.until);
  if (report.epoch > 0) text += ", epoch " + std::to_string(report.epoch);
  text += "\n\n  " + padded("check", 20) + "  campaign     adset        ad  meaning\n";
  for (const Check check : kChecks) {
    text += "  " + padded(std::string(name_of(check)), 20);
    for (const Level level : kLevels) text += aligned(report.counts[index_of(check)][admetrics::index_of(level)], 10);
    text += "  " + std::string(meaning_of(check)) + "\n";
  }
  text += "\n  date             rows         spend     users  breakdowns  attribution  tracking  no result   no data\n";
  for (const DayQuality& day : report.days) {
    text += "  " + format_day(day.day) + aligned(day.rows, 11) + money(day.spend_cents) + aligned(day.users, 10) +
            aligned(day.findings[0], 12) + aligned(day.findings[1], 13) + aligned(day.findings[2], 10) +
            aligned(day.findings[3], 11) + aligned(day.findings[4], 10) + "\n";
  }
  if (report.findings.empty()) return text;
  text += "\nlargest findings\n";
  for (const Finding& finding : report.findings) {
    const std::string entity = finding.entity_id.empty()
                                   ? "all campaigns"
                                   : std::string(name_of(finding.level)) + ' ' + printable(finding.entity_id);
    text += "  " + format_day(finding.day) + "  " + padded(entity, 30) + "  " +
            padded(std::string(name_of(finding.check)), 20) + "  " + finding.text + "\n";
  }
  if (report.count() > static_cast<std::int64_t>(report.findings.size()))
    text += "  and " + std::to_string(report.count() - static_cast<std::int64_t>(report.findings.size())) + " more\n";
  return text;
}

namespace {

json::object to_object(const Report& report) {
  json::object root{{"since", format_day(report.since)},
                    {"until", format_day(report.until)},
                    {"epoch", report.epoch},
                    {"as_of", report.as_of},
                    {"tolerance_percent", report.tolerance_percent},
                    {"rows", report.rows},
                    {"findings_total", report.count()}};
  json::object checks;
  for (const Check check : kChecks) {
    json::object counts = counts_of(report, check);
    counts["total"] = report.count(check);
    counts["meaning"] = meaning_of(check);
    checks[name_of(check)] = std::move(counts);
  }
  root["checks"] = std::move(checks);
  json::array findings;
  for (const Finding& finding : report.findings) findings.push_back(to_object(finding));
  root["findings"] = std::move(findings);
  return root;
}

}  // namespace

std::string to_summary_json(const Report& report) { return json::serialize(to_object(report)); }

std::string to_json(const Report& report) {
  json::object root = to_object(report);
  json::array days;
  for (const DayQuality& day : report.days) {
    json::object found;
    for (const Check check : kChecks) found[name_of(check)] = day.findings[index_of(check)];
    days.push_back({{"date", format_day(day.day)},
                    {"rows", day.rows},
                    {"spend_usd", dollars(day.spend_cents)},
                    {"users", day.users},
                    {"findings", std::move(found)}});
  }
  root["days"] = std::move(days);
  return json::serialize(root);
}

}  // namespace admetrics::quality
