// Debian ships Boost.JSON as headers and as a library of a package of its own; compiled here, once, the headers are enough.
#include <boost/json/src.hpp>
