#include "sources/changelog/log_folder.hpp"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "sources/changelog/byte_stream.hpp"

namespace admetrics::source {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Which of a folder's names belong to the log, and in which order they were written.
std::optional<std::string> rank_of(std::string_view name, std::string_view only) {
  if (name.empty() || name.front() == '.') return std::nullopt;
  if (only.empty()) {
    for (const std::string_view unfinished : {".tmp", ".part", ".swp", "~"}) {
      if (name.ends_with(unfinished)) return std::nullopt;
    }
    return std::string(without_compression(name));
  }
  // A file and what rotation made of it: NAME-20250731, NAME.2025-07-31; NAME.2 before NAME.1; NAME itself last.
  if (name == only) return "3";
  if (!name.starts_with(only) || name.size() < only.size() + 2) return std::nullopt;
  const char mark = name[only.size()];
  const std::string_view suffix =
      without_compression(name).substr(std::min(only.size() + 1, without_compression(name).size()));
  if (mark == '.' && is_digits(suffix) && suffix.size() <= 6) {
    std::string number = std::to_string(999'999 - std::stoi(std::string(suffix)));
    return "2" + std::string(6 - number.size(), '0') + number;
  }
  const bool dated = (mark == '.' || mark == '-') && suffix.size() >= 8 && is_digits(suffix.substr(0, 4)) &&
                     suffix.find_first_not_of("0123456789-_.:TZ") == std::string_view::npos;
  if (dated) return "1" + std::string(suffix);
  return std::nullopt;
}

}  // namespace

std::string_view base_of(std::string_view name) {
  name = without_compression(name);
  const std::size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && dot > 0 && is_digits(name.substr(dot + 1))) name = name.substr(0, dot);
  return name;
}

std::string identity_of(const struct stat& info) {
  return std::to_string(info.st_dev) + ':' + std::to_string(info.st_ino);
}

Result<LogListing> list_log(const std::string& path, bool was_folder) {
  LogListing listing;
  std::vector<FoundFile>& found = listing.files;
  struct stat info {};
  listing.there = ::stat(path.c_str(), &info) == 0;
  listing.folder = listing.there ? S_ISDIR(info.st_mode) : was_folder;
  const std::filesystem::path where(path);
  const std::string directory = listing.folder ? path : where.parent_path().string();
  const std::string only = listing.folder ? "" : where.filename().string();
  DIR* const opened = ::opendir(directory.empty() ? "." : directory.c_str());
  if (opened == nullptr) {
    if (errno == ENOENT) return listing;
    return Error{errno == EACCES ? Errc::kReadOnly : Errc::kIo, "list the change log", directory, std::strerror(errno)};
  }
  while (const dirent* entry = ::readdir(opened)) {
    auto rank = rank_of(entry->d_name, only);
    if (!rank) continue;
    FoundFile one{entry->d_name, (std::filesystem::path(directory) / entry->d_name).string(), {}, std::move(*rank)};
    if (::stat(one.path.c_str(), &one.info) != 0 || !S_ISREG(one.info.st_mode)) continue;
    found.push_back(std::move(one));
  }
  ::closedir(opened);
  // While a file is being compressed both stand there, and the compressed one is not whole.
  std::set<std::string, std::less<>> names;
  for (const FoundFile& one : found) names.insert(one.name);
  std::erase_if(found, [&](const FoundFile& one) {
    const std::string_view stem = without_compression(one.name);
    return stem != one.name && names.contains(stem);
  });
  std::sort(found.begin(), found.end(),
            [](const FoundFile& a, const FoundFile& b) { return std::tie(a.rank, a.name) < std::tie(b.rank, b.name); });
  // A link is another name of a file, not another file.
  std::set<std::string, std::less<>> identities;
  std::erase_if(found, [&](const FoundFile& one) { return !identities.insert(identity_of(one.info)).second; });
  listing.there = listing.there || !found.empty();
  return listing;
}

}  // namespace admetrics::source
