#pragma once

#include "sinks/sqlite/sqlite_sink.hpp"

/// Private to the room.
namespace admetrics::sink {

struct SqliteSink::Statements {
  sqlite::Statement put_state;
  sqlite::Statement put_key;
  sqlite::Statement clear_keys;
  sqlite::Statement get_name;
  sqlite::Statement insert_name;
  sqlite::Statement update_name;
  sqlite::Statement delete_name;
  sqlite::Statement get_hierarchy;
  sqlite::Statement insert_hierarchy;
  sqlite::Statement update_hierarchy;
  sqlite::Statement delete_hierarchy;
  sqlite::Statement note_items;  // of a fill only
};

}  // namespace admetrics::sink
