#include "daemon/telemetry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace admetrics {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TelemetryTest, EpochsAreCounted) {
  Telemetry telemetry;
  EpochEvent event;
  event.report.epoch = EpochId{3};
  event.report.users_read = 5;
  event.report.total_micros = 4'000;
  event.committed_at_millis = 1'753'956'000'500;
  event.fresh_micros = 2'000'000;
  SinkReceipt receipt;
  receipt.inserted = 2;
  receipt.unchanged = 9;
  event.report.receipts.push_back(receipt);
  telemetry.note_epoch(event);
  telemetry.note_epoch(event);
  const std::string text = telemetry.text({});
  for (const char* line :
       {"admetricsd_epochs_total 2\n", "admetricsd_dirty_keys_total{kind=\"user\"} 10\n",
        "admetricsd_rows_total{result=\"inserted\"} 4\n", "admetricsd_rows_total{result=\"unchanged\"} 18\n",
        "admetricsd_epoch_duration_seconds_bucket{le=\"0.005\"} 2\n",
        "admetricsd_epoch_duration_seconds_bucket{le=\"0.0025\"} 0\n", "admetricsd_freshness_seconds_sum 4\n",
        "admetricsd_last_epoch_id 3\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(TelemetryTest, GaugesFollowTheStatus) {
  Telemetry telemetry;
  DaemonStatus status;
  status.lag_records = 7;
  status.failures_total = 2;
  status.rejects.push_back({"mixpanel_event", RejectReason::kBadTime, 9});
  status.unmapped = {{Breakdown::kCountry, "Atlantis", 1}, {Breakdown::kCountry, "Utopia", 5}};
  std::string text = telemetry.text(status);
  EXPECT_THAT(text, HasSubstr("admetricsd_lag_records 7\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_failures_total 2\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_rejected_rows{reason=\"bad_time\",table=\"mixpanel_event\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_unmapped_values{breakdown=\"country\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("Atlantis")));
  // What is gone is 0, and a pipeline that starts again counts on.
  status = {};
  status.failures_total = 1;
  text = telemetry.text(status);
  EXPECT_THAT(text, HasSubstr("admetricsd_failures_total 3\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_rejected_rows{reason=\"bad_time\",table=\"mixpanel_event\"} 0\n"));
}

TEST(TelemetryTest, RequestsAreCountedByRoute) {
  Telemetry telemetry;
  telemetry.note_request("/healthz", "GET", 200, 0.001, 15);
  telemetry.note_request("", "NONSENSE", 400, 0, 10);
  const std::string text = telemetry.text({});
  EXPECT_THAT(text, HasSubstr("admetricsd_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_http_requests_total{method=\"other\",route=\"none\",status=\"400\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_http_response_bytes_total 25\n"));
}

}  // namespace
}  // namespace admetrics
