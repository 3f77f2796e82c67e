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

TEST(TelemetryTest, TheSelfAuditIsToldByKind) {
  Telemetry telemetry;
  EXPECT_THAT(telemetry.text({}), HasSubstr("admetricsd_audit_mismatches_total{kind=\"missed_change\"} 0\n"));
  DaemonStatus status;
  status.self_audit.mismatches_total = {1, 4};
  status.self_audit.progress.verified_total = 100;
  status.self_audit.progress.oldest_unverified_seconds = 12.5;
  const std::string text = telemetry.text(status);
  for (const char* line : {"admetricsd_audit_mismatches_total{kind=\"missed_change\"} 1\n",
                           "admetricsd_audit_mismatches_total{kind=\"foreign_write\"} 4\n",
                           "admetricsd_audit_verified_total 100\n", "admetricsd_audit_oldest_unverified_seconds 12.5\n",
                           "admetricsd_audit_every_seconds 604800\n", "admetricsd_audit_share_too_small 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(TelemetryTest, LocksAreAHistogramOfWhatThePipelineCounts) {
  Telemetry telemetry;
  DaemonStatus status;
  sqlite::LockHolds holds;
  holds.database = "sink";
  holds.work = "fill";
  holds.counts[3] = 2;  // up to 10 ms
  holds.counts[5] = 1;  // up to 50 ms
  holds.sum_micros = 55'000;
  status.locks = {holds};
  const auto locks = [&] {
    const std::string all = telemetry.text(status);
    return all.substr(all.find("# HELP admetricsd_write_lock_held_seconds"));
  };
  std::string text = locks();
  EXPECT_THAT(text,
              HasSubstr("admetricsd_write_lock_held_seconds_bucket{database=\"sink\",work=\"fill\",le=\"0.01\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("admetricsd_write_lock_held_seconds_bucket{database=\"sink\",work=\"fill\",le=\"0.05\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_write_lock_held_seconds_sum{database=\"sink\",work=\"fill\"} 0.055\n"));
  // Asked again nothing is counted twice; another pipeline counts on.
  EXPECT_EQ(locks(), text);
  status.locks[0].counts = {};
  status.locks[0].counts[0] = 4;
  status.locks[0].sum_micros = 1'000;
  text = locks();
  EXPECT_THAT(text, HasSubstr("admetricsd_write_lock_held_seconds_count{database=\"sink\",work=\"fill\"} 7\n"));
}

TEST(TelemetryTest, RowsAreToldByTable) {
  Telemetry telemetry;
  EpochEvent event;
  SinkReceipt receipt;
  receipt.tables = {{"daily_mixpanel_metrics", 1, 2, 3, 4}};
  event.report.receipts = {receipt};
  telemetry.note_epoch(event);
  telemetry.note_epoch(event);
  EXPECT_THAT(telemetry.text({}),
              HasSubstr("admetricsd_table_rows_total{result=\"deleted\",table=\"daily_mixpanel_metrics\"} 6\n"));
}

TEST(TelemetryTest, TheLastVerificationIsOneOfFour) {
  Telemetry telemetry;
  DaemonStatus status;
  EXPECT_THAT(telemetry.text(status), HasSubstr("admetricsd_last_verification{result=\"none\"} 1\n"));
  status.verification.at_seconds = 1'753'956'000;
  EXPECT_THAT(telemetry.text(status), HasSubstr("admetricsd_last_verification{result=\"unknown\"} 1\n"));
  status.verification.known = true;
  EXPECT_THAT(telemetry.text(status), HasSubstr("admetricsd_last_verification{result=\"different\"} 1\n"));
  status.verification.equal = true;
  const std::string text = telemetry.text(status);
  EXPECT_THAT(text, HasSubstr("admetricsd_last_verification{result=\"equal\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_last_verification{result=\"different\"} 0\n"));
}

TEST(TelemetryTest, StatesAreOneOfASet) {
  Telemetry telemetry;
  DaemonStatus status;
  status.phase = "waiting";
  status.last_error = "locked";
  status.memory_level = MemoryLevel::kHigh;
  status.backfill.state = backfill::Progress::State::kRunning;
  status.backfill.items_total = 40;
  status.backfill.items_done = 10;
  std::string text = telemetry.text(status);
  for (const char* line :
       {"admetricsd_phase{phase=\"waiting\"} 1\n", "admetricsd_phase{phase=\"streaming\"} 0\n",
        "admetricsd_failing 1\n", "admetricsd_memory_level{level=\"high\"} 1\n",
        "admetricsd_memory_level{level=\"over\"} 0\n", "admetricsd_backfill_state{state=\"running\"} 1\n",
        "admetricsd_backfill_state{state=\"failed\"} 0\n", "admetricsd_backfill_items 40\n",
        "admetricsd_backfill_items_done 10\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  text = telemetry.text({});
  for (const char* line :
       {"admetricsd_phase{phase=\"waiting\"} 0\n", "admetricsd_phase{phase=\"starting\"} 1\n", "admetricsd_failing 0\n",
        "admetricsd_memory_level{level=\"normal\"} 1\n", "admetricsd_backfill_state{state=\"running\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(TelemetryTest, HeldDaysAndTheHeartbeat) {
  Telemetry telemetry;
  DaemonStatus status;
  status.written_at_seconds = 1'000;
  status.held_back.days = {{Day{20'000}, 940}, {Day{20'001}, 700}};
  status.held_back.users = 3;
  const std::string text = telemetry.text(status);
  for (const char* line :
       {"admetricsd_heartbeat_timestamp_seconds 1000\n", "admetricsd_held_days 2\n", "admetricsd_held_seconds 300\n",
        "admetricsd_held_users 3\n", "admetricsd_held_everyone 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(telemetry.text({}), HasSubstr("admetricsd_held_seconds 0\n"));
}

TEST(TelemetryTest, SinksAreToldByNameAndGoWithTheConfiguration) {
  Telemetry telemetry;
  DaemonStatus status;
  status.sinks.resize(2);
  status.sinks[0].sink = "sqlite";
  status.sinks[1].sink = "postgres";
  status.sinks[1].epoch = EpochId{7};
  status.sinks[1].lag_epochs = 3;
  status.sinks[1].lag_seconds = 12.5;
  status.sinks[1].failures_total = 4;
  status.sinks[1].last_error = "no server";
  for (int i = 0; i < 2; ++i) {  // asked twice, counted once
    const std::string text = telemetry.text(status);
    for (const char* line :
         {"admetricsd_sink_lag_seconds{sink=\"sqlite\"} 0\n", "admetricsd_sink_epoch{sink=\"postgres\"} 7\n",
          "admetricsd_sink_lag_epochs{sink=\"postgres\"} 3\n", "admetricsd_sink_lag_seconds{sink=\"postgres\"} 12.5\n",
          "admetricsd_sink_failing{sink=\"postgres\"} 1\n", "admetricsd_sink_failures_total{sink=\"postgres\"} 4\n"}) {
      EXPECT_THAT(text, HasSubstr(line));
    }
  }
  status.sinks.pop_back();
  EXPECT_THAT(telemetry.text(status), Not(HasSubstr("postgres")));
}

TEST(TelemetryTest, ReloadsAreCountedByResult) {
  Telemetry telemetry;
  EXPECT_THAT(telemetry.text({}), HasSubstr("admetricsd_config_last_reload_successful 1\n"));
  DaemonStatus status;
  status.reload.accepted_total = 2;
  status.reload.refused_total = 1;
  status.reload.last_at_seconds = 77;
  for (int i = 0; i < 2; ++i) {  // asked twice, counted once
    const std::string text = telemetry.text(status);
    for (const char* line :
         {"admetricsd_config_reloads_total{result=\"accepted\"} 2\n",
          "admetricsd_config_reloads_total{result=\"refused\"} 1\n", "admetricsd_config_last_reload_successful 0\n",
          "admetricsd_config_last_reload_timestamp_seconds 77\n"}) {
      EXPECT_THAT(text, HasSubstr(line));
    }
  }
}

TEST(TelemetryTest, FullReadsAreCounted) {
  Telemetry telemetry;
  EpochEvent event;
  event.report.audited = true;
  telemetry.note_epoch(event);
  event.report.reconciled = true;
  telemetry.note_epoch(event);
  const std::string text = telemetry.text({});
  EXPECT_THAT(text, HasSubstr("admetricsd_reconciliations_total 1\n"));
  EXPECT_THAT(text, HasSubstr("admetricsd_audits_total 2\n"));
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
