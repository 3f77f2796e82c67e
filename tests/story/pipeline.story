# The pipeline's own ways of writing.

story a day that is deleted and loaded again as it was writes nothing
user   u1 ad=a1
user   u2 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T11:00Z RC Trial started
event  u2 2026-01-04T11:00Z RC Initial purchase 5
expect ad a1 2026-01-03 trial_users_count=2
reload day 2026-01-03
no write
reload day 2026-01-04
no write

story a day is read between its deletion and its return
user      u1 ad=a1
event     u1 2026-01-03T10:00Z RC Trial started
event     u1 2026-01-04T10:00Z RC Initial purchase 5
expect    ad a1 2026-01-03 trial_users_count=1
remember
unload    day 2026-01-03
expect    ad a1 2026-01-03 none
reload    day
expect    ad a1 2026-01-03 trial_users_count=1
untouched ad a1 2026-01-04

story a transaction that is rolled back leaves nothing
user     u1 ad=a1
event    u1 2026-01-03T10:00Z RC Trial started as=kept
expect   ad a1 2026-01-03 trial_users_count=1
begin
delete   event kept
update   user u1 ad=a2
rollback
no write
begin
update   user u1 ad=a2
event    u1 2026-01-05T10:00Z RC Trial started
commit
expect   ad a1 2026-01-03 none
expect   ad a2 2026-01-05 trial_users_count=1

story tables are dropped and created again
user     u1 ad=a1
event    u1 2026-01-03T10:00Z RC Trial started as=one
meta     a1 2026-01-03 spend=1
product  1 u1 product=a value=3
expect   ad a1 2026-01-03 trial_users_count=1 meta_spend=1 estimated_revenue_usd=3
recreate mixpanel_user
recreate mixpanel_event
recreate user_product_metrics
recreate ad_performance_daily
no write
update   event one time=2026-01-04T10:00Z      # the new tables are watched as well
update   meta a1 2026-01-03 spend=2
expect   ad a1 2026-01-03 trial_users_count=0 meta_spend=2
expect   ad a1 2026-01-04 trial_users_count=1 estimated_revenue_usd=3

story a table comes back with other rows
user   u1 ad=a1
user   u2 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T10:00Z RC Trial started as=second
expect ad a1 2026-01-03 trial_users_count=2
begin
recreate mixpanel_event
delete event second
commit
expect ad a1 2026-01-03 trial_users_list=["u1"]
swap   mixpanel_event
no write
event  u2 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=2
drop   mixpanel_event
create mixpanel_event
expect ad a1 2026-01-03 none

story rows that replace themselves write nothing
user   u1 ad=a1 country=US
event  u1 2026-01-03T10:00Z RC Trial started as=one
meta   a1 2026-01-03 spend=1.50 trials=3
expect ad a1 2026-01-03 meta_spend=1.5
user   u1 ad=a1 country=US
event  u1 2026-01-03T10:00Z RC Trial started as=one
meta   a1 2026-01-03 spend=1.50 trials=3
no write
source mixpanel_event UPDATE mixpanel_event SET event_json = '{}'
no write

story many changes of one user are one write of each row
user      u1 ad=a1
event     u1 2026-01-03T10:00Z RC Initial purchase 1
expect    ad a1 2026-01-03 actual_revenue_usd=1
remember
event     u1 2026-01-03T10:00Z RC Initial purchase 1
event     u1 2026-01-03T11:00Z RC Initial purchase 1
event     u1 2026-01-03T12:00Z RC Initial purchase 1
user      u1 ad=a2
user      u1 ad=a1
expect    ad a1 2026-01-03 actual_revenue_usd=4
written   4 deleted 0
rewritten ad a1 2026-01-03

story a change that is taken back before anyone looks
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
update user u1 ad=a2
update user u1 ad=a1
no write
