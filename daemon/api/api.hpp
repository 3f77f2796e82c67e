#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "daemon/api/answer_cache.hpp"
#include "daemon/api/lane.hpp"
#include "daemon/api/recompute.hpp"
#include "daemon/board.hpp"
#include "daemon/config.hpp"
#include "daemon/http/routes.hpp"
#include "daemon/http/server.hpp"
#include "daemon/telemetry.hpp"
#include "dashboard/parameters.hpp"

namespace admetrics::api {

/// Api: what each path answers.
///
/// Requests are read on the server's thread and answered by lanes: a light one, that also looks what is known already,
/// and a heavy one for what may take a while, so that a chart never waits behind a year of ads.
///
/// Threads:    handlers on the server's thread; `note_epoch` on the pipeline's.
/// Invariants: (1) one answer is of one snapshot; (2) what goes wrong is an answer, never an exception.
class Api {
 public:
  Api(const Config& config, const Clock& clock, const Board& board, Telemetry& telemetry);
  ~Api();

  [[nodiscard]] http::Routes routes();
  /// Who tells about connections; before the first request.
  void set_counts(std::function<http::ServerCounts()> counts) { counts_ = std::move(counts); }
  void note_epoch(std::uint64_t epoch) { last_epoch_.store(epoch); }
  /// Answers nothing any more. Answers that are not made yet are forgotten.
  void stop();

 private:
  struct Question;  // a request for an answer from the tables

  template <class Request>
  http::Handler dashboard_handler(bool heavy,
                                  dashboard::Parsed<Request> (*parse)(const dashboard::Parameters&,
                                                                      const dashboard::Limits&),
                                  std::function<Result<std::string>(dashboard::Tables&, const dashboard::Snapshot&,
                                                                    const Request&, const dashboard::Context&)>
                                      answer);
  void add_tables(http::Routes& routes);     // what is answered from the tables, or recomputed
  void add_operation(http::Routes& routes);  // what tells of the daemon, and why a number is so
  void ask(const std::shared_ptr<Question>& question);
  void look(const std::shared_ptr<Question>& question, dashboard::Tables& tables);
  void make(const std::shared_ptr<Question>& question, dashboard::Tables& tables, const dashboard::Snapshot& snapshot,
            const std::string& etag);
  void recompute(const std::shared_ptr<Question>& question);
  void explain(const http::Request& request, const http::Respond& respond);
  [[nodiscard]] dashboard::Context context_until(std::int64_t deadline_micros) const;
  [[nodiscard]] std::string etag_of(const dashboard::Snapshot& snapshot) const;

  /// Runs `job` on the light lane, or answers that there is too much to do.
  void lightly(http::Respond respond, std::function<http::Response(dashboard::Tables&)> job);
  [[nodiscard]] std::vector<std::string> reasons_not_ready(dashboard::Tables& tables) const;
  http::Response health(dashboard::Tables& tables) const;
  http::Response ready(dashboard::Tables& tables) const;
  http::Response status(dashboard::Tables& tables) const;
  http::Response metrics() const;
  void stream(const http::Request& request, http::Respond respond);

  const Config config_;
  const Clock* const clock_;
  const Board* const board_;
  Telemetry* const telemetry_;
  const std::string fingerprint_;  // of what beside the tables decides an answer
  std::function<http::ServerCounts()> counts_;
  std::atomic<std::uint64_t> last_epoch_{0};
  std::atomic<bool> stopping_{false};
  AnswerCache cache_;
  std::unique_ptr<Recompute> recompute_;
  dashboard::Tables helper_;  // of the heavy lane, whose only thread it works beside
  Lane light_;
  Lane heavy_;
  Lane explaining_;  // from the raw tables: seconds for a large row, and nothing that others wait for
};

}  // namespace admetrics::api
