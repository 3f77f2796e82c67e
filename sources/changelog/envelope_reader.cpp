#include "sources/changelog/envelope_reader.hpp"

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <tuple>

namespace admetrics::source {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t kMembersMax = 4'096;  // of one object; what follows is not looked at
constexpr int kWrappersMax = 3;

/// Where the library answers with a flag or with an error: never by throwing.
template <class Json>
bool is_null(Json& json) {
  bool null = false;
  return simdjson::simdjson_result<bool>(json.is_null()).get(null) == simdjson::SUCCESS && null;
}

/// The end of a string that begins behind its quote at `from`; nullptr where it has escapes. Most have none, and are read
/// where they stand, not copied. The library's first stage has seen that the string is closed, and the padding lies behind it.
/// Like the two below it stands in the loops themselves: a call for each member costs more than reading it.
[[gnu::always_inline]] inline const char* end_without_escapes(const char* from) {
  static_assert(simdjson::SIMDJSON_PADDING >= sizeof(__m128i));
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (const char* at = from;; at += sizeof(__m128i)) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));  // NOLINT: so it is to be called
    const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const auto found = static_cast<unsigned>(_mm_movemask_epi8(ends));
    if (found == 0) continue;
    const char* const end = at + std::countr_zero(found);
    return *end == '"' ? end : nullptr;
  }
}

/// The value is a string, and begins at `from`.
[[gnu::always_inline]] inline simdjson::error_code read_string(ondemand::value& json, const char* from,
                                                               std::string_view& into) {
  const char* const end = end_without_escapes(from + 1);
  if (end == nullptr) return json.get_string().get(into);
  into = {from + 1, static_cast<std::size_t>(end - from - 1)};
  return json.get_raw_json_string().error();
}

simdjson::error_code read_value_but_string(ondemand::value& json, Value& into) {
  ondemand::json_type type{};
  if (const auto error = json.type().get(type)) return error;
  switch (type) {
    case ondemand::json_type::string: break;  // not asked for
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

[[gnu::always_inline]] inline simdjson::error_code read_value(ondemand::value& json, Value& into) {
  const char* const from = json.raw_json_token().data();
  if (*from != '"') return read_value_but_string(json, into);
  into.kind = Value::Kind::kText;
  return read_string(json, from, into.text);
}

/// One whose escapes are none gives "".
[[gnu::always_inline]] inline std::string_view key_of(ondemand::field& field) {
  const char* const from = field.key().raw();
  if (const char* const end = end_without_escapes(from)) return {from, static_cast<std::size_t>(end - from)};
  std::string_view unescaped;
  return field.unescaped_key().get(unescaped) == simdjson::SUCCESS ? unescaped : std::string_view();
}

/// Calls `visit(name, json)` for each member, until it gives an error.
template <class Visit>
[[gnu::always_inline]] inline simdjson::error_code for_each_member(ondemand::object object, Visit&& visit) {
  for (auto each : object) {
    if (const auto error = each.error()) return error;
    ondemand::field&& field = std::move(each).value_unsafe();
    const std::string_view name = key_of(field);
    if (const simdjson::error_code error = visit(name, field.value())) return error;
  }
  return simdjson::SUCCESS;
}

/// An object, for its members to be read; null and anything else is read over, and leaves `present` false.
simdjson::error_code begin_object(ondemand::value& json, ondemand::object& object, bool& present) {
  ondemand::json_type type{};
  if (const auto error = json.type().get(type)) return error;
  if (type != ondemand::json_type::object) {
    Value ignored;
    return read_value(json, ignored);
  }
  if (const auto error = json.get_object().get(object)) return error;
  present = true;
  return simdjson::SUCCESS;
}

simdjson::error_code read_object(ondemand::value& json, Members& into, bool& present) {
  ondemand::object object;
  bool is_object = false;
  if (const auto error = begin_object(json, object, is_object); error || !is_object) return error;
  present = true;
  into.clear();
  return for_each_member(object, [&](std::string_view name, ondemand::value& value) {
    if (into.size() == kMembersMax) return simdjson::SUCCESS;
    Member& member = into.emplace_back();
    member.name = name;
    return read_value(value, member.value);
  });
}

simdjson::error_code read_text(ondemand::value& json, std::string_view& into) {
  if (const char* const from = json.raw_json_token().data(); *from == '"') return read_string(json, from, into);
  Value value;
  if (const auto error = read_value(json, value)) return error;
  if (value.kind == Value::Kind::kText) into = value.text;
  return simdjson::SUCCESS;
}

simdjson::error_code read_flag(ondemand::value& json, bool& into) {
  Value value;
  if (const auto error = read_value(json, value)) return error;
  into = value.kind == Value::Kind::kInteger && value.integer != 0;
  return simdjson::SUCCESS;
}

simdjson::error_code read_source(ondemand::value& json, Envelope& e) {
  ondemand::object object;
  bool is_object = false;
  if (const auto error = begin_object(json, object, is_object); error || !is_object) return error;
  e.has_source = true;
  return for_each_member(object, [&](std::string_view name, ondemand::value& member) {
    Value value;
    if (const auto error = read_value(member, value)) return error;
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
    return simdjson::SUCCESS;
  });
}

std::string_view number_text(const Value& value, std::string_view token) {
  if (value.kind != Value::Kind::kInteger && value.kind != Value::Kind::kReal) return {};
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  return token;
}

simdjson::error_code read_transaction(ondemand::value& json, Envelope& e) {
  ondemand::object object;
  bool is_object = false;
  if (const auto error = begin_object(json, object, is_object); error || !is_object) return error;
  return for_each_member(object, [&](std::string_view name, ondemand::value& member) {
    Value value;
    const std::string_view token = name == "id" ? member.raw_json_token() : std::string_view();
    if (const auto error = read_value(member, value)) return error;
    if (name == "id") {
      std::tie(e.transaction, e.transaction_place) =
          transaction_and_place(value.kind == Value::Kind::kText ? value.text : number_text(value, token));
    } else if (name == "total_order") {
      if (const auto order = whole_number(value); order && *order > 0) e.order = *order;
    }
    return simdjson::SUCCESS;
  });
}

/// Debezium's END says how many records each table has: those of our tables are counted.
simdjson::error_code read_collections(ondemand::value& json, Envelope& e) {
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
    if (const auto error = each.get(entry)) return error;
    ondemand::object object;
    if (const auto error = entry.get_object().get(object)) return error;
    std::string_view collection;
    Value count;
    const auto error = for_each_member(object, [&](std::string_view name, ondemand::value& member) {
      if (name == "data_collection") return read_text(member, collection);
      Value ignored;
      return read_value(member, name == "event_count" ? count : ignored);
    });
    if (error) return error;
    const auto number = whole_number(count);
    if (!number || *number < 0 || *number > INT64_MAX - sum) told = false;
    if (told && find_landing_table(collection.substr(collection.rfind('.') + 1)) != nullptr) sum += *number;
  }
  if (told) {
    e.has_expected = true;
    e.expected = sum;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code read_envelope(ondemand::object object, int depth, Envelope& e) {
  std::int64_t event_count = -1;
  const auto failed = for_each_member(object, [&](std::string_view name, ondemand::value& json) {
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
      error = read_source(json, e);
    } else if (name == "ts_ms") {
      error = read_value(json, value);
      if (const auto ms = whole_number(value); ms && *ms > 0) {
        e.has_ms = true;
        e.ms = *ms;
      }
    } else if (name == "transaction") {
      error = read_transaction(json, e);
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
      error = read_collections(json, e);
    } else if ((name == "payload" || name == "value") && depth < kWrappersMax) {
      ondemand::json_type type{};
      if ((error = json.type().get(type)) == simdjson::SUCCESS) {
        if (type == ondemand::json_type::object) {
          ondemand::object inner;
          if ((error = json.get_object().get(inner)) == simdjson::SUCCESS) error = read_envelope(inner, depth + 1, e);
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
    return error;
  });
  if (failed) return failed;
  if (!e.has_expected && event_count >= 0) {
    e.has_expected = true;
    e.expected = event_count;
  }
  return simdjson::SUCCESS;
}

template <class Document>
simdjson::error_code read_any_document(Document& document, Envelope& e) {
  e.clear();
  ondemand::json_type type{};
  if (const auto error = document.type().get(type)) return error;
  if (type == ondemand::json_type::null) {
    e.null = true;
    return is_null(document) ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
  }
  ondemand::object object;
  if (const auto error = document.get_object().get(object)) return error;
  return read_envelope(object, 0, e);
}

}  // namespace

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

simdjson::error_code read_document(ondemand::document& document, Envelope& into) {
  return read_any_document(document, into);
}
simdjson::error_code read_document(ondemand::document_reference& document, Envelope& into) {
  return read_any_document(document, into);
}

}  // namespace admetrics::source
