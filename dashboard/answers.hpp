#pragma once

#include <string>

#include "core/base/result.hpp"
#include "dashboard/request.hpp"
#include "dashboard/tables.hpp"

/// One answer each, as JSON text, from the open snapshot of `tables`. `docs/api.md` has every field and its formula.
///
/// kUsage: the answer would be larger than the limits allow. kInterrupted: the deadline has passed.
namespace admetrics::dashboard {

/// `helper`, where there is one, reads the lowest level on a thread of its own, from the same snapshot.
Result<std::string> answer_data(Tables& tables, Tables* helper, const DataRequest& request, const Context& context);
Result<std::string> answer_chart(Tables& tables, const Snapshot& snapshot, const ChartRequest& request,
                                 const Context& context);
Result<std::string> answer_overview(Tables& tables, const Snapshot& snapshot, const OverviewRequest& request,
                                    const Context& context);
Result<std::string> answer_date_range(Tables& tables, const Context& context);
std::string answer_configurations();

/// What a failed request gets, whatever failed.
std::string error_answer(std::string_view what);
/// `2026-01-20T08:15:30.123Z`.
std::string timestamp_now(const Clock& clock);

/// Counts rows against the limits while an answer is made.
class Budget {
 public:
  explicit Budget(const Context& context) : context_(&context) {}
  /// To be called for every row.
  Status spend_row();
  [[nodiscard]] Status check(std::int64_t rows) const;

 private:
  const Context* context_;
  std::int64_t rows_ = 0;
};

}  // namespace admetrics::dashboard
