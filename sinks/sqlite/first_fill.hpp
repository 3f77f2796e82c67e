#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/sqlite/database.hpp"

/// Tables aside: where an epoch that fills empty tables is written, many rows in short transactions, before one more
/// transaction puts them in the place of the empty ones. Readers see nothing or the whole, and the pipeline, whose file it
/// usually is, never waits long for the write lock.
namespace admetrics::sink {

/// Before the name of each of the four tables.
inline constexpr std::string_view kAsidePrefix = "_admetrics_fill_";
/// What is being filled, and how far: one row, (token, items).
inline constexpr std::string_view kFillTable = "_admetrics_fill";

/// Whether the four tables hold nothing and are exactly as we make them, with nothing of anybody's hanging on them: then
/// others can take their place unnoticed.
Result<bool> can_be_exchanged(sqlite::Connection& database);

/// Whether a fill was begun and not ended, here or by a process that is gone.
Result<bool> aside_stands(sqlite::Connection& database);
/// How many items of the fill `token` are there; nothing where it is not that one's.
Result<std::optional<std::int64_t>> aside_items(sqlite::Connection& database, std::string_view token);

/// Makes the tables aside and moves there what this transaction has written. The named indexes go along: an empty table
/// needs none, and a name stands once in a database.
Status create_aside(sqlite::Connection& database, std::string_view token);
/// Puts the tables aside in the place of the four. False: these are not empty any more, or not as they were.
/// Needs `PRAGMA legacy_alter_table` on, so that views that name the tables stay as they are.
Result<bool> exchange(sqlite::Connection& database);

/// Removes some rows of an unfinished fill, at most `rows_max`, then the emptied tables. True: there is nothing left.
/// Within the caller's transaction.
Result<bool> remove_some_of_aside(sqlite::Connection& database, std::int64_t rows_max);
/// The statements that remove all of it at once.
std::string drop_aside_sql();

/// What a table is called while it is filled.
std::string aside_name(std::string_view table);

}  // namespace admetrics::sink
