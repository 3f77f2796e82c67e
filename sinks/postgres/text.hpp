#pragma once

#include <string>
#include <string_view>

namespace admetrics::sink::postgres {

/// An id that is too long for an index stands shortened: a part that people recognize, kShortMark, and its SHA-256.
inline constexpr std::size_t kIdBytesMax = 800;  // three times that, and the rest of a key, fit into an index entry
inline constexpr std::string_view kShortMark = "\xe2\x80\xa6 sha256 ";
/// Whether an id looks as one that was shortened.
bool looks_short(std::string_view stored);

/// Appends a value of a COPY line: `stored` with what has a meaning there escaped.
void append_copy_value(std::string_view stored, std::string& out);

/// Makes JSON text what jsonb can hold: an escaped NUL becomes the character that stands for it (`core/base/storable_text`).
void replace_json_nul(std::string& json);
/// The JSON that jsonb printed as we write it: compact, and with an escaped NUL.
std::string compact_json(std::string_view jsonb_text);

}  // namespace admetrics::sink::postgres
