#include "daemon/application.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "daemon/api/http_service.hpp"
#include "daemon/control.hpp"
#include "daemon/control_server.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/log.hpp"
#include "daemon/quality_watch.hpp"
#include "daemon/service.hpp"
#include "daemon/system_clock.hpp"
#include "sources/sqlite/file_watcher.hpp"

namespace admetrics {
namespace {

constexpr std::chrono::milliseconds kTick{1'000};

/// Application: what surrounds the pipeline. It reads signals, listens on the control socket, speaks to the service
/// manager, and starts the pipeline again where a reload asks for that.
///
/// Threads: everything on the thread of `run`; the pipeline has one of its own.
class Application {
 public:
  Application(Config config, const RunOptions& options)
      : config_(std::make_unique<Config>(std::move(config))),
        options_(options),
        signals_(io_, SIGTERM, SIGINT, SIGHUP),
        tick_(io_) {}

  int run() {
    if (!options_.once) {
      if (Status served = http_.start(*config_); !served.ok()) {
        std::fprintf(stderr, "admetricsd: %s\n", served.error().line().c_str());
        return exit_code::kCannot;
      }
    }
    wait_for_signal();
    tick();
    for (;;) {
      next_.reset();
      const Status status = run_pipeline();
      if (!status.ok()) {
        orders_.refuse_all(status.error());
        std::fprintf(stderr, "admetricsd: %s\n", status.error().line().c_str());
        return exit_code::kCannot;
      }
      if (!next_ || stopping_) break;
      config_ = std::move(next_);
      options_.reloaded = true;
    }
    orders_.refuse_all({Errc::kInterrupted, "carry out the order", config_->state_dir, "the daemon is stopping"});
    return exit_code::kFine;
  }

 private:
  /// One life of the pipeline under one configuration.
  Status run_pipeline() {
    Status status;
    bool ended = false;
    pipeline_ = std::make_unique<Pipeline>(*config_, options_, clock_, board_, orders_,
                                           [this] { boost::asio::post(io_, [this] { on_open(); }); });
    watch_files();
    std::thread worker([&] {
      status = pipeline_->run();
      boost::asio::post(io_, [&] {
        ended = true;
        io_.stop();
      });
    });
    io_.restart();
    while (!ended) io_.run_one();
    worker.join();
    quality_.reset();
    control_server_.reset();
    watcher_.reset();
    io_.restart();
    io_.poll();  // delivers the cancellations, so that no handler outlives what it refers to
    options_.backfill = options_.backfill && !pipeline_->caught_up();
    pipeline_.reset();
    return status;
  }

  /// The pipeline holds the state folder and has opened what it needs.
  void on_open() {
    if (!pipeline_) return;
    control_ = std::make_unique<Control>(orders_, board_, *pipeline_->backfill());
    auto server = ControlServer::start(io_, config_->control_socket(), [this](const std::string& line, auto reply) {
      control_->handle(line, std::move(reply));
    });
    if (server) {
      control_server_ = std::move(server).value();
    } else {
      log_warning(server.error().line() + "; orders cannot be given");
    }
    watch_quality();
    service::ready();
  }

  void watch_quality() {
    quality_ = std::make_unique<QualityWatch>(config_->quality, config_->sink_path, clock_, board_);
  }

  void watch_files() {
    if (options_.once || !config_->capture_triggers) return;
    std::vector<std::string> watched{config_->product_db, config_->ads_db};
    if (config_->reads_changelog()) {
      watched = {config_->replay_folder()};
      if (config_->changelog.path != "-") watched.push_back(config_->changelog.path);
      std::error_code ignored;
      std::filesystem::create_directories(config_->replay_folder(), ignored);
    }
    auto created = source::FileWatcher::create(io_, watched, [this] {
      if (pipeline_) pipeline_->notify();
    });
    if (created) {
      watcher_ = std::move(created).value();
    } else {
      log_warning(created.error().line() + "; polling instead");
    }
  }

  void wait_for_signal() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload();
      } else {
        // The second one does not wait. Nothing is lost: what is not committed is done again.
        if (stopping_) std::_Exit(exit_code::kCannot);
        log_info("stopping");
        stopping_ = true;
        service::stopping();
        if (pipeline_) pipeline_->stop();
      }
      wait_for_signal();
    });
  }

  void reload() {
    if (stopping_) return;
    if (options_.once) {
      log_info("reload: not while catching up once");
      return;
    }
    service::reloading();
    ConfigResult read = read_config(config_->file);
    for (const auto& [key, path] : {std::pair("source.sqlite.product_db", read.config.product_db),
                                    std::pair("source.sqlite.ads_db", read.config.ads_db)}) {
      std::error_code unreachable;
      if (read.good() && !read.config.reads_changelog() && !std::filesystem::exists(path, unreachable))
        read.mistakes.push_back({0, key, path + ": no such file"});
    }
    // The server first: it is the only one that may still refuse, and the new configuration is taken whole or not at all.
    if (read.good()) {
      if (Status served = http_.reload(read.config); !served.ok())
        read.mistakes.push_back({0, "http", served.error().line()});
    }
    if (!read.good()) {
      for (const std::string& line : read.lines()) log_outcome(LogLevel::kError, "reload refused: " + line);
      board_.note_reload(false, clock_.now().seconds, read.lines().front());
      service::ready();
      return;
    }
    set_up_log(read.config.log_level, read.config.log_json);
    const bool anew = next_ != nullptr || config_->needs_new_pipeline(read.config);
    std::string done = "the new configuration is good";
    if (anew) {
      done += "; streaming begins again under it";
      next_ = std::make_unique<Config>(std::move(read.config));
      pipeline_->stop();  // and `on_open` of the next one tells that the reload is over
    } else {
      done +=
          config_->tunables == read.config.tunables ? "; streaming goes on" : "; streaming goes on under new limits";
      const bool other_quality = config_->quality != read.config.quality;
      config_->take_over(read.config);
      if (other_quality && quality_) watch_quality();
      pipeline_->set_tunables(config_->tunables);
      service::ready();
    }
    log_info("reload: " + done);
    board_.note_reload(true, clock_.now().seconds, done);
  }

  /// Tells the service manager how it goes, and that it goes: only while the pipeline itself gives signs of life.
  void tick() {
    const std::uint64_t watchdog = service::watchdog_micros();
    constexpr std::uint64_t kSignsPerWatch = 4;
    const auto pause = watchdog == 0 ? std::chrono::microseconds(kTick)
                                     : std::min<std::chrono::microseconds>(
                                           kTick, std::chrono::microseconds(watchdog / kSignsPerWatch));
    tick_.expires_after(pause);
    tick_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      if (pipeline_) {
        const std::uint64_t beats = pipeline_->heartbeats();
        if (beats != beats_seen_) service::alive();
        beats_seen_ = beats;
        const std::string line = service_line(*board_.status());
        if (line != service_line_) service::status(line);
        service_line_ = line;
      }
      tick();
    });
  }

  static std::string service_line(const DaemonStatus& status) {
    std::array<char, 160> text;
    std::snprintf(text.data(), text.size(), "%s; lag %lld records, %.1f s; epoch %llu", status.phase.c_str(),
                  static_cast<long long>(status.lag_records), status.lag_seconds,
                  static_cast<unsigned long long>(status.last_epoch.epoch.value));
    std::string line = text.data();
    if (!status.held_back.days.empty()) line += "; " + std::to_string(status.held_back.days.size()) + " days held back";
    if (status.reload.last_at_seconds != 0 && !status.reload.last_accepted)
      line += "; the last reload was refused: " + status.reload.last_text;
    return line;
  }

  std::unique_ptr<Config> config_;  // the pipeline refers to it
  RunOptions options_;
  const SystemClock clock_;
  Board board_;
  api::HttpService http_{clock_, board_};
  Orders orders_;
  boost::asio::io_context io_;
  boost::asio::signal_set signals_;  // one that comes between two pipelines waits for the second
  boost::asio::steady_timer tick_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<ControlServer> control_server_;
  std::unique_ptr<source::FileWatcher> watcher_;
  std::unique_ptr<QualityWatch> quality_;  // while a pipeline has its tables open
  std::unique_ptr<Config> next_;           // the pipeline shall begin again under this
  bool stopping_ = false;
  std::uint64_t beats_seen_ = 0;
  std::string service_line_;
};

}  // namespace

int run_daemon(Config config, const RunOptions& options) {
  set_up_log(config.log_level, config.log_json);
  return Application(std::move(config), options).run();
}

}  // namespace admetrics
