#pragma once

#include <string>

/// `schema check`, `schema migrate` and `schema rollback`. Each prints its result and gives the exit code.
namespace admetrics {

struct SchemaArguments {
  std::string config;
  std::string backup;  // rollback: absent: the newest
  bool plan = false;   // migrate: only say what it would do
  bool json = false;
};

int schema_check_command(const SchemaArguments& arguments);
int schema_migrate_command(const SchemaArguments& arguments);
int schema_rollback_command(const SchemaArguments& arguments);

}  // namespace admetrics
