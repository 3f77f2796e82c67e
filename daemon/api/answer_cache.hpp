#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "daemon/http/content.hpp"

namespace admetrics::api {

/// AnswerCache: answers of one epoch, as many as fit; those that were asked for last stay.
///
/// Threads: any.
class AnswerCache {
 public:
  explicit AnswerCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Null when it is not there.
  http::ContentPtr find(const std::string& tag, const std::string& request);
  /// `tag` names the epoch; answers under another one are forgotten.
  void keep(const std::string& tag, const std::string& request, http::ContentPtr content);
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Entry {
    std::string request;
    http::ContentPtr content;
  };

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;  // guards what follows
  std::string tag_;
  std::list<Entry> entries_;  // the one asked for last first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_request_;
  std::size_t bytes_ = 0;
};

}  // namespace admetrics::api
