#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/base/result.hpp"

namespace admetrics::sink {

/// How user lists are stored.
enum class UserLists : std::uint8_t { kText, kJsonb };

struct PostgresSinkOptions {
  /// A libpq connection string without credentials (`check_conninfo`); "": the environment decides (PGHOST, PGSERVICE, …).
  std::string conninfo;
  std::string schema = "public";
  UserLists user_lists = UserLists::kText;
  std::int64_t connect_timeout_ms = 10'000;
  std::int64_t statement_timeout_ms = 300'000;  // of one statement, kept by the server and by us
  std::int64_t lock_timeout_ms = 5'000;
  const std::atomic<bool>* stop = nullptr;  // once true, whatever waits for the server is given up (kInterrupted)
};

/// What is wrong with a connection string, "" when nothing is. Refuses passwords: they belong into the service file, the
/// password file or the environment. Never repeats what may be a secret.
std::string check_conninfo(const std::string& conninfo);

}  // namespace admetrics::sink
