#include "daemon/api/answer_cache.hpp"

namespace admetrics::api {

http::ContentPtr AnswerCache::find(const std::string& tag, const std::string& request) {
  const std::lock_guard lock(mutex_);
  if (tag != tag_) return nullptr;
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->content;
}

void AnswerCache::keep(const std::string& tag, const std::string& request, http::ContentPtr content) {
  if (content->bytes() > bytes_max_) return;
  const std::lock_guard lock(mutex_);
  if (tag != tag_) {
    tag_ = tag;
    entries_.clear();
    by_request_.clear();
    bytes_ = 0;
  }
  if (by_request_.contains(request)) return;  // somebody was faster, with the same answer
  bytes_ += content->bytes();
  entries_.push_front({request, std::move(content)});
  by_request_.emplace(request, entries_.begin());
  while (bytes_ > bytes_max_) {
    const Entry& last = entries_.back();
    bytes_ -= last.content->bytes();
    by_request_.erase(last.request);
    entries_.pop_back();
  }
}

std::size_t AnswerCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace admetrics::api
