#include "explain/explain.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/metrics/contribution.hpp"
#include "core/metrics/row_totals.hpp"
#include "explain/formulas.hpp"
#include "sources/sqlite/raw_rows.hpp"
#include "verify/reading.hpp"
#include "verify/workspace.hpp"

namespace admetrics {
namespace explanation {
namespace {

using verification::Workspace;

constexpr std::array<const char*, 4> kMetaTables{"ad_performance_daily", "ad_performance_daily_country",
                                                 "ad_performance_daily_region", "ad_performance_daily_device"};
constexpr std::array<const char*, 3> kRateColumns{"trial_conversion_rate", "trial_converted_to_refund_rate",
                                                  "initial_purchase_to_refund_rate"};

std::string text_of(const RawValue& value) {
  switch (value.kind) {
    case RawValue::Kind::kNull: return "NULL";
    case RawValue::Kind::kBlob: return "a blob";
    case RawValue::Kind::kInteger: return value.text.empty() ? std::to_string(value.integer) : std::string(value.text);
    case RawValue::Kind::kReal: {
      // Its shortest text, which is also what it is read from.
      std::array<char, 32> buffer;
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real).ptr;
      return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
    }
    case RawValue::Kind::kText: return std::string(value.text);
  }
  return "";
}

std::string text_or_null(std::string_view text) { return text.empty() ? "NULL" : std::string(text); }

std::string reject_text(const std::vector<Reject>& rejects) {
  return "rejected: " + std::string(name_of(rejects.back().reason)) + ", " + rejects.back().column;
}

/// Everything that is known of one user while the row is being explained.
struct Person {
  User told;
  bool tells = true;  // its rows, that is
  UserFacts facts;
  UserContribution contribution;
  struct Event {
    std::size_t row = 0;  // in told.rows, or kUntold
    EventFacts gives;
  };
  std::vector<Event> events;
  struct Product {
    std::size_t row = 0;
    ProductFacts gives;
  };
  std::vector<Product> products;
};

constexpr std::size_t kUntold = SIZE_MAX;

class Explainer {
 public:
  Explainer(const ExplainOptions& options, Workspace& workspace, Day as_of, Explanation& out)
      : options_(options),
        workspace_(workspace),
        out_(out),
        folder_(options.reporting, dictionary_),
        main_(options.breakdown == Breakdown::kNone),
        post_trial_(options.date.value + options.reporting.trial_length_days <= as_of.value) {}

  Status run() {
    ADM_TRY(read_mappings());
    ADM_TRY(read_users());
    ADM_TRY(read_meta());
    make_row();
    ADM_TRY(compare_with_stored());
    if (out_.stored) tell_causes();
    out_.columns_agree =
        std::all_of(out_.columns.begin(), out_.columns.end(), [](const Column& column) { return column.equal; });
    if (options_.hide_user_ids) hide_users();
    return {};
  }

 private:
  [[nodiscard]] std::string column_name(const ListColumn& column) const {
    return std::string(main_ ? column.main_name : column.breakdown_name);
  }
  [[nodiscard]] std::string list_name(List list) const {
    return column_name(list_columns()[static_cast<std::size_t>(list)]);
  }

  // ── The users ────────────────────────────────────────────────────────────────────────────────────────────────────

  Status read_mappings() {
    const auto read = [&](const char* table, const char* from, const char* to,
                          std::vector<ValueMapping::Row>& rows) -> Status {
      ADM_ASSIGN(const bool there, workspace_.has_table(workspace_.product(), table));
      if (!there) return {};
      ADM_ASSIGN(sqlite::Statement select,
                 workspace_.connection().prepare(std::string("SELECT ") + from + ", " + to +
                                                 ", adm_flag(is_active) AND " + from + " IS NOT NULL FROM " +
                                                 workspace_.product() + "." + table + " ORDER BY 1, 2"));
      return select.for_each_row([&] {
        rows.push_back({std::string(select.text(0)), std::string(select.text(1)), select.integer(2) != 0});
      });
    };
    std::vector<ValueMapping::Row> country;
    std::vector<ValueMapping::Row> device;
    ADM_TRY(read("meta_country_mapping", "meta_country_name", "mixpanel_country_code", country));
    ADM_TRY(read("meta_device_mapping", "meta_device_type", "mixpanel_store_category", device));
    mappings_ = {ValueMapping::country(country), ValueMapping::device(device)};
    return {};
  }

  Status read_users() {
    constexpr std::array<const char*, 3> kIdColumns{"abi_campaign_id", "abi_ad_set_id", "abi_ad_id"};
    const std::string product = workspace_.product() + ".";
    sqlite::Connection& connection = workspace_.connection();
    ADM_ASSIGN(sqlite::Statement users,
               connection.prepare(std::string("SELECT ") + source::kUserColumns + " FROM " + product +
                                  "mixpanel_user WHERE CAST(" + kIdColumns[index_of(options_.level)] +
                                  " AS TEXT) = ?1 AND adm_flag(has_abi_attribution) ORDER BY adm_key(distinct_id)"));
    constexpr const char* kOfUser = " WHERE distinct_id = ?1 AND distinct_id COLLATE BINARY = ?1";
    ADM_ASSIGN(sqlite::Statement events,
               connection.prepare(std::string("SELECT ") + source::kEventColumns + " FROM " + product +
                                  "mixpanel_event" + kOfUser + " ORDER BY event_time, event_uuid"));
    ADM_ASSIGN(sqlite::Statement products,
               connection.prepare(std::string("SELECT ") + source::kProductColumns + " FROM " + product +
                                  "user_product_metrics" + kOfUser + " ORDER BY product_id"));
    users.bind(1, std::string_view(options_.entity_id));
    for (;;) {
      ADM_ASSIGN(const bool row, users.step());
      if (!row) break;
      if (options_.give_up && options_.give_up())
        return Error{Errc::kInterrupted, "explain", options_.product_db, "explaining this row took too long"};
      Person person;
      person.tells = tells_users();
      const std::size_t rows_before = rows_told_;
      std::vector<Reject> rejects;
      const RawUser user = source::user_at(users);
      folder_.fold_user(user, person.facts.attribution, rejects);
      if (!rejects.empty()) continue;
      person.told.distinct_id = user.distinct_id.text;
      person.told.rows.push_back({"mixpanel_user",
                                  person.told.distinct_id,
                                  {{"abi_campaign_id", text_or_null(user.ids[0])},
                                   {"abi_ad_set_id", text_or_null(user.ids[1])},
                                   {"abi_ad_id", text_or_null(user.ids[2])},
                                   {"country", text_or_null(user.country)},
                                   {"region", text_or_null(user.region)},
                                   {"has_abi_attribution", text_of(user.has_attribution)}},
                                  {},
                                  ""});
      ADM_TRY(read_events(events, person));
      const EventFacts& facts = person.facts.events;
      const bool here = facts.trial_day == options_.date || facts.purchase_day == options_.date;
      if (!here && !touches_day(person)) {
        rows_told_ = rows_before;
        continue;
      }
      ADM_TRY(read_products(products, person));
      person.contribution = contribution_of(person.facts, folder_.dictionary());
      if (!main_ && dictionary_.text(person.contribution.value_of(options_.breakdown)) != options_.value) {
        rows_told_ = rows_before;
        continue;
      }
      if (!person.tells && !here) {
        ++out_.elsewhere_left_out;
        continue;
      }
      if (person.tells) ++users_told_;
      (here ? members_ : elsewhere_).push_back(std::move(person));
    }
    return {};
  }

  /// Whether some event of the row's day would count here, were it the latest.
  [[nodiscard]] bool touches_day(const Person& person) const {
    return std::any_of(person.events.begin(), person.events.end(), [&](const Person::Event& event) {
      return event.gives.trial_day == options_.date || event.gives.purchase_day == options_.date;
    });
  }

  // What is told is bounded; what counts is not.
  [[nodiscard]] bool tells_users() const { return options_.users_max == 0 || users_told_ < options_.users_max; }
  /// Adds a raw row to what is told of a person; gives its place, or kUntold.
  std::size_t tell(Person& person, RawRow row) {
    if (!person.tells || (options_.rows_max != 0 && rows_told_ >= options_.rows_max)) {
      ++person.told.rows_left_out;
      return kUntold;
    }
    ++rows_told_;
    person.told.rows.push_back(std::move(row));
    return person.told.rows.size() - 1;
  }

  Status read_events(sqlite::Statement& events, Person& person) {
    events.bind(1, std::string_view(person.told.distinct_id));
    return events.for_each_row([&] {
      const RawEvent event = source::event_at(events);
      if (!folder_.relevant(event.name)) return;
      RawRow row{"mixpanel_event",
                 text_of(event.event_uuid),
                 {{"event_name", std::string(event.name)},
                  {"event_time", text_of(event.time)},
                  {"revenue_usd", text_of(event.revenue_usd)}},
                 {},
                 ""};
      std::vector<Reject> rejects;
      Person::Event one;
      folder_.fold_event(event, one.gives, rejects);
      if (rejects.empty()) {
        person.facts.events.merge(one.gives);
      } else {
        row.note = reject_text(rejects);
      }
      one.row = tell(person, std::move(row));
      if (rejects.empty()) person.events.push_back(one);
    });
  }

  Status read_products(sqlite::Statement& products, Person& person) {
    products.bind(1, std::string_view(person.told.distinct_id));
    return products.for_each_row([&] {
      const RawProduct product = source::product_at(products);
      RawRow row{"user_product_metrics",
                 text_of(product.user_product_id),
                 {{"product_id", text_of(product.product_id)},
                  {"credited_date", text_of(product.credited_date)},
                  {"store", text_or_null(product.store)},
                  {"current_value", text_of(product.current_value)},
                  {kRateColumns[0], text_of(product.rates[0])},
                  {kRateColumns[1], text_of(product.rates[1])},
                  {kRateColumns[2], text_of(product.rates[2])}},
                 {},
                 ""};
      std::vector<Reject> rejects;
      Person::Product one;
      folder_.fold_product(product, one.gives, rejects);
      if (rejects.empty()) {
        person.facts.products.merge(ProductFacts(one.gives));
      } else {
        row.note = reject_text(rejects);
      }
      one.row = tell(person, std::move(row));
      if (rejects.empty()) person.products.push_back(std::move(one));
    });
  }

  // ── What each row gives ──────────────────────────────────────────────────────────────────────────────────────────

  void give(Person& person) {
    const EventFacts& facts = person.facts.events;
    const UserContribution& user = person.contribution;
    const bool trial = user.trial_day == options_.date;
    const bool purchase = user.purchase_day == options_.date;
    const bool converted = trial && post_trial_ && user.converted;
    ++from_.users;
    const auto in_list = [&](List list) { person.told.lists.push_back(list_name(list)); };
    if (trial) in_list(List::kTrial), ++from_.trials;
    if (trial && post_trial_) in_list(List::kPostTrial), ++from_.post_trials;
    if (converted) in_list(List::kConverted), ++from_.converted;
    if (converted && user.trial_refunded) in_list(List::kTrialRefund), ++from_.trial_refunds;
    if (purchase) in_list(List::kPurchase), ++from_.purchases;
    if (purchase && user.purchase_refunded) in_list(List::kPurchaseRefund), ++from_.purchase_refunds;

    for (const Person::Event& event : person.events) {
      RawRow untold;
      RawRow& row = event.row == kUntold ? untold : person.told.rows[event.row];
      const EventFacts& gives = event.gives;
      const auto place = [&](List list) { row.gifts.push_back({list_name(list), ""}); };
      if (gives.trial_day != kNoDay) {
        if (trial && gives.trial_day == user.trial_day) {
          place(List::kTrial);
          if (post_trial_) place(List::kPostTrial);
        } else {
          row.note = "a user counts on the latest day only: " + format_day(user.trial_day);
        }
      }
      if (gives.purchase_day != kNoDay) {
        if (purchase && gives.purchase_day == user.purchase_day) {
          place(List::kPurchase);
        } else {
          row.note = "a user counts on the latest day only: " + format_day(user.purchase_day);
        }
      }
      if (gives.converted_at && trial) {
        if (!post_trial_) {
          row.note = "converted; counts from " + format_day(out_.post_trial_on) + " on";
        } else if (gives.converted_at == facts.converted_at) {
          place(List::kConverted);
        } else {
          row.note = "not the first conversion";
        }
      }
      if (gives.refunded_at && gives.refunded_at == facts.refunded_at) {
        if (converted && user.trial_refunded) place(List::kTrialRefund);
        if (purchase && user.purchase_refunded) place(List::kPurchaseRefund);
      }
      if (gives.revenue_micros != 0) {
        row.gifts.push_back({"actual_revenue_usd", money_text(gives.revenue_micros)});
        from_.revenue_terms.push_back(money_text(gives.revenue_micros));
      }
      if (gives.refunds_micros != 0) {
        row.gifts.push_back({"actual_refunds_usd", money_text(gives.refunds_micros)});
        from_.refund_terms.push_back(money_text(gives.refunds_micros));
      }
    }
    for (const Person::Product& product : person.products) {
      RawRow untold;
      RawRow& row = product.row == kUntold ? untold : person.told.rows[product.row];
      if (product.gives.value_micros != 0) {
        row.gifts.push_back({"estimated_revenue_usd", money_text(product.gives.value_micros)});
        from_.value_terms.push_back(money_text(product.gives.value_micros));
      }
      const std::array<bool, 3> counts{trial, converted, purchase};
      constexpr std::array<const char*, 3> kColumns{"trial_conversion_rate_estimated", "trial_refund_rate_estimated",
                                                    "purchase_refund_rate_estimated"};
      for (std::size_t i = 0; i < counts.size(); ++i) {
        const RateSum& rate = product.gives.rates[i];
        if (!counts[i] || rate.count == 0) continue;
        row.gifts.push_back({kColumns[i], rate_text(rate.nanos)});
        from_.rates[i].terms.push_back(rate_text(rate.nanos));
        from_.rates[i].nanos += rate.nanos;
        ++from_.rates[i].count;
      }
      if (options_.breakdown == Breakdown::kDevice && product.gives.store &&
          product.gives.store == person.facts.products.store) {
        row.gifts.push_back({"breakdown_value", options_.value});
      }
    }
    if (options_.breakdown == Breakdown::kCountry || options_.breakdown == Breakdown::kRegion) {
      person.told.rows.front().gifts.push_back({"breakdown_value", options_.value});
    }
    person.told.rows.front().gifts.push_back({"entity_id", options_.entity_id});
  }

  /// The newest event that gives something and was there when the row last changed; and whether that day made its trials
  /// post-trial.
  void tell_causes() {
    std::string text = out_.computed_at;
    if (text.size() > 10) text[10] = 'T';
    const auto changed = parse_instant(text);
    if (!changed) {
      out_.causes.push_back({"not_known", "computed_at is no time"});
      return;
    }
    const Day day = options_.reporting.zone.day_of(*changed);
    if (day == out_.post_trial_on && !row_[List::kPostTrial].starts_with("[]")) {
      out_.causes.push_back(
          {"time_passing", "it changed on " + format_day(day) + ", the day its trials became post-trial"});
    }
    std::optional<Instant> newest;
    std::string which;
    for (const User& user : out_.users) {
      for (const RawRow& row : user.rows) {
        if (row.table != "mixpanel_event" || row.gifts.empty()) continue;
        const auto time = parse_instant(row.cells[1].second);
        if (!time || *time > *changed || (newest && *time <= *newest)) continue;
        newest = time;
        which = row.cells[0].second + (options_.hide_user_ids ? "" : " of " + user.distinct_id) + " at " +
                row.cells[1].second;
      }
    }
    out_.newest_event = which;
    constexpr std::int64_t kFreshSeconds = 86'400;
    if (newest && changed->seconds - newest->seconds <= kFreshSeconds) {
      out_.causes.push_back({"event", "the newest event before it: " + which});
    } else if (newest) {
      out_.causes.push_back({"not_known", "the newest event before it, " + which +
                                              ", is older than a day: a late event, re-attribution, a value, Meta's "
                                              "numbers, a mapping, a backfill or a repair"});
    } else {
      out_.causes.push_back(
          {"not_known", "no event stands behind it: Meta's numbers, a mapping, a backfill or a repair"});
    }
  }

  // ── The Meta rows ────────────────────────────────────────────────────────────────────────────────────────────────

  Status read_meta() {
    for (const Breakdown breakdown : {Breakdown::kNone, Breakdown::kCountry, Breakdown::kRegion, Breakdown::kDevice}) {
      // The other tables matter for the main row's existence only.
      if (!main_ && breakdown != options_.breakdown) continue;
      ADM_TRY(read_meta_table(breakdown));
    }
    return {};
  }

  Status read_meta_table(Breakdown breakdown) {
    constexpr std::array<const char*, 3> kIdColumns{"campaign_id", "adset_id", "ad_id"};
    const std::string table = kMetaTables[index_of(breakdown)];
    const std::string value_column = breakdown == Breakdown::kNone ? "" : ", " + std::string(name_of(breakdown));
    const std::string id = kIdColumns[index_of(options_.level)];
    ADM_ASSIGN(
        sqlite::Statement rows,
        workspace_.connection().prepare(
            std::string("SELECT ") + source::kMetaColumns + value_column + " FROM " + workspace_.ads() + "." + table +
            " WHERE CAST(" + id + " AS TEXT) = ?1 AND CAST(date AS TEXT) = ?2 AND typeof(date) <> 'blob' " +
            (options_.level == Level::kAd ? "AND typeof(ad_id) <> 'blob' " : "") + "ORDER BY ad_id" + value_column));
    const std::string date = format_day(options_.date);
    rows.bind(1, std::string_view(options_.entity_id));
    rows.bind(2, std::string_view(date));
    return rows.for_each_row([&] {
      const RawMeta meta = source::meta_at(rows, breakdown);
      RawRow row{table, text_of(meta.ad_id), {}, {}, ""};
      if (breakdown != Breakdown::kNone) {
        row.key += " " + text_or_null(meta.value);
        row.cells.emplace_back(name_of(breakdown), text_or_null(meta.value));
      }
      constexpr std::array<const char*, 4> kCounts{"impressions", "clicks", "meta_trials", "meta_purchases"};
      row.cells.emplace_back("spend", text_of(meta.spend));
      for (std::size_t i = 0; i < kCounts.size(); ++i) row.cells.emplace_back(kCounts[i], text_of(meta.counts[i]));
      std::vector<Reject> rejects;
      const auto part = meta_part_of(meta, mappings_, folder_.dictionary(), rejects);
      const auto tell_meta = [&] {
        if (options_.rows_max != 0 && out_.meta.size() >= options_.rows_max) {
          ++out_.meta_left_out;
        } else {
          out_.meta.push_back(std::move(row));
        }
      };
      if (!part) {
        row.note = reject_text(rejects);
        return tell_meta();
      }
      if (main_ && breakdown != Breakdown::kNone) {
        ++breakdown_rows_;
        return;
      }
      const std::string_view value = dictionary_.text(part->value);
      if (!main_ && value != options_.value) return;
      if (value != meta.value) row.note = "counts as " + std::string(value);
      meta_.add(part->sums, 1);
      row.gifts = {{"meta_spend", money_text(saturate(part->sums.spend_micros))},
                   {"meta_impressions", std::to_string(saturate(part->sums.impressions))},
                   {"meta_clicks", std::to_string(saturate(part->sums.clicks))},
                   {"meta_trial_count", std::to_string(saturate(part->sums.trials))},
                   {"meta_purchase_count", std::to_string(saturate(part->sums.purchases))}};
      from_.spend_terms.push_back(money_text(saturate(part->sums.spend_micros)));
      tell_meta();
    });
  }

  // ── The row ──────────────────────────────────────────────────────────────────────────────────────────────────────

  void make_row() {
    std::sort(members_.begin(), members_.end(),
              [](const Person& a, const Person& b) { return a.told.distinct_id < b.told.distinct_id; });
    RowTotals totals(options_.date, post_trial_);
    for (Person& person : members_) {
      totals.add_user(person.told.distinct_id, person.contribution);
      give(person);
    }
    from_.meta_daily_rows = main_ ? meta_.rows : 0;
    out_.expected = totals.has_users() || meta_.rows > 0 || (main_ && breakdown_rows_ > 0);
    if (breakdown_rows_ > 0 && meta_.rows == 0 && members_.empty()) {
      out_.notes.emplace_back("the row stands because breakdown rows of it do: " + std::to_string(breakdown_rows_) +
                              " Meta rows count for them");
    }
    row_ = std::move(totals).render(meta_, from_.meta_daily_rows);
    for (Person& person : members_) {
      if (person.tells) {
        out_.users.push_back(std::move(person.told));
      } else {
        ++out_.users_left_out;
      }
    }
    for (Person& person : elsewhere_) {
      const Day day = person.contribution.trial_day;
      person.told.rows.front().note =
          "counts on " + (day != kNoDay ? "trial day " + format_day(day) : std::string()) +
          (person.contribution.purchase_day != kNoDay ? (day != kNoDay ? ", " : "") + std::string("purchase day ") +
                                                            format_day(person.contribution.purchase_day)
                                                      : std::string());
      out_.elsewhere.push_back(std::move(person.told));
    }
  }

  Status compare_with_stored() {
    const std::string table(main_ ? kMainTable : kBreakdownTable);
    out_.table = table;
    ADM_ASSIGN(const bool there, workspace_.has_table(workspace_.sink(), table));
    std::vector<std::string> names{"computed_at"};
    for (const ListColumn& column : list_columns()) names.push_back(column_name(column));
    for (const NumberColumn& column : number_columns()) {
      const std::string_view name = main_ ? column.main_name : column.breakdown_name;
      if (!name.empty()) names.emplace_back(name);
    }
    std::vector<std::string> missing = names;
    if (there) {
      ADM_ASSIGN(missing, workspace_.missing_columns(workspace_.sink(), table, names));
    }
    std::string select;
    for (const std::string& name : names) {
      const bool lacks = std::find(missing.begin(), missing.end(), name) != missing.end();
      select += (select.empty() ? "SELECT " : ", ") + (lacks ? std::string("NULL") : name);
      if (lacks && there) out_.notes.push_back("the table has no column " + name + ": run `admetricsd schema migrate`");
    }
    std::optional<sqlite::Statement> stored;
    if (there) {
      const std::string condition = main_ ? "" : " AND breakdown_type = ?4 AND breakdown_value = ?5";
      ADM_ASSIGN(stored, workspace_.connection().prepare(select + " FROM " + workspace_.sink() + "." + table +
                                                         " WHERE entity_type = ?1 AND entity_id = ?2 AND date = ?3" +
                                                         condition));
      const std::string date = format_day(options_.date);
      stored->bind(1, name_of(options_.level));
      stored->bind(2, std::string_view(options_.entity_id));
      stored->bind(3, std::string_view(date));
      if (!main_) {
        stored->bind(4, name_of(options_.breakdown));
        stored->bind(5, std::string_view(options_.value));
      }
      ADM_ASSIGN(out_.stored, stored->step());
      add_columns(out_.stored ? &*stored : nullptr);
      if (out_.stored) {
        out_.computed_at = stored->text(0);
        ADM_ASSIGN(const bool twice, stored->step());
        if (twice) out_.notes.emplace_back("the row is stored more than once; this is the first one");
      }
      return {};
    }
    add_columns(nullptr);
    return {};
  }

  void add_columns(const sqlite::Statement* stored) {
    int at = 1;
    for (const ListColumn& column : list_columns()) {
      Column told;
      told.name = column_name(column);
      told.expected = row_[column.list];
      told.formula = list_words(column.list);
      told.filled = std::to_string(length_of(column.list)) + " users";
      if (stored != nullptr) {
        told.stored = stored->is_null(at) ? "NULL" : std::string(stored->text(at));
        told.equal = stored->type(at) == sqlite::ColumnType::kText && told.stored == told.expected;
      }
      ++at;
      out_.columns.push_back(std::move(told));
    }
    for (const NumberColumn& column : number_columns()) {
      Column told;
      told.name = main_ ? column.main_name : column.breakdown_name;
      if (told.name.empty()) continue;
      const int digits = digits_of(column.kind);
      const std::int64_t units = row_[column.number];
      const Formula formula = formula_of(column.number, row_, from_);
      told.formula = formula.words;
      told.filled = formula.filled;
      told.expected = verification::decimal_text(units, digits);
      if (stored != nullptr) {
        told.stored = stored->is_null(at) ? "NULL" : std::string(stored->text(at));
        switch (stored->type(at)) {
          case sqlite::ColumnType::kInteger:
            told.equal = verification::holds_decimal(stored->integer(at), units, digits);
            break;
          case sqlite::ColumnType::kReal:
            told.equal = verification::holds_decimal(stored->real(at), units, digits);
            break;
          case sqlite::ColumnType::kText:
          case sqlite::ColumnType::kBlob: told.stored = sqlite::quote_text(told.stored); break;
          case sqlite::ColumnType::kNull: break;
        }
      }
      ++at;
      out_.columns.push_back(std::move(told));
    }
  }

  /// Numbers instead of names. Lists keep their lengths; a stored one that is no list of ours keeps nothing.
  void hide_users() {
    std::int64_t number = 0;
    for (std::vector<User>* users : {&out_.users, &out_.elsewhere}) {
      for (User& user : *users) {
        const std::string name = "user " + std::to_string(++number);
        for (RawRow& row : user.rows) {
          if (row.key == user.distinct_id) row.key = name;
        }
        user.distinct_id = name;
      }
    }
    const std::size_t lists = list_columns().size();
    for (std::size_t i = 0; i < lists; ++i) {
      Column& column = out_.columns[i];
      column.expected = column.filled;
      if (out_.stored) column.stored = column.equal ? column.filled : "other users";
    }
  }

  [[nodiscard]] std::int64_t length_of(List list) const {
    switch (list) {
      case List::kTrial: return from_.trials;
      case List::kPostTrial: return from_.post_trials;
      case List::kConverted: return from_.converted;
      case List::kTrialRefund: return from_.trial_refunds;
      case List::kPurchase: return from_.purchases;
      case List::kPurchaseRefund: return from_.purchase_refunds;
    }
    return 0;
  }

  [[nodiscard]] std::string list_words(List list) const {
    switch (list) {
      case List::kTrial: return "attributed users whose latest trial start is on this day";
      case List::kPostTrial:
        return post_trial_ ? "trial users, as " + format_day(out_.post_trial_on) + " has come"
                           : "none before " + format_day(out_.post_trial_on);
      case List::kConverted: return "post-trial users with a conversion";
      case List::kTrialRefund: return "converted users with a refund after it";
      case List::kPurchase: return "attributed users whose latest purchase is on this day";
      case List::kPurchaseRefund: return "purchase users with a refund after their first purchase";
    }
    return "";
  }

  const ExplainOptions& options_;
  Workspace& workspace_;
  Explanation& out_;
  Dictionary dictionary_;
  FactFolder folder_;
  const bool main_;
  const bool post_trial_;
  Mappings mappings_;
  std::vector<Person> members_;
  std::vector<Person> elsewhere_;
  MetaSums meta_;
  std::int64_t breakdown_rows_ = 0;
  std::size_t users_told_ = 0;
  std::size_t rows_told_ = 0;
  Ingredients from_;
  RowValues row_;
};

}  // namespace
}  // namespace explanation

Result<Explanation> explain(const ExplainOptions& options) {
  VerifyOptions where;
  where.product_db = options.product_db;
  where.ads_db = options.ads_db;
  where.sink_db = options.sink_db;
  where.reporting = options.reporting;
  where.temp_dir = options.temp_dir;
  where.align_timeout_ms = options.align_timeout_ms;
  where.busy_timeout_ms = options.busy_timeout_ms;
  ADM_ASSIGN(const auto workspace, verification::Workspace::open(where, true));
  Explanation out;
  auto sink = workspace->begin_aligned();
  if (!sink && sink.error().code == Errc::kBusy) {
    // Better an answer that says how far it can be trusted than none.
    out.notes.push_back("the stored row may be behind the raw rows: " + sink.error().detail);
    where.align = false;
    sink = workspace->begin_aligned();
  }
  if (!sink) return std::move(sink).error();
  if (!options.as_of && !sink->as_of) {
    return Error{Errc::kSchema, "explain", options.sink_db,
                 "nothing has been materialized yet: run `admetricsd run --once`, or give --as-of"};
  }
  out.as_of = options.as_of ? *options.as_of : *sink->as_of;
  out.epoch = sink->epoch;
  out.post_trial_on = Day{options.date.value + options.reporting.trial_length_days};
  out.key = {std::string(name_of(options.level)), options.entity_id, format_day(options.date)};
  if (options.breakdown != Breakdown::kNone) {
    out.key.insert(out.key.end(), {std::string(name_of(options.breakdown)), options.value});
  }
  explanation::Explainer explainer(options, *workspace, out.as_of, out);
  ADM_TRY(explainer.run());
  ADM_TRY(workspace->end());
  return out;
}

}  // namespace admetrics
