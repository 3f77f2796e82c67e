#include "daemon/replay_command.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/system_clock.hpp"
#include "sources/changelog/dead_letters.hpp"

namespace admetrics {
namespace {

Error write_error(const std::string& path) { return {Errc::kIo, "put dead letters back", path, std::strerror(errno)}; }

/// Appears whole or not at all, and stays.
Status write_whole(const std::string& folder, const std::string& name, const std::string& text) {
  const std::string path = folder + '/' + name;
  const std::string draft = path + ".tmp";
  const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (file < 0) return write_error(draft);
  std::string_view rest = text;
  bool good = true;
  while (good && !rest.empty()) {
    const ssize_t count = ::write(file, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    good = count >= 0;
    if (good) rest.remove_prefix(static_cast<std::size_t>(count));
  }
  good = good && ::fsync(file) == 0;
  ::close(file);
  if (!good || ::rename(draft.c_str(), path.c_str()) != 0) return write_error(path);
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace

int replay_command(const ReplayArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  if (!config->reads_changelog())
    return fail({Errc::kConfig, "put dead letters back", config->file,
                 "its source is no change log: [source.changelog] is missing"});
  const std::string path = arguments.dead_letters.empty() ? config->changelog.dead_letters : arguments.dead_letters;
  std::ifstream in(path);
  if (!in)
    return fail(
        {Errc::kNotFound, "read the dead letters", path, "no such file; there is none before the first bad line"});
  auto parser = source::RecordParser::create(config->changelog.format, config->changelog.mixpanel);
  if (!parser) return fail(parser.error());

  /// Whether all of a text is understood.
  class Judge : public source::RecordVisitor {
   public:
    Status on_record(const source::Record&, const source::LogLine&) override { return {}; }
    Status on_bad(source::BadRecord reason, const source::LogLine&) override {
      problem = name_of(reason);
      return {};
    }
    std::string problem;
  };

  std::string batch;
  std::int64_t good = 0;
  std::int64_t bad = 0;
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto letter = source::parse_dead_letter(line);
    Judge judge;
    if (!letter) {
      judge.problem = letter.error().detail;
    } else {
      // One record a letter: a line break in a mended text is a blank.
      std::string text = letter->text;
      std::replace(text.begin(), text.end(), '\n', ' ');
      const std::size_t size = text.size();
      text.resize(size + source::RecordParser::padding(), ' ');
      if (Status parsed = parser->parse(std::string_view(text).substr(0, size), judge); !parsed.ok())
        return fail(parsed.error());
    }
    if (judge.problem.empty()) {
      batch += source::to_json_line(*letter);
      ++good;
    } else {
      std::cout << path << ':' << number << ": still not understood: " << judge.problem << '\n';
      ++bad;
    }
  }
  if (good > 0) {
    const SystemClock clock;
    const std::string folder = config->replay_folder();
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return fail({Errc::kIo, "put dead letters back", folder, error.message()});
    const Instant now = clock.now();
    std::string name = std::to_string(now.seconds) + '-' + std::to_string(now.nanos + 1'000'000'000) + '-' +
                       std::to_string(::getpid()) + ".ndjson";
    if (Status written = write_whole(folder, name, batch); !written.ok()) return fail(written.error());
  }
  std::cout << good << " put back, " << bad << " still not understood; what was put back before counts once\n";
  return bad == 0 ? exit_code::kFine : exit_code::kNo;
}

}  // namespace admetrics
