#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "sources/changelog/digest.hpp"
#include "sources/changelog/record.hpp"

/// One line's JSON, read once and in its own words, before anybody knows its shape and its table.
namespace admetrics::source {

struct Member {
  std::string_view name;
  Value value;
};
using Members = std::vector<Member>;

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

  void clear() {
    static const EnvelopeParts kNothing;  // copying it is one move; making one is a store for each of its parts
    static_cast<EnvelopeParts&>(*this) = kNothing;
  }
};

/// Debezium's PostgreSQL connector gives each record of a transaction an id of its own: the transaction's, and behind a colon
/// the record's place in the log. Everywhere else the place is 0.
std::pair<std::string_view, std::int64_t> transaction_and_place(std::string_view id);

}  // namespace admetrics::source
