#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <vector>

#include "core/sqlite/database.hpp"
#include "demo/demo.hpp"
#include "demo/rows.hpp"
#include "demo/schema.hpp"
#include "demo/world.hpp"

namespace admetrics::demo {
namespace {

constexpr int kBusyTimeoutMs = 10'000;
constexpr std::int64_t kReloadTransactions = 4;
constexpr std::int64_t kReloadRowsMin = 50;
constexpr std::int64_t kReloadRowsMax = 5'000;
constexpr std::int64_t kProductReloadRowsMax = 200'000;
constexpr std::int64_t kPickWindow = 3'000;

constexpr const char* kReloadedColumns =
    "event_uuid, event_name, distinct_id, event_time, revenue_usd, raw_amount, currency, refund_flag, is_late_event, "
    "trial_expiration_at_calc, event_json";

enum class Act : std::uint8_t {
  kNewUsers,
  kActivity,
  kConversions,
  kRefunds,
  kValues,
  kMetaRows,
  kReattribution,
  kReplacedUsers,
  kDayReload,
  kProductReload,
  kCampaignRename,
  kMappingChange,
};
constexpr std::array<std::uint32_t, 12> kActWeights{380, 100, 120, 50, 100, 130, 40, 50, 15, 3, 7, 5};

struct PickedProduct {
  std::int64_t row = 0;
  std::string distinct_id;
  std::uint8_t product = 0;
  Store store = Store::kApple;
};

std::string counted(std::int64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::optional<std::uint64_t> parse_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What `write_source` was told, read back from its marker.
struct Origin {
  std::uint64_t seed = 0;
  Day first_day;
  int days = 0;
  std::int64_t users = 0;
  std::int64_t ads = 0;
  int event_json_bytes = 0;
};

Result<Origin> read_origin(sqlite::Connection& connection) {
  const Error foreign{Errc::kUsage, "open the demo source", connection.path(),
                      "was not written by `admetricsd demo`; the live demo changes nothing else"};
  ADM_ASSIGN(
      const std::int64_t marked,
      connection.query_integer(std::string("SELECT count(*) FROM sqlite_schema WHERE name = '") + kMarkerTable + "'"));
  if (marked == 0) return foreign;
  const auto text_of = [&](const char* name) {
    return connection.query_text(std::string("SELECT value FROM ") + kMarkerTable + " WHERE name = '" + name + "'");
  };
  std::array<std::uint64_t, 5> numbers{};
  constexpr std::array<const char*, 5> kNames{"seed", "users", "days", "ads", "event_json_bytes"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    ADM_ASSIGN(const std::string text, text_of(kNames[i]));
    const auto number = parse_number(text);
    if (!number) return foreign;
    numbers[i] = *number;
  }
  ADM_ASSIGN(const std::string last_text, text_of("last_day"));
  const auto last_day = parse_day(last_text);
  const auto in_range = [](std::uint64_t number, std::int64_t low, std::int64_t high) {
    return number >= static_cast<std::uint64_t>(low) && number <= static_cast<std::uint64_t>(high);
  };
  if (!last_day || !in_range(numbers[1], 1, kUsersMax) || !in_range(numbers[2], 1, kDaysMax) ||
      !in_range(numbers[3], 1, kAdsMax) || !in_range(numbers[4], 0, kEventJsonBytesMax)) {
    return foreign;
  }
  Origin origin;
  origin.seed = numbers[0];
  origin.users = static_cast<std::int64_t>(numbers[1]);
  origin.days = static_cast<int>(numbers[2]);
  origin.ads = static_cast<std::int64_t>(numbers[3]);
  origin.event_json_bytes = static_cast<int>(numbers[4]);
  origin.first_day = Day{last_day->value - origin.days + 1};
  return origin;
}

}  // namespace

struct LivePipeline::Body {
  Body(const Origin& origin, std::uint64_t seed, const Clock& clock, std::unique_ptr<sqlite::Connection> product,
       std::unique_ptr<sqlite::Connection> ads)
      : clock_(clock),
        world_(origin.seed, origin.first_day, origin.days, origin.users, origin.ads),
        composer_(world_, origin.event_json_bytes),
        random_(seed),
        product_(std::move(product)),
        ads_(std::move(ads)) {}

  Status prepare() {
    ADM_TRY(product_->execute("PRAGMA synchronous=NORMAL"));
    ADM_TRY(ads_->execute("PRAGMA synchronous=NORMAL"));
    ADM_ASSIGN(users_, UserRows::prepare(*product_, "INSERT OR REPLACE"));
    ADM_ASSIGN(events_, EventRows::prepare(*product_, "INSERT OR IGNORE"));
    ADM_ASSIGN(products_, ProductRows::prepare(*product_, "INSERT OR IGNORE"));
    for (std::size_t table = 0; table < meta_.size(); ++table) {
      ADM_ASSIGN(meta_[table], MetaRows::prepare(*ads_, "INSERT OR REPLACE", static_cast<MetaTable>(table)));
    }
    ADM_ASSIGN(const std::int64_t torn_days, product_->query_integer("SELECT count(*) FROM _demo_reload_days"));
    reloading_ = torn_days > 0;
    // Another run of the same seed must not repeat the last one's people.
    ADM_ASSIGN(const std::int64_t written, product_->query_integer("SELECT max(rowid) FROM mixpanel_event"));
    random_ = Random(stream_seed({random_.next(), static_cast<std::uint64_t>(written)}));
    return {};
  }

  Result<std::string> step() {
    now_ = clock_.now().seconds;
    Result<std::string> done =
        reloading_ ? continue_reload() : perform(static_cast<Act>(random_.weighted(kActWeights)));
    if (!done && done.error().code == Errc::kBusy) {
      return "waited in vain: " + done.error().where + " is locked by another program";
    }
    return done;
  }

  Result<std::string> perform(Act act) {
    switch (act) {
      case Act::kNewUsers: return new_users();
      case Act::kActivity: return activity();
      case Act::kConversions: return conversions();
      case Act::kRefunds: return refunds();
      case Act::kValues: return values();
      case Act::kMetaRows: return meta_rows();
      case Act::kReattribution: return reattribution();
      case Act::kReplacedUsers: return replaced_users();
      case Act::kDayReload: return begin_reload();
      case Act::kProductReload: return product_reload();
      case Act::kCampaignRename: return campaign_rename();
      case Act::kMappingChange: return mapping_change();
    }
    return activity();
  }

  // --- people ---

  Result<std::string> new_users() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    const DayMarket& market = market_today();
    const int count = random_.between(1, 4);
    std::int64_t event_count = 0;
    Person person;
    for (int i = 0; i < count; ++i) {
      // Beyond every index that `write_source` can have used.
      const auto user = static_cast<std::uint32_t>(0x80000000U | random_.next());
      constexpr std::int64_t kFirstMinutes = 2'000;
      world_.imagine_person(user, market, now_ - kFirstMinutes, now_, person);
      // The user row may come before or after its events.
      const bool user_first = random_.chance_permille(800);
      if (user_first) ADM_TRY(users_.write(composer_.user(person, now_)));
      for (const PersonEvent& event : person.events) {
        ADM_TRY(events_.write(composer_.event(event, person.id, world_.event_id(user, event.ordinal))));
        ++event_count;
      }
      for (const ProductUse& use : person.products) ADM_TRY(products_.write(composer_.product(person, use, now_)));
      if (!user_first) ADM_TRY(users_.write(composer_.user(person, now_)));
    }
    ADM_TRY(declare_today_whole());
    ADM_TRY(transaction.commit());
    return counted(count, "new user, ", "new users, ") + counted(event_count, "event", "events");
  }

  /// Events that carry no meaning for the metrics; now and then late ones.
  Result<std::string> activity() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    const int count = random_.between(1, 20);
    const bool late = random_.chance_permille(150);
    int written = 0;
    for (int i = 0; i < count; ++i) {
      ADM_ASSIGN(const auto user, pick_user());
      if (!user) break;
      const auto kind = static_cast<EventKind>(random_.below(kEverydayKinds));
      const std::int64_t second = late ? now_ - random_.below(20 * kDaySeconds) : now_ - random_.below(60);
      ADM_TRY(write_event(kind, user->second, second, 0, 0, Store::kApple, late));
      ++written;
    }
    ADM_TRY(declare_today_whole());
    ADM_TRY(transaction.commit());
    return counted(written, "everyday event", "everyday events") + (late ? ", late" : "");
  }

  Result<std::string> conversions() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(const auto picked, pick_products(random_.between(1, 4), "'trial_pending', 'trial_expired'"));
    ADM_ASSIGN(auto settle, product_->prepare("UPDATE user_product_metrics SET current_status = 'trial_converted', "
                                              "value_status = 'final_value', current_value = ?, last_updated_ts = ? "
                                              "WHERE user_product_id = ?"));
    for (const PickedProduct& product : picked) {
      const std::int32_t price = demo::products()[product.product].price_cents;
      ADM_TRY(write_event(EventKind::kTrialConverted, product.distinct_id, now_ - random_.below(30), price,
                          product.product, product.store, false));
      ADM_TRY(settle_product(settle, product, price));
    }
    ADM_TRY(declare_today_whole());
    ADM_TRY(transaction.commit());
    return counted(static_cast<std::int64_t>(picked.size()), "trial converted", "trials converted");
  }

  Result<std::string> refunds() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(const auto picked, pick_products(random_.between(1, 2), "'trial_converted', 'initial_purchase'"));
    ADM_ASSIGN(auto settle, product_->prepare("UPDATE user_product_metrics SET current_status = 'refunded', "
                                              "value_status = 'final_value', current_value = ?, last_updated_ts = ? "
                                              "WHERE user_product_id = ?"));
    for (const PickedProduct& product : picked) {
      const std::int32_t price = demo::products()[product.product].price_cents;
      const std::int32_t back = random_.chance_permille(200) ? price / 2 : price;
      ADM_TRY(write_event(EventKind::kRefund, product.distinct_id, now_ - random_.below(30), -back, product.product,
                          product.store, false));
      ADM_TRY(settle_product(settle, product, price - back));
    }
    ADM_TRY(declare_today_whole());
    ADM_TRY(transaction.commit());
    return counted(static_cast<std::int64_t>(picked.size()), "refund", "refunds");
  }

  /// New estimates for a run of product rows; also mends a rate that was no number.
  Result<std::string> values() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(const std::int64_t first, random_product_row());
    ADM_ASSIGN(auto update,
               product_->prepare(
                   "UPDATE user_product_metrics SET "
                   "trial_conversion_rate = round(min(0.9, max(0.01, coalesce(trial_conversion_rate, 0.25) * ?1)), 4), "
                   "trial_converted_to_refund_rate = round(trial_converted_to_refund_rate * ?2, 4), "
                   "current_value = CASE WHEN current_status = 'trial_pending' "
                   "THEN round(price_bucket * min(0.9, max(0.01, coalesce(trial_conversion_rate, 0.25) * ?1)), 2) "
                   "ELSE current_value END, last_updated_ts = ?3 "
                   "WHERE user_product_id BETWEEN ?4 AND ?5"));
    const std::string updated = format_event_time(now_);
    update.bind(1, random_.between(90, 112) / 100.0);
    update.bind(2, random_.between(90, 108) / 100.0);
    update.bind(3, updated);
    update.bind(4, first);
    update.bind(5, first + random_.between(0, 49));
    ADM_TRY(update.run());
    const std::int64_t changed = product_->changes();
    ADM_TRY(transaction.commit());
    return counted(changed, "product row re-estimated", "product rows re-estimated");
  }

  Result<std::string> reattribution() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(auto update, product_->prepare("UPDATE mixpanel_user SET abi_ad_id = ?, abi_ad_set_id = ?, "
                                              "abi_campaign_id = ?, has_abi_attribution = ? WHERE rowid = ?"));
    const int count = random_.between(1, 10);
    for (int i = 0; i < count; ++i) {
      ADM_ASSIGN(const auto user, pick_user());
      if (!user) break;
      const auto ad = random_.below(static_cast<std::uint32_t>(world_.ads().size()));
      const AdSet& adset = world_.adsets()[world_.adset_of(ad, today())];
      if (random_.chance_permille(120)) {  // the attribution is withdrawn
        for (int column = 1; column <= 3; ++column) update.bind_null(column);
        update.bind(4, std::int64_t{0});
      } else {
        update.bind(1, world_.ads()[ad].id);
        update.bind(2, adset.id);
        update.bind(3, world_.campaigns()[adset.campaign].id);
        update.bind(4, std::int64_t{1});
      }
      update.bind(5, user->first);
      ADM_TRY(update.run());
    }
    ADM_TRY(transaction.commit());
    return counted(count, "user re-attributed", "users re-attributed");
  }

  /// Whole user rows again, mostly the same; the replaced row gets a new place in its table.
  Result<std::string> replaced_users() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(
        auto replace,
        product_->prepare("INSERT OR REPLACE INTO mixpanel_user (distinct_id, abi_ad_id, abi_campaign_id, "
                          "abi_ad_set_id, country, region, city, has_abi_attribution, profile_json, first_seen, "
                          "last_updated, valid_user, economic_tier) "
                          "SELECT distinct_id, abi_ad_id, abi_campaign_id, abi_ad_set_id, coalesce(?1, country), "
                          "coalesce(?2, region), city, has_abi_attribution, profile_json, first_seen, ?3, "
                          "valid_user, economic_tier FROM mixpanel_user WHERE rowid = ?4"));
    const std::string updated = format_event_time(now_);
    const int count = random_.between(1, 8);
    for (int i = 0; i < count; ++i) {
      ADM_ASSIGN(const auto user, pick_user());
      if (!user) break;
      const Country& country = countries()[random_.below(static_cast<std::uint32_t>(countries().size()))];
      if (random_.chance_permille(250)) {  // has moved
        replace.bind(1, country.code);
        replace.bind(2, country.regions.front());
      } else {
        replace.bind_null(1);
        replace.bind_null(2);
      }
      replace.bind(3, updated);
      replace.bind(4, user->first);
      ADM_TRY(replace.run());
    }
    ADM_TRY(transaction.commit());
    return counted(count, "user row replaced", "user rows replaced");
  }

  // --- the ad platform ---

  /// Rows of today, or corrections of a day before, with risen numbers; all four tables in one transaction.
  Result<std::string> meta_rows() {
    const Day day{today().value - (random_.chance_permille(250) ? random_.between(1, 3) : 0)};
    const DayMarket market = world_.market_on(day);
    const std::string date = format_day(day);
    ADM_TRY(ads_->begin_immediate());
    sqlite::Transaction transaction(*ads_);
    ADM_ASSIGN(auto existing, ads_->prepare("SELECT spend, impressions, clicks, meta_trials, meta_purchases "
                                            "FROM ad_performance_daily WHERE ad_id = ? AND date = ?"));
    ADM_ASSIGN(auto names, ads_->prepare("SELECT campaign_name FROM ad_performance_daily "
                                         "WHERE campaign_id = ? AND date <= ? ORDER BY date DESC LIMIT 1"));
    const int count = random_.between(1, 10);
    for (int i = 0; i < count; ++i) {
      const std::size_t index = random_.below(static_cast<std::uint32_t>(market.ads.size()));
      const std::uint32_t ad = market.ads[index];
      const AdSet& adset = world_.adsets()[world_.adset_of(ad, day)];
      const Campaign& campaign = world_.campaigns()[adset.campaign];
      MetaRow row;
      row.ad_id = world_.ads()[ad].id;
      row.date = date;
      row.adset_id = adset.id;
      row.campaign_id = campaign.id;
      row.ad_name = world_.ads()[ad].name;
      row.adset_name = adset.name;
      // A name that a rename left behind stays.
      names.bind(1, row.campaign_id);
      names.bind(2, row.date);
      ADM_ASSIGN(const bool named, names.step());
      const std::string campaign_name(named ? names.text(0) : std::string_view{});
      names.reset();
      row.campaign_name = campaign_name.empty() ? std::string_view(campaign.name) : std::string_view(campaign_name);

      existing.bind(1, row.ad_id);
      existing.bind(2, row.date);
      ADM_ASSIGN(const bool found, existing.step());
      MetaNumbers numbers;
      if (found) {
        numbers.spend_cents = std::llround(existing.real(0) * 100.0);
        numbers.impressions = existing.integer(1);
        numbers.clicks = existing.integer(2);
        numbers.trials = existing.integer(3);
        numbers.purchases = existing.integer(4);
      }
      existing.reset();
      raise(numbers, world_.meta_numbers(market, index));
      row.numbers = numbers;
      ADM_TRY(meta_of(MetaTable::kDaily).write(row));
      ADM_TRY(write_slices(MetaTable::kCountry, row, numbers, world_.country_slices(ad, day)));
      ADM_TRY(write_slices(MetaTable::kRegion, row, numbers, world_.region_slices(ad, day)));
      ADM_TRY(write_slices(MetaTable::kDevice, row, numbers, world_.device_slices(ad, day)));
    }
    ADM_TRY(transaction.commit());
    return counted(count, "ad", "ads") + " of " + date + " with risen spend";
  }

  void raise(MetaNumbers& numbers, const MetaNumbers& whole_day) {
    numbers.spend_cents += whole_day.spend_cents * random_.between(1, 9) / 100 + random_.between(1, 40);
    numbers.impressions += whole_day.impressions * random_.between(1, 9) / 100 + random_.between(1, 30);
    numbers.clicks += random_.between(0, 3);
    if (random_.chance_permille(300)) ++numbers.trials;
    if (random_.chance_permille(80)) ++numbers.purchases;
  }

  /// Zero parts too: an earlier part of the same name must not survive.
  Status write_slices(MetaTable table, MetaRow row, const MetaNumbers& total, const std::vector<Slice>& slices) {
    const std::vector<MetaNumbers> parts = split(total, slices);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      row.value = slices[i].value;
      row.numbers = parts[i];
      ADM_TRY(meta_of(table).write(row));
    }
    return {};
  }

  Result<std::string> campaign_rename() {
    const auto index = random_.below(static_cast<std::uint32_t>(world_.campaigns().size()));
    const Campaign& campaign = world_.campaigns()[index];
    const std::string name = campaign.name + " / v" + std::to_string(random_.between(2, 9));
    const std::string since = format_day(Day{today().value - random_.between(0, 60)});
    ADM_TRY(ads_->begin_immediate());
    sqlite::Transaction transaction(*ads_);
    for (std::size_t table = 0; table < meta_.size(); ++table) {
      ADM_ASSIGN(auto update, ads_->prepare("UPDATE " + std::string(name_of(static_cast<MetaTable>(table))) +
                                            " SET campaign_name = ? WHERE campaign_id = ? AND date >= ?"));
      update.bind(1, name);
      update.bind(2, campaign.id);
      update.bind(3, since);
      ADM_TRY(update.run());
    }
    ADM_TRY(transaction.commit());
    return "campaign " + campaign.id + " renamed to \"" + name + "\" since " + since;
  }

  Result<std::string> mapping_change() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    std::string done;
    const std::uint32_t drawn = random_.below(3);
    if (drawn == 0) {
      const Country& country = countries()[random_.below(static_cast<std::uint32_t>(countries().size()))];
      ADM_ASSIGN(auto update, product_->prepare("INSERT INTO meta_country_mapping (meta_country_name, "
                                                "mixpanel_country_code, is_active) VALUES (?, ?, 1) "
                                                "ON CONFLICT DO UPDATE SET is_active = NOT is_active"));
      update.bind(1, country.meta_name);
      update.bind(2, country.code);
      ADM_TRY(update.run());
      done = "country mapping of " + std::string(country.meta_name) + " added, switched off or on";
    } else if (drawn == 1) {
      const Device& device = devices()[random_.below(static_cast<std::uint32_t>(devices().size()))];
      ADM_ASSIGN(auto update, product_->prepare("INSERT OR REPLACE INTO meta_device_mapping (meta_device_type, "
                                                "mixpanel_store_category, is_active) VALUES (?, ?, 1)"));
      update.bind(1, device.meta_name);
      update.bind(2, mapped_name_of(random_.chance_permille(700) ? device.store : Store::kStripe));
      ADM_TRY(update.run());
      done = "device mapping of " + std::string(device.meta_name) + " replaced";
    } else {
      // Such small tables are at times built anew.
      ADM_ASSIGN(const std::string declaration,
                 product_->query_text("SELECT sql FROM sqlite_schema WHERE name = 'meta_device_mapping'"));
      ADM_TRY(product_->execute("CREATE TEMP TABLE kept_mapping AS SELECT * FROM main.meta_device_mapping"));
      ADM_TRY(product_->execute("DROP TABLE main.meta_device_mapping"));
      ADM_TRY(product_->execute(declaration));
      ADM_TRY(product_->execute("INSERT INTO main.meta_device_mapping SELECT * FROM kept_mapping"));
      ADM_TRY(product_->execute("DROP TABLE kept_mapping"));
      done = "device mapping table dropped and built anew";
    }
    ADM_TRY(transaction.commit());
    return done;
  }

  // --- reloads ---

  /// Only for small sources: a large one is busy with it for too long to be a demonstration.
  Result<std::string> product_reload() {
    ADM_ASSIGN(const std::int64_t rows, product_->query_integer("SELECT count(*) FROM user_product_metrics"));
    if (rows > kProductReloadRowsMax) return values();
    constexpr std::string_view kColumns =
        "distinct_id, product_id, credited_date, country, region, device, current_status, current_value, value_status, "
        "segment_id, accuracy_score, trial_conversion_rate, trial_converted_to_refund_rate, "
        "initial_purchase_to_refund_rate, price_bucket, last_updated_ts, valid_lifecycle, store";
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_TRY(product_->execute("CREATE TEMP TABLE kept_products AS SELECT * FROM main.user_product_metrics"));
    ADM_TRY(product_->execute("DELETE FROM main.user_product_metrics"));
    ADM_TRY(product_->execute("INSERT INTO main.user_product_metrics (" + std::string(kColumns) + ") SELECT " +
                              std::string(kColumns) + " FROM kept_products ORDER BY user_product_id"));
    ADM_TRY(product_->execute("DROP TABLE kept_products"));
    ADM_TRY(transaction.commit());
    return counted(rows, "product row", "product rows") + " deleted and loaded again";
  }

  /// Deletes the last two days and commits: until the last step of the reload they are torn.
  Result<std::string> begin_reload() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(const std::string last, product_->query_text("SELECT max(date_day) FROM processed_event_days"));
    const auto last_day = parse_day(last);
    if (!last_day)
      return Error{Errc::kSchema, "reload the last days", product_->path(), "processed_event_days is empty"};
    const std::string first = format_day(Day{last_day->value - 1});
    const std::string end = format_day(Day{last_day->value + 1});
    const std::string range = " WHERE event_time >= '" + first + "' AND event_time < '" + end + "'";
    const std::string day_range = " WHERE date_day >= '" + first + "' AND date_day < '" + end + "'";
    ADM_TRY(product_->execute("DELETE FROM _demo_reload"));
    ADM_TRY(product_->execute("INSERT INTO _demo_reload (" + std::string(kReloadedColumns) + ") SELECT " +
                              kReloadedColumns + " FROM mixpanel_event" + range + " ORDER BY rowid"));
    const std::int64_t rows = product_->changes();
    const bool changed = random_.chance_permille(500);
    if (changed) {  // about one event in a hundred comes back corrected, a few not at all
      const std::string drawn = std::to_string(random_.below(100));
      ADM_TRY(
          product_->execute("UPDATE _demo_reload SET revenue_usd = round(revenue_usd * 0.9, 2) "
                            "WHERE typeof(revenue_usd) <> 'text' AND position % 100 = " +
                            drawn));
      ADM_TRY(product_->execute("DELETE FROM _demo_reload WHERE position % 700 = " + drawn));
    }
    ADM_TRY(product_->execute("INSERT OR IGNORE INTO _demo_reload_days SELECT date_day FROM processed_event_days" +
                              day_range));
    ADM_TRY(product_->execute("DELETE FROM mixpanel_event" + range));
    ADM_TRY(product_->execute("DELETE FROM processed_event_days" + day_range));
    ADM_TRY(transaction.commit());
    reloading_ = true;
    return "day reload of " + first + " and " + last + ": " + counted(rows, "event", "events") +
           " deleted, to come back " + (changed ? "with some corrections" : "unchanged");
  }

  Result<std::string> continue_reload() {
    ADM_TRY(product_->begin_immediate());
    sqlite::Transaction transaction(*product_);
    ADM_ASSIGN(const std::int64_t first, product_->query_integer("SELECT min(position) FROM _demo_reload"));
    ADM_ASSIGN(const std::int64_t last, product_->query_integer("SELECT max(position) FROM _demo_reload"));
    if (first == 0) {
      const std::string now = format_event_time(now_);
      ADM_ASSIGN(
          auto whole,
          product_->prepare("INSERT OR REPLACE INTO processed_event_days SELECT date_day, (SELECT count(*) FROM "
                            "mixpanel_event WHERE event_time >= date_day AND event_time < date(date_day, '+1 day')), "
                            "?, 'complete' FROM _demo_reload_days"));
      whole.bind(1, now);
      ADM_TRY(whole.run());
      ADM_TRY(product_->execute("DELETE FROM _demo_reload_days"));
      ADM_TRY(transaction.commit());
      reloading_ = false;
      return std::string("day reload: the days are whole again");
    }
    // The positions begin at 1 in every reload, so the last one is the reload's size.
    const std::int64_t rows =
        std::clamp((last + kReloadTransactions - 1) / kReloadTransactions, kReloadRowsMin, kReloadRowsMax);
    const std::string batch = " FROM _demo_reload WHERE position < " + std::to_string(first + rows);
    ADM_TRY(product_->execute("INSERT OR REPLACE INTO mixpanel_event (" + std::string(kReloadedColumns) + ") SELECT " +
                              kReloadedColumns + batch + " ORDER BY position"));
    const std::int64_t loaded = product_->changes();
    ADM_TRY(product_->execute("DELETE" + batch));
    ADM_TRY(transaction.commit());
    return "day reload: " + counted(loaded, "event", "events") + " loaded again";
  }

  // --- helpers; those that write expect an open transaction ---

  [[nodiscard]] Day today() const { return Day{static_cast<std::int32_t>(now_ / kDaySeconds)}; }

  const DayMarket& market_today() {
    if (!market_ || market_->day != today()) market_ = world_.market_on(today());
    return *market_;
  }

  MetaRows& meta_of(MetaTable table) { return meta_[static_cast<std::size_t>(table)]; }

  /// A day that live events go to is whole until a reload tears it.
  Status declare_today_whole() {
    ADM_ASSIGN(auto insert,
               product_->prepare("INSERT OR IGNORE INTO processed_event_days VALUES (?, 0, ?, 'complete')"));
    const std::string date = format_day(today());
    const std::string now = format_event_time(now_);
    insert.bind(1, date);
    insert.bind(2, now);
    return insert.run();
  }

  Status write_event(EventKind kind, const std::string& distinct_id, std::int64_t second, std::int32_t cents,
                     std::uint8_t product, Store store, bool late) {
    PersonEvent event;
    event.second = second;
    event.user = static_cast<std::uint32_t>(random_.next());
    event.cents = cents;
    event.kind = kind;
    event.product = product;
    event.store = store;
    const std::string uuid = uuid_from(random_);
    EventRow row = composer_.event(event, distinct_id, uuid);
    row.late = late;
    return events_.write(row);
  }

  Status settle_product(sqlite::Statement& update, const PickedProduct& product, std::int64_t value_cents) {
    const std::string now = format_event_time(now_);
    update.bind(1, static_cast<double>(value_cents) / 100.0);
    update.bind(2, now);
    update.bind(3, product.row);
    return update.run();
  }

  /// Row id and distinct_id of some user; none in an empty table.
  Result<std::optional<std::pair<std::int64_t, std::string>>> pick_user() {
    using Picked = std::optional<std::pair<std::int64_t, std::string>>;
    ADM_ASSIGN(const std::int64_t last, product_->query_integer("SELECT max(rowid) FROM mixpanel_user"));
    ADM_ASSIGN(auto pick, product_->prepare("SELECT rowid, distinct_id FROM mixpanel_user WHERE rowid >= ? LIMIT 1"));
    pick.bind(1, static_cast<std::int64_t>(random_.below64(static_cast<std::uint64_t>(last) + 1)));
    ADM_ASSIGN(const bool found, pick.step());
    if (!found) return Picked{};
    return Picked{{pick.integer(0), std::string(pick.text(1))}};
  }

  Result<std::int64_t> random_product_row() {
    ADM_ASSIGN(const std::int64_t first,
               product_->query_integer("SELECT min(user_product_id) FROM user_product_metrics"));
    ADM_ASSIGN(const std::int64_t last,
               product_->query_integer("SELECT max(user_product_id) FROM user_product_metrics"));
    return first + static_cast<std::int64_t>(random_.below64(static_cast<std::uint64_t>(last - first + 1)));
  }

  /// Up to `count` product rows with one of `statuses`; fewer where the neighbourhood has none.
  Result<std::vector<PickedProduct>> pick_products(int count, const std::string& statuses) {
    ADM_ASSIGN(auto pick, product_->prepare("SELECT user_product_id, distinct_id, product_id, store FROM "
                                            "user_product_metrics WHERE user_product_id BETWEEN ? AND ? AND "
                                            "current_status IN (" +
                                            statuses + ") LIMIT 1"));
    std::vector<PickedProduct> picked;
    for (int i = 0; i < count; ++i) {
      ADM_ASSIGN(const std::int64_t first, random_product_row());
      pick.bind(1, first);
      pick.bind(2, first + kPickWindow);
      ADM_ASSIGN(const bool found, pick.step());
      if (!found) continue;
      PickedProduct product;
      product.row = pick.integer(0);
      product.distinct_id = pick.text(1);
      for (std::size_t p = 0; p < demo::products().size(); ++p) {
        if (demo::products()[p].id == pick.text(2)) product.product = static_cast<std::uint8_t>(p);
      }
      for (const Store store : {Store::kApple, Store::kGoogle, Store::kStripe}) {
        if (name_of(store) == pick.text(3)) product.store = store;
      }
      pick.reset();
      const bool twice =
          std::any_of(picked.begin(), picked.end(), [&](const auto& other) { return other.row == product.row; });
      if (!twice) picked.push_back(std::move(product));
    }
    return picked;
  }

  // Fixed after construction.
  const Clock& clock_;
  const World world_;
  RowComposer composer_;
  Random random_;

  // The connections outlive the statements below.
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  UserRows users_;
  EventRows events_;
  ProductRows products_;
  std::array<MetaRows, 4> meta_;

  std::int64_t now_ = 0;  // of the step under way
  std::optional<DayMarket> market_;
  bool reloading_ = false;
};

Result<LivePipeline> LivePipeline::open(const std::string& dir, std::uint64_t seed, const Clock& clock) {
  // The files must be there already: nothing is created beside a mistyped folder.
  ADM_ASSIGN(auto product,
             sqlite::Connection::open(dir + "/" + kProductFile, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs));
  ADM_ASSIGN(auto ads, sqlite::Connection::open(dir + "/" + kAdsFile, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs));
  ADM_ASSIGN(const Origin origin, read_origin(*product));
  ADM_ASSIGN(const Origin ads_origin, read_origin(*ads));
  if (ads_origin.seed != origin.seed || ads_origin.ads != origin.ads || ads_origin.first_day != origin.first_day) {
    return Error{Errc::kUsage, "open the demo source", dir, "the two databases come from different runs of the demo"};
  }
  auto body = std::make_unique<Body>(origin, seed, clock, std::move(product), std::move(ads));
  ADM_TRY(body->prepare());
  return LivePipeline(std::move(body));
}

LivePipeline::LivePipeline(std::unique_ptr<Body> body) : body_(std::move(body)) {}
LivePipeline::LivePipeline(LivePipeline&&) noexcept = default;
LivePipeline& LivePipeline::operator=(LivePipeline&&) noexcept = default;
LivePipeline::~LivePipeline() = default;

Result<std::string> LivePipeline::step() { return body_->step(); }
bool LivePipeline::reloading() const { return body_->reloading_; }

}  // namespace admetrics::demo
