#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "core/base/result.hpp"

namespace admetrics {

/// Orders: what people ask of a running pipeline, and whether it is paused. Outlives a pipeline that is replaced by a reload.
///
/// Threads: `give`, `resume` and `refuse_all` from any; the rest is the pipeline's. Answers are given on the pipeline's
/// thread, or on the one that refuses; they must not wait.
class Orders {
 public:
  enum class Kind : std::uint8_t {
    kSync,   // answered when everything that was committed before it was given is visible
    kDrain,  // the same, and then the pipeline pauses
    kPause,  // answered when no epoch runs and none will begin
  };
  using Answer = std::function<void(const Status&)>;

  /// `wake` makes the pipeline look; given while no pipeline listens, an order waits for the next one.
  void listen(std::function<void()> wake);
  void give(Kind kind, Answer answer);
  /// Ends a pause. Gives whether there was one.
  bool resume();
  /// Nobody will carry out what is still open.
  void refuse_all(const Error& why);

  [[nodiscard]] bool paused() const;
  /// Whether an order came that no epoch has begun after.
  [[nodiscard]] bool waiting() const;
  /// Before an epoch: what was given until now is answered by it, or by a later one. Pauses take effect here.
  void begin_round();
  /// After an epoch. `all_visible`: nothing of the source is held back.
  void end_round(bool all_visible);

 private:
  struct Order {
    Kind kind = Kind::kSync;
    Answer answer;
    bool in_round = false;
  };
  static constexpr std::size_t kOpenMax = 1'000;

  /// Takes the orders that `done` names, and answers them.
  template <class Done>
  void answer_those(Done&& done, const Status& status);

  mutable std::mutex mutex_;  // guards all of it
  std::function<void()> wake_;
  std::vector<Order> open_;
  bool paused_ = false;
};

}  // namespace admetrics
