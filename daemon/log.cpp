#include "daemon/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdlib>
#include <mutex>

#include "daemon/repeats.hpp"

namespace admetrics {
namespace {

std::atomic<bool> as_json{false};

/// `%*`: the priority that the journal takes off the line again, as sd-daemon(3) says.
class JournalPriority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view priority = message.level >= spdlog::level::err    ? "<3>"
                                      : message.level == spdlog::level::warn ? "<4>"
                                      : message.level == spdlog::level::info ? "<6>"
                                                                             : "<7>";
    out.append(priority.data(), priority.data() + priority.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Whether standard error is the journal's own stream and not something that it was redirected to (systemd.exec(5)).
bool to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino) == stream;
}

}  // namespace

void set_up_log(const std::string& level, bool json) {
  if (!spdlog::get("admetricsd")) spdlog::set_default_logger(spdlog::stderr_logger_mt("admetricsd"));
  const bool journal = to_journal();
  std::string pattern = journal ? "%*" : "";
  if (json) {
    pattern += R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";
  } else if (journal) {
    pattern += "%v";  // time and level are the journal's
  } else {
    pattern += "%Y-%m-%d %H:%M:%S.%e %-7l %v";
  }
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JournalPriority>('*').set_pattern(pattern);
  as_json.store(json);
  spdlog::set_formatter(std::move(formatter));
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::flush_on(spdlog::level::debug);
}

namespace {

void write_line(LogLevel level, const std::string& message, std::uint64_t times) {
  std::string text = message;
  if (as_json.load()) {
    text = "\"message\":" + boost::json::serialize(boost::json::string(message));
    if (times > 1) text += ",\"times\":" + std::to_string(times);
  } else if (times > 1) {
    text += " (" + std::to_string(times) + " times since it was last told)";
  }
  spdlog::log(level_of(level), text);
}

}  // namespace

void log_outcome(LogLevel level, const std::string& message) { write_line(level, message, 1); }

void log_line(LogLevel level, const std::string& message) {
  std::uint64_t times = 1;
  if (level >= LogLevel::kWarning) {
    static std::mutex mutex;  // guards repeats
    static Repeats repeats;
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto admitted = repeats.admit(message, std::chrono::duration_cast<std::chrono::microseconds>(now).count());
    if (!admitted) return;
    times = *admitted;
  }
  write_line(level, message, times);
}

}  // namespace admetrics
