# Rows that cannot be read are counted, kept, and picked up once they are corrected.

story a rejected event is corrected
user   u1 ad=a1
event  u1 2026-01-03T10:00:60Z RC Trial started as=bad
rejects 1
expect ad a1 2026-01-03 none
verify equal
update event bad time=2026-01-03T10:00:59Z
rejects 0
expect ad a1 2026-01-03 trial_users_count=1

story several rejects of one user go one by one
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
event   u1 "no time" RC Trial started as=time
event   u1 2026-01-04T10:00Z RC Trial started revenue=n/a as=money
event   u1 "no time" App opened
product 1 u1 product=a value=5 conversion=half
rejects 3
expect  ad a1 2026-01-03 trial_users_count=1 estimated_revenue_usd=0
verify equal
delete  event time
rejects 2
update  product 1 conversion=0.5
rejects 1
expect  ad a1 2026-01-03 estimated_revenue_usd=5 trial_conversion_rate_estimated=0.5
restart
rejects 1
update  event money revenue=0
rejects 0
expect  ad a1 2026-01-03 none
expect  ad a1 2026-01-04 trial_users_count=1

story a Meta row that cannot be read gives no name and no hierarchy
meta   a1 2026-01-03 adset=s1 campaign=c1 campaign_name=Good spend=1
meta   a1 2026-01-04 adset=s2 campaign=c1 campaign_name=Bad spend=free
meta   a1 2026-01-05 adset=s2 campaign=c1 campaign_name=Bad clicks=1.5
meta   a1 2026-02-30 adset=s2 campaign=c1 campaign_name=Bad spend=1
rejects 3
expect campaign c1 2026-01-04 none
name   campaign c1 = Good count=1
hierarchy a1 = s1 c1 confidence=1
verify equal
delete meta a1 2026-02-30
rejects 2
update meta a1 2026-01-04 spend=2
rejects 1
expect campaign c1 2026-01-04 meta_spend=2

story rows without a key are rejects until they go
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started as=""
event  "" 2026-01-03T10:00Z RC Trial started as=nobody
rejects 2
verify equal
update event nobody user=u1
rejects 1
expect ad a1 2026-01-03 trial_users_count=1
delete event ""
rejects 0

story an infinite amount is no amount
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Initial purchase revenue=inf as=much
meta   a1 2026-01-03 spend=inf
rejects 2
verify equal
update event much revenue=1e9
rejects 1
expect ad a1 2026-01-03 actual_revenue_usd=1000000000

story an infinite date is found again, and so is a blob for an ad
source ad_performance_daily INSERT INTO ad_performance_daily (ad_id, date, spend) VALUES ('a1', -1e999, 1), (x'61', '2026-01-03', 1)
rejects 2
expect ad a 2026-01-03 none
verify equal
source ad_performance_daily INSERT INTO ad_performance_daily_region (ad_id, date, region, spend) VALUES ('a1', -1e999, 'CA', 1), (x'61', '2026-01-03', 'CA', 1)
rejects 4
verify equal
restart without ledger
rejects 4
expect ad a 2026-01-03 none
source ad_performance_daily DELETE FROM ad_performance_daily; DELETE FROM ad_performance_daily_region
rejects 0
