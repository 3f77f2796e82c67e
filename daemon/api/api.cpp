#include "daemon/api/api.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <exception>

#include "admetrics_build_info.hpp"
#include "core/sqlite/database.hpp"
#include "daemon/api/events.hpp"
#include "daemon/api/explain.hpp"
#include "daemon/api/openapi.hpp"
#include "daemon/api/values.hpp"
#include "daemon/log.hpp"
#include "dashboard/answers.hpp"
#include "web/pages.hpp"

namespace admetrics::api {
namespace {

using dashboard::error_answer;
using http::Method;
using http::Request;
using http::Respond;
using http::Response;

constexpr std::size_t kLightThreads = 2;
constexpr std::size_t kHeavyThreads = 1;  // the other processors belong to epochs
constexpr std::size_t kLightJobsMax = 4'096;
constexpr std::size_t kHeavyJobsMax = 256;
constexpr std::size_t kRecomputeJobsMax = 2;         // one at work, one that waits
constexpr std::size_t kRecomputeAlwaysJobsMax = 64;  // then everybody has to wait for the same computation
constexpr std::size_t kExplainThreads = 1;
constexpr std::size_t kExplainJobsMax = 8;
constexpr std::size_t kExplainUsersMax = 500;   // told; all of them count
constexpr std::size_t kExplainRowsMax = 5'000;  // raw rows, a few hundred bytes each
constexpr std::int64_t kExplainMillisMax = 10'000;
constexpr int kExplainAlignMs = 1'000;
constexpr int kLightCacheKib = 8'192;
constexpr int kHeavyCacheKib = 65'536;
constexpr int kBusyTimeoutMs = 2'000;
constexpr int kReadyTimeoutMs = 500;

Response failed(unsigned status, std::string_view what) {
  Response response = Response::json(status, error_answer(what));
  if (status == 429 || status == 503) response.fields.emplace_back("Retry-After", "1");
  return response;
}

/// What an error of the tables is to a client.
Response failed(const Error& error) {
  switch (error.code) {
    case Errc::kUsage: return failed(400, error.where + ": " + error.detail);
    case Errc::kNotFound:
    case Errc::kSchema: return failed(503, "not ready yet: " + error.detail);
    case Errc::kBusy: return failed(503, "the tables are locked by a writer; try again");
    case Errc::kReplaced: return failed(503, "the tables are being replaced; try again");
    case Errc::kInterrupted: return failed(503, error.detail);
    case Errc::kFull:
    case Errc::kReadOnly:
    case Errc::kIo:
    case Errc::kCorrupt:
    case Errc::kOutOfMemory:
    case Errc::kConfig:
    case Errc::kUnsupported:
    case Errc::kInternal: break;
  }
  log_error(error);  // with the path, which is not for clients
  return failed(500,
                "the tables could not be read (" + std::string(name_of(error.code)) + "); the daemon's log has more");
}

/// FNV-1a: tells versions of an answer apart, not more.
std::string digest(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 16; ++i, hash >>= 4) out += kHex[hash & 15];
  return out;
}

/// Runs `work`, which answers; where memory runs out on the way, that is the answer.
template <class Work>
void guarded(const Respond& respond, Work&& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    respond(failed(503, "there is not enough memory for this answer: ask for fewer days"));
  } catch (const std::exception& error) {  // of a library; ours return errors
    log_line(LogLevel::kError, std::string("answer a request: ") + error.what());
    respond(failed(500, "the answer could not be made; the daemon's log has more"));
  }
}

std::string key_of_text(bool value) { return value ? "1" : "0"; }

constexpr const char* kRevalidate = "no-cache";
constexpr const char* kForever = "public, max-age=31536000, immutable";  // names with a hash of what is in them

/// An answer that never changes while the daemon runs.
http::Handler constant(std::string type, std::string_view text, std::string cache,
                       std::vector<std::pair<std::string_view, std::string>> fields = {}) {
  const auto content = http::make_content(std::string(text));
  const std::string etag = '"' + digest(text) + '"';
  // The type's text lives as long as the handler, and the handler as long as the server.
  return [type = std::make_shared<const std::string>(std::move(type)), content, etag, cache = std::move(cache),
          fields = std::move(fields)](const Request& request, const Respond& respond) {
    Response response;
    response.content_type = *type;
    response.etag = etag;
    response.fields = fields;
    response.fields.emplace_back("Cache-Control", cache);
    if (request.has(etag)) {
      response.status = 304;
    } else {
      response.content = content;
    }
    respond(std::move(response));
  };
}

/// What never changes while the daemon runs: descriptions, and the live page.
void add_documents(http::Routes& routes) {
  routes.add({"/api/dashboard/configurations",
              {Method::kGet},
              false,
              constant("application/json", dashboard::answer_configurations(), kRevalidate)});
  routes.add({"/openapi.json", {Method::kGet}, true, constant("application/json", openapi_document(), kRevalidate)});
  const std::vector<std::pair<std::string_view, std::string>> page_fields{
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src "
       "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"}};
  for (const web::Page& page : web::pages()) {
    routes.add(
        {std::string(page.path),
         {Method::kGet},
         true,
         constant(std::string(page.content_type), page.bytes, page.path == "/" ? kRevalidate : kForever, page_fields)});
  }
}

}  // namespace

struct Api::Question {
  Request request;
  Respond respond;
  std::string key;  // of the answer in the cache; empty: it is not kept
  bool heavy = false;
  std::int64_t deadline_micros = 0;
  std::function<Result<std::string>(dashboard::Tables&, const dashboard::Snapshot&, const dashboard::Context&)> answer;
};

Api::Api(const Config& config, const Clock& clock, const Board& board, Telemetry& telemetry)
    : config_(config),
      clock_(&clock),
      board_(&board),
      telemetry_(&telemetry),
      fingerprint_(std::string(build_info::kVersion) + key_of_text(config.http.hide_user_ids)),
      cache_(static_cast<std::size_t>(config.http.cache_size_bytes)),
      helper_({config.sink_path, kBusyTimeoutMs, kHeavyCacheKib}),
      light_(kLightThreads, kLightJobsMax, {config.sink_path, kBusyTimeoutMs, kLightCacheKib}),
      heavy_(kHeavyThreads, kHeavyJobsMax, {config.sink_path, kBusyTimeoutMs, kHeavyCacheKib}),
      explaining_(kExplainThreads, kExplainJobsMax, {config.sink_path, kBusyTimeoutMs, kLightCacheKib}) {
  RecomputeOptions options;
  options.product_db = config.product_db;
  options.ads_db = config.ads_db;
  // Where precomputation is switched off, nobody says how far it came.
  options.sink_db = config.http.recompute_always ? "" : config.sink_path;
  options.reporting = config.reporting;
  options.as_of = config.http.recompute_always ? config.as_of : std::nullopt;
  options.folder = config.state_dir;
  options.name = "recompute.db";
  recompute_ = std::make_unique<Recompute>(
      std::move(options), config.http.recompute_always ? kRecomputeAlwaysJobsMax : kRecomputeJobsMax, clock);
}

Api::~Api() { stop(); }

void Api::stop() {
  light_.stop();
  stopping_.store(true);
  heavy_.stop();
  explaining_.stop();
  recompute_->stop();
}

dashboard::Context Api::context_until(std::int64_t deadline_micros) const {
  dashboard::Context context;
  context.limits = {config_.http.range_days_max, config_.http.rows_max};
  context.hide_user_ids = config_.http.hide_user_ids;
  context.clock = clock_;
  context.deadline_micros = deadline_micros;
  return context;
}

std::string Api::etag_of(const dashboard::Snapshot& snapshot) const {
  if (snapshot.ledger.empty()) return "";
  // The time of the commit, too: after a crash the same epoch may be committed again, with other rows.
  return "W/\"" + std::to_string(snapshot.epoch) + '-' +
         digest(snapshot.ledger + snapshot.committed_at + snapshot.as_of + fingerprint_) + '"';
}

template <class Asked>
http::Handler Api::dashboard_handler(bool heavy,
                                     dashboard::Parsed<Asked> (*parse)(const dashboard::Parameters&,
                                                                       const dashboard::Limits&),
                                     std::function<Result<std::string>(dashboard::Tables&, const dashboard::Snapshot&,
                                                                       const Asked&, const dashboard::Context&)>
                                         answer) {
  return [this, heavy, parse, answer = std::move(answer)](Request request, Respond respond) {
    dashboard::Parameters parameters = std::move(request.values);
    if (request.method == Method::kPost) {
      if (const std::string problem = add_json_values(request.body, parameters); !problem.empty())
        return respond(failed(400, problem));
    }
    const auto mode = dashboard::parse_mode(parameters);
    auto parsed = parse(parameters, {config_.http.range_days_max, config_.http.rows_max});
    parsed.mistakes.insert(parsed.mistakes.end(), mode.mistakes.begin(), mode.mistakes.end());
    if (!parsed.good()) return respond(failed(400, parsed.error()));
    auto question = std::make_shared<Question>();
    question->request = std::move(request);
    question->respond = std::move(respond);
    question->heavy = heavy || parsed.request.breakdown != Breakdown::kNone;
    question->key = dashboard::canonical(parsed.request);
    question->answer = [answer, asked = std::move(parsed.request)](
                           dashboard::Tables& tables, const dashboard::Snapshot& snapshot,
                           const dashboard::Context& context) { return answer(tables, snapshot, asked, context); };
    if (config_.http.recompute_always || mode.request == dashboard::Mode::kRecompute) {
      recompute(question);
    } else {
      ask(question);
    }
  };
}

void Api::ask(const std::shared_ptr<Question>& question) {
  constexpr std::int64_t kMicrosPerMilli = 1'000;
  question->deadline_micros = clock_->steady_micros() + config_.http.request_timeout_ms * kMicrosPerMilli;
  const auto job = [this, question](dashboard::Tables& tables) {
    guarded(question->respond, [&] { look(question, tables); });
  };
  if (!light_.post(job)) question->respond(failed(429, "too many requests wait already; try again"));
}

void Api::look(const std::shared_ptr<Question>& question, dashboard::Tables& tables) {
  if (clock_->steady_micros() > question->deadline_micros)
    return question->respond(failed(503, "too many requests came before this one; try again"));
  const auto snapshot = tables.begin();
  if (!snapshot) return question->respond(failed(snapshot.error()));
  const std::string etag = etag_of(*snapshot);
  if (question->request.method == Method::kGet && !etag.empty() && question->request.has(etag)) {
    Response unchanged;
    unchanged.status = 304;
    unchanged.etag = etag;
    return question->respond(std::move(unchanged));
  }
  if (!question->key.empty()) {
    if (auto content = cache_.find(etag, question->key)) {
      Response response;
      response.content = std::move(content);
      response.etag = etag;
      return question->respond(std::move(response));
    }
  }
  if (!question->heavy) return make(question, tables, *snapshot, etag);
  const auto answer_again = [this, question](dashboard::Tables& own) {
    const auto again = own.begin();
    if (!again) return question->respond(failed(again.error()));
    const std::string tag = etag_of(*again);
    // Somebody may have asked the same while this one waited.
    if (auto content = cache_.find(tag, question->key)) {
      Response response;
      response.content = std::move(content);
      response.etag = tag;
      return question->respond(std::move(response));
    }
    make(question, own, *again, tag);
  };
  const bool taken = heavy_.post(
      [question, answer_again](dashboard::Tables& own) { guarded(question->respond, [&] { answer_again(own); }); });
  if (!taken) question->respond(failed(429, "too many large requests wait already; try again"));
}

void Api::make(const std::shared_ptr<Question>& question, dashboard::Tables& tables,
               const dashboard::Snapshot& snapshot, const std::string& etag) {
  auto text = question->answer(tables, snapshot, context_until(question->deadline_micros));
  tables.end();
  if (!text) return question->respond(failed(text.error()));
  Response response;
  response.content = http::make_content(std::move(text).value());
  response.etag = etag;
  if (!question->key.empty() && !etag.empty()) cache_.keep(etag, question->key, response.content);
  question->respond(std::move(response));
}

void Api::recompute(const std::shared_ptr<Question>& question) {
  const std::int64_t started = clock_->steady_micros();
  constexpr std::int64_t kMicrosPerMilli = 1'000;
  question->deadline_micros = started + config_.http.recompute_timeout_ms * kMicrosPerMilli;
  const auto job = [this, question](const Result<dashboard::Tables*>& tables) {
    if (!tables) return question->respond(failed(tables.error()));
    if (clock_->steady_micros() > question->deadline_micros) {
      return question->respond(failed(503,
                                      "recomputing took longer than http.recompute_timeout; its result is kept "
                                      "while the source stays as it is, so ask again"));
    }
    const auto snapshot = (*tables)->begin();
    if (!snapshot) return question->respond(failed(snapshot.error()));
    dashboard::Context context = context_until(INT64_MAX);
    context.method = "recompute";
    auto text = question->answer(**tables, *snapshot, context);
    question->respond(text ? Response::json(200, std::move(text).value()) : failed(text.error()));
  };
  const bool taken = recompute_->post(
      [question, job](const Result<dashboard::Tables*>& tables) { guarded(question->respond, [&] { job(tables); }); });
  if (!taken) question->respond(failed(429, "one recomputation runs at a time, and another waits already; try again"));
}

void Api::explain(const Request& request, const Respond& respond) {
  auto parsed = parse_explain(request.values);
  if (!parsed.good()) return respond(failed(400, parsed.error()));
  constexpr std::int64_t kMicrosPerMilli = 1'000;
  const std::int64_t limit_ms = std::min(config_.http.request_timeout_ms, kExplainMillisMax);
  const std::int64_t deadline_micros = clock_->steady_micros() + limit_ms * kMicrosPerMilli;
  const auto job = [this, respond, deadline_micros, question = std::move(parsed.request)](dashboard::Tables&) {
    guarded(respond, [&] {
      ExplainOptions options = question.row;
      options.users_max = kExplainUsersMax;
      options.rows_max = kExplainRowsMax;
      options.hide_user_ids = config_.http.hide_user_ids;
      options.align_timeout_ms = kExplainAlignMs;
      options.busy_timeout_ms = kBusyTimeoutMs;
      // A read that lasts would keep the source's log from being checkpointed.
      options.give_up = [this, deadline_micros] {
        return stopping_.load() || clock_->steady_micros() > deadline_micros;
      };
      const auto explanation = explain_row(config_, std::move(options), question.column);
      respond(explanation ? Response::json(200, to_json(*explanation)) : failed(explanation.error()));
    });
  };
  if (!explaining_.post(job))
    respond(failed(429, "one row is explained at a time, and others wait already; try again"));
}

void Api::lightly(Respond respond, std::function<Response(dashboard::Tables&)> job) {
  auto shared = std::make_shared<Respond>(std::move(respond));
  const auto guarded_job = [shared, job = std::move(job)](dashboard::Tables& tables) {
    guarded(*shared, [&] { (*shared)(job(tables)); });
  };
  if (!light_.post(guarded_job)) (*shared)(failed(429, "too many requests wait already; try again"));
}

std::vector<std::string> Api::reasons_not_ready(dashboard::Tables& tables) const {
  std::vector<std::string> reasons;
  const auto status = board_->status();
  if (!status->caught_up) reasons.push_back("the first epoch of this run is not through: " + status->phase);
  constexpr double kMillisPerSecond = 1'000;
  if (status->lag_seconds * kMillisPerSecond > static_cast<double>(config_.http.ready_lag_max_ms)) {
    reasons.push_back("the oldest change that is not visible has waited " +
                      std::to_string(static_cast<std::int64_t>(status->lag_seconds)) + " s");
  }
  if (const auto snapshot = tables.begin(); !snapshot) reasons.push_back("the tables: " + snapshot.error().detail);
  tables.end();
  for (const auto& [name, path] : {std::pair("product", config_.product_db), std::pair("ads", config_.ads_db)}) {
    // Opening reads from it.
    if (auto opened = sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kReadyTimeoutMs); !opened)
      reasons.push_back("the " + std::string(name) + " database: " + opened.error().detail);
  }
  return reasons;
}

Response Api::health(dashboard::Tables& tables) const {
  const boost::json::object document{{"status", reasons_not_ready(tables).empty() ? "healthy" : "degraded"},
                                     {"service", "dashboard"},
                                     {"timestamp", dashboard::timestamp_now(*clock_)}};
  return Response::json(200, boost::json::serialize(document));
}

Response Api::ready(dashboard::Tables& tables) const {
  boost::json::array reasons;
  for (const std::string& reason : reasons_not_ready(tables)) reasons.emplace_back(reason);
  const bool good = reasons.empty();
  boost::json::object document{{"ready", good}, {"reasons", std::move(reasons)}};
  if (good) return Response::json(200, boost::json::serialize(document));
  // In the shape of an error, too.
  std::string line;
  for (const auto& reason : document["reasons"].as_array()) {
    line += line.empty() ? "not ready: " : "; ";
    line += reason.as_string();
  }
  document["success"] = false;
  document["error"] = line;
  return Response::json(503, boost::json::serialize(document));
}

Response Api::status(dashboard::Tables& tables) const {
  const auto status = board_->status();
  boost::json::error_code not_json;
  boost::json::value parsed = boost::json::parse(to_json(*status), not_json);
  boost::json::object document = parsed.is_object() ? parsed.as_object() : boost::json::object();
  document["version"] = build_info::kVersion;
  document["revision"] = build_info::kGitDescribe;
  document["uptime_seconds"] = status->started_at_seconds == 0 ? 0 : clock_->now().seconds - status->started_at_seconds;
  document["lag"] = {{"records", status->lag_records}, {"seconds", status->lag_seconds}};
  boost::json::object sink{{"name", "sqlite"}};
  if (const auto snapshot = tables.begin()) {
    sink["epoch"] = snapshot->epoch;
    sink["as_of"] = snapshot->as_of;
    sink["committed_at"] = snapshot->committed_at;
    boost::json::value position = boost::json::parse(snapshot->position, not_json);
    sink["position"] = not_json ? boost::json::value() : std::move(position);
    sink["error"] = nullptr;
  } else {
    for (const char* key : {"epoch", "as_of", "committed_at", "position"}) sink[key] = nullptr;
    sink["error"] = snapshot.error().detail;
  }
  document["sinks"] = boost::json::array{std::move(sink)};
  if (!document.contains("last_verification")) document["last_verification"] = nullptr;
  const http::ServerCounts counts = counts_ ? counts_() : http::ServerCounts();
  document["http"] = {{"connections", counts.connections},
                      {"streams", counts.streams},
                      {"cache_bytes", cache_.bytes()},
                      {"recompute_always", config_.http.recompute_always}};
  return Response::json(200, boost::json::serialize(document));
}

Response Api::metrics() const {
  if (counts_) {
    const http::ServerCounts counts = counts_();
    telemetry_->note_connections(counts.connections, counts.streams);
  }
  Response response = Response::json(200, telemetry_->text(*board_->status()));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

void Api::stream(const Request& request, Respond respond) {
  const auto begin = [this, last = request.last_event_id](dashboard::Tables& tables) {
    // Nothing was committed yet in this run: the tables know what was before.
    if (last_epoch_.load() == 0) {
      if (const auto snapshot = tables.begin()) {
        std::uint64_t none = 0;
        last_epoch_.compare_exchange_strong(none, static_cast<std::uint64_t>(snapshot->epoch));
      }
    }
    Response response;
    response.content_type = "text/event-stream";
    response.content = http::make_content("");
    response.fields.emplace_back("Cache-Control", "no-store");
    response.fields.emplace_back("X-Accel-Buffering", "no");
    response.stream = [this, last] { return first_event(last_epoch_.load(), last); };
    return response;
  };
  lightly(std::move(respond), begin);
}

http::Routes Api::routes() {
  http::Routes routes;
  add_tables(routes);
  add_operation(routes);
  add_documents(routes);
  return routes;
}

void Api::add_tables(http::Routes& routes) {
  routes.add({"/api/dashboard/analytics/data",
              {Method::kGet, Method::kPost},
              false,
              dashboard_handler<dashboard::DataRequest>(
                  true, dashboard::parse_data_request,
                  [this](dashboard::Tables& tables, const dashboard::Snapshot& snapshot,
                         const dashboard::DataRequest& asked, const dashboard::Context& context) {
                    // A recomputation has a file and a thread of its own.
                    dashboard::Tables* const helper = snapshot.ledger.empty() ? nullptr : &helper_;
                    return answer_data(tables, helper, asked, context);
                  })});
  routes.add(
      {"/api/dashboard/analytics/chart-data",
       {Method::kGet},
       false,
       dashboard_handler<dashboard::ChartRequest>(false, dashboard::parse_chart_request, dashboard::answer_chart)});
  routes.add({"/api/dashboard/analytics/overview-roas-chart",
              {Method::kGet},
              false,
              dashboard_handler<dashboard::OverviewRequest>(false, dashboard::parse_overview_request,
                                                            dashboard::answer_overview)});
  routes.add({"/api/dashboard/analytics/date-range", {Method::kGet}, false, [this](Request request, Respond respond) {
                const auto mode = dashboard::parse_mode(request.values);
                if (!mode.good()) return respond(failed(400, mode.error()));
                auto question = std::make_shared<Question>();
                question->request = std::move(request);
                question->respond = std::move(respond);
                question->answer = [](dashboard::Tables& tables, const dashboard::Snapshot&,
                                      const dashboard::Context& context) { return answer_date_range(tables, context); };
                if (config_.http.recompute_always || mode.request == dashboard::Mode::kRecompute) {
                  recompute(question);
                } else {
                  ask(question);
                }
              }});
}

void Api::add_operation(http::Routes& routes) {
  const auto lightly_answered = [this](Response (Api::*answer)(dashboard::Tables&) const) {
    return [this, answer](const Request&, Respond respond) {
      lightly(std::move(respond), [this, answer](dashboard::Tables& tables) { return (this->*answer)(tables); });
    };
  };
  routes.add({"/api/dashboard/health", {Method::kGet}, false, lightly_answered(&Api::health)});
  routes.add({"/api/explain", {Method::kGet}, false, [this](const Request& request, const Respond& respond) {
                explain(request, respond);
              }});
  routes.add({"/api/status", {Method::kGet}, false, lightly_answered(&Api::status)});
  routes.add({"/api/stream", {Method::kGet}, false, [this](const Request& request, Respond respond) {
                stream(request, std::move(respond));
              }});
  routes.add({"/metrics", {Method::kGet}, false, [this](const Request&, Respond respond) {
                lightly(std::move(respond), [this](dashboard::Tables&) { return metrics(); });
              }});
  // Who watches over the process seldom has a token, and learns no number here.
  routes.add({"/healthz", {Method::kGet}, true, [](const Request&, const Respond& respond) {
                respond(Response::json(200, R"({"status":"ok"})"));
              }});
  routes.add({"/readyz", {Method::kGet}, true, lightly_answered(&Api::ready)});
}

}  // namespace admetrics::api
