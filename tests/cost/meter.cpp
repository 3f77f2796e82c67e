#include "tests/cost/meter.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>

namespace {

std::atomic<std::int64_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);  // a count, which orders nothing
  const std::size_t whole = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, whole);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The other forms of the standard library call these.
void* operator new(std::size_t size) { return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace admetrics::cost {
namespace {

struct Meter {
  std::mutex mutex;
  std::set<sqlite3*> open;
  std::atomic<std::int64_t> statements{0};
  std::atomic<std::int64_t> vm_steps{0};
  std::int64_t pages_of_closed = 0;
};

Meter& meter() {
  static Meter the_one;
  return the_one;
}

std::int64_t pages_of(sqlite3* database) {
  int written = 0;
  int highest = 0;
  sqlite3_db_status(database, SQLITE_DBSTATUS_CACHE_WRITE, &written, &highest, 0);
  return written;
}

int on_event(unsigned event, void*, void* subject, void*) {
  Meter& m = meter();
  if (event == SQLITE_TRACE_PROFILE) {
    m.statements.fetch_add(1, std::memory_order_relaxed);  // counts, as above
    m.vm_steps.fetch_add(
        sqlite3_stmt_status(static_cast<sqlite3_stmt*>(subject), SQLITE_STMTSTATUS_VM_STEP, /*reset=*/1),
        std::memory_order_relaxed);
  } else if (event == SQLITE_TRACE_CLOSE) {
    const std::lock_guard lock(m.mutex);
    auto* const database = static_cast<sqlite3*>(subject);
    m.pages_of_closed += pages_of(database);
    m.open.erase(database);
  }
  return 0;
}

int on_open(sqlite3* database, char**, const void*) {
  const std::lock_guard lock(meter().mutex);
  meter().open.insert(database);
  return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE | SQLITE_TRACE_CLOSE, on_event, nullptr);
}

}  // namespace

void watch() {
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(on_open));  // NOLINT: SQLite's way to hear of each connection
}

Figures figures() {
  Meter& m = meter();
  Figures now;
  now.allocations = allocations.load();
  const std::lock_guard lock(m.mutex);
  now.statements = m.statements.load();
  now.vm_steps = m.vm_steps.load();
  now.pages = m.pages_of_closed;
  for (sqlite3* database : m.open) now.pages += pages_of(database);
  return now;
}

}  // namespace admetrics::cost
