#include "daemon/http/target.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace admetrics::http {

std::optional<Target> parse_target(std::string_view text) {
  const boost::core::string_view view(text.data(), text.size());
  const auto parsed = text.starts_with('/') ? boost::urls::parse_origin_form(view) : boost::urls::parse_uri(view);
  if (!parsed) return std::nullopt;
  Target target;
  target.path = parsed->path();
  for (const auto& value : parsed->params()) target.values.emplace_back(value.key, value.value);
  return target;
}

}  // namespace admetrics::http
