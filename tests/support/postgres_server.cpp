#include "tests/support/postgres_server.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace admetrics::support {
namespace {

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";

/// Starts a program as an ordinary user; the server refuses to be root.
int spawn(const std::vector<std::string>& arguments, const std::string& log) {
  const int process = ::fork();
  if (process != 0) return process;
  if (::geteuid() == 0) {
    const passwd* nobody = ::getpwnam("nobody");
    if (nobody == nullptr || ::setgid(nobody->pw_gid) != 0 || ::setuid(nobody->pw_uid) != 0) std::_Exit(1);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  const int out = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0666);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(words[0], words.data());
  std::_Exit(1);
}

bool ends_well(int process) {
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

PostgresServer::PostgresServer() {
  if (::access((std::string(kPrograms) + "postgres").c_str(), X_OK) != 0) {
    problem_ = "there is no PostgreSQL 15 server here (Debian's package postgresql-15)";
    return;
  }
  std::string folder = "/tmp/admetrics-postgres-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    problem_ = "no temporary folder for a PostgreSQL server";
    return;
  }
  folder_ = folder;
  if (::geteuid() == 0) {
    const passwd* nobody = ::getpwnam("nobody");
    if (nobody == nullptr || ::chown(folder_.c_str(), nobody->pw_uid, nobody->pw_gid) != 0) {
      problem_ = "no user `nobody` to run a PostgreSQL server as";
      return;
    }
  }
  if (!ends_well(spawn({std::string(kPrograms) + "initdb", "-D", folder_ + "/data", "-U", "admetrics", "-A", "trust",
                        "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"},
                       folder_ + "/log"))) {
    problem_ = "initdb failed: " + folder_ + "/log";
    return;
  }
  std::ofstream(folder_ + "/data/postgresql.conf", std::ios::app)
      << "listen_addresses = ''\nunix_socket_directories = '" << folder_
      << "'\nfsync = off\nshared_buffers = '64MB'\nmax_connections = 40\nautovacuum_naptime = '5s'\n";
  start();
}

void PostgresServer::start() {
  process_ = spawn({std::string(kPrograms) + "postgres", "-D", folder_ + "/data"}, folder_ + "/log");
  constexpr int kTries = 600;
  for (int i = 0; i < kTries; ++i) {
    if (ends_well(spawn({std::string(kPrograms) + "pg_isready", "-h", folder_, "-q"}, "/dev/null"))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  problem_ = "the PostgreSQL server does not start: " + folder_ + "/log";
}

void PostgresServer::signal(int number) const { ::kill(process_, number); }

void PostgresServer::wait_for_end() {
  if (process_ > 0) ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

PostgresServer::~PostgresServer() {
  if (process_ > 0) {
    signal(SIGCONT);
    signal(SIGINT);
    wait_for_end();
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

std::string PostgresServer::conninfo() const { return "host=" + folder_ + " dbname=postgres user=admetrics"; }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

}  // namespace admetrics::support
