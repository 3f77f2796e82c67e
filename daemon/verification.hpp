#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>

#include "core/base/result.hpp"

namespace admetrics {

/// How the last `verify` ended: what that command leaves in the state folder, for the daemon to show.
struct Verification {
  std::int64_t at_seconds = 0;  // 0: there was none
  bool known = false;           // false: it could not tell, `error` says why
  bool equal = false;
  std::uint64_t differences = 0;
  std::uint64_t epoch = 0;  // of the rows that were compared; 0: not known
  bool whole = true;        // false: a sample, or some days only
  double duration_seconds = 0;
  std::string error;

  bool operator==(const Verification&) const = default;
};

/// `{"at":"…","equal":true,…}`; null where there was none.
boost::json::value to_json(const Verification& verification);

/// A folder that does not take it is no failure of the verification: tell it, and go on.
Status write_verification(const std::string& state_dir, const Verification& verification);
/// Where there is none, or nothing that can be read, `at_seconds` is 0.
Verification read_verification(const std::string& state_dir);

}  // namespace admetrics
