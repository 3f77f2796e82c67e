#include "sources/sqlite/torn_days.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace admetrics::source {
namespace {

/// Takes the text up to `separator` off `text`.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

bool parse_number(std::string_view text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

void TornDays::was_there(Day day) {
  const auto place = std::lower_bound(known_.begin(), known_.end(), day);
  if (place == known_.end() || *place != day) known_.insert(place, day);
}

std::vector<Day> TornDays::update(std::vector<Day> whole, std::int64_t now_seconds, std::int64_t hold_max_seconds) {
  std::sort(whole.begin(), whole.end());
  whole.erase(std::unique(whole.begin(), whole.end()), whole.end());
  std::vector<Day> missing;
  std::set_difference(known_.begin(), known_.end(), whole.begin(), whole.end(), std::back_inserter(missing));

  // Days that are torn one after another, with no moment between, are one wait: it counts from the first of them, so that
  // nobody's change waits longer than the maximum. A clock that was set back does not lengthen it either.
  std::int64_t waiting_since = now_seconds;
  for (const HeldDay& day : held_) waiting_since = std::min(waiting_since, day.since_seconds);

  std::vector<HeldDay> held;
  std::vector<Day> given_up;
  for (const Day day : missing) {
    const auto before = std::find_if(held_.begin(), held_.end(), [&](const HeldDay& h) { return h.day == day; });
    const std::int64_t since = before == held_.end() ? now_seconds : std::min(before->since_seconds, now_seconds);
    if (now_seconds - waiting_since >= hold_max_seconds) {
      given_up.push_back(day);
    } else {
      held.push_back({day, since});
    }
  }
  held_ = std::move(held);
  known_ = std::move(whole);
  for (const HeldDay& day : held_) known_.push_back(day.day);
  std::sort(known_.begin(), known_.end());
  return given_up;
}

std::int64_t TornDays::deadline_seconds(std::int64_t hold_max_seconds) const {
  const auto first = std::min_element(
      held_.begin(), held_.end(), [](const HeldDay& a, const HeldDay& b) { return a.since_seconds < b.since_seconds; });
  return first == held_.end() ? INT64_MAX : first->since_seconds + hold_max_seconds;
}

std::string TornDays::known_text() const {
  // Years of days are one run: "first+days that follow".
  std::string whole;
  for (std::size_t begin = 0; begin < known_.size();) {
    std::size_t end = begin + 1;
    while (end < known_.size() && known_[end].value == known_[end - 1].value + 1) ++end;
    whole += (whole.empty() ? "" : ",") + std::to_string(known_[begin].value) + '+' + std::to_string(end - begin - 1);
    begin = end;
  }
  return whole;
}

std::string TornDays::held_text() const {
  std::string held;
  for (const HeldDay& day : held_) {
    held += (held.empty() ? "" : ",") + std::to_string(day.day.value) + '@' + std::to_string(day.since_seconds);
  }
  return held;
}

bool TornDays::parse(std::string_view whole, std::string_view held) {
  known_.clear();
  held_.clear();
  const auto day_of = [](std::int64_t number, Day& day) {
    if (number < kFirstDay.value || number > kLastDay.value) return false;
    day = Day{static_cast<decltype(day.value)>(number)};
    return true;
  };
  while (!whole.empty()) {
    std::string_view run = take_part(whole, ',');
    std::int64_t first = 0;
    std::int64_t more = 0;
    Day begin;
    Day end;
    if (!parse_number(take_part(run, '+'), first) || !parse_number(run, more) || more < 0 || !day_of(first, begin) ||
        more > kLastDay.value - first || !day_of(first + more, end) || (!known_.empty() && begin <= known_.back())) {
      return false;  // ascending, so that no text can name more days than there are
    }
    for (auto value = begin.value; value <= end.value; ++value) known_.push_back(Day{value});
  }
  while (!held.empty()) {
    std::string_view item = take_part(held, ',');
    std::int64_t number = 0;
    HeldDay day;
    if (!parse_number(take_part(item, '@'), number) || !parse_number(item, day.since_seconds) ||
        !day_of(number, day.day))
      return false;
    held_.push_back(day);
  }
  return true;
}

}  // namespace admetrics::source
