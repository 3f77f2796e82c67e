#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"

/// How stored rows are read without writing.
namespace admetrics::sink {

Status visit_mapping_keys(sqlite::Connection& database, const std::function<void(const SinkKey&)>& visit);

/// A connection of its own, for reading only, in transactions of some tens of milliseconds: none keeps the log from being
/// checkpointed. kUnsupported: a metric table has no row numbers to cut it by.
Result<std::unique_ptr<StoredRowReader>> open_row_reader(const std::string& path, int busy_timeout_ms);

}  // namespace admetrics::sink
