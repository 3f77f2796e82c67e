#include "daemon/api/http_service.hpp"

#include "daemon/api/api.hpp"
#include "daemon/api/events.hpp"
#include "daemon/log.hpp"
#include "dashboard/answers.hpp"

namespace admetrics::api {
namespace {

http::ServerOptions options_of(const HttpConfig& config, Telemetry& telemetry) {
  http::ServerOptions options;
  options.address = config.address;
  options.port = config.port;
  options.tokens = config.tokens;
  // Where a token is asked for, a stranger's page has none to send.
  options.own_hosts_only = config.is_local() && config.tokens.empty();
  options.host_names = config.host_names;
  options.cors_origins = config.cors_origins;
  options.connections_max = static_cast<std::size_t>(config.connections_max);
  options.streams_max = static_cast<std::size_t>(config.streams_max);
  options.head_bytes_max = static_cast<std::uint32_t>(config.head_size_max_bytes);
  options.body_bytes_max = static_cast<std::uint64_t>(config.body_size_max_bytes);
  options.idle_timeout_ms = config.idle_timeout_ms;
  options.reload_event = reload_event();
  options.error_text = dashboard::error_answer;
  options.observe = [&telemetry](const http::Exchange& exchange) {
    constexpr double kMicrosPerSecond = 1e6;
    telemetry.note_request(exchange.route, exchange.method, exchange.status,
                           static_cast<double>(exchange.micros) / kMicrosPerSecond, exchange.bytes);
  };
  return options;
}

}  // namespace

/// One server under one configuration.
struct HttpService::Running {
  Running(const Config& from, const Clock& clock, const Board& board, Telemetry& telemetry)
      : config(from), api(from, clock, board, telemetry) {}

  const Config config;
  Api api;
  std::unique_ptr<http::Server> server;
  Board::Subscription events;  // before the server, which it publishes to, is gone

  ~Running() {
    events.reset();
    // Answers first: while the server waits for them to leave, they still can.
    if (server) server->stop();
    api.stop();
  }
};

HttpService::HttpService(const Clock& clock, Board& board)
    : clock_(&clock),
      board_(&board),
      counted_(board.subscribe([this](const auto& event) { telemetry_.note_epoch(*event); })) {}

HttpService::~HttpService() { stop(); }

Status HttpService::start(const Config& config) { return start(config, -1); }

Status HttpService::start(const Config& config, int listener) {
  if (config.http.listen.empty()) return {};
  auto running = std::make_unique<Running>(config, *clock_, *board_, telemetry_);
  http::ServerOptions options = options_of(config.http, telemetry_);
  options.listener = listener;
  ADM_ASSIGN(running->server, http::Server::start(std::move(options), running->api.routes(), *clock_));
  http::Server* const server = running->server.get();
  running->api.set_counts([server] { return server->counts(); });
  running->events = board_->subscribe([server, api = &running->api](const std::shared_ptr<const EpochEvent>& event) {
    // Known before it is sent: a stream that begins now either has it in its beginning or gets it.
    api->note_epoch(event->report.epoch.value);
    server->publish([event] { return epoch_event(*event); });
  });
  running_ = std::move(running);
  log_info("serving HTTP at " + server->endpoint());
  return {};
}

Status HttpService::reload(const Config& config) {
  const bool same = running_ ? running_->config.http == config.http && !running_->config.needs_new_pipeline(config)
                             : config.http.listen.empty();
  if (same) return {};
  std::optional<Config> before;
  if (running_) before = running_->config;
  const bool same_place = running_ && running_->config.http.listen == config.http.listen;
  const int listener = same_place ? running_->server->share_listener() : -1;
  stop();
  Status started = start(config, listener);
  if (!started.ok() && before) {
    if (Status again = start(*before); !again.ok()) log_error(again.error());
  }
  return started;
}

void HttpService::stop() { running_.reset(); }

std::string HttpService::endpoint() const { return running_ ? running_->server->endpoint() : ""; }

}  // namespace admetrics::api
