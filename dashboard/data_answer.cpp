#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <memory_resource>
#include <span>
#include <unordered_map>
#include <vector>

#include "dashboard/answers.hpp"
#include "dashboard/json_text.hpp"
#include "dashboard/user_list.hpp"

namespace admetrics::dashboard {
namespace {

constexpr int kSparklineDays = 14;
constexpr std::size_t kAnswerBytesMax = std::size_t{256} << 20;

/// Texts that live until the end, without an allocation each.
class Texts {
 public:
  std::string_view keep(std::string_view text) {
    auto* place = static_cast<char*>(memory_.allocate(text.size(), 1));
    std::memcpy(place, text.data(), text.size());
    bytes_ += text.size();
    return {place, text.size()};
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::pmr::monotonic_buffer_resource memory_{std::size_t{64} << 10};
  std::size_t bytes_ = 0;
};

/// One day of an entity's sparkline.
struct Point {
  bool has_data = false;
  std::int64_t spend = 0;
  std::int64_t revenue = 0;
  std::int64_t roas = 0;
  std::int64_t purchases = 0;
  std::int64_t trials = 0;
  std::int64_t meta_trials = 0;
};

/// An entity (with a breakdown: one value of it) over the range.
struct EntitySums {
  std::string id;
  std::string value;
  Totals totals;
  std::array<Point, kSparklineDays> points;
  std::vector<std::string_view> trial_users;
  std::vector<std::string_view> converted_users;
  std::vector<std::string_view> trial_refunds;
  std::vector<std::string_view> purchase_refunds;
};

/// Every entity of one level.
struct LevelSums {
  std::deque<EntitySums> entities;
  std::unordered_map<std::string, EntitySums*> by_key;
  Texts texts;  // the lists that entities refer to
  std::int64_t rows = 0;

  static std::string key(std::string_view id, std::string_view value) {
    // No two pairs share a text: the id's length comes first.
    return std::to_string(id.size()) + ' ' + std::string(id) + std::string(value);
  }
  EntitySums& find_or_add(std::string_view id, std::string_view value) {
    EntitySums*& entity = by_key[key(id, value)];
    if (entity == nullptr) {
      entity = &entities.emplace_back();
      entity->id = id;
      entity->value = value;
    }
    return *entity;
  }
};

bool larger_spend_first(const EntitySums* a, const EntitySums* b) {
  if (a->totals.spend != b->totals.spend) return a->totals.spend > b->totals.spend;
  return std::tie(a->id, a->value) < std::tie(b->id, b->value);
}

Level child_level(Level level) { return level == Level::kCampaign ? Level::kAdset : Level::kAd; }

Day first_sparkline_day(const DataRequest& request) { return Day{request.range.end.value - (kSparklineDays - 1)}; }

bool names_users(const DataRequest& request, const Context& context) {
  return !context.hide_user_ids && request.include_users && request.include_mixpanel;
}

Error too_large() {
  return Error{Errc::kUsage, "answer", "end_date",
               "the answer would be larger than " + std::to_string(kAnswerBytesMax >> 20) +
                   " MiB: ask for fewer days or a lower level"};
}

/// Writes entities with what is below them. One thread at a time; several may write of the same sums.
class EntityWriter {
 public:
  EntityWriter(Tables& tables, const std::array<LevelSums, kLevels.size()>& levels, const DataRequest& request,
               const Context& context)
      : tables_(&tables), levels_(&levels), request_(&request), context_(&context) {
    for (int i = 0; i < kSparklineDays; ++i)
      days_[static_cast<std::size_t>(i)] = format_day(Day{first_sparkline_day(request).value + i});
  }

  /// Members of an array, without its brackets.
  Result<std::string> write_all(std::span<const EntitySums* const> entities, std::size_t bytes_expected) {
    json_.reserve(bytes_expected);
    for (const EntitySums* entity : entities) ADM_TRY(write(request_->group_by, *entity));
    return json_.take();
  }

 private:
  Result<std::vector<const EntitySums*>> children_of(Level level, const EntitySums& parent) {
    std::vector<const EntitySums*> found;
    if (level == Level::kAd) return found;
    const auto& by_key = (*levels_)[index_of(child_level(level))].by_key;
    ADM_TRY(tables_->visit_children(level, parent.id, [&](std::string_view id) {
      const auto child = by_key.find(LevelSums::key(id, parent.value));
      if (child != by_key.end() && child->second->totals.rows > 0) found.push_back(child->second);
    }));
    std::sort(found.begin(), found.end(), larger_spend_first);
    return found;
  }

  Result<const std::string*> name_of_entity(Level level, const std::string& id) {
    const auto [place, fresh] = names_.try_emplace({level, id});
    if (fresh) {
      ADM_ASSIGN(place->second, tables_->name_of_entity(level, id));
      if (place->second.empty()) place->second = "Unknown " + std::string(name_of(level));
    }
    return &place->second;
  }

  Status write(Level level, const EntitySums& entity) {
    if (json_.size() > kAnswerBytesMax) return too_large();
    const Totals& sums = entity.totals;
    const bool mixpanel = request_->include_mixpanel;
    json_.open_object();
    json_.name("id").text(std::string(name_of(level)) + '_' + entity.id);
    json_.name("entity_id").text(entity.id);
    json_.name("entity_type").text(name_of(level));
    ADM_ASSIGN(const std::string* name, name_of_entity(level, entity.id));
    json_.name("name").text(*name);
    if (request_->breakdown != Breakdown::kNone) {
      json_.name("breakdown_key").text(entity.value);
      json_.name("breakdown_type").text(name_of(request_->breakdown));
    }
    if (mixpanel) count("mixpanel_trials_started", sums.trials);
    count("meta_trials_started", sums.meta_trials);
    if (mixpanel) count("mixpanel_purchases", sums.purchases);
    count("meta_purchases", sums.meta_purchases);
    money("spend", sums.spend);
    count("impressions", sums.impressions);
    count("clicks", sums.clicks);
    if (mixpanel) {
      write_mixpanel(sums);
      if (names_users(*request_, *context_)) write_users(entity);
    }
    write_sparkline(entity);
    if (request_->include_children) {
      ADM_ASSIGN(const auto children, children_of(level, entity));
      json_.name("children").open_array();
      for (const EntitySums* child : children) ADM_TRY(write(child_level(level), *child));
      json_.close_array();
    }
    json_.close_object();
    return {};
  }

  void count(std::string_view name, Int128 value) { json_.name(name).whole(saturate(value)); }
  void money(std::string_view name, Int128 cents) { json_.name(name).decimal(saturate(cents), 2); }
  void ratio(std::string_view name, std::int64_t value) { json_.name(name).decimal(value, 4); }

  void write_mixpanel(const Totals& sums) {
    ratio("trial_accuracy_ratio", sums.trial_accuracy());
    ratio("purchase_accuracy_ratio", sums.purchase_accuracy());
    ratio("trial_conversion_rate", sums.trial_conversion_rate());
    ratio("trial_conversion_rate_estimated", sums.trial_conversion_rate_estimated());
    ratio("avg_trial_refund_rate", sums.trial_refund_rate());
    ratio("trial_refund_rate_estimated", sums.trial_refund_rate_estimated());
    ratio("purchase_refund_rate", sums.purchase_refund_rate());
    ratio("purchase_refund_rate_estimated", sums.purchase_refund_rate_estimated());
    ratio("click_to_trial_rate", sums.click_to_trial_rate());
    money("estimated_revenue_usd", sums.estimated_revenue);
    money("estimated_revenue_adjusted", sums.adjusted_revenue);
    money("actual_revenue_usd", sums.actual_revenue);
    money("actual_refunds_usd", sums.actual_refunds);
    money("net_actual_revenue_usd", sums.net_revenue);
    money("profit", sums.profit);
    ratio("estimated_roas", sums.roas());
    money("performance_impact_score", sums.performance_impact());
    count("trial_users_count", sums.trials);
    count("post_trial_users_count", sums.post_trial);
    count("converted_users_count", sums.converted);
    count("purchase_users_count", sums.purchases);
  }

  void write_users(const EntitySums& entity) {
    json_.name("user_details").open_object();
    append_merged(entity.trial_users, json_.name("trial_users").value());
    append_merged(entity.converted_users, json_.name("converted_users").value());
    append_merged(entity.trial_refunds, json_.name("trial_refund_user_ids").value());
    append_merged(entity.purchase_refunds, json_.name("purchase_refund_user_ids").value());
    json_.close_object();
  }

  void write_sparkline(const EntitySums& entity) {
    const bool mixpanel = request_->include_mixpanel;
    json_.name("sparkline_data").open_array();
    for (std::size_t i = 0; i < entity.points.size(); ++i) {
      const Point& point = entity.points[i];
      json_.open_object().name("date").text(days_[i]);
      if (mixpanel) ratio("rolling_1d_roas", point.roas);
      money("rolling_1d_spend", point.spend);
      if (mixpanel) {
        money("rolling_1d_revenue", point.revenue);
        count("rolling_1d_conversions", point.purchases);
        count("rolling_1d_trials", point.trials);
      }
      count("rolling_1d_meta_trials", point.meta_trials);
      json_.name("rolling_window_days").whole(1).name("has_data").flag(point.has_data).close_object();
    }
    json_.close_array();
  }

  Tables* const tables_;
  const std::array<LevelSums, kLevels.size()>* const levels_;
  const DataRequest* const request_;
  const Context* const context_;
  std::array<std::string, kSparklineDays> days_;
  std::map<std::pair<Level, std::string>, std::string> names_;
  JsonText json_;
};

class DataAnswer {
 public:
  DataAnswer(Tables& tables, Tables* helper, const DataRequest& request, const Context& context)
      : tables_(&tables),
        helper_(helper),
        request_(&request),
        context_(&context),
        sparkline_start_(first_sparkline_day(request)),
        names_users_(names_users(request, context)) {}

  Result<std::string> make() {
    ADM_TRY(read_all());
    const auto top = sorted(request_->group_by);
    ADM_ASSIGN(const std::vector<std::string> pieces, write_all(top));
    JsonText json;
    std::size_t bytes = 0;
    for (const std::string& piece : pieces) bytes += piece.size() + 1;
    constexpr std::size_t kBesideEntities = 256;
    json.reserve(bytes + kBesideEntities);
    json.open_object().name("success").flag(true).name("data").open_array();
    for (const std::string& piece : pieces) {
      if (!piece.empty()) json.raw(piece);
    }
    json.close_array().name("total_records").whole(static_cast<std::int64_t>(top.size()));
    json.name("breakdown").text(request_->breakdown == Breakdown::kNone ? "all" : name_of(request_->breakdown));
    json.name("method").text(context_->method).close_object();
    return json.take();
  }

 private:
  LevelSums& sums_of(Level level) { return levels_[index_of(level)]; }

  /// Parallel: each level into sums of its own. Alone: everything after.
  Status read_all() {
    if (request_->entity_id || request_->parent_id) {
      ADM_TRY(read_chosen());
    } else if (!reads_below()) {
      return read(*tables_, request_->group_by);
    }
    if (!reads_below()) return {};
    // The ads are about half of all rows. Where a second reader cannot be had, one does it all.
    const bool together = helper_ != nullptr && helper_->begin_beside(*tables_).ok();
    std::future<Status> ads;
    if (together) ads = std::async(std::launch::async, [&] { return read(*helper_, Level::kAd); });
    Status others;
    for (const Level level : kLevels) {
      if (level >= first_whole_level() && (level != Level::kAd || !together) && others.ok())
        others = read(*tables_, level);
    }
    if (together) {
      Status read_ads = ads.get();
      helper_->end();
      ADM_TRY(std::move(read_ads));
    }
    ADM_TRY(std::move(others));
    std::int64_t rows = 0;
    for (const LevelSums& sums : levels_) rows += sums.rows;
    return Budget(*context_).check(rows);
  }

  [[nodiscard]] bool reads_below() const { return request_->include_children && request_->group_by != Level::kAd; }
  /// The first level whose entities are all read.
  [[nodiscard]] Level first_whole_level() const {
    return request_->entity_id || request_->parent_id ? child_level(request_->group_by) : request_->group_by;
  }
  /// The entities that the request names, of its level.
  Status read_chosen() {
    std::vector<std::string> ids;
    if (request_->entity_id) ids.push_back(*request_->entity_id);
    if (request_->parent_id) {
      const Level above = request_->group_by == Level::kAd ? Level::kAdset : Level::kCampaign;
      ADM_TRY(tables_->visit_children(above, *request_->parent_id, [&](std::string_view id) { ids.emplace_back(id); }));
    }
    LevelSums& sums = sums_of(request_->group_by);
    Budget budget(*context_);
    for (const std::string& id : ids) {
      ADM_TRY(tables_->visit_entity(request_->group_by, id, request_->breakdown, std::nullopt, window(),
                                    [&](const Row& row) {
                                      add(row, sums.find_or_add(row.entity_id, row.breakdown_value), sums);
                                      return budget.spend_row();
                                    }));
    }
    return {};
  }

  [[nodiscard]] Range window() const {
    return {std::min(request_->range.start, std::max(sparkline_start_, kFirstDay)), request_->range.end};
  }

  void add(const Row& row, EntitySums& entity, LevelSums& sums) {
    if (row.day >= sparkline_start_) note_point(row, entity);
    if (request_->range.holds(row.day)) {
      entity.totals.add(row);
      if (names_users_) keep_lists(row, entity, sums.texts);
    }
    ++sums.rows;
  }

  Status read(Tables& tables, Level level) {
    LevelSums& sums = sums_of(level);
    Budget budget(*context_);
    EntitySums* entity = nullptr;
    return tables.visit_level(level, request_->breakdown, window(), Tables::Lists::kAll, [&](const Row& row) {
      // Rows of one entity come together, so that mostly nothing has to be looked up.
      if (entity == nullptr || entity->id != row.entity_id || entity->value != row.breakdown_value)
        entity = &sums.find_or_add(row.entity_id, row.breakdown_value);
      add(row, *entity, sums);
      return budget.spend_row();
    });
  }

  void note_point(const Row& row, EntitySums& entity) {
    Totals day;
    day.spend = row.spend;
    day.adjusted_revenue = row.adjusted_revenue;
    entity.points[static_cast<std::size_t>(row.day.value - sparkline_start_.value)] = {
        true, row.spend, row.adjusted_revenue, day.roas(), row.purchases, row.trials, row.meta_trials};
  }

  static void keep_lists(const Row& row, EntitySums& entity, Texts& texts) {
    const auto keep = [&](std::string_view list, std::vector<std::string_view>& into) {
      constexpr std::string_view kEmpty = "[]";
      if (list.size() > kEmpty.size()) into.push_back(texts.keep(list));
    };
    keep(row.trial_ids, entity.trial_users);
    keep(row.converted_ids, entity.converted_users);
    keep(row.trial_refund_ids, entity.trial_refunds);
    keep(row.purchase_refund_ids, entity.purchase_refunds);
  }

  /// Those that have a row in the range: one that only the sparkline's days have is no entity of it.
  std::vector<const EntitySums*> sorted(Level level) {
    std::vector<const EntitySums*> found;
    for (const EntitySums& entity : sums_of(level).entities) {
      if (entity.totals.rows > 0) found.push_back(&entity);
    }
    std::sort(found.begin(), found.end(), larger_spend_first);
    return found;
  }

  /// The entities' texts, in order. Many are written by two threads, piece by piece.
  Result<std::vector<std::string>> write_all(const std::vector<const EntitySums*>& top) {
    constexpr std::size_t kPieces = 16;
    constexpr std::size_t kTogetherMin = 64;  // entities
    // About what it will take: growing a text of megabytes step by step copies it as often.
    constexpr std::size_t kBytesPerEntity = 5'000;
    std::size_t entities = 0;
    std::size_t bytes = 0;
    for (const LevelSums& sums : levels_) {
      entities += sums.entities.size();
      bytes += sums.texts.bytes() + sums.entities.size() * kBytesPerEntity;
    }
    const bool together =
        entities >= kTogetherMin && top.size() > 1 && helper_ != nullptr && helper_->begin_beside(*tables_).ok();
    std::vector<std::string> pieces(together ? std::min(kPieces, top.size()) : 1);
    const std::size_t piece_bytes = std::min(bytes, kAnswerBytesMax) / pieces.size();
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> written{0};
    const auto write_pieces = [&](Tables& tables) -> Status {
      for (std::size_t i = next.fetch_add(1); i < pieces.size(); i = next.fetch_add(1)) {
        const std::size_t begin = top.size() * i / pieces.size();
        const std::size_t end = top.size() * (i + 1) / pieces.size();
        EntityWriter writer(tables, levels_, *request_, *context_);
        ADM_ASSIGN(pieces[i], writer.write_all(std::span(top).subspan(begin, end - begin), piece_bytes));
        if (written.fetch_add(pieces[i].size()) + pieces[i].size() > kAnswerBytesMax) return too_large();
      }
      return {};
    };
    std::future<Status> beside;
    if (together) beside = std::async(std::launch::async, [&] { return write_pieces(*helper_); });
    Status here = write_pieces(*tables_);
    if (together) {
      Status there = beside.get();
      helper_->end();
      ADM_TRY(std::move(there));
    }
    ADM_TRY(std::move(here));
    return pieces;
  }

  Tables* const tables_;
  Tables* const helper_;
  const DataRequest* const request_;
  const Context* const context_;
  const Day sparkline_start_;
  const bool names_users_;
  std::array<LevelSums, kLevels.size()> levels_;
};

}  // namespace

Result<std::string> answer_data(Tables& tables, Tables* helper, const DataRequest& request, const Context& context) {
  return DataAnswer(tables, helper, request, context).make();
}

}  // namespace admetrics::dashboard
