#pragma once

#include <functional>
#include <string>

#include "daemon/board.hpp"
#include "daemon/orders.hpp"

namespace admetrics {

/// Control: what a line on the control socket means. One JSON object a line: {"command": "sync"}; the answer is one, too:
/// {"ok": true, ...} or {"ok": false, "error": "..."}.
///
/// Threads: `handle` on the socket's; the reply comes from there or from the pipeline's.
class Control {
 public:
  Control(Orders& orders, const Board& board, backfill::Backfill& backfill)
      : orders_(&orders), board_(&board), backfill_(&backfill) {}

  void handle(const std::string& line, std::function<void(std::string)> reply);

 private:
  Orders* orders_;
  const Board* board_;
  backfill::Backfill* backfill_;
};

}  // namespace admetrics
