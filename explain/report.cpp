#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "explain/explain.hpp"
#include "verify/printable.hpp"

namespace admetrics {
namespace {

namespace json = boost::json;
using explanation::Column;
using explanation::Gift;
using explanation::RawRow;
using explanation::User;
using verification::printable;

/// Rows of texts, each column as wide as its widest text. The last column is as wide as it likes.
class Aligned {
 public:
  explicit Aligned(std::string indent) : indent_(std::move(indent)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  [[nodiscard]] std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = indent_;
      for (std::size_t i = 0; i < row.size(); ++i) {
        line += row[i];
        if (i + 1 < row.size()) line += std::string(widths[i] - width(row[i]) + 2, ' ');
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  /// In characters: bytes that continue one do not count.
  static std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  }
  std::string indent_;
  std::vector<std::vector<std::string>> rows_;
};

std::string cells_text(const RawRow& row) {
  std::string text;
  for (const auto& [column, value] : row.cells) text += (text.empty() ? "" : " ") + column + "=" + printable(value);
  return text;
}

std::string gifts_text(const RawRow& row) {
  std::string text;
  for (const Gift& gift : row.gifts) {
    text += (text.empty() ? "→ " : ", ") + gift.column;
    if (gift.amount.empty()) continue;
    const bool key = gift.column == "entity_id" || gift.column == "breakdown_value";
    text += (key ? " = " : gift.amount.front() == '-' ? " " : " +") + printable(gift.amount);
  }
  if (!row.note.empty()) text += (text.empty() ? "· " : " · ") + printable(row.note);
  return text;
}

/// What each row gives, on a line of its own below it.
std::string with_gifts(const std::string& lines, const std::vector<RawRow>& rows) {
  std::string out;
  std::size_t begin = 0;
  for (const RawRow& row : rows) {
    const std::size_t end = lines.find('\n', begin) + 1;
    out += lines.substr(begin, end - begin);
    begin = end;
    if (const std::string gifts = gifts_text(row); !gifts.empty()) out += "      " + gifts + "\n";
  }
  return out;
}

constexpr std::size_t kListShown = 60;
std::string shortened(const std::string& text) {
  if (text.size() <= kListShown) return printable(text);
  return printable(text.substr(0, kListShown)) + "…";
}

void add_users(const std::vector<User>& users, std::size_t shown, std::string& text) {
  for (std::size_t i = 0; i < users.size() && i < shown; ++i) {
    std::string lists;
    for (const std::string& list : users[i].lists) lists += (lists.empty() ? "  in " : ", ") + list;
    text += "  " + printable(users[i].distinct_id) + lists + "\n";
    Aligned rows("    ");
    for (const RawRow& row : users[i].rows) rows.add({row.table, printable(row.key), cells_text(row)});
    text += with_gifts(rows.text(), users[i].rows);
  }
  if (users.size() > shown) text += "  … and " + std::to_string(users.size() - shown) + " more: --users N, or --json\n";
}

json::object to_object(const RawRow& row) {
  json::object cells;
  for (const auto& [column, value] : row.cells) cells[column] = printable(value);
  json::array gifts;
  for (const Gift& gift : row.gifts) {
    json::object one{{"column", gift.column}};
    if (!gift.amount.empty()) one["amount"] = printable(gift.amount);
    gifts.push_back(std::move(one));
  }
  json::object object{
      {"table", row.table}, {"key", printable(row.key)}, {"cells", std::move(cells)}, {"gives", std::move(gifts)}};
  if (!row.note.empty()) object["note"] = printable(row.note);
  return object;
}

json::array to_array(const std::vector<User>& users) {
  json::array list;
  for (const User& user : users) {
    json::array rows;
    for (const RawRow& row : user.rows) rows.push_back(to_object(row));
    json::object one{{"distinct_id", printable(user.distinct_id)},
                     {"lists", json::array(user.lists.begin(), user.lists.end())},
                     {"rows", std::move(rows)}};
    if (user.rows_left_out > 0) one["rows_left_out"] = user.rows_left_out;
    list.push_back(std::move(one));
  }
  return list;
}

std::string verdict(const Explanation& explanation) {
  if (!explanation.stored && !explanation.expected) return "no such row: nothing counts for it";
  if (!explanation.stored) return "MISSING: this row should be stored";
  if (!explanation.expected) return "TOO MANY: this row is stored, but nothing counts for it";
  std::string differs;
  for (const Column& column : explanation.columns) {
    if (!column.equal) differs += (differs.empty() ? "" : ", ") + column.name;
  }
  if (differs.empty()) return "the stored row agrees in every column";
  return "the stored row DIFFERS in " + differs;
}

}  // namespace

std::string to_text(const Explanation& explanation, std::size_t users_shown) {
  std::string text = explanation.table;
  for (std::size_t i = 0; i < explanation.key.size(); ++i) text += (i == 4 ? "=" : " ") + printable(explanation.key[i]);
  text += "\n" + verdict(explanation) + "\nas of " + format_day(explanation.as_of);
  if (explanation.epoch) text += ", epoch " + std::to_string(*explanation.epoch);
  text += "; its trials are post-trial from " + format_day(explanation.post_trial_on) + " on\n";
  if (explanation.last_change) {
    const auto& change = *explanation.last_change;
    text += (explanation.stored ? "last changed " : "gone since ") + printable(change.at) + " UTC, epoch " +
            std::to_string(change.epoch) + (change.since_first_fill ? ", the first fill" : "") + "\n";
  } else if (!explanation.computed_at.empty()) {
    text += "last changed " + printable(explanation.computed_at) + " UTC\n";
  }
  for (const auto& cause : explanation.causes) text += "  " + cause.name + ": " + printable(cause.evidence) + "\n";
  for (const std::string& note : explanation.notes) text += "note: " + printable(note) + "\n";

  text += "\nusers: " + std::to_string(explanation.users.size()) + "\n";
  add_users(explanation.users, users_shown, text);
  text += "\nMeta rows: " + std::to_string(explanation.meta.size()) + "\n";
  Aligned meta("  ");
  for (const RawRow& row : explanation.meta) meta.add({row.table, printable(row.key), cells_text(row)});
  text += with_gifts(meta.text(), explanation.meta);
  if (!explanation.elsewhere.empty()) {
    text += "\nusers with a start or a purchase on this day, who count on another: " +
            std::to_string(explanation.elsewhere.size()) + "\n";
    add_users(explanation.elsewhere, users_shown, text);
  }
  text += "\ncolumns\n";
  Aligned columns("  ");
  for (const Column& column : explanation.columns) {
    std::string stored = explanation.stored ? shortened(column.stored) : "–";
    if (explanation.stored && !column.equal) stored += "  ≠";
    columns.add({column.name, stored, shortened(column.expected), "= " + printable(column.filled), column.formula});
  }
  return text + columns.text();
}

std::string to_json(const Explanation& explanation) {
  json::array key;
  for (const std::string& part : explanation.key) key.emplace_back(printable(part));
  json::object root{{"table", explanation.table},
                    {"key", std::move(key)},
                    {"expected", explanation.expected},
                    {"stored", explanation.stored},
                    {"agrees", explanation.agrees()},
                    {"as_of", format_day(explanation.as_of)},
                    {"post_trial_on", format_day(explanation.post_trial_on)}};
  if (explanation.epoch) root["epoch"] = *explanation.epoch;
  if (!explanation.computed_at.empty()) root["computed_at"] = printable(explanation.computed_at);
  json::array causes;
  for (const auto& cause : explanation.causes) {
    causes.push_back({{"cause", cause.name}, {"evidence", printable(cause.evidence)}});
  }
  root["causes"] = std::move(causes);
  if (explanation.last_change) {
    const auto& change = *explanation.last_change;
    root["last_change"] = {{"at", printable(change.at)},
                           {"epoch", change.epoch},
                           {"causes", json::array(change.causes.begin(), change.causes.end())},
                           {"since_first_fill", change.since_first_fill}};
  }
  json::array notes;
  for (const std::string& note : explanation.notes) notes.emplace_back(printable(note));
  root["notes"] = std::move(notes);
  root["users"] = to_array(explanation.users);
  json::array meta;
  for (const RawRow& row : explanation.meta) meta.push_back(to_object(row));
  root["meta"] = std::move(meta);
  root["elsewhere"] = to_array(explanation.elsewhere);
  for (const auto& [name, left_out] : {std::pair("users_left_out", explanation.users_left_out),
                                       std::pair("elsewhere_left_out", explanation.elsewhere_left_out),
                                       std::pair("meta_left_out", explanation.meta_left_out)}) {
    if (left_out > 0) root[name] = left_out;
  }
  json::array columns;
  for (const Column& column : explanation.columns) {
    json::object one{{"column", column.name},
                     {"formula", column.formula},
                     {"filled", printable(column.filled)},
                     {"expected", printable(column.expected)}};
    if (explanation.stored) {
      one["stored"] = printable(column.stored);
      one["equal"] = column.equal;
    }
    columns.push_back(std::move(one));
  }
  root["columns"] = std::move(columns);
  return json::serialize(root);
}

}  // namespace admetrics
