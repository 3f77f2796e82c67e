#include "daemon/orders.hpp"

#include <algorithm>
#include <iterator>

namespace admetrics {

void Orders::listen(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void Orders::give(Kind kind, Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    if (open_.size() < kOpenMax) {
      open_.push_back({kind, std::move(answer), false});
      if (wake_) wake_();
      return;
    }
  }
  answer(Error{Errc::kBusy, "take an order", "control socket", "too many are open"});
}

bool Orders::resume() {
  const std::lock_guard lock(mutex_);
  const bool was = paused_;
  paused_ = false;
  if (wake_) wake_();
  return was;
}

template <class Done>
void Orders::answer_those(Done&& done, const Status& status) {
  std::vector<Order> answered;
  {
    const std::lock_guard lock(mutex_);
    const auto answered_from =
        std::stable_partition(open_.begin(), open_.end(), [&](const Order& o) { return !done(o); });
    std::move(answered_from, open_.end(), std::back_inserter(answered));
    open_.erase(answered_from, open_.end());
    for (const Order& order : answered) {
      if (status.ok() && order.kind != Kind::kSync) paused_ = true;
    }
  }
  for (const Order& order : answered) order.answer(status);
}

void Orders::refuse_all(const Error& why) {
  answer_those([](const Order&) { return true; }, why);
}

bool Orders::paused() const {
  const std::lock_guard lock(mutex_);
  return paused_;
}

bool Orders::waiting() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(open_.begin(), open_.end(), [](const Order& order) { return !order.in_round; });
}

void Orders::begin_round() {
  {
    const std::lock_guard lock(mutex_);
    for (Order& order : open_) order.in_round = true;
  }
  answer_those([](const Order& order) { return order.in_round && order.kind == Kind::kPause; }, {});
}

void Orders::end_round(bool all_visible) {
  if (!all_visible) return;
  answer_those([](const Order& order) { return order.in_round && order.kind != Kind::kPause; }, {});
}

}  // namespace admetrics
