#pragma once

#include <string>
#include <string_view>

namespace admetrics {

/// Texts for places that take UTF-8 only, though a source may hold any bytes.
///
/// A byte that cannot stand (no UTF-8, or NUL) is written as the private-use character U+10FE00 + byte; a text that holds
/// such a character already has its four bytes written so. So no two texts become one, and reading gives back the very
/// bytes.
void append_storable(std::string_view text, std::string& out);
std::string storable(std::string_view text);
/// The bytes that `storable` was given.
std::string original(std::string_view stored);

}  // namespace admetrics
