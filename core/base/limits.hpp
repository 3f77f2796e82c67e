#pragma once

#include <cstddef>
#include <cstdint>

namespace admetrics {

/// Every bound of a queue, a batch or a list. None grows with the data.

inline constexpr std::size_t kShardCountMax = 256;
inline constexpr std::size_t kShardCountDefault = 16;  // user shards, and as many row shards
inline constexpr std::size_t kWorkerCountMax = 64;

inline constexpr std::size_t kInboxBatchMessages = 256;  // messages that travel together
inline constexpr std::size_t kInboxDrainBatches = 32;    // a producer that sees more waiting helps to drain

inline constexpr std::size_t kDirtyRowsListedMax = 65'536;  // then whole cells are marked instead of rows
inline constexpr std::size_t kInlineUsersMax = 64;          // epochs of so few keys run on the pipeline's thread
inline constexpr std::size_t kInlineCellsMax = 64;

inline constexpr std::size_t kRenderChunkCells = 256;     // cells rendered and written together
inline constexpr std::size_t kRenderChunkUsers = 65'536;  // … or as many users
inline constexpr std::size_t kRenderChunksInFlightPerWorker = 4;
inline constexpr std::int64_t kRenderBytesPerUser =
    320;  // what a user costs in his cell's rendered rows: his id, in several lists
inline constexpr std::int64_t kProgressEveryRows = 4'096;    // rows read between two looks at how far a scan is
inline constexpr std::size_t kComparedParts = 256;           // a worker compares stored rows part by part
inline constexpr std::size_t kComparedCellsHeldMax = 4'096;  // what a worker remembers of cells that it met lately …
inline constexpr std::size_t kComparedUsersHeldMax = 262'144;  // … or as many users in them
inline constexpr std::size_t kComparedTimesMax = 4;  // rows so scattered that a cell is made anew this often: give up
inline constexpr std::size_t kSinkKeysListedMax = 65'536;  // a commit of more cells is not listed, but redone whole
inline constexpr std::size_t kReceiptKeysMax = 500;        // changed keys that a receipt carries to subscribers
inline constexpr std::size_t kJournalKeysMax = 32'768;     // an epoch that changes more keys is journaled as a whole
inline constexpr std::size_t kMismatchesListedMax = 32;    // that an epoch's report names; it counts all
inline constexpr std::size_t kReceiptRowsMax = 131'072;    // rows that a receipt names for the journal
inline constexpr std::size_t kMetaCellsCachedMax = 100'000;

inline constexpr std::int64_t kScanBytesPerUser = 512;  // what a full scan holds for a user while it runs
inline constexpr std::size_t kScanPassesMax = 64;
inline constexpr std::int64_t kStateBytesPerUser = 170;  // what stays of him (docs/performance.md)

static_assert(kRenderChunkCells >= kInlineCellsMax, "a small epoch is one chunk");
static_assert(kInboxBatchMessages * kInboxDrainBatches <= kDirtyRowsListedMax,
              "a shard can take a full inbox before it has to fall back on whole cells");

}  // namespace admetrics
