#pragma once

#include <string>

namespace admetrics::support {

/// A PostgreSQL server of its own, out of Debian's package postgresql-15: in a temporary folder, on a Unix socket, as an
/// ordinary user. It ends with this object, and with this process.
class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  /// Why it could not be started, "" when it runs. Tests are skipped with it.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string conninfo() const;

  /// One server for all tests of this process.
  static PostgresServer& shared();

  void start();
  void signal(int number) const;  // to the postmaster
  void wait_for_end();
  [[nodiscard]] int process() const { return process_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string problem_;
  int process_ = -1;
};

}  // namespace admetrics::support
