#include "daemon/board.hpp"

#include <utility>

namespace admetrics {

Board::Board() : status_(std::make_shared<const DaemonStatus>()) {}

void Board::publish(DaemonStatus status) {
  auto next = std::make_shared<const DaemonStatus>(std::move(status));
  const std::lock_guard lock(mutex_);
  status_.swap(next);
}

std::shared_ptr<const DaemonStatus> Board::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Board::announce(EpochEvent event) {
  const auto shared = std::make_shared<const EpochEvent>(std::move(event));
  const std::lock_guard lock(listeners_mutex_);
  for (const Listener& listener : listeners_) listener(shared);
}

Board::Subscription Board::subscribe(Listener listener) {
  const std::lock_guard lock(listeners_mutex_);
  const auto place = listeners_.insert(listeners_.end(), std::move(listener));
  return {nullptr, [this, place](void*) {
            const std::lock_guard ending(listeners_mutex_);
            listeners_.erase(place);
          }};
}

}  // namespace admetrics
