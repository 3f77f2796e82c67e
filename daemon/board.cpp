#include "daemon/board.hpp"

#include <utility>

namespace admetrics {

Board::Board() : status_(std::make_shared<const DaemonStatus>()) {}

void Board::publish(DaemonStatus status) {
  auto next = std::make_shared<DaemonStatus>(std::move(status));
  const std::lock_guard lock(mutex_);
  next->reload = status_->reload;
  next->quality = status_->quality;
  status_ = std::move(next);
}

void Board::note_reload(bool accepted, std::int64_t at_seconds, const std::string& text) {
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<DaemonStatus>(*status_);
  ++(accepted ? next->reload.accepted_total : next->reload.refused_total);
  next->reload.last_accepted = accepted;
  next->reload.last_at_seconds = at_seconds;
  next->reload.last_text = text;
  status_ = std::move(next);
}

void Board::note_quality(QualityOutcome outcome) {
  auto shared = std::make_shared<const QualityOutcome>(std::move(outcome));
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<DaemonStatus>(*status_);
  next->quality = std::move(shared);
  status_ = std::move(next);
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
