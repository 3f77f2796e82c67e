#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

namespace admetrics::http {

/// Content: a body, and its gzip, made at most once.
///
/// Threads: any; it never changes.
class Content {
 public:
  explicit Content(std::string plain) : plain_(std::move(plain)) {}

  [[nodiscard]] const std::string& plain() const { return plain_; }
  /// Empty where it would not be smaller.
  [[nodiscard]] const std::string& gzip() const;
  /// What it holds in memory, compressed or not yet.
  [[nodiscard]] std::size_t bytes() const { return plain_.size() + plain_.size() / 2; }

 private:
  const std::string plain_;
  mutable std::once_flag compressed_;
  mutable std::string gzip_;
};

using ContentPtr = std::shared_ptr<const Content>;

inline ContentPtr make_content(std::string text) { return std::make_shared<const Content>(std::move(text)); }

}  // namespace admetrics::http
