#include "daemon/application.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "daemon/api/http_service.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/log.hpp"
#include "daemon/system_clock.hpp"
#include "sources/sqlite/file_watcher.hpp"

namespace admetrics {
namespace {

/// One life of the pipeline under one configuration.
struct Session {
  enum class End : std::uint8_t { kFinished, kStopped, kReload };

  End end = End::kFinished;
  Status status;
  bool caught_up = false;
  std::optional<Config> next;  // with kReload
};

/// `signals` outlives the session: one that comes between two sessions waits for the second.
Session run_session(Config& config, const RunOptions& options, const Clock& clock, Board& board, api::HttpService& http,
                    boost::asio::io_context& io, boost::asio::signal_set& signals) {
  Session session;
  Pipeline pipeline(config, options, clock, board);

  std::unique_ptr<source::FileWatcher> watcher;
  if (!options.once && config.capture_triggers) {
    auto created = source::FileWatcher::create(io, {config.product_db, config.ads_db}, [&] { pipeline.notify(); });
    if (created) {
      watcher = std::move(created).value();
    } else {
      log_warning(created.error().line() + "; polling instead");
    }
  }

  std::function<void()> wait_for_signal = [&] {
    signals.async_wait([&](boost::system::error_code error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        ConfigResult read = read_config(config.file);
        for (const auto& [key, path] : {std::pair("source.sqlite.product_db", read.config.product_db),
                                        std::pair("source.sqlite.ads_db", read.config.ads_db)}) {
          std::error_code unreachable;
          if (read.good() && !std::filesystem::exists(path, unreachable))
            read.mistakes.push_back({0, key, path + ": no such file"});
        }
        if (options.once) {
          log_info("reload: not while catching up once");
        } else if (!read.good()) {
          for (const std::string& line : read.lines()) log_line(LogLevel::kError, "reload refused: " + line);
        } else if (session.end != Session::End::kStopped) {
          set_up_log(read.config.log_level, read.config.log_json);
          log_info("reload: the new configuration is good");
          const bool only_http = read.config.http != config.http && read.config.beside_http == config.beside_http;
          if (Status served = http.reload(read.config); !served.ok()) log_error(served.error());
          if (only_http && session.end != Session::End::kReload) {
            config.http = read.config.http;  // the pipeline reads nothing of it
            wait_for_signal();
            return;
          }
          session.end = Session::End::kReload;
          session.next = std::move(read.config);
          pipeline.stop();
        }
      } else {
        // The second one does not wait. Nothing is lost: what is not committed is done again.
        if (session.end == Session::End::kStopped) std::_Exit(exit_code::kCannot);
        log_info("stopping");
        session.end = Session::End::kStopped;
        pipeline.stop();
      }
      wait_for_signal();
    });
  };
  wait_for_signal();

  std::thread worker([&] {
    session.status = pipeline.run();
    boost::asio::post(io, [&io] { io.stop(); });
  });
  io.restart();
  io.run();
  worker.join();
  signals.cancel();
  watcher.reset();
  io.restart();
  io.poll();  // delivers the cancellations, so that no handler outlives what it refers to
  session.caught_up = pipeline.caught_up();
  return session;
}

}  // namespace

int run_daemon(Config config, const RunOptions& options) {
  const SystemClock clock;
  set_up_log(config.log_level, config.log_json);
  RunOptions current = options;
  Board board;
  api::HttpService http(clock, board);
  if (!options.once) {
    if (Status served = http.start(config); !served.ok()) {
      std::fprintf(stderr, "admetricsd: %s\n", served.error().line().c_str());
      return exit_code::kCannot;
    }
  }
  boost::asio::io_context io;
  boost::asio::signal_set signals(io, SIGTERM, SIGINT, SIGHUP);
  for (;;) {
    Session session = run_session(config, current, clock, board, http, io, signals);
    if (!session.status.ok()) {
      std::fprintf(stderr, "admetricsd: %s\n", session.status.error().line().c_str());
      return exit_code::kCannot;
    }
    if (session.end != Session::End::kReload) return exit_code::kFine;
    config = std::move(*session.next);
    current.reloaded = true;
    current.backfill = current.backfill && !session.caught_up;
  }
}

}  // namespace admetrics
