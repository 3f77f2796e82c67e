#include "compare/causes.hpp"

#include <array>

namespace admetrics::comparison {
namespace {

// A row's `place`.
constexpr std::int64_t kBothSides = 0;
constexpr std::int64_t kOnlyHere = 1;
constexpr std::int64_t kOnlyThere = 2;

// `side` is 0 here, 1 there.
constexpr const char* kTables = R"sql(
  CREATE TABLE diff_row(main INTEGER, type TEXT, id TEXT, date TEXT, rest TEXT, topics INTEGER, tiny INTEGER, place INTEGER,
                        cause TEXT);
  CREATE TABLE diff_member(purchase INTEGER, type TEXT, id TEXT, date TEXT, user TEXT, side INTEGER, cause TEXT);
  CREATE TABLE member(side INTEGER, purchase INTEGER, type TEXT, id TEXT, date TEXT, user TEXT);
)sql";

struct Text {
  const char* name;
  const char* text;
};
constexpr std::array<Text, 15> kTexts{{
    {"user_on_several_days", "a user is counted on several days there; here on the latest day only"},
    {"user_on_another_day", "a user is counted on another day: another time zone, or first day instead of latest"},
    {"user_under_another_entity", "a user is attributed to another entity there"},
    {"user_only_here", "a user is counted here, and nowhere there"},
    {"user_only_there", "a user is counted there, and nowhere here"},
    {"meta", "Meta's numbers differ: late corrections, or rows that only one side has"},
    {"lifecycle", "the same users, but post-trial, converted or refunded differently"},
    {"revenue", "the same users, but other revenue or refunds"},
    {"estimate", "the same users, but another estimated value or other estimated rates"},
    {"formula", "the same inputs, but a ratio, cost or score is computed differently"},
    {"rounding", "within one unit of the last decimal"},
    {"breakdown_value", "the entity's own row agrees, so users or Meta rows are split differently over values"},
    {"as_main_row", "follows from the entity's own row of that day"},
    {"row_only_here", "the row stands only here, without users"},
    {"row_only_there", "the row stands only there, without users"},
}};

std::string text_of(const std::string& name) {
  for (const Text& each : kTexts) {
    if (name == each.name) return each.text;
  }
  return "";
}

constexpr unsigned bit(Topic topic) { return 1U << static_cast<unsigned>(topic); }

}  // namespace

Topic topic_of(const std::string& column) {
  const auto any = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (column == name) return true;
    }
    return false;
  };
  if (any({"meta_spend", "meta_impressions", "meta_clicks", "meta_trial_count", "meta_purchase_count"})) {
    return Topic::kMeta;
  }
  if (any({"trial_users_count", "purchase_users_count", "trial_users_list", "purchase_users_list",
           "mixpanel_trial_count", "mixpanel_purchase_count", "trial_user_ids", "purchase_user_ids"})) {
    return Topic::kMembers;
  }
  if (any({"post_trial_user_ids", "converted_user_ids", "trial_refund_user_ids", "purchase_refund_user_ids",
           "trial_conversion_rate_actual", "trial_refund_rate_actual", "purchase_refund_rate_actual"})) {
    return Topic::kLifecycle;
  }
  if (any({"actual_revenue_usd", "actual_refunds_usd", "net_actual_revenue_usd"})) return Topic::kRevenue;
  if (any({"estimated_revenue_usd", "trial_conversion_rate_estimated", "trial_refund_rate_estimated",
           "purchase_refund_rate_estimated"})) {
    return Topic::kEstimate;
  }
  return Topic::kDerived;
}

Result<Causes> Causes::create(sqlite::Connection& connection) {
  ADM_TRY(connection.execute(kTables));
  Causes causes(connection);
  ADM_ASSIGN(causes.put_row_,
             connection.prepare("INSERT INTO main.diff_row VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL)"));
  ADM_ASSIGN(causes.put_member_,
             connection.prepare("INSERT INTO main.diff_member VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)"));
  return causes;
}

Status Causes::put_row(bool main, const std::vector<std::string>& key, unsigned topics, bool tiny, std::int64_t place) {
  std::string rest;
  for (std::size_t i = 3; i < key.size(); ++i) rest += (i == 3 ? "" : "=") + key[i];
  put_row_.bind(1, static_cast<std::int64_t>(main));
  for (std::size_t i = 0; i < 3; ++i) put_row_.bind(static_cast<int>(i) + 2, std::string_view(key[i]));
  put_row_.bind(5, std::string_view(rest));
  put_row_.bind(6, static_cast<std::int64_t>(topics));
  put_row_.bind(7, static_cast<std::int64_t>(tiny));
  put_row_.bind(8, place);
  return put_row_.run();
}

Status Causes::row(bool main, const std::vector<std::string>& key, unsigned topics, bool tiny) {
  return put_row(main, key, topics, tiny, kBothSides);
}

Status Causes::lone_row(bool main, const std::vector<std::string>& key, bool here) {
  return put_row(main, key, 0, false, here ? kOnlyHere : kOnlyThere);
}

Status Causes::member(bool purchase, const std::vector<std::string>& key, const std::string& user, bool here) {
  put_member_.bind(1, static_cast<std::int64_t>(purchase));
  for (std::size_t i = 0; i < 3; ++i) put_member_.bind(static_cast<int>(i) + 2, std::string_view(key[i]));
  put_member_.bind(5, std::string_view(user));
  put_member_.bind(6, static_cast<std::int64_t>(here ? 0 : 1));
  return put_member_.run();
}

Result<std::vector<Cause>> Causes::explain(const std::vector<std::string>& here_lists,
                                           const std::vector<std::string>& there_lists) {
  // Everywhere that the users in question stand, on both sides.
  ADM_TRY(connection_->execute("CREATE INDEX main.diff_member_user ON diff_member(user)"));
  for (const int side : {0, 1}) {
    for (const std::size_t purchase : {0U, 1U}) {
      const std::string& list = (side == 0 ? here_lists : there_lists)[purchase];
      if (list.empty()) continue;
      ADM_TRY(connection_->execute(
          "INSERT INTO main.member SELECT " + std::to_string(side) + ", " + std::to_string(purchase) +
          ", CAST(r.entity_type AS TEXT), CAST(r.entity_id AS TEXT), substr(CAST(r.date AS TEXT), 1, 10), "
          "CAST(j.value AS TEXT) FROM " +
          (side == 0 ? "here" : "there") + ".daily_mixpanel_metrics r, json_each(r." + list +
          ") j WHERE json_valid(r." + list + ") AND CAST(j.value AS TEXT) IN (SELECT user FROM main.diff_member)"));
    }
  }
  ADM_TRY(connection_->execute(R"sql(
    CREATE INDEX main.member_key ON member(user, purchase, type, side);
    UPDATE main.diff_member AS d SET cause = CASE
      WHEN (SELECT count(DISTINCT m.date) FROM main.member m WHERE m.user = d.user AND m.purchase = d.purchase
              AND m.type = d.type AND m.id = d.id AND m.side = 1) > 1
           AND EXISTS (SELECT 1 FROM main.member m WHERE m.user = d.user AND m.purchase = d.purchase AND m.type = d.type
              AND m.id = d.id AND m.side = 0) THEN 'user_on_several_days'
      WHEN EXISTS (SELECT 1 FROM main.member m WHERE m.user = d.user AND m.purchase = d.purchase AND m.type = d.type
              AND m.id = d.id AND m.side = 1 - d.side) THEN 'user_on_another_day'
      WHEN EXISTS (SELECT 1 FROM main.member m WHERE m.user = d.user AND m.purchase = d.purchase AND m.type = d.type
              AND m.side = 1 - d.side) THEN 'user_under_another_entity'
      WHEN d.side = 0 THEN 'user_only_here' ELSE 'user_only_there' END;
    CREATE INDEX main.diff_member_key ON diff_member(type, id, date);
    CREATE INDEX main.diff_row_key ON diff_row(main, type, id, date);
  )sql"));
  const auto has = [](Topic topic) { return "topics & " + std::to_string(bit(topic)); };
  ADM_TRY(connection_->execute(
      "UPDATE main.diff_row AS r SET cause = coalesce((SELECT d.cause FROM main.diff_member d WHERE d.type = r.type "
      "AND "
      "d.id = r.id AND d.date = r.date GROUP BY d.cause ORDER BY count(*) DESC, d.cause LIMIT 1), CASE WHEN place = 1 "
      "THEN 'row_only_here' WHEN place = 2 THEN 'row_only_there' WHEN tiny THEN 'rounding' WHEN " +
      has(Topic::kMeta) + " THEN 'meta' WHEN " + has(Topic::kLifecycle) + " THEN 'lifecycle' WHEN " +
      has(Topic::kRevenue) + " THEN 'revenue' WHEN " + has(Topic::kEstimate) +
      " THEN 'estimate' ELSE 'formula' END) WHERE main"));
  ADM_TRY(connection_->execute(
      "UPDATE main.diff_row AS r SET cause = CASE WHEN EXISTS (SELECT 1 FROM main.diff_row m WHERE m.main AND m.type = "
      "r.type AND m.id = r.id AND m.date = r.date AND m.cause <> 'rounding') THEN 'as_main_row' WHEN tiny THEN "
      "'rounding' WHEN place > 0 OR " +
      has(Topic::kMembers) + " OR " + has(Topic::kMeta) + " THEN 'breakdown_value' WHEN " + has(Topic::kLifecycle) +
      " THEN 'lifecycle' WHEN " + has(Topic::kRevenue) + " THEN 'revenue' WHEN " + has(Topic::kEstimate) +
      " THEN 'estimate' ELSE 'formula' END WHERE NOT main"));

  ADM_ASSIGN(sqlite::Statement groups,
             connection_->prepare("SELECT cause, count(*) FROM main.diff_row GROUP BY cause ORDER BY 2 DESC, 1"));
  std::vector<Cause> causes;
  ADM_TRY(groups.for_each_row([&] {
    Cause cause;
    cause.name = groups.text(0);
    cause.text = text_of(cause.name);
    cause.rows = static_cast<std::uint64_t>(groups.integer(1));
    causes.push_back(std::move(cause));
  }));
  ADM_ASSIGN(sqlite::Statement users,
             connection_->prepare("SELECT count(DISTINCT user) FROM main.diff_member WHERE cause = ?1"));
  ADM_ASSIGN(sqlite::Statement examples,
             connection_->prepare(
                 "SELECT d.type || ' ' || d.id || ' ' || d.date || ': ' || d.user || ' is ' || iif(d.side = 0, "
                 "'here', 'there') || ', as ' || iif(d.purchase, 'purchase', 'trial') || coalesce('; there on ' "
                 "|| (SELECT group_concat(date, ', ') FROM (SELECT DISTINCT m.date FROM main.member m WHERE "
                 "m.user = d.user AND m.purchase = d.purchase AND m.type = d.type AND m.id = d.id AND m.side = 1 "
                 "ORDER BY 1 LIMIT 8)), '') || coalesce('; here on ' || (SELECT group_concat(DISTINCT m.date) "
                 "FROM main.member m WHERE m.user = d.user AND m.purchase = d.purchase AND m.type = d.type AND "
                 "m.id = d.id AND m.side = 0), '') FROM main.diff_member d WHERE d.cause = ?1 ORDER BY d.type, "
                 "d.id, d.date, d.user LIMIT 5"));
  ADM_ASSIGN(sqlite::Statement rows,
             connection_->prepare("SELECT type || ' ' || id || ' ' || date || iif(rest = '', '', ' ' || rest) FROM "
                                  "main.diff_row WHERE cause = ?1 LIMIT 5"));
  for (Cause& cause : causes) {
    users.bind(1, std::string_view(cause.name));
    ADM_ASSIGN(const bool counted, users.step());
    if (counted) cause.users = static_cast<std::uint64_t>(users.integer(0));
    users.reset();
    sqlite::Statement& chosen = cause.users > 0 ? examples : rows;
    chosen.bind(1, std::string_view(cause.name));
    ADM_TRY(chosen.for_each_row([&] { cause.examples.emplace_back(chosen.text(0)); }));
  }
  return causes;
}

}  // namespace admetrics::comparison
