#include "core/base/result.hpp"

namespace admetrics {

const char* name_of(Errc code) {
  switch (code) {
    case Errc::kUsage: return "usage";
    case Errc::kConfig: return "config";
    case Errc::kNotFound: return "not_found";
    case Errc::kBusy: return "busy";
    case Errc::kFull: return "full";
    case Errc::kReadOnly: return "read_only";
    case Errc::kIo: return "io";
    case Errc::kCorrupt: return "corrupt";
    case Errc::kSchema: return "schema";
    case Errc::kReplaced: return "replaced";
    case Errc::kOutOfMemory: return "out_of_memory";
    case Errc::kInterrupted: return "interrupted";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kInternal: return "internal";
  }
  return "unknown";
}

std::string Error::line() const {
  std::string text = "cannot " + operation;
  if (!where.empty()) text += " (" + where + ")";
  if (!detail.empty()) text += ": " + detail;
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

}  // namespace admetrics
