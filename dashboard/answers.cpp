#include "dashboard/answers.hpp"

#include <array>
#include <vector>

#include "dashboard/json_text.hpp"

namespace admetrics::dashboard {
namespace {

void count(JsonText& json, std::string_view name, Int128 value) { json.name(name).whole(saturate(value)); }
void money(JsonText& json, std::string_view name, Int128 cents) { json.name(name).decimal(saturate(cents), 2); }
void ratio(JsonText& json, std::string_view name, std::int64_t value) { json.name(name).decimal(value, 4); }

std::string_view name_or_all(Breakdown breakdown) { return breakdown == Breakdown::kNone ? "all" : name_of(breakdown); }

/// Which commit an answer shows, and how it was made.
void write_origin(JsonText& json, const Snapshot& snapshot, const Context& context) {
  json.name("method").text(context.method);
  json.name("epoch");
  if (snapshot.ledger.empty()) {
    json.null();
  } else {
    json.whole(snapshot.epoch);
  }
  json.name("as_of");
  if (snapshot.as_of.empty()) {
    json.null();
  } else {
    json.text(snapshot.as_of);
  }
}

/// Sums by day: one for every day of the range.
class Days {
 public:
  explicit Days(const Range& range) : start_(range.start), sums_(static_cast<std::size_t>(range.days())) {}

  void add(const Row& row) { sums_[static_cast<std::size_t>(row.day.value - start_.value)].add(row); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < sums_.size(); ++i) visit(Day{start_.value + static_cast<std::int32_t>(i)}, sums_[i]);
  }

 private:
  Day start_;
  std::vector<Totals> sums_;
};

struct Configuration {
  std::string_view key;
  std::string_view name;
  std::string_view description;
  Level group_by;
  bool is_default;
};
constexpr std::array<Configuration, 2> kConfigurations{{
    {"analytics_all", "Ads", "Every ad over the chosen days, by spend", Level::kAd, true},
    {"analytics_campaign", "Campaigns", "Every campaign with its ad sets and their ads, by spend", Level::kCampaign,
     false},
}};

// What an entity of `analytics/data` has, in the order of its members.
constexpr std::array<std::string_view, 35> kEntityFields{"id",
                                                         "entity_id",
                                                         "entity_type",
                                                         "name",
                                                         "mixpanel_trials_started",
                                                         "meta_trials_started",
                                                         "mixpanel_purchases",
                                                         "meta_purchases",
                                                         "spend",
                                                         "impressions",
                                                         "clicks",
                                                         "trial_accuracy_ratio",
                                                         "purchase_accuracy_ratio",
                                                         "trial_conversion_rate",
                                                         "trial_conversion_rate_estimated",
                                                         "avg_trial_refund_rate",
                                                         "trial_refund_rate_estimated",
                                                         "purchase_refund_rate",
                                                         "purchase_refund_rate_estimated",
                                                         "click_to_trial_rate",
                                                         "estimated_revenue_usd",
                                                         "estimated_revenue_adjusted",
                                                         "actual_revenue_usd",
                                                         "actual_refunds_usd",
                                                         "net_actual_revenue_usd",
                                                         "profit",
                                                         "estimated_roas",
                                                         "performance_impact_score",
                                                         "trial_users_count",
                                                         "post_trial_users_count",
                                                         "converted_users_count",
                                                         "purchase_users_count",
                                                         "user_details",
                                                         "sparkline_data",
                                                         "children"};

}  // namespace

Status Budget::check(std::int64_t rows) const {
  if (rows <= context_->limits.rows_max) return {};
  return Error{Errc::kUsage, "answer", "end_date",
               "the answer would need more than " + std::to_string(context_->limits.rows_max) +
                   " stored rows: ask for fewer days"};
}

Status Budget::spend_row() {
  ADM_TRY(check(++rows_));
  constexpr std::int64_t kRowsBetweenLooks = 256;
  if (rows_ % kRowsBetweenLooks == 0 && context_->clock != nullptr &&
      context_->clock->steady_micros() > context_->deadline_micros) {
    return Error{Errc::kInterrupted, "answer", "", "it took longer than a request may take: ask for fewer days"};
  }
  return {};
}

Result<std::string> answer_chart(Tables& tables, const Snapshot& snapshot, const ChartRequest& request,
                                 const Context& context) {
  Days days(request.range);
  Budget budget(context);
  const auto add = [&](const Row& row) {
    days.add(row);
    return budget.spend_row();
  };
  ADM_TRY(tables.visit_entity(request.level, request.entity_id, request.breakdown, request.breakdown_value,
                              request.range, add));
  ADM_ASSIGN(std::string name, tables.name_of_entity(request.level, request.entity_id));
  if (name.empty()) name = "Unknown " + std::string(name_of(request.level));

  JsonText json;
  json.open_object().name("success").flag(true).name("chart_data").open_array();
  days.for_each([&](Day day, const Totals& sums) {
    json.open_object().name("date").day(day);
    money(json, "daily_spend", sums.spend);
    count(json, "daily_impressions", sums.impressions);
    count(json, "daily_clicks", sums.clicks);
    count(json, "daily_meta_trials", sums.meta_trials);
    count(json, "daily_meta_purchases", sums.meta_purchases);
    count(json, "daily_mixpanel_trials", sums.trials);
    count(json, "daily_mixpanel_purchases", sums.purchases);
    count(json, "daily_mixpanel_conversions", sums.converted);
    money(json, "daily_mixpanel_revenue", sums.actual_revenue);
    money(json, "daily_mixpanel_refunds", sums.actual_refunds);
    money(json, "daily_estimated_revenue", sums.estimated_revenue);
    money(json, "daily_adjusted_revenue", sums.adjusted_revenue);
    ratio(json, "daily_roas", sums.roas());
    money(json, "daily_profit", sums.profit);
    ratio(json, "daily_trial_accuracy", sums.trial_accuracy());
    ratio(json, "daily_purchase_accuracy", sums.purchase_accuracy());
    json.name("is_inactive").flag(sums.rows == 0).close_object();
  });
  json.close_array().name("metadata").open_object();
  json.name("entity_type").text(name_of(request.level)).name("entity_id").text(request.entity_id);
  json.name("entity_name").text(name);
  json.name("start_date").day(request.range.start).name("end_date").day(request.range.end);
  json.name("breakdown").text(name_or_all(request.breakdown)).name("breakdown_value");
  if (request.breakdown_value) {
    json.text(*request.breakdown_value);
  } else {
    json.null();
  }
  json.name("data_points").whole(request.range.days());
  write_origin(json, snapshot, context);
  json.close_object().close_object();
  return json.take();
}

Result<std::string> answer_overview(Tables& tables, const Snapshot& snapshot, const OverviewRequest& request,
                                    const Context& context) {
  Days days(request.range);
  Totals total;
  Budget budget(context);
  const auto add = [&](const Row& row) {
    days.add(row);
    total.add(row);
    return budget.spend_row();
  };
  ADM_TRY(tables.visit_level(request.group_by, request.breakdown, request.range, Tables::Lists::kNone, add));
  JsonText json;
  json.open_object().name("success").flag(true).name("chart_data").open_array();
  days.for_each([&](Day day, const Totals& sums) {
    json.open_object().name("date").day(day);
    money(json, "spend", sums.spend);
    money(json, "revenue", sums.adjusted_revenue);
    ratio(json, "roas", sums.roas());
    money(json, "profit", sums.profit);
    count(json, "trials", sums.trials);
    count(json, "purchases", sums.purchases);
    count(json, "impressions", sums.impressions);
    count(json, "clicks", sums.clicks);
    json.name("is_inactive").flag(sums.rows == 0).close_object();
  });
  json.close_array().name("summary").open_object();
  money(json, "total_spend", total.spend);
  money(json, "total_revenue", total.adjusted_revenue);
  ratio(json, "overall_roas", total.roas());
  count(json, "total_trials", total.trials);
  count(json, "total_purchases", total.purchases);
  ratio(json, "conversion_rate", total.purchases_per_trial());
  json.name("date_range").open_object();
  json.name("start").day(request.range.start).name("end").day(request.range.end);
  json.name("days").whole(request.range.days()).close_object().close_object();
  json.name("metadata").open_object();
  json.name("breakdown").text(name_or_all(request.breakdown)).name("group_by").text(name_of(request.group_by));
  json.name("data_points").whole(request.range.days());
  write_origin(json, snapshot, context);
  json.close_object().close_object();
  return json.take();
}

Result<std::string> answer_date_range(Tables& tables, const Context& context) {
  ADM_ASSIGN(const std::optional<Range> days, tables.days());
  JsonText json;
  json.open_object().name("success").flag(true).name("data").open_object();
  json.name("earliest_date");
  days ? json.day(days->start) : json.null();
  json.name("latest_date");
  days ? json.day(days->end) : json.null();
  json.close_object().name("timestamp").text(timestamp_now(*context.clock)).close_object();
  return json.take();
}

std::string answer_configurations() {
  JsonText json;
  json.open_object().name("success").flag(true).name("configurations").open_object();
  for (const Configuration& configuration : kConfigurations) {
    json.name(configuration.key).open_object();
    json.name("name").text(configuration.name).name("description").text(configuration.description);
    json.name("fields").open_array();
    for (const std::string_view field : kEntityFields) json.text(field);
    json.close_array().name("breakdowns").open_array().text("all");
    for (const Breakdown breakdown : kBreakdowns) json.text(name_of(breakdown));
    json.close_array().name("breakdown").text("all").name("group_by").text(name_of(configuration.group_by));
    json.name("is_default").flag(configuration.is_default).close_object();
  }
  json.close_object().close_object();
  return json.take();
}

std::string error_answer(std::string_view what) {
  JsonText json;
  json.open_object().name("success").flag(false).name("error").text(what).close_object();
  return json.take();
}

std::string timestamp_now(const Clock& clock) {
  std::string text = format_timestamp(clock.now());
  text[text.find(' ')] = 'T';
  return text + 'Z';
}

}  // namespace admetrics::dashboard
