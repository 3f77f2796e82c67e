#pragma once

namespace admetrics::demo {

/// The two databases' file names inside the demo's folder.
inline constexpr const char* kProductFile = "mixpanel_data.db";
inline constexpr const char* kAdsFile = "meta_analytics.db";

/// Says in each database that it is ours, and with which options it was written.
inline constexpr const char* kMarkerTable = "_demo_source";

// Tables first, rows next, indexes last: an index over finished rows is a sort, not a million searches.
extern const char* const kProductTables;
extern const char* const kProductIndexes;
extern const char* const kAdsTables;
extern const char* const kAdsIndexes;

}  // namespace admetrics::demo
