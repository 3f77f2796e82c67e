#include "sources/changelog/record_maker.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "sources/changelog/digest.hpp"

namespace admetrics::source {
namespace {

constexpr std::string_view kUnavailable =
    "__debezium_unavailable_value";  // "as it was": a value too large to be sent again

constexpr Verdict kGood{true, BadRecord::kNotJson};
constexpr Verdict bad(BadRecord reason) { return {false, reason}; }

/// A key must be whole: nothing else finds the row again.
bool has_key(const LandingTable& table, Cells& cells) {
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    // NULL and empty are the same breakdown value (metrics.md section 3).
    const bool breakdown = i == 2;
    if (breakdown && cells[i].kind == Value::Kind::kNull) cells[i] = Value::of(std::string_view());
    if (cells[i].kind <= Value::Kind::kNull) return false;
  }
  if (table.kind == ChangeKind::kProduct) {
    const auto number = whole_number(cells[0]);
    if (!number) return false;
    cells[0] = Value::of(*number);
  }
  return true;
}

}  // namespace

std::size_t ColumnFinder::look_up(std::size_t member, std::string_view name) {
  const std::size_t column = find_column(*table_, name);
  if (column < kLandingColumnsMax && member < guesses_.size())
    guesses_[member] = {table_->columns[column].name, column};
  return column;
}

RecordMaker::RecordMaker(LogFormat format, const MixpanelMapping& mapping, TimeZone zone)
    : format_(format), mixpanel_(mapping, std::move(zone)) {
  for (const LandingTable& table : landing_tables()) finders_.emplace_back(table);
}

Verdict RecordMaker::take(Envelope& e, std::string_view line) {
  const auto wanted = [&](LogFormat shape) { return format_ == LogFormat::kAuto || format_ == shape; };
  record_.kind = RecordKind::kNothing;
  record_.other_table = false;
  record_.table = nullptr;
  record_.has_before = false;
  record_.version = Version();
  record_.transaction = {};
  record_.transaction_place = 0;
  record_.order = -1;
  record_.ends_transaction = false;
  record_.expected = -1;
  record_.event_ms = 0;
  if (wanted(LogFormat::kMixpanel) && e.has_properties && !e.event.empty()) {
    mixpanel_.take(e, line, record_);
    return kGood;
  }
  if (e.has_status && !e.has_op) {
    if (!wanted(LogFormat::kDebezium) || e.id.empty()) return bad(BadRecord::kUnknownShape);
    if (e.status != "BEGIN" && e.status != "END") return bad(BadRecord::kUnknownOp);
    record_.kind = e.status == "BEGIN" ? RecordKind::kBegin : RecordKind::kEnd;
    std::tie(record_.transaction, record_.transaction_place) = transaction_and_place(e.id);
    record_.ends_transaction = record_.kind == RecordKind::kEnd;
    record_.expected = e.has_expected ? e.expected : -1;
    return kGood;
  }
  record_.transaction = e.transaction;
  record_.transaction_place = e.transaction_place;
  record_.order = e.order;
  const bool envelope_of_debezium = e.has_source || e.has_after || (e.has_op && e.op.size() == 1);
  if (wanted(LogFormat::kDebezium) && envelope_of_debezium && e.has_op) return take_debezium(e);
  if (wanted(LogFormat::kPlain) && !e.has_source) {
    record_.ends_transaction = e.transaction_ends;
    if (!e.table.empty()) return take_plain(e);
    if (!e.transaction.empty() && !e.has_op) {
      record_.kind = e.transaction_ends ? RecordKind::kEnd : RecordKind::kBegin;
      return kGood;
    }
  }
  if (wanted(LogFormat::kDebezium)) {
    const bool heartbeat = e.has_ms && !e.has_op && !e.other_members && !e.has_row && !e.has_key && e.table.empty();
    if (e.null || e.has_ddl || heartbeat) return kGood;
  }
  return bad(BadRecord::kUnknownShape);
}

Verdict RecordMaker::take_debezium(const Envelope& e) {
  const std::string_view name = !e.source_table.empty() ? e.source_table : e.table;
  if (e.op == "m") return kGood;  // a message, of no table
  if (name.empty()) return bad(BadRecord::kUnknownTable);
  record_.table = table_of(name);
  if (record_.table == nullptr) {
    record_.other_table = true;
    return kGood;
  }
  if (e.op == "c" || e.op == "u" || e.op == "r") {
    if (!e.has_after) return bad(BadRecord::kNoRow);
    return take_row_change(e, RecordKind::kUpsert, &e.after, e.has_before ? &e.before : nullptr, true);
  }
  if (e.op == "d") return take_row_change(e, RecordKind::kDelete, e.has_before ? &e.before : nullptr, nullptr, true);
  if (e.op == "t") return take_row_change(e, RecordKind::kTruncate, nullptr, nullptr, true);
  return bad(BadRecord::kUnknownOp);
}

Verdict RecordMaker::take_plain(const Envelope& e) {
  record_.table = table_of(e.table);
  if (record_.table == nullptr) return bad(BadRecord::kUnknownTable);
  if (e.op == "upsert" || (!e.has_op && e.has_row)) {
    if (!e.has_row) return bad(BadRecord::kNoRow);
    return take_row_change(e, RecordKind::kUpsert, &e.row, e.has_before ? &e.before : nullptr, false);
  }
  if (e.op == "delete") return take_row_change(e, RecordKind::kDelete, e.has_row ? &e.row : nullptr, nullptr, false);
  if (e.op == "truncate") return take_row_change(e, RecordKind::kTruncate, nullptr, nullptr, false);
  return bad(BadRecord::kUnknownOp);
}

/// Records of a table mostly come one after the other.
const LandingTable* RecordMaker::table_of(std::string_view name) {
  if (last_table_ == nullptr || last_table_->name != name) last_table_ = find_landing_table(name);
  return last_table_;
}

Verdict RecordMaker::take_row_change(const Envelope& e, RecordKind kind, const Members* row, const Members* before,
                                     bool debezium) {
  const LandingTable& table = *record_.table;
  record_.kind = kind;
  const std::size_t columns = table.columns.size();
  for (std::size_t i = 0; i < columns; ++i) record_.cells[i].kind = Value::Kind::kAbsent;
  if (std::exchange(before_taken_, before != nullptr)) record_.before.fill(Value());
  if (e.has_key && kind != RecordKind::kTruncate) take_cells(e, e.key, debezium, record_.cells, buffers_);
  if (row != nullptr) take_cells(e, *row, debezium, record_.cells, buffers_);
  record_.has_before = before != nullptr;
  if (before != nullptr) {
    take_cells(e, *before, debezium, record_.before, buffers_before_);
    record_.has_before = has_key(table, record_.before);
  }
  if (kind != RecordKind::kTruncate && !has_key(table, record_.cells)) return bad(BadRecord::kNoKey);
  take_version(e, debezium);
  return kGood;
}

void RecordMaker::take_cells(const Envelope& e, const Members& members, bool encoded, Cells& cells, Buffers& buffers) {
  const LandingTable& table = *record_.table;
  ColumnFinder& finder = finders_[index_of(table)];
  if (!encoded) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t column = finder.find(i, members[i].name);
      if (column < kLandingColumnsMax) cells[column] = members[i].value;
    }
    return;
  }
  const Encodings* const how = connect_.encodings(e.schema, e.known_connector, table);
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::size_t column = finder.find(i, members[i].name);
    if (column == kLandingColumnsMax) continue;
    const Value& value = members[i].value;
    if (value.kind == Value::Kind::kText && value.text == kUnavailable) continue;
    const ColumnKind kind = table.columns[column].kind;
    if (kind == ColumnKind::kNumber && value.kind == Value::Kind::kText && value.text.starts_with('{')) {
      cells[column] = connect_.variable_decimal(value, buffers[column]);
      continue;
    }
    if (how == nullptr || ((*how)[column].kind == Encoding::Kind::kByMagnitude && kind != ColumnKind::kDay &&
                           kind != ColumnKind::kTime)) {
      cells[column] = value;
    } else {
      cells[column] = ConnectValues::decoded(value, (*how)[column], kind, buffers[column]);
    }
  }
}

void RecordMaker::take_version(const Envelope& e, bool debezium) {
  Version& v = record_.version;
  const auto number = [&](const Value& value) {
    const auto whole = whole_number(value);
    if (!whole || *whole <= 0) return false;
    v.position = Version::Position::kNumber;
    v.number = *whole;
    return true;
  };
  if (!debezium) {
    if (e.seq.kind == Value::Kind::kInteger) {
      v.position = Version::Position::kNumber;
      v.number = e.seq.integer;
    } else if (e.seq.kind == Value::Kind::kText && !e.seq.text.empty()) {
      v.position = Version::Position::kText;
      v.text = e.seq.text;
    }
  } else if (number(e.lsn) || number(e.scn)) {
    // taken
  } else if (!e.change_lsn.empty()) {
    v.position = Version::Position::kText;
    v.text = e.change_lsn;
  } else if (const auto at = whole_number(e.position); at && *at >= 0 && !e.log_file.empty()) {
    // MySQL: the log's file, the place in it, the row of the event there; written so that bytes compare as they should.
    const auto digits = [&](std::int64_t value) {
      std::string text = std::to_string(value);
      constexpr std::size_t kDigits = 19;
      position_text_.append(kDigits - std::min(kDigits, text.size()), '0') += text;
    };
    position_text_.assign(e.log_file);
    position_text_ += ':';
    digits(*at);
    position_text_ += ':';
    digits(std::max<std::int64_t>(0, whole_number(e.row_number).value_or(0)));
    v.position = Version::Position::kText;
    v.text = position_text_;
  }
  v.has_ms = e.has_source_ms || e.has_ms;
  v.ms = e.has_source_ms ? e.source_ms : e.ms;
  v.snapshot = debezium && (e.op == "r" || (e.snapshot && e.op == "c"));
  if (!debezium && v.position != Version::Position::kNone) return;  // `seq` is the record's own
  Digest digest;
  digest.add(static_cast<std::uint64_t>(record_.kind));
  digest.add(index_of(*record_.table));
  for (const Cells* cells : {&record_.before, &record_.cells}) {
    for (std::size_t i = 0; i < record_.table->columns.size(); ++i) {
      const Value& value = (*cells)[i];
      digest.add(static_cast<std::uint64_t>(value.kind));
      switch (value.kind) {
        case Value::Kind::kAbsent:
        case Value::Kind::kNull: break;
        case Value::Kind::kInteger:
        case Value::Kind::kReal: digest.add(static_cast<std::uint64_t>(value.integer)); break;
        case Value::Kind::kText: digest.add(value.text); break;
      }
    }
  }
  digest.add(static_cast<std::uint64_t>(v.ms));
  digest.add(static_cast<std::uint64_t>(v.number));
  digest.add(v.text);
  digest.add(e.transaction);
  digest.add(static_cast<std::uint64_t>(e.order));
  digest.add(e.source_digest.value());
  v.digest = digest.value();
}

}  // namespace admetrics::source
