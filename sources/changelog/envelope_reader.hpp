#pragma once

#include <simdjson.h>

#include "sources/changelog/envelope.hpp"

namespace admetrics::source {

/// Reads one document to its end. Texts in `into` live as long as the document's bytes and its parser's.
simdjson::error_code read_document(simdjson::ondemand::document& document, Envelope& into);
/// The same of one of many.
simdjson::error_code read_document(simdjson::ondemand::document_reference& document, Envelope& into);

}  // namespace admetrics::source
