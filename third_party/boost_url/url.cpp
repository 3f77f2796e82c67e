// Debian ships Boost.URL as headers: compiled here, once.
#include <boost/url/src.hpp>
