#include <blockingconcurrentqueue.h>

#include <map>

#include "core/base/check.hpp"
#include "core/base/limits.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/plan.hpp"
#include "core/engine/renderer.hpp"

/// How a plan's cells reach a sink: rendered by the workers, written by the calling thread, in the plan's order.
namespace admetrics {
namespace {

RenderCell render_cell_of(const CellKey& key, bool whole, std::span<const DirtyRow> rows) {
  RenderCell cell;
  cell.key = key;
  cell.whole = whole;
  if (whole) return cell;
  for (const DirtyRow& row : rows) {
    if (row.key.breakdown != Breakdown::kNone) cell.rows.emplace_back(row.key.breakdown, row.key.value);
  }
  return cell;
}

/// Cells that travel together. No cells: the worker shall stop.
struct Chunk {
  std::size_t number = 0;
  std::vector<RenderCell> cells;
  std::vector<CellWrite> writes;
};

/// What may stand between rendering and writing.
struct BatchLimits {
  std::size_t in_flight = 0;  // chunks
  std::size_t chunk_cells = 0;
  std::size_t chunk_users = 0;  // in the cells of a chunk
};

BatchLimits batch_limits(const MemoryLimits& memory, std::size_t workers) {
  BatchLimits limits;
  limits.in_flight = workers * std::max<std::size_t>(1, kRenderChunksInFlightPerWorker / memory.squeeze);
  limits.chunk_cells = std::max<std::size_t>(1, kRenderChunkCells / memory.squeeze);
  limits.chunk_users = kRenderChunkUsers / memory.squeeze;
  if (memory.render_bytes > 0) {
    const auto users = static_cast<std::size_t>(memory.render_bytes / kRenderBytesPerUser);
    limits.chunk_users = std::clamp<std::size_t>(users / limits.in_flight / memory.squeeze, 1, limits.chunk_users);
  }
  return limits;
}

}  // namespace

Status Engine::write_cells_inline(Sink& sink, const Plan& plan, Day as_of) {
  Renderer renderer(*state_, as_of, reporting_->trial_length_days);
  std::vector<CellWrite> writes;
  for (const Plan::Item& item : plan.cells) {
    RenderCell cell = render_cell_of(item.cell, item.whole, plan.rows_of(item));
    ADM_TRY(meta_->cell(cell.key, cell.meta));
    writes.push_back(renderer.render(cell));
  }
  return sink.write_cells(writes);
}

Status Engine::write_cells_parallel(Sink& sink, const Plan& plan, const EpochRequest& request) {
  moodycamel::BlockingConcurrentQueue<Chunk> to_render;
  moodycamel::BlockingConcurrentQueue<Chunk> rendered;

  pool_.start([&](std::size_t) {
    Renderer renderer(*state_, request.as_of, reporting_->trial_length_days);
    for (;;) {
      Chunk chunk;
      to_render.wait_dequeue(chunk);
      if (chunk.cells.empty()) return;
      for (const RenderCell& cell : chunk.cells) chunk.writes.push_back(renderer.render(cell));
      rendered.enqueue(std::move(chunk));
    }
  });

  Status status;
  std::size_t next_item = 0;
  std::size_t chunks_sent = 0;
  std::size_t chunks_written = 0;
  std::int64_t cells_written = 0;
  std::map<std::size_t, Chunk> early;  // rendered before their turn; at most as many as are in flight
  const auto total = static_cast<std::int64_t>(plan.cells.size());

  const auto send_chunk = [&](const BatchLimits& limits) -> Status {
    Chunk chunk;
    chunk.number = chunks_sent;
    for (std::size_t users = 0;
         next_item < plan.cells.size() && chunk.cells.size() < limits.chunk_cells && users < limits.chunk_users;
         ++next_item) {
      const Plan::Item& item = plan.cells[next_item];
      users += state_->row_shard(item.cell).member_count(item.cell);
      chunk.cells.push_back(render_cell_of(item.cell, item.whole, plan.rows_of(item)));
      ADM_TRY(meta_->cell(item.cell, chunk.cells.back().meta));
    }
    to_render.enqueue(std::move(chunk));
    ++chunks_sent;
    return {};
  };

  while (status.ok() && (next_item < plan.cells.size() || chunks_written < chunks_sent)) {
    if (request.stop != nullptr &&
        request.stop->load(std::memory_order_relaxed)) {  // relaxed: a hint, seen soon enough
      status = Error{Errc::kInterrupted, "write the epoch", sink.name(), "asked to stop"};
    }
    // Anew for each round: whoever is told of the progress may change what memory allows.
    const BatchLimits limits = batch_limits(options_.memory, pool_.size());
    while (status.ok() && next_item < plan.cells.size() && chunks_sent - chunks_written < limits.in_flight) {
      status = send_chunk(limits);
    }
    if (!status.ok() || chunks_written == chunks_sent) break;
    auto turn = early.find(chunks_written);
    while (turn == early.end()) {
      Chunk chunk;
      rendered.wait_dequeue(chunk);
      const std::size_t number = chunk.number;
      early.emplace(number, std::move(chunk));
      turn = early.find(chunks_written);
    }
    status = sink.write_cells(turn->second.writes);
    cells_written += static_cast<std::int64_t>(turn->second.writes.size());
    early.erase(turn);
    ++chunks_written;
    if (request.on_progress) request.on_progress(EpochProgress{"render", cells_written, total});
  }
  for (std::size_t i = 0; i < pool_.size(); ++i) to_render.enqueue(Chunk{});
  pool_.wait();
  return status;
}

}  // namespace admetrics
