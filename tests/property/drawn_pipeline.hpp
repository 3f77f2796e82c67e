#pragma once

#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "tests/property/random.hpp"
#include "tests/support/source_builder.hpp"

namespace admetrics {

/// Writes into the source databases what a drawn pipeline would: every verb that the real one knows, and values that a
/// careful reader of `metrics.md` would try first.
class DrawnPipeline {
 public:
  DrawnPipeline(support::SourceBuilder& source, Random& random, Day first_day, Day last_day);

  /// Fills the empty tables.
  void fill();
  /// One transaction, or one of the acts that take several.
  void act();
  /// Writes a lot that changes nothing: an identical reload, rows replaced by themselves, a transaction rolled back.
  void act_in_vain();
  /// Touches every user at once.
  void touch_all_users();

 private:
  void verb();
  void write_user();
  void update_user();
  void write_event();
  void change_event();
  void write_product();
  void change_product();
  void write_meta_day();
  void change_meta();
  void change_mapping();
  void remake_table();
  void reload_days(bool identical);

  support::Columns drawn_event();
  support::Columns drawn_product();
  support::Columns drawn_meta(std::string_view table, const std::string& ad, const std::string& date);
  support::Columns any_row(std::string_view table);

  support::Cell strange();
  support::Cell flag();
  support::Cell id_or_nothing(const std::vector<std::string>& pool);
  support::Cell time();
  support::Cell money();
  support::Cell rate();
  support::Cell count();
  std::string day();
  std::string user() { return random_->one_of(users_); }
  bool hostile() { return random_->chance(hostility_); }

  support::SourceBuilder* source_;
  Random* random_;
  Day first_day_;
  Day last_day_;
  double hostility_;
  std::vector<std::string> users_;
  std::vector<std::string> campaigns_;
  std::vector<std::string> adsets_;
  std::vector<std::string> ads_;
  std::int64_t events_ = 0;
  std::int64_t products_ = 0;
};

}  // namespace admetrics
