#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/day.hpp"

/// The program's subcommands beside `run`. Each prints its result on standard output, its errors as one line on
/// standard error, and gives the exit code (`exit_codes.hpp`).
namespace admetrics {

struct VerifyArguments {
  std::string config;
  std::string sink = "sqlite";
  std::optional<Day> since;
  std::optional<Day> until;
  std::optional<Day> as_of;
  double sample = 1.0;
  std::int64_t differences = 20;
  bool json = false;
  bool repair = false;
};

struct DemoArguments {
  std::string dir;
  std::int64_t users = 50'000;
  int days = 90;
  std::int64_t ads = 0;
  std::uint64_t seed = 1;
  std::optional<Day> last_day;
  bool live = false;
  std::int64_t pause_ms = 100;
};

struct BackfillArguments {
  std::string config;
  std::string order = "backfill";  // or backfill_pause, backfill_resume, backfill_cancel
  std::optional<Day> since;
  std::optional<Day> until;
  std::string entity_type;
  std::string entity_id;
  std::int64_t keys_per_second = 0;
  bool wait = false;
};

/// Orders a backfill from the running daemon; with `wait` shows its progress and ends with it.
int backfill_command(const BackfillArguments& arguments);
int verify_command(const VerifyArguments& arguments);
int demo_command(const DemoArguments& arguments);
/// Gives `command` (sync, drain, pause, resume) to the running daemon and waits for its answer.
int control_command(const std::string& config, const std::string& command, std::int64_t timeout_ms);
int status_command(const std::string& config, bool json);
int rejects_command(const std::string& config, bool json, std::int64_t limit);
int check_config_command(const std::string& config);
void print_version();

}  // namespace admetrics
