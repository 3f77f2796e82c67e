#pragma once

#include <CLI/CLI.hpp>

#include "daemon/compare_command.hpp"
#include "daemon/explain_command.hpp"
#include "daemon/quality_command.hpp"
#include "daemon/replay_command.hpp"
#include "daemon/schema_command.hpp"

namespace admetrics {

/// The subcommands by which people come to trust what stands in the tables: their options, and which one was asked for.
class OfflineCli {
 public:
  explicit OfflineCli(CLI::App& app);
  OfflineCli(const OfflineCli&) = delete;
  OfflineCli& operator=(const OfflineCli&) = delete;

  /// Runs the one that was parsed; gives the exit code.
  int run();

 private:
  void add_schema(CLI::App& app);
  void add_explain(CLI::App& app);
  void add_compare(CLI::App& app);
  void add_replay(CLI::App& app);
  void add_quality(CLI::App& app);

  SchemaArguments schema_;
  CLI::App* check_ = nullptr;
  CLI::App* migrate_ = nullptr;
  CLI::App* rollback_ = nullptr;
  ExplainArguments explain_;
  CLI::App* explain_command_ = nullptr;
  CompareArguments compare_;
  CLI::App* compare_command_ = nullptr;
  ReplayArguments replay_;
  CLI::App* replay_command_ = nullptr;
  QualityArguments quality_;
  CLI::App* quality_command_ = nullptr;
};

}  // namespace admetrics
