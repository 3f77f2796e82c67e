#include "tests/property/drawn_pipeline.hpp"

#include <array>
#include <cstdio>
#include <limits>

namespace admetrics {

using support::Blob;
using support::Cell;
using support::Columns;
using support::Conflict;
using support::kNull;
using support::real;
using support::text;
using support::whole;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const std::vector<std::string>& strange_ids() {
  static const std::vector<std::string> kIds{"with \"quotes\"",
                                             "back\\slash",
                                             "quo'te",
                                             "line\nbreak",
                                             "tab\tand\x01\x1f\x7f",
                                             "\b\f\r",
                                             "кампания",
                                             "\xf0\x9f\x9a\x80rocket",
                                             " ",
                                             " blank around ",
                                             "007",
                                             "1e3",
                                             "0x10",
                                             "1.0",
                                             "NULL",
                                             "[]",
                                             "[\"a\",\"b\"]",
                                             "A",
                                             "a",
                                             "é",
                                             "e\xcc\x81",
                                             "%",
                                             "_",
                                             "a|b",
                                             "\xe2\x80\xa8",
                                             "unknown",
                                             "m|x",
                                             "u|x"};
  return kIds;
}

const std::vector<std::string>& event_names() {
  static const std::vector<std::string> kNames{
      "RC Trial started",   "RC Trial started",   "RC Trial started", "RC Initial purchase", "RC Initial purchase",
      "RC Trial converted", "RC Trial converted", "RC Cancellation",  "rc CANCELlation",     "Subscription cancelled"};
  return kNames;
}

std::vector<std::string> pool(Random& random, const std::string& prefix, std::int64_t size, double hostility) {
  std::vector<std::string> ids;
  for (std::int64_t i = 0; i < size; ++i) {
    ids.push_back(random.chance(hostility) ? random.one_of(strange_ids()) : prefix + std::to_string(i + 1));
  }
  return ids;
}

std::string_view suffix_column(std::string_view table) {
  if (table == support::kMetaCountry) return "country";
  if (table == support::kMetaRegion) return "region";
  if (table == support::kMetaDevice) return "device";
  return "";
}

constexpr std::array<std::string_view, 4> kMetaTables{support::kMetaDaily, support::kMetaCountry, support::kMetaRegion,
                                                      support::kMetaDevice};

const Cell& value_of(const Columns& row, std::string_view column) {
  for (const auto& [name, value] : row) {
    if (name == column) return value;
  }
  return kNull;
}

}  // namespace

DrawnPipeline::DrawnPipeline(support::SourceBuilder& source, Random& random, Day first_day, Day last_day)
    : source_(&source),
      random_(&random),
      first_day_(first_day),
      last_day_(last_day),
      hostility_(random.one_of({0.0, 0.03, 0.15})) {
  // More than fit an inline epoch, now and then: then workers share the work.
  const std::int64_t users = random.chance(0.2) ? random.between(70, 140) : random.between(3, 16);
  const double strangeness = hostility_ * 2;
  users_ = pool(random, "u", users, strangeness);
  campaigns_ = pool(random, "c", 2, strangeness);
  adsets_ = pool(random, "s", 3, strangeness);
  ads_ = pool(random, "a", 4, strangeness);
  if (random.chance(0.3)) adsets_[0] = campaigns_[0];  // one id at two levels
}

void DrawnPipeline::fill() {
  source_->begin();
  for (std::size_t i = 0; i < users_.size(); ++i) write_user();
  for (std::size_t i = 0; i < users_.size() * 2; ++i) write_event();
  for (std::size_t i = 0; i < users_.size(); ++i) write_product();
  for (int i = 0; i < 3; ++i) write_meta_day();
  source_->commit();
}

void DrawnPipeline::act() {
  if (random_->chance(0.12)) return reload_days(false);
  if (random_->chance(0.04)) return remake_table();
  source_->begin();
  for (std::int64_t verbs = random_->between(1, 6); verbs > 0; --verbs) verb();
  random_->chance(0.1) ? source_->rollback() : source_->commit();
}

void DrawnPipeline::act_in_vain() {
  static constexpr std::array<int, 7> kWeights{4, 3, 2, 2, 2, 1, 1};
  switch (random_->weighted(kWeights)) {
    case 0: return reload_days(true);
    case 1: return source_->reload_table(support::kProducts);
    case 2: return source_->reload_table(random_->one_of({support::kUsers, support::kEvents}));
    case 3: return source_->reload_table(random_->one_of({support::kMetaDaily, support::kMetaCountry}));
    case 4: {
      source_->begin();
      for (int i = 0; i < 5; ++i) verb();
      return source_->rollback();
    }
    case 5:
      return source_->drop_and_recreate(
          random_->one_of({support::kUsers, support::kEvents, support::kProducts, support::kMetaDevice}));
    default: return source_->rename_swap(random_->one_of({support::kUsers, support::kEvents, support::kMetaDaily}));
  }
}

void DrawnPipeline::touch_all_users() {
  source_->begin();
  source_->update(support::kUsers, {{"country", random_->one_of({text("US"), text("DE"), kNull})}}, {});
  source_->update(support::kProducts, {{"current_value", money()}}, {});
  source_->commit();
}

void DrawnPipeline::verb() {
  static constexpr std::array<int, 9> kWeights{6, 8, 14, 8, 6, 8, 5, 6, 2};
  switch (random_->weighted(kWeights)) {
    case 0: return write_user();
    case 1: return update_user();
    case 2: return write_event();
    case 3: return change_event();
    case 4: return write_product();
    case 5: return change_product();
    case 6: return write_meta_day();
    case 7: return change_meta();
    default: return change_mapping();
  }
}

// ── Users ──────────────────────────────────────────────────────────────────────────────────────────────────────────

void DrawnPipeline::write_user() {
  Cell id = text(user());
  if (hostile()) id = strange();
  const Columns row{{"distinct_id", id},
                    {"profile_json", text("{}")},
                    {"abi_ad_id", id_or_nothing(ads_)},
                    {"abi_campaign_id", id_or_nothing(campaigns_)},
                    {"abi_ad_set_id", id_or_nothing(adsets_)},
                    {"country", random_->one_of({text("US"), text("DE"), text("us"), text(""), kNull})},
                    {"region", random_->one_of({text("CA"), text("unknown"), text(""), kNull})},
                    {"has_abi_attribution", flag()}};
  source_->insert(support::kUsers, row, random_->chance(0.8) ? Conflict::kReplace : Conflict::kIgnore);
}

void DrawnPipeline::update_user() {
  const Columns who{{"distinct_id", text(user())}};
  static constexpr std::array<int, 7> kWeights{5, 3, 3, 2, 2, 2, 1};
  switch (random_->weighted(kWeights)) {
    case 0: source_->update(support::kUsers, {{"abi_ad_id", id_or_nothing(ads_)}}, who); break;
    case 1:
      source_->update(support::kUsers,
                      {{"abi_campaign_id", id_or_nothing(campaigns_)}, {"abi_ad_set_id", id_or_nothing(adsets_)}}, who);
      break;
    case 2: source_->update(support::kUsers, {{"has_abi_attribution", flag()}}, who); break;
    case 3:
      source_->update(support::kUsers, {{"country", random_->one_of({text("US"), text("FR"), text(""), kNull})}}, who);
      break;
    case 4: source_->erase(support::kUsers, who); break;
    case 5: source_->update(support::kUsers, {{"profile_json", text("changed")}}, who); break;
    default:
      // A user becomes another one; whoever had that id is replaced.
      source_->update(support::kUsers, {{"distinct_id", text(user())}}, who, Conflict::kReplace);
  }
}

// ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Columns DrawnPipeline::drawn_event() {
  Cell name = text(random_->one_of(event_names()));
  if (random_->chance(0.05)) name = random_->one_of({text("App opened"), text("RC Trial Started"), text(""), kNull});
  Cell revenue = money();
  if (hostile()) revenue = strange();
  Cell id = text(random_->chance(0.02) ? "nobody yet" : user());
  if (hostile()) id = strange();
  return {{"event_name", name}, {"distinct_id", id}, {"event_time", time()}, {"revenue_usd", revenue}};
}

void DrawnPipeline::write_event() {
  Columns row = drawn_event();
  Cell uuid = text("e" + std::to_string(++events_));
  if (random_->chance(0.1)) uuid = text("e" + std::to_string(random_->between(1, events_)));  // may be another user's
  if (hostile()) uuid = random_->one_of({text(""), kNull, Cell(Blob{"id"})});
  row.emplace_back("event_uuid", uuid);
  row.emplace_back("event_json", text("{}"));
  source_->insert(support::kEvents, row, random_->chance(0.5) ? Conflict::kReplace : Conflict::kIgnore);
}

void DrawnPipeline::change_event() {
  if (events_ == 0) return write_event();
  const Columns which{{"event_uuid", text("e" + std::to_string(random_->between(1, events_)))}};
  static constexpr std::array<int, 7> kWeights{4, 2, 2, 2, 2, 1, 1};
  switch (random_->weighted(kWeights)) {
    case 0: source_->erase(support::kEvents, which); break;
    case 1: source_->update(support::kEvents, {{"distinct_id", text(user())}}, which); break;
    case 2: source_->update(support::kEvents, {{"event_time", time()}}, which); break;
    case 3: source_->update(support::kEvents, {{"revenue_usd", money()}}, which); break;
    case 4: source_->update(support::kEvents, {{"event_name", text(random_->one_of(event_names()))}}, which); break;
    case 5: source_->update(support::kEvents, drawn_event(), which); break;
    default:
      source_->update(support::kEvents, {{"event_uuid", text("e" + std::to_string(random_->between(1, events_)))}},
                      which, Conflict::kReplace);
  }
}

void DrawnPipeline::reload_days(bool identical) {
  std::vector<std::vector<Columns>> unloaded;
  const std::int64_t days = random_->between(1, 3);
  for (std::int64_t i = 0; i < days; ++i) {
    unloaded.push_back(source_->unload_day(format_day(Day{static_cast<std::int32_t>(last_day_.value - i)})));
  }
  for (const auto& rows : unloaded) source_->load(support::kEvents, rows);
  if (!identical && random_->chance(0.5)) {
    for (std::int64_t more = random_->between(1, 3); more > 0; --more) write_event();
  }
}

// ── Products ───────────────────────────────────────────────────────────────────────────────────────────────────────

Columns DrawnPipeline::drawn_product() {
  Columns row{{"credited_date", random_->one_of({text(day()), text(day()), text(""), kNull})},
              {"store", random_->one_of({text("APP_STORE"), text("play_store"), text("stripe"), text(" "),
                                         text("straße"), text(""), kNull})},
              {"current_value", money()},
              {"trial_conversion_rate", rate()},
              {"trial_converted_to_refund_rate", rate()},
              {"initial_purchase_to_refund_rate", rate()}};
  if (hostile()) row[static_cast<std::size_t>(random_->between(2, 5))].second = strange();
  return row;
}

void DrawnPipeline::write_product() {
  Columns row = drawn_product();
  const bool known = products_ > 0 && random_->chance(0.3);
  row.emplace_back("user_product_id", whole(known ? random_->between(1, products_) : ++products_));
  Cell id = text(user());
  if (hostile()) id = strange();
  row.emplace_back("distinct_id", id);
  row.emplace_back("product_id", random_->one_of({text("monthly"), text("yearly"), text("Weekly"), kNull}));
  source_->insert(support::kProducts, row, random_->chance(0.8) ? Conflict::kReplace : Conflict::kIgnore);
}

void DrawnPipeline::change_product() {
  if (products_ == 0) return write_product();
  const Columns which{{"user_product_id", whole(random_->between(1, products_))}};
  static constexpr std::array<int, 6> kWeights{4, 3, 3, 2, 1, 1};
  switch (random_->weighted(kWeights)) {
    case 0: source_->update(support::kProducts, {{"current_value", money()}}, which); break;
    case 1: source_->update(support::kProducts, {{"trial_conversion_rate", rate()}}, which); break;
    case 2: source_->update(support::kProducts, drawn_product(), which); break;
    case 3: source_->erase(support::kProducts, which); break;
    case 4: source_->update(support::kProducts, {{"distinct_id", text(user())}}, which, Conflict::kReplace); break;
    default:
      random_->chance(0.7) ? source_->reload_table(support::kProducts)
                           : static_cast<void>(source_->erase(support::kProducts, {}));
  }
}

// ── Meta ───────────────────────────────────────────────────────────────────────────────────────────────────────────

Columns DrawnPipeline::drawn_meta(std::string_view table, const std::string& ad, const std::string& date) {
  const auto name = [&](const char* what) {
    return random_->one_of({text(what), text(what), text(std::string(what) + " renamed"), text(""), kNull});
  };
  Cell ad_id = text(ad);
  Cell on = text(date);
  if (hostile()) (random_->chance(0.5) ? ad_id : on) = strange();
  Columns row{{"ad_id", ad_id},
              {"date", on},
              {"adset_id", id_or_nothing(adsets_)},
              {"campaign_id", id_or_nothing(campaigns_)},
              {"ad_name", name("ad")},
              {"adset_name", name("set")},
              {"campaign_name", name("campaign")},
              {"spend", money()},
              {"impressions", count()},
              {"clicks", count()},
              {"meta_trials", count()},
              {"meta_purchases", count()},
              {"reach", whole(random_->below(9))}};
  if (hostile()) row[static_cast<std::size_t>(random_->between(7, 11))].second = strange();
  const std::string_view column = suffix_column(table);
  if (column == "country") {
    row.emplace_back(column, random_->one_of({text("United States"), text("Germany"), text("US"), text(""), kNull}));
  } else if (column == "region") {
    row.emplace_back(column, random_->one_of({text("CA"), text("Île-de-France"), kNull}));
  } else if (column == "device") {
    row.emplace_back(column, random_->one_of({text("iphone"), text("ipad"), text("desktop"), text("tv"), text("iPhone"),
                                              text("unknown"), kNull}));
  }
  return row;
}

void DrawnPipeline::write_meta_day() {
  const std::string date = day();
  for (const std::string& ad : ads_) {
    if (random_->chance(0.4)) continue;
    for (const std::string_view table : kMetaTables) {
      if (random_->chance(0.35)) continue;
      const std::int64_t rows = table == support::kMetaDaily ? 1 : random_->between(1, 2);
      for (std::int64_t i = 0; i < rows; ++i) source_->insert(table, drawn_meta(table, ad, date));
    }
  }
}

Columns DrawnPipeline::any_row(std::string_view table) {
  const std::vector<Columns> rows = source_->rows(table);
  return rows.empty() ? Columns{} : random_->one_of(rows);
}

void DrawnPipeline::change_meta() {
  const std::string_view table = random_->one_of(
      {support::kMetaDaily, support::kMetaDaily, support::kMetaCountry, support::kMetaRegion, support::kMetaDevice});
  const Columns row = any_row(table);
  if (row.empty()) return write_meta_day();
  Columns key{{"ad_id", value_of(row, "ad_id")}, {"date", value_of(row, "date")}};
  if (!suffix_column(table).empty()) {
    const std::string column(suffix_column(table));
    key.emplace_back(column, value_of(row, column));
  }
  const Columns drawn = drawn_meta(table, random_->one_of(ads_), day());
  const auto set = [&](std::initializer_list<const char*> columns) {
    Columns chosen;
    for (const char* column : columns) chosen.emplace_back(column, value_of(drawn, column));
    source_->update(table, chosen, key, Conflict::kReplace);
  };
  static constexpr std::array<int, 7> kWeights{4, 2, 2, 2, 2, 2, 1};
  switch (random_->weighted(kWeights)) {
    case 0: return set({"spend", "clicks"});
    case 1: return set({"adset_id", "campaign_id"});
    case 2: return set({"ad_name", "adset_name", "campaign_name"});
    case 3: return set({"ad_id", "date"});
    case 4: source_->erase(table, key); return;
    case 5: return set({"meta_trials", "meta_purchases"});
    default: source_->erase(table, {{"date", value_of(row, "date")}});
  }
}

void DrawnPipeline::change_mapping() {
  const bool country = random_->chance(0.5);
  const std::string_view table = country ? support::kCountryMapping : support::kDeviceMapping;
  if (!source_->exists(table)) {
    source_->create_table(table);
    if (random_->chance(0.3)) return;
  } else if (random_->chance(0.15)) {
    return source_->drop_table(table);
  }
  const char* from = country ? "meta_country_name" : "meta_device_type";
  const char* to = country ? "mixpanel_country_code" : "mixpanel_store_category";
  const Cell key = country
                       ? random_->one_of({text("United States"), text("Germany"), text("US"), text("unknown")})
                       : random_->one_of({text("iphone"), text("ipad"), text("tv"), text("unknown"), text("desktop")});
  const Cell value = country ? random_->one_of({text("US"), text("DE"), text(""), kNull})
                             : random_->one_of({text("APP_STORE"), text("PLAY_STORE"), text("tv"), text(""), kNull});
  static constexpr std::array<int, 3> kWeights{5, 2, 2};
  switch (random_->weighted(kWeights)) {
    case 0: return source_->insert(table, {{from, key}, {to, value}, {"is_active", flag()}});
    case 1: source_->update(table, {{"is_active", flag()}}, {{from, key}}); return;
    default: source_->erase(table, {{from, key}});
  }
}

void DrawnPipeline::remake_table() {
  const std::string_view table = random_->one_of(
      {support::kUsers, support::kEvents, support::kProducts, support::kMetaDaily, support::kMetaCountry});
  switch (random_->below(4)) {
    case 0: return source_->drop_and_recreate(table);
    case 1:
      return source_->rename_swap(table, [&](const std::string& name) {
        source_->sql(table, "DELETE FROM " + sqlite::quote_identifier(name) + " WHERE rowid % 3 = 0");
      });
    case 2: {
      source_->begin();
      source_->drop_table(table);
      source_->create_table(table);
      source_->commit();
      return;
    }
    default: return source_->vacuum();
  }
}

// ── Values ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Cell DrawnPipeline::strange() {
  return random_->one_of({text("n/a"),
                          text(""),
                          text(" "),
                          text("1,5"),
                          text("0x1F"),
                          text("inf"),
                          text("12abc"),
                          kNull,
                          real(kInfinity),
                          real(-kInfinity),
                          Cell(Blob{"5"}),
                          Cell(Blob{}),
                          text("\xd9\xa3"),
                          real(2.5),
                          real(1e15),
                          real(1e300),
                          whole(std::numeric_limits<std::int64_t>::max()),
                          text("--1"),
                          text("2026-02-30"),
                          text("2026-1-3")});
}

Cell DrawnPipeline::flag() {
  if (random_->chance(0.85)) return whole(1);
  return random_->one_of({whole(0), kNull, whole(2), real(0.5), text("true"), text("1"), text(""), whole(-1)});
}

Cell DrawnPipeline::id_or_nothing(const std::vector<std::string>& pool) {
  if (random_->chance(0.12)) return random_->one_of({kNull, text("")});
  return text(random_->one_of(pool));
}

std::string DrawnPipeline::day() {
  std::int64_t value = random_->between(first_day_.value, last_day_.value);
  if (random_->chance(0.03)) value = random_->one_of({last_day_.value - 400L, last_day_.value + 30L});
  return format_day(Day{static_cast<std::int32_t>(value)});
}

Cell DrawnPipeline::time() {
  if (hostile()) {
    return random_->one_of({text("2026-01-03"), text("2026-01-03T24:00Z"), text("2026-01-03T10:00:60Z"), kNull,
                            text(""), text("2026-01-03t10:00z"), text(" 2026-01-03T10:00Z"), text("2026-02-30T10:00Z"),
                            text("2026-01-03T10:00+0200"), text("2026-01-03T10:00:00,5Z"), whole(1'767'225'600),
                            real(2'460'000.5), Cell(Blob{"2026-01-03T10:00Z"}), text("9999-12-31T23:59:59-14:00"),
                            text("0000-01-01T00:00+14:00")});
  }
  const std::string clock = random_->one_of({"00:00", "23:59:59", "12:34", "10:00:00", "10:00:00.5",
                                             "10:00:00.123456789", "09:59:59.9999999999", "00:00:00.000000001"});
  const std::string offset =
      random_->one_of({"", "Z", "Z", "+00:00", "+02:00", "-05:00", "+05:30", "+14:00", "-12:00", "-00:00"});
  const std::string separator = random_->one_of({"T", " "});
  return text(day() + separator + clock + offset);
}

Cell DrawnPipeline::money() {
  if (random_->chance(0.1)) return kNull;
  if (random_->chance(0.25)) {
    return random_->one_of({real(0.005),        real(-0.005),       real(1.005),     real(2.675),     real(4.995),
                            real(5e-7),         real(-5e-7),        real(4.9999e-7), real(1.0000005), real(0.1),
                            real(0.2),          real(0.3),          real(1e-300),    real(-0.0),      real(123456.789),
                            real(999999999.99), real(33.333333333), text("12.5"),    text("1e2"),     text(" 7 ")});
  }
  const std::int64_t cents = random_->between(-2'000, 10'000);
  return random_->chance(0.5) ? whole(cents / 100) : real(static_cast<double>(cents) / 100);
}

Cell DrawnPipeline::rate() {
  if (random_->chance(0.2)) return kNull;
  return random_->one_of({real(0.5), real(0.25), real(1.0 / 3), real(0.00005), real(0.99995), whole(0), whole(1),
                          real(0.12345), real(-0.5), real(1e-10)});
}

Cell DrawnPipeline::count() {
  if (random_->chance(0.1)) return kNull;
  return random_->one_of(
      {whole(0), whole(0), whole(1), whole(3), whole(7), whole(1000), real(3.0), text("12"), whole(-2)});
}

}  // namespace admetrics
