#include "sources/changelog/record_parser.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "core/base/day.hpp"
#include "sources/changelog/digest.hpp"

namespace admetrics::source {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t kMembersMax = 4'096;         // of one object; what follows is not looked at
constexpr std::size_t kWindowBytes = 256 << 10;    // lines that go through simdjson's first stage together
constexpr std::size_t kSalvageAttemptsMax = 64;    // to find a whole record behind a torn one
constexpr std::size_t kSalvageBytesMax = 8 << 20;  // … and what these attempts may cost together
constexpr std::size_t kSchemasKeptMax = 256;
constexpr int kWrappersMax = 3;
constexpr std::string_view kUnavailable =
    "__debezium_unavailable_value";  // "as it was": a value too large to be sent again

struct Member {
  std::string_view name;
  Value value;
};
using Members = std::vector<Member>;

/// How Debezium wrote a column.
struct Encoding {
  enum class Kind : std::uint8_t { kAsIs, kDays, kMillis, kMicros, kNanos, kDecimal, kByMagnitude };
  Kind kind = Kind::kAsIs;
  int scale = 0;
};
using Encodings = std::array<Encoding, kLandingColumnsMax>;

/// What one envelope held, before its table is known.
struct EnvelopeParts {
  bool has_before = false, has_after = false, has_key = false, has_row = false, has_properties = false;
  bool has_op = false, has_source = false, has_status = false, has_ddl = false;
  bool null = false;  // a tombstone
  bool other_members = false;
  std::string_view op, table, source_table, event, status, id, schema;
  std::string_view transaction;
  std::int64_t order = -1, expected = -1;
  bool has_expected = false, transaction_ends = false;
  std::int64_t transaction_place = 0;
  bool has_ms = false, has_source_ms = false;
  std::int64_t ms = 0, source_ms = 0;
  bool snapshot = false, known_connector = false;
  Value seq, lsn, scn, position, row_number;
  Digest source_digest;  // of what else tells one change from another
  std::string_view change_lsn, log_file;
};
/// … with its lists, whose memory is kept from line to line; each counts when its flag says so.
struct Envelope : EnvelopeParts {
  Members before, after, key, row, properties;

  void clear() { static_cast<EnvelopeParts&>(*this) = EnvelopeParts(); }
};

bool same_text(std::string_view wanted_lower, std::string_view text) {
  return std::equal(wanted_lower.begin(), wanted_lower.end(), text.begin(), text.end(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b); });
}

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

/// Without what a writer may put around a record.
std::string_view trimmed(std::string_view line) {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  return line;
}

/// Debezium's PostgreSQL connector gives each record of a transaction an id of its own: the transaction's, and behind a colon
/// the record's place in the log. Everywhere else the place is 0.
std::pair<std::string_view, std::int64_t> transaction_and_place(std::string_view id) {
  const std::size_t colon = id.find(':');
  if (colon == std::string_view::npos) return {id, 0};
  const std::string_view number = id.substr(0, colon);
  const bool digits = !number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos;
  std::int64_t place = 0;
  const char* const end = id.data() + id.size();
  const auto [rest, error] = std::from_chars(id.data() + colon + 1, end, place);
  const bool whole = digits && error == std::errc() && rest == end && place >= 0;
  return whole ? std::pair(number, place) : std::pair(id, std::int64_t{0});
}

std::optional<std::int64_t> whole_number(const Value& value) {
  if (value.kind == Value::Kind::kInteger) return value.integer;
  if (value.kind != Value::Kind::kText || value.text.empty()) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [rest, error] = std::from_chars(value.text.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

/// Writes `YYYY-MM-DD HH:MM:SS` and, where there is one, a fraction of six digits.
std::size_t write_time(std::int64_t seconds, std::int64_t micros, char* out) {
  constexpr std::int64_t kDaySeconds = 86'400;
  std::int64_t day = seconds / kDaySeconds;
  std::int64_t second = seconds % kDaySeconds;
  if (second < 0) {
    second += kDaySeconds;
    --day;
  }
  if (day < kFirstDay.value || day > kLastDay.value) return 0;
  const std::string date = format_day(Day{static_cast<std::int32_t>(day)});
  std::memcpy(out, date.data(), date.size());
  char* at = out + date.size();
  const auto two = [&](char before, std::int64_t number) {
    *at++ = before;
    *at++ = static_cast<char>('0' + number / 10);
    *at++ = static_cast<char>('0' + number % 10);
  };
  two(' ', second / 3'600);
  two(':', second / 60 % 60);
  two(':', second % 60);
  if (micros != 0) {
    *at++ = '.';
    for (std::int64_t unit = 100'000; unit > 0; unit /= 10) *at++ = static_cast<char>('0' + micros / unit % 10);
  }
  return static_cast<std::size_t>(at - out);
}

std::int64_t floor_div(std::int64_t number, std::int64_t by) { return number / by - (number % by < 0 ? 1 : 0); }

constexpr std::size_t kScratchBytes = 48;
using Scratch = std::array<char, kScratchBytes>;

/// Kafka Connect's Decimal: base64 of a big-endian two's complement number without its point. "": it is none.
std::string_view write_decimal(std::string_view base64, int scale, Scratch& out) {
  std::array<std::uint8_t, 12> bytes{};  // 96 bits: more digits than any DECIMAL of ours
  std::size_t size = 0;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : base64) {
    if (c == '=') break;
    int digit = -1;
    if (c >= 'A' && c <= 'Z') digit = c - 'A';
    if (c >= 'a' && c <= 'z') digit = c - 'a' + 26;
    if (c >= '0' && c <= '9') digit = c - '0' + 52;
    if (c == '+') digit = 62;
    if (c == '/') digit = 63;
    if (digit < 0) return {};
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    if (size == bytes.size()) return {};
    bytes[size++] = static_cast<std::uint8_t>(bits >> held);
  }
  if (size == 0 || scale < 0 || scale > 18) return {};
  __extension__ using Wide = __int128;
  Wide number = (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (std::size_t i = 0; i < size; ++i) number = number * 256 + bytes[i];
  const bool negative = number < 0;
  if (negative) number = -number;
  char* at = out.data() + out.size();
  int digits = 0;
  do {
    if (digits == scale && scale > 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(number % 10));
    number /= 10;
    ++digits;
  } while (number > 0 || digits <= scale);
  if (negative) *--at = '-';
  return {at, static_cast<std::size_t>(out.data() + out.size() - at)};
}

/// A number that stands for a day or a time, as its text.
Value decoded(const Value& value, const Encoding& encoding, ColumnKind kind, Scratch& scratch) {
  using Kind = Encoding::Kind;
  if (encoding.kind == Kind::kAsIs) return value;
  if (encoding.kind == Kind::kDecimal) {
    if (value.kind != Value::Kind::kText) return value;
    const std::string_view text = write_decimal(value.text, encoding.scale, scratch);
    return text.empty() ? value : Value::of(text);
  }
  if (value.kind != Value::Kind::kInteger) return value;
  const std::int64_t number = value.integer;
  Kind unit = encoding.kind;
  if (unit == Kind::kByMagnitude) {
    constexpr std::int64_t kDaysMax = 3'000'000;
    constexpr std::int64_t kMillisMax = 100'000'000'000'000;  // the year 5138
    constexpr std::int64_t kMicrosMax = 100'000'000'000'000'000;
    const std::int64_t size = number < 0 ? -(number + 1) : number;
    unit = size < kDaysMax && kind == ColumnKind::kDay ? Kind::kDays
           : size < kMillisMax                         ? Kind::kMillis
           : size < kMicrosMax                         ? Kind::kMicros
                                                       : Kind::kNanos;
  }
  std::int64_t seconds = 0;
  std::int64_t micros = 0;
  switch (unit) {
    case Kind::kDays:
      if (number < kFirstDay.value || number > kLastDay.value) return value;
      seconds = number * 86'400;
      break;
    case Kind::kMillis:
      seconds = floor_div(number, 1'000);
      micros = (number - seconds * 1'000) * 1'000;
      break;
    case Kind::kMicros:
      seconds = floor_div(number, 1'000'000);
      micros = number - seconds * 1'000'000;
      break;
    case Kind::kNanos:
      seconds = floor_div(number, 1'000'000'000);
      micros = (number - seconds * 1'000'000'000) / 1'000;
      break;
    case Kind::kAsIs:
    case Kind::kDecimal:
    case Kind::kByMagnitude: return value;
  }
  constexpr std::size_t kDayLetters = 10;
  std::size_t size = write_time(seconds, micros, scratch.data());
  if (size == 0) return value;
  if (kind == ColumnKind::kDay) size = kDayLetters;
  return Value::of(std::string_view(scratch.data(), size));
}

/// The columns of one table, found quickly where records keep their order.
class ColumnFinder {
 public:
  explicit ColumnFinder(const LandingTable& table) : table_(&table) { guesses_.fill(kLandingColumnsMax); }

  /// kLandingColumnsMax: none of ours.
  std::size_t find(std::size_t member, std::string_view name) {
    if (member < guesses_.size()) {
      const std::size_t guess = guesses_[member];
      if (guess < table_->columns.size() && table_->columns[guess].name == name) return guess;
    }
    for (std::size_t i = 0; i < table_->columns.size(); ++i) {
      if (!same_text(table_->columns[i].name, name)) continue;
      if (member < guesses_.size()) guesses_[member] = i;
      return i;
    }
    return kLandingColumnsMax;
  }

 private:
  const LandingTable* table_;
  std::array<std::size_t, 32> guesses_{};
};

/// What a line turned out to be.
struct Verdict {
  bool good = false;
  BadRecord reason = BadRecord::kNotJson;
};
constexpr Verdict kGood{true, BadRecord::kNotJson};
constexpr Verdict bad(BadRecord reason) { return {false, reason}; }

BadRecord reason_of(simdjson::error_code error) {
  return error == simdjson::UTF8_ERROR ? BadRecord::kNotUtf8 : BadRecord::kNotJson;
}

}  // namespace

struct RecordParser::Impl {
  Impl(LogFormat log_format, const MixpanelMapping& mapping, TimeZone zone_of_times)
      : format(log_format), zone(std::move(zone_of_times)) {
    for (const LandingTable& table : landing_tables()) finders.emplace_back(table);
    const std::array<const MixpanelMapping::Names*, kPropertyTargets> lists{
        &mapping.event_uuid, &mapping.distinct_id,        &mapping.event_time,    &mapping.revenue_usd,
        &mapping.abi_ad_id,  &mapping.abi_campaign_id,    &mapping.abi_ad_set_id, &mapping.country,
        &mapping.region,     &mapping.has_abi_attribution};
    for (std::size_t target = 0; target < lists.size(); ++target) {
      for (std::size_t rank = 0; rank < lists[target]->size(); ++rank)
        properties[(*lists[target])[rank]].push_back({target, rank});
    }
    lines.threaded = false;
  }

  // Fixed after construction.
  static constexpr std::size_t kPropertyTargets = 10;
  struct Target {
    std::size_t target;
    std::size_t rank;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  const LogFormat format;
  const TimeZone zone;
  std::unordered_map<std::string, std::vector<Target>, TextHash, std::equal_to<>> properties;
  // Between lines.
  ondemand::parser lines;
  ondemand::parser single;
  simdjson::dom::parser small;
  std::vector<ColumnFinder> finders;
  std::unordered_map<std::uint64_t, Encodings> schemas;  // by their digest, and the table's
  // Of the line.
  Envelope envelope;
  Record record;
  const LandingTable* last_table = nullptr;
  std::array<Scratch, kLandingColumnsMax> scratch, scratch_before;
  std::string position_text;

  // ── JSON to members ──────────────────────────────────────────────────────────────────────────────────────────────

  /// Where the library answers with a flag or with an error: never by throwing.
  template <class Json>
  static bool is_null(Json& json) {
    bool null = false;
    return simdjson::simdjson_result<bool>(json.is_null()).get(null) == simdjson::SUCCESS && null;
  }

  static simdjson::error_code read_value(ondemand::value json, Value& into) {
    ondemand::json_type type{};
    if (const auto error = json.type().get(type)) return error;
    switch (type) {
      case ondemand::json_type::string: {
        into.kind = Value::Kind::kText;
        return json.get_string().get(into.text);
      }
      case ondemand::json_type::number: {
        std::string_view token = json.raw_json_token();
        ondemand::number number;
        if (json.get_number().get(number) != simdjson::SUCCESS || number.is_uint64()) {
          // Beyond 64 bits: as its digits. What is no number at all is found so, too.
          while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
          const bool digits = !token.empty() && token.find_first_not_of("0123456789", token.front() == '-' ? 1 : 0) ==
                                                    std::string_view::npos;
          if (!digits) return simdjson::NUMBER_ERROR;
          into = Value::of(token);
        } else if (number.is_int64()) {
          into = Value::of(number.get_int64());
        } else {
          into = Value::of(number.get_double());
        }
        return simdjson::SUCCESS;
      }
      case ondemand::json_type::boolean: {
        bool flag = false;
        if (const auto error = json.get_bool().get(flag)) return error;
        into = Value::of(std::int64_t{flag ? 1 : 0});
        return simdjson::SUCCESS;
      }
      case ondemand::json_type::null: {
        if (!is_null(json)) return simdjson::N_ATOM_ERROR;
        into = Value::null();
        return simdjson::SUCCESS;
      }
      case ondemand::json_type::object: {
        ondemand::object inner;
        if (const auto error = json.get_object().get(inner)) return error;
        into.kind = Value::Kind::kText;
        return inner.raw_json().get(into.text);
      }
      case ondemand::json_type::array: {
        ondemand::array inner;
        if (const auto error = json.get_array().get(inner)) return error;
        into.kind = Value::Kind::kText;
        return inner.raw_json().get(into.text);
      }
    }
    return simdjson::TAPE_ERROR;
  }

  /// One whose escapes are none gives "".
  static std::string_view key_of(ondemand::field& field) {
    const char* const from = field.key().raw();
    const char* at = from;
    while (*at != '"') {
      if (*at == '\\') {
        std::string_view unescaped;
        return field.unescaped_key().get(unescaped) == simdjson::SUCCESS ? unescaped : std::string_view();
      }
      ++at;
    }
    return {from, static_cast<std::size_t>(at - from)};
  }

  static simdjson::error_code read_members(ondemand::object object, Members& into) {
    for (auto each : object) {
      ondemand::field field;
      if (const auto error = std::move(each).get(field)) return error;
      if (into.size() == kMembersMax) continue;
      const std::string_view name = key_of(field);
      Member& member = into.emplace_back();
      member.name = name;
      if (const auto error = read_value(field.value(), member.value)) return error;
    }
    return simdjson::SUCCESS;
  }

  /// An object's members; null and anything else leave `present` false.
  static simdjson::error_code read_object(ondemand::value json, Members& into, bool& present) {
    ondemand::json_type type{};
    if (const auto error = json.type().get(type)) return error;
    if (type != ondemand::json_type::object) {
      Value ignored;
      return read_value(json, ignored);
    }
    ondemand::object object;
    if (const auto error = json.get_object().get(object)) return error;
    present = true;
    into.clear();
    return read_members(object, into);
  }

  static simdjson::error_code read_text(ondemand::value json, std::string_view& into) {
    Value value;
    if (const auto error = read_value(json, value)) return error;
    if (value.kind == Value::Kind::kText) into = value.text;
    return simdjson::SUCCESS;
  }

  static simdjson::error_code read_flag(ondemand::value json, bool& into) {
    Value value;
    if (const auto error = read_value(json, value)) return error;
    into = value.kind == Value::Kind::kInteger && value.integer != 0;
    return simdjson::SUCCESS;
  }

  simdjson::error_code read_source(ondemand::value json) {
    ondemand::json_type type{};
    if (const auto error = json.type().get(type)) return error;
    Value value;
    if (type != ondemand::json_type::object) return read_value(json, value);
    ondemand::object object;
    if (const auto error = json.get_object().get(object)) return error;
    Envelope& e = envelope;
    e.has_source = true;
    for (auto each : object) {
      ondemand::field field;
      if (const auto error = std::move(each).get(field)) return error;
      const std::string_view name = key_of(field);
      value = {};
      if (const auto error = read_value(field.value(), value)) return error;
      if (name == "table") {
        if (value.kind == Value::Kind::kText) e.source_table = value.text;
      } else if (name == "ts_ms") {
        if (const auto ms = whole_number(value); ms && *ms > 0) {
          e.has_source_ms = true;
          e.source_ms = *ms;
        }
      } else if (name == "lsn") {
        e.lsn = value;
      } else if (name == "scn") {
        e.scn = value;
      } else if (name == "change_lsn") {
        if (value.kind == Value::Kind::kText) e.change_lsn = value.text;
      } else if (name == "file") {
        if (value.kind == Value::Kind::kText) e.log_file = value.text;
      } else if (name == "pos") {
        e.position = value;
      } else if (name == "row") {
        e.row_number = value;
      } else if (name == "ts_ns" || name == "ts_us" || name == "txId" || name == "event_serial_no" || name == "gtid") {
        e.source_digest.add(name);
        e.source_digest.add(value.kind == Value::Kind::kText ? digest_of(value.text)
                                                             : static_cast<std::uint64_t>(value.integer));
      } else if (name == "snapshot") {
        e.snapshot = value.kind == Value::Kind::kText ? !value.text.empty() && value.text != "false"
                                                      : value.kind == Value::Kind::kInteger && value.integer != 0;
      } else if (name == "connector") {
        constexpr std::array<std::string_view, 8> kConnectors{"postgresql", "mysql", "mariadb", "sqlserver",
                                                              "oracle",     "db2",   "vitess",  "informix"};
        e.known_connector = std::find(kConnectors.begin(), kConnectors.end(), value.text) != kConnectors.end();
      }
    }
    return simdjson::SUCCESS;
  }

  simdjson::error_code read_transaction(ondemand::value json) {
    ondemand::json_type type{};
    if (const auto error = json.type().get(type)) return error;
    Value value;
    if (type != ondemand::json_type::object) return read_value(json, value);
    ondemand::object object;
    if (const auto error = json.get_object().get(object)) return error;
    for (auto each : object) {
      ondemand::field field;
      if (const auto error = std::move(each).get(field)) return error;
      const std::string_view name = key_of(field);
      value = {};
      const std::string_view token = name == "id" ? field.value().raw_json_token() : std::string_view();
      if (const auto error = read_value(field.value(), value)) return error;
      if (name == "id") {
        std::tie(envelope.transaction, envelope.transaction_place) =
            transaction_and_place(value.kind == Value::Kind::kText ? value.text : number_text(value, token));
      } else if (name == "total_order") {
        if (const auto order = whole_number(value); order && *order > 0) envelope.order = *order;
      }
    }
    return simdjson::SUCCESS;
  }

  static std::string_view number_text(const Value& value, std::string_view token) {
    if (value.kind != Value::Kind::kInteger && value.kind != Value::Kind::kReal) return {};
    while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
    return token;
  }

  /// Debezium's END says how many records each table has: those of our tables are counted.
  simdjson::error_code read_collections(ondemand::value json) {
    ondemand::json_type type{};
    if (const auto error = json.type().get(type)) return error;
    if (type != ondemand::json_type::array) {
      Value ignored;
      return read_value(json, ignored);
    }
    ondemand::array array;
    if (const auto error = json.get_array().get(array)) return error;
    std::int64_t sum = 0;
    bool told = true;
    for (auto each : array) {
      ondemand::value entry;
      if (const auto error = std::move(each).get(entry)) return error;
      ondemand::object object;
      if (const auto error = entry.get_object().get(object)) return error;
      std::string_view collection;
      Value count;
      for (auto member : object) {
        ondemand::field field;
        if (const auto error = std::move(member).get(field)) return error;
        const std::string_view name = key_of(field);
        if (name == "data_collection") {
          if (const auto error = read_text(field.value(), collection)) return error;
        } else {
          Value value;
          if (const auto error = read_value(field.value(), value)) return error;
          if (name == "event_count") count = value;
        }
      }
      const auto number = whole_number(count);
      if (!number || *number < 0 || *number > INT64_MAX - sum) told = false;
      if (told && find_landing_table(collection.substr(collection.rfind('.') + 1)) != nullptr) sum += *number;
    }
    if (told) {
      envelope.has_expected = true;
      envelope.expected = sum;
    }
    return simdjson::SUCCESS;
  }

  simdjson::error_code read_envelope(ondemand::object object, int depth) {
    Envelope& e = envelope;
    std::int64_t event_count = -1;
    for (auto each : object) {
      ondemand::field field;
      if (const auto error = std::move(each).get(field)) return error;
      const std::string_view name = key_of(field);
      ondemand::value json = field.value();
      simdjson::error_code error = simdjson::SUCCESS;
      Value value;
      if (name == "table") {
        error = read_text(json, e.table);
      } else if (name == "op") {
        e.has_op = true;
        error = read_text(json, e.op);
      } else if (name == "seq") {
        error = read_value(json, e.seq);
      } else if (name == "row") {
        error = read_object(json, e.row, e.has_row);
      } else if (name == "key") {
        error = read_object(json, e.key, e.has_key);
      } else if (name == "before") {
        error = read_object(json, e.before, e.has_before);
      } else if (name == "after") {
        error = read_object(json, e.after, e.has_after);
      } else if (name == "source") {
        error = read_source(json);
      } else if (name == "ts_ms") {
        error = read_value(json, value);
        if (const auto ms = whole_number(value); ms && *ms > 0) {
          e.has_ms = true;
          e.ms = *ms;
        }
      } else if (name == "transaction") {
        error = read_transaction(json);
      } else if (name == "tx") {
        const std::string_view token = json.raw_json_token();
        error = read_value(json, value);
        e.transaction = value.kind == Value::Kind::kText ? value.text : number_text(value, token);
        e.transaction_place = 0;
      } else if (name == "tx_end") {
        error = read_flag(json, e.transaction_ends);
      } else if (name == "event") {
        error = read_text(json, e.event);
      } else if (name == "properties") {
        error = read_object(json, e.properties, e.has_properties);
      } else if (name == "status") {
        e.has_status = true;
        error = read_text(json, e.status);
      } else if (name == "id") {
        const std::string_view token = json.raw_json_token();
        error = read_value(json, value);
        e.id = value.kind == Value::Kind::kText ? value.text : number_text(value, token);
      } else if (name == "event_count") {
        error = read_value(json, value);
        if (const auto count = whole_number(value); count && *count >= 0) event_count = *count;
      } else if (name == "data_collections") {
        error = read_collections(json);
      } else if ((name == "payload" || name == "value") && depth < kWrappersMax) {
        ondemand::json_type type{};
        if ((error = json.type().get(type)) == simdjson::SUCCESS) {
          if (type == ondemand::json_type::object) {
            ondemand::object inner;
            if ((error = json.get_object().get(inner)) == simdjson::SUCCESS) error = read_envelope(inner, depth + 1);
          } else {
            e.null = type == ondemand::json_type::null;
            error = read_value(json, value);
          }
        }
      } else if (name == "schema") {
        ondemand::json_type type{};
        if ((error = json.type().get(type)) == simdjson::SUCCESS) {
          error = read_value(json, value);
          if (type == ondemand::json_type::object) e.schema = value.text;
        }
      } else {
        e.has_ddl = e.has_ddl || name == "ddl";
        e.other_members = true;
        error = read_value(json, value);
      }
      if (error) return error;
    }
    if (!e.has_expected && event_count >= 0) {
      e.has_expected = true;
      e.expected = event_count;
    }
    return simdjson::SUCCESS;
  }

  // ── Members to a record ──────────────────────────────────────────────────────────────────────────────────────────

  const Encodings& encodings(const LandingTable& table) {
    static const Encodings kAsIs{};
    static const auto by_magnitude = [] {
      Encodings all{};
      all.fill({Encoding::Kind::kByMagnitude, 0});
      return all;
    }();
    if (envelope.schema.empty()) return envelope.known_connector ? by_magnitude : kAsIs;
    Digest digest;
    digest.add(envelope.schema);
    digest.add(index_of(table));
    if (const auto found = schemas.find(digest.value()); found != schemas.end()) return found->second;
    if (schemas.size() >= kSchemasKeptMax) schemas.clear();
    return schemas[digest.value()] = read_schema(table);
  }

  Encodings read_schema(const LandingTable& table) {
    Encodings all{};
    simdjson::dom::parser parser;
    simdjson::dom::array envelope_fields;
    const simdjson::padded_string text(envelope.schema);
    if (parser.parse(text)["fields"].get(envelope_fields) != simdjson::SUCCESS) return all;
    for (const simdjson::dom::element part : envelope_fields) {
      std::string_view role;
      simdjson::dom::array columns;
      if (part["field"].get(role) != simdjson::SUCCESS || part["fields"].get(columns) != simdjson::SUCCESS) continue;
      if (role != "after" && role != "before") continue;
      for (const simdjson::dom::element column : columns) {
        std::string_view name;
        std::string_view type;
        if (column["field"].get(name) != simdjson::SUCCESS || column["name"].get(type) != simdjson::SUCCESS) continue;
        const std::size_t index = finders[index_of(table)].find(kLandingColumnsMax * 8, name);
        if (index == kLandingColumnsMax) continue;
        using Kind = Encoding::Kind;
        if (type == "io.debezium.time.Date" || type == "org.apache.kafka.connect.data.Date")
          all[index] = {Kind::kDays, 0};
        if (type == "io.debezium.time.Timestamp" || type == "org.apache.kafka.connect.data.Timestamp")
          all[index] = {Kind::kMillis, 0};
        if (type == "io.debezium.time.MicroTimestamp") all[index] = {Kind::kMicros, 0};
        if (type == "io.debezium.time.NanoTimestamp") all[index] = {Kind::kNanos, 0};
        if (type == "org.apache.kafka.connect.data.Decimal") {
          std::string_view scale;
          int places = 0;
          if (column["parameters"]["scale"].get(scale) == simdjson::SUCCESS)
            std::from_chars(scale.data(), scale.data() + scale.size(), places);
          all[index] = {Kind::kDecimal, places};
        }
      }
    }
    return all;
  }

  void take_cells(const Members& members, const LandingTable& table, bool encoded, Cells& cells,
                  std::array<Scratch, kLandingColumnsMax>& buffers) {
    ColumnFinder& finder = finders[index_of(table)];
    const Encodings* how =
        encoded && (!envelope.schema.empty() || envelope.known_connector) ? &encodings(table) : nullptr;
    for (std::size_t i = 0; i < members.size(); ++i) {
      const std::size_t column = finder.find(i, members[i].name);
      if (column == kLandingColumnsMax) continue;
      const Value& value = members[i].value;
      if (encoded && value.kind == Value::Kind::kText && value.text == kUnavailable) continue;
      const ColumnKind kind = table.columns[column].kind;
      if (encoded && kind == ColumnKind::kNumber && value.kind == Value::Kind::kText && value.text.starts_with('{')) {
        cells[column] = variable_decimal(value, buffers[column]);
        continue;
      }
      if (how == nullptr || ((*how)[column].kind == Encoding::Kind::kByMagnitude && kind != ColumnKind::kDay &&
                             kind != ColumnKind::kTime)) {
        cells[column] = value;
      } else {
        cells[column] = decoded(value, (*how)[column], kind, buffers[column]);
      }
    }
  }

  /// Debezium's VariableScaleDecimal, of columns that declare no scale: `{"scale":2,"value":"base64"}`.
  Value variable_decimal(const Value& value, Scratch& buffer) {
    const simdjson::padded_string text(value.text);
    simdjson::dom::object parts;
    std::int64_t scale = 0;
    std::string_view digits;
    if (small.parse(text).get(parts) != simdjson::SUCCESS || parts["scale"].get(scale) != simdjson::SUCCESS ||
        parts["value"].get(digits) != simdjson::SUCCESS || scale < 0 || scale > 18) {
      return value;
    }
    const std::string_view number = write_decimal(digits, static_cast<int>(scale), buffer);
    return number.empty() ? value : Value::of(number);
  }

  /// A key must be whole: nothing else finds the row again.
  static bool has_key(const LandingTable& table, Cells& cells) {
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

  void take_version(bool debezium) {
    Envelope& e = envelope;
    Version& v = record.version;
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
        position_text.append(kDigits - std::min(kDigits, text.size()), '0') += text;
      };
      position_text.assign(e.log_file);
      position_text += ':';
      digits(*at);
      position_text += ':';
      digits(std::max<std::int64_t>(0, whole_number(e.row_number).value_or(0)));
      v.position = Version::Position::kText;
      v.text = position_text;
    }
    v.has_ms = e.has_source_ms || e.has_ms;
    v.ms = e.has_source_ms ? e.source_ms : e.ms;
    v.snapshot = debezium && (e.op == "r" || (e.snapshot && e.op == "c"));
    if (!debezium && v.position != Version::Position::kNone) return;  // `seq` is the record's own
    Digest digest;
    digest.add(static_cast<std::uint64_t>(record.kind));
    digest.add(index_of(*record.table));
    for (const Cells* cells : {&record.before, &record.cells}) {
      for (std::size_t i = 0; i < record.table->columns.size(); ++i) {
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

  Verdict take_row_change(RecordKind kind, const Members* row, const Members* before, bool debezium) {
    const LandingTable& table = *record.table;
    record.kind = kind;
    const std::size_t columns = table.columns.size();
    std::fill_n(record.cells.begin(), columns, Value());
    std::fill_n(record.before.begin(), columns, Value());
    if (envelope.has_key && kind != RecordKind::kTruncate)
      take_cells(envelope.key, table, debezium, record.cells, scratch);
    if (row != nullptr) take_cells(*row, table, debezium, record.cells, scratch);
    record.has_before = before != nullptr;
    if (before != nullptr) {
      take_cells(*before, table, debezium, record.before, scratch_before);
      record.has_before = has_key(table, record.before);
    }
    if (kind != RecordKind::kTruncate && !has_key(table, record.cells)) return bad(BadRecord::kNoKey);
    take_version(debezium);
    return kGood;
  }

  /// Records of a table mostly come one after the other.
  const LandingTable* table_of(std::string_view name) {
    if (last_table == nullptr || last_table->name != name) last_table = find_landing_table(name);
    return last_table;
  }

  Verdict take_debezium() {
    Envelope& e = envelope;
    const std::string_view name = !e.source_table.empty() ? e.source_table : e.table;
    if (e.op == "m") return kGood;  // a message, of no table
    if (name.empty()) return bad(BadRecord::kUnknownTable);
    record.table = table_of(name);
    if (record.table == nullptr) {
      record.other_table = true;
      return kGood;
    }
    if (e.op == "c" || e.op == "u" || e.op == "r") {
      if (!e.has_after) return bad(BadRecord::kNoRow);
      return take_row_change(RecordKind::kUpsert, &e.after, e.has_before ? &e.before : nullptr, true);
    }
    if (e.op == "d") return take_row_change(RecordKind::kDelete, e.has_before ? &e.before : nullptr, nullptr, true);
    if (e.op == "t") return take_row_change(RecordKind::kTruncate, nullptr, nullptr, true);
    return bad(BadRecord::kUnknownOp);
  }

  Verdict take_plain() {
    Envelope& e = envelope;
    record.table = table_of(e.table);
    if (record.table == nullptr) return bad(BadRecord::kUnknownTable);
    if (e.op == "upsert" || (!e.has_op && e.has_row)) {
      if (!e.has_row) return bad(BadRecord::kNoRow);
      return take_row_change(RecordKind::kUpsert, &e.row, e.has_before ? &e.before : nullptr, false);
    }
    if (e.op == "delete") return take_row_change(RecordKind::kDelete, e.has_row ? &e.row : nullptr, nullptr, false);
    if (e.op == "truncate") return take_row_change(RecordKind::kTruncate, nullptr, nullptr, false);
    return bad(BadRecord::kUnknownOp);
  }

  Verdict take_mixpanel(std::string_view line) {
    std::array<Value, kPropertyTargets> found;
    std::array<std::size_t, kPropertyTargets> ranks{};
    for (const Member& member : envelope.properties) {
      if (member.value.kind <= Value::Kind::kNull) continue;
      const auto mapped = properties.find(member.name);
      if (mapped == properties.end()) continue;
      for (const Target& target : mapped->second) {
        if (found[target.target].given() && ranks[target.target] <= target.rank) continue;
        found[target.target] = member.value;
        ranks[target.target] = target.rank;
      }
    }
    const auto& [uuid, distinct_id, time, revenue, ad, campaign, ad_set, country, region, attributed] = found;
    record.kind = RecordKind::kEvent;
    record.table = find_landing_table("mixpanel_event");
    record.cells[0] = uuid;
    record.cells[1] = Value::of(envelope.event);
    record.cells[2] = distinct_id.given() ? distinct_id : Value::null();
    record.cells[3] = time.given() ? event_time(time) : Value::null();
    record.cells[4] = revenue.given() ? revenue : Value::null();
    if (uuid.empty()) {
      // Every event of the export has one. An event without it is told from others by all that it says.
      constexpr std::string_view kHex = "0123456789abcdef";
      std::uint64_t digest = digest_of(trimmed(line));
      Scratch& buffer = scratch[0];
      for (std::size_t i = 0; i < 16; ++i, digest >>= 4) buffer[i] = kHex[digest & 15];
      record.cells[0] = Value::of(std::string_view(buffer.data(), 16));
    }
    record.user = {ad, campaign, ad_set, country, region, attributed};
    return kGood;
  }

  /// Seconds or milliseconds by the project's clock to UTC; a text stays what it is.
  Value event_time(const Value& time) {
    double seconds_and_fraction = 0;
    std::int64_t millis = 0;
    constexpr std::int64_t kSecondsMax = 100'000'000'000;  // more are milliseconds
    if (const auto number = whole_number(time)) {
      if (*number <= -kSecondsMax * 1'000 || *number >= kSecondsMax * 1'000) return time;
      millis = *number >= kSecondsMax || *number <= -kSecondsMax ? *number : *number * 1'000;
    } else if (time.kind == Value::Kind::kReal) {
      seconds_and_fraction = time.real();
      if (!(seconds_and_fraction > -1e11 && seconds_and_fraction < 1e11)) return time;
      millis = static_cast<std::int64_t>(seconds_and_fraction * 1'000 + (seconds_and_fraction < 0 ? -0.5 : 0.5));
    } else {
      if (const auto instant = parse_instant(time.text))
        record.event_ms = instant->seconds * 1'000 + instant->nanos / 1'000'000;
      return time;
    }
    std::int64_t seconds = floor_div(millis, 1'000);
    const std::int64_t micros = (millis - seconds * 1'000) * 1'000;
    seconds = zone.utc_of_wall_seconds(seconds);
    record.event_ms = seconds * 1'000 + micros / 1'000;
    const std::size_t size = write_time(seconds, micros, scratch[3].data());
    return size == 0 ? time : Value::of(std::string_view(scratch[3].data(), size));
  }

  Verdict take_envelope(std::string_view line) {
    Envelope& e = envelope;
    const auto wanted = [&](LogFormat shape) { return format == LogFormat::kAuto || format == shape; };
    record.kind = RecordKind::kNothing;
    record.other_table = false;
    record.table = nullptr;
    record.has_before = false;
    record.version = Version();
    record.transaction = {};
    record.transaction_place = 0;
    record.order = -1;
    record.ends_transaction = false;
    record.expected = -1;
    record.event_ms = 0;
    if (wanted(LogFormat::kMixpanel) && e.has_properties && !e.event.empty()) return take_mixpanel(line);
    if (e.has_status && !e.has_op) {
      if (!wanted(LogFormat::kDebezium) || e.id.empty()) return bad(BadRecord::kUnknownShape);
      if (e.status != "BEGIN" && e.status != "END") return bad(BadRecord::kUnknownOp);
      record.kind = e.status == "BEGIN" ? RecordKind::kBegin : RecordKind::kEnd;
      std::tie(record.transaction, record.transaction_place) = transaction_and_place(e.id);
      record.ends_transaction = record.kind == RecordKind::kEnd;
      record.expected = e.has_expected ? e.expected : -1;
      return kGood;
    }
    record.transaction = e.transaction;
    record.transaction_place = e.transaction_place;
    record.order = e.order;
    const bool envelope_of_debezium = e.has_source || e.has_after || (e.has_op && e.op.size() == 1);
    if (wanted(LogFormat::kDebezium) && envelope_of_debezium && e.has_op) return take_debezium();
    if (wanted(LogFormat::kPlain) && !e.has_source) {
      record.ends_transaction = e.transaction_ends;
      if (!e.table.empty()) return take_plain();
      if (!e.transaction.empty() && !e.has_op) {
        record.kind = e.transaction_ends ? RecordKind::kEnd : RecordKind::kBegin;
        return kGood;
      }
    }
    if (wanted(LogFormat::kDebezium)) {
      const bool heartbeat = e.has_ms && !e.has_op && !e.other_members && !e.has_row && !e.has_key && e.table.empty();
      if (e.null || e.has_ddl || heartbeat) return kGood;
    }
    return bad(BadRecord::kUnknownShape);
  }

  /// Reads one document to its end.
  template <class Document>
  simdjson::error_code read_document(Document& document) {
    envelope.clear();
    ondemand::json_type type{};
    if (const auto error = document.type().get(type)) return error;
    if (type == ondemand::json_type::null) {
      envelope.null = true;
      return is_null(document) ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
    }
    ondemand::object object;
    if (const auto error = document.get_object().get(object)) return error;
    return read_envelope(object, 0);
  }

  // ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /// One line by itself; `record` holds it when the verdict is good.
  Verdict read_line(std::string_view line) {
    ondemand::document document;
    if (const auto error =
            single.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING).get(document))
      return bad(reason_of(error));
    if (const auto error = read_document(document)) return bad(reason_of(error));
    const char* more = nullptr;
    if (document.current_location().get(more) == simdjson::SUCCESS) return bad(BadRecord::kNotJson);
    return take_envelope(line);
  }

  Status visit_line(std::size_t at, std::string_view text, RecordVisitor& visitor) {
    if (trimmed(text).empty()) return {};  // also what a crash may leave: a block of NULs
    const LogLine line{at, text};
    const Verdict verdict = read_line(text);
    if (verdict.good) return visitor.on_record(record, line);
    if (verdict.reason != BadRecord::kNotJson) return visitor.on_bad(verdict.reason, line);
    const std::size_t from = find_record_behind(text);
    if (from == 0) return visitor.on_bad(verdict.reason, line);
    const std::string_view half = text.substr(0, from);
    const std::string_view rest = text.substr(from);
    if (!trimmed(half).empty()) {
      if (read_line(half).good) {
        ADM_TRY(visitor.on_record(record, {at, half}));
      } else {
        ADM_TRY(visitor.on_bad(BadRecord::kTorn, {at, half}));
      }
    }
    if (!read_line(rest).good) return visitor.on_bad(BadRecord::kTorn, {at + from, rest});
    return visitor.on_record(record, {at + from, rest});
  }

  /// A writer that was killed leaves half a line, and the next one may write on behind it: where a whole record begins that
  /// reaches to the end of the line; 0: nowhere.
  std::size_t find_record_behind(std::string_view text) {
    std::size_t cost = 0;
    std::size_t from = text.find("{\"", 1);
    for (std::size_t attempt = 0; attempt < kSalvageAttemptsMax && from != std::string_view::npos; ++attempt) {
      const std::string_view rest = text.substr(from);
      cost += rest.size();
      if (cost > kSalvageBytesMax) break;
      if (read_line(rest).good && record.kind != RecordKind::kNothing) return from;
      from = text.find("{\"", from + 1);
    }
    return 0;
  }

  /// The lines from `at` to `end`, each by itself.
  Status visit_lines(std::string_view all, std::size_t at, std::size_t end, RecordVisitor& visitor) {
    while (at < end) {
      std::size_t line_end = all.find('\n', at);
      if (line_end == std::string_view::npos || line_end > end) line_end = end;
      ADM_TRY(visit_line(at, all.substr(at, line_end - at), visitor));
      at = line_end + 1;
    }
    return {};
  }

  /// The lines from `at` to `end` through one first stage. What it does not like is read line by line.
  Status visit_window(std::string_view all, const std::size_t at, const std::size_t end, RecordVisitor& visitor) {
    std::size_t done = at;  // lines before this one were visited
    ondemand::document_stream documents;
    if (lines.iterate_many(all.data() + at, end - at, std::max(end - at, kWindowBytes)).get(documents) !=
        simdjson::SUCCESS) {
      return visit_lines(all, at, end, visitor);
    }
    for (auto each = documents.begin(); each != documents.end(); ++each) {
      ondemand::document_reference document;
      if ((*each).get(document) != simdjson::SUCCESS) break;
      const std::size_t start = at + each.current_index();
      if (start >= end || !is_blank(all.substr(done, start - done))) break;
      std::size_t line_end = all.find('\n', start);
      if (line_end == std::string_view::npos || line_end > end) line_end = end;
      if (read_document(document) != simdjson::SUCCESS) break;
      // Nothing but a line break may stand between this document and the next. What stands behind the last one the library
      // does not tell: that line is read by itself.
      const char* next = nullptr;
      if (document.current_location().get(next) != simdjson::SUCCESS) break;
      const auto next_at = static_cast<std::size_t>(next - all.data());
      if (next_at <= line_end || next_at > end || !is_blank(all.substr(line_end, next_at - line_end))) break;
      const LogLine line{start, all.substr(start, line_end - start)};
      const Verdict verdict = take_envelope(line.text);
      ADM_TRY(verdict.good ? visitor.on_record(record, line) : visitor.on_bad(verdict.reason, line));
      done = std::min(line_end + 1, end);
    }
    return visit_lines(all, done, end, visitor);
  }
};

RecordParser::RecordParser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordParser::RecordParser(RecordParser&&) noexcept = default;
RecordParser& RecordParser::operator=(RecordParser&&) noexcept = default;
RecordParser::~RecordParser() = default;

Result<RecordParser> RecordParser::create(LogFormat format, const MixpanelMapping& mapping) {
  ADM_ASSIGN(TimeZone zone, TimeZone::find(mapping.time_zone));
  return RecordParser(std::make_unique<Impl>(format, mapping, std::move(zone)));
}

std::size_t RecordParser::padding() { return simdjson::SIMDJSON_PADDING; }

Status RecordParser::parse(std::string_view lines, RecordVisitor& visitor) {
  std::size_t at = 0;
  while (at < lines.size()) {
    std::size_t end = lines.size();
    if (lines.size() - at > kWindowBytes) {
      // Whole lines: up to the last line break in the window, or the first one behind it.
      end = lines.rfind('\n', at + kWindowBytes);
      if (end == std::string_view::npos || end < at) end = lines.find('\n', at + kWindowBytes);
      end = end == std::string_view::npos ? lines.size() : end + 1;
    }
    ADM_TRY(impl_->visit_window(lines, at, end, visitor));
    at = end;
  }
  return {};
}

bool RecordParser::is_whole(std::string_view line) {
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.remove_suffix(1);
  if (line.empty() || line.back() != '}') return false;
  const Verdict verdict = impl_->read_line(line);
  if (verdict.good || (verdict.reason != BadRecord::kNotJson && verdict.reason != BadRecord::kNotUtf8)) return true;
  return impl_->find_record_behind(line) != 0;
}

std::string_view name_of(BadRecord reason) {
  switch (reason) {
    case BadRecord::kNotJson: return "not_json";
    case BadRecord::kNotUtf8: return "not_utf8";
    case BadRecord::kTooLong: return "too_long";
    case BadRecord::kUnknownShape: return "unknown_shape";
    case BadRecord::kUnknownTable: return "unknown_table";
    case BadRecord::kUnknownOp: return "unknown_op";
    case BadRecord::kNoKey: return "no_key";
    case BadRecord::kNoRow: return "no_row";
    case BadRecord::kTorn: return "torn";
    case BadRecord::kDamagedFile: return "damaged_file";
  }
  return "";
}

}  // namespace admetrics::source
