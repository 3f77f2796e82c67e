#include "core/model/dictionary.hpp"

#include <mutex>

#include "core/base/check.hpp"
#include "core/model/keys.hpp"

namespace admetrics {

Dictionary::Dictionary() { clear(); }

void Dictionary::clear() {
  const std::unique_lock lock(mutex_);
  ids_.clear();
  texts_.clear();
  texts_.emplace_back();
  ids_.emplace(texts_.front(), 0);
}

DictionaryId Dictionary::intern(std::string_view text) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = ids_.find(text); found != ids_.end()) return DictionaryId{found->second};
  }
  const std::unique_lock lock(mutex_);
  if (const auto found = ids_.find(text); found != ids_.end()) return DictionaryId{found->second};
  const auto id = static_cast<std::uint32_t>(texts_.size());
  ADM_CHECK(id < (1U << Entity::kIdBits));
  texts_.emplace_back(text);
  ids_.emplace(texts_.back(), id);
  return DictionaryId{id};
}

DictionaryId Dictionary::find(std::string_view text) const {
  const std::shared_lock lock(mutex_);
  const auto found = ids_.find(text);
  return found == ids_.end() ? DictionaryId{} : DictionaryId{found->second};
}

std::string_view Dictionary::text(DictionaryId id) const {
  const std::shared_lock lock(mutex_);
  ADM_CHECK(id.value < texts_.size());
  return texts_[id.value];
}

std::uint32_t Dictionary::size() const {
  const std::shared_lock lock(mutex_);
  return static_cast<std::uint32_t>(texts_.size());
}

DictionaryId DictionaryCache::intern(std::string_view text) {
  if (const auto found = known_.find(text); found != known_.end()) return DictionaryId{found->second};
  const DictionaryId id = dictionary_->intern(text);
  known_.emplace(dictionary_->text(id), id.value);
  return id;
}

}  // namespace admetrics
