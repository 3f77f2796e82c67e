# Restarts, crashes, failures, and what others do to our tables.

story a restart changes nothing
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
meta    a1 2026-01-03 spend=1
expect  ad a1 2026-01-03 trial_users_count=1
restart
no write
daemon  shards=16 workers=4
no write
daemon  shards=1 workers=1
event   u1 2026-01-04T10:00Z RC Trial started
expect  ad a1 2026-01-03 trial_users_count=0
expect  ad a1 2026-01-04 trial_users_count=1

story power fails between the sink and the ledger
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
user   u1 ad=a2
crash  between sink and ledger
no write                                     # the rows stand already
expect ad a2 2026-01-03 trial_users_count=1
verify equal

story power fails, and what was written is taken back at the source
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
user   u1 ad=a2
crash  between sink and ledger
user   u1 ad=a1
expect ad a1 2026-01-03 trial_users_count=1
expect ad a2 2026-01-03 none
written 4 deleted 4

story power fails twice, and only then is the change taken back
user   u1 ad=a1
user   u2 ad=b1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
user   u1 ad=a2
crash  between sink and ledger
user   u2 ad=b2
crash  between sink and ledger
user   u1 ad=a1
expect ad a1 2026-01-03 trial_users_count=1
expect ad a2 2026-01-03 none
expect ad b2 2026-01-03 trial_users_count=1

story the ledger refuses twice, and only then is the change taken back
user   u1 ad=a1
user   u2 ad=b1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
user   u1 ad=a2
fail   at ledger.commit
user   u2 ad=b2
fail   at ledger.commit
user   u1 ad=a1
expect ad a1 2026-01-03 trial_users_count=1
expect ad a2 2026-01-03 none

story power fails in the middle of the sink's transaction
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
user   u1 ad=a2
crash  at sink.write_cells
expect ad a2 2026-01-03 trial_users_count=1
written 4 deleted 4
user   u1 ad=a3
crash  at ledger.committed
no write
expect ad a3 2026-01-03 trial_users_count=1
crash  at source.acknowledged
no write

story the sink is busy and is tried again
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
survive at sink.commit
expect  ad a1 2026-01-03 trial_users_count=1
user    u1 ad=a2
survive at sink.begin
expect  ad a2 2026-01-03 trial_users_count=1
user    u1 ad=a3
fail    at sink.begin
fail    at sink.commit
expect  ad a3 2026-01-03 trial_users_count=1
verify equal

story the sink's answer is lost
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
survive at sink.committed
expect  ad a1 2026-01-03 trial_users_count=1
restart
no write

story the sink is busy just after power failed between it and the ledger
user    u1 ad=a1
user    u2 ad=b1
event   u1 2026-01-03T10:00Z RC Trial started
event   u2 2026-01-03T10:00Z RC Trial started
expect  ad a1 2026-01-03 trial_users_count=1
user    u1 ad=a2
crash   between sink and ledger
user    u2 ad=b2                             # the next epoch has something else to write
survive at sink.begin
expect  ad a2 2026-01-03 trial_users_count=1
expect  ad b2 2026-01-03 trial_users_count=1
verify  equal

story power fails after a dropped table was noticed and before it was read
world    capture=triggers
user     u1 ad=a1
event    u1 2026-01-03T10:00Z RC Trial started as=one
expect   ad a1 2026-01-03 trial_users_count=1
recreate mixpanel_event
update   event one time=2026-01-04T10:00Z
crash    at source.began
expect   ad a1 2026-01-03 none
expect   ad a1 2026-01-04 trial_users_count=1

story the reading fails after a dropped table was noticed
user     u1 ad=a1
event    u1 2026-01-03T10:00Z RC Trial started as=one
expect   ad a1 2026-01-03 trial_users_count=1
recreate mixpanel_event
update   event one time=2026-01-04T10:00Z
fail     at source.began
fail     at ledger.begin
expect   ad a1 2026-01-03 none
expect   ad a1 2026-01-04 trial_users_count=1

story the ledger is gone
user      u1 ad=a1
event     u1 2026-01-03T10:00Z RC Trial started as=one
meta      a1 2026-01-03 spend=1 ad_name=First
remember
delete    event one
event     u1 2026-01-04T10:00Z RC Trial started
restart   without ledger
expect    ad a1 2026-01-03 trial_users_count=0
expect    ad a1 2026-01-04 trial_users_count=1
name      ad a1 = First
rewritten ad a1 2026-01-03
restart   without ledger
no write

story another job truncates our tables and an audit repairs them
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
meta   a1 2026-01-03 adset=s1 campaign=c1 spend=1 ad_name=First
expect ad a1 2026-01-03 trial_users_count=1
sink   DELETE FROM daily_mixpanel_metrics
sink   DELETE FROM daily_mixpanel_metrics_breakdown
sink   DELETE FROM id_name_mapping
sink   DELETE FROM id_hierarchy_mapping
audit
written 8 deleted 0
verify equal
audit
no write

story somebody writes rows of their own and an audit removes them
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
sink   UPDATE daily_mixpanel_metrics SET trial_users_count = 5, trial_users_list = '[]'
sink   UPDATE daily_mixpanel_metrics_breakdown SET breakdown_value = 'elsewhere' WHERE breakdown_type = 'country'
sink   INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name) VALUES ('ad', 'stranger', 'x'), ('planet', 'p', 'y')
sink   INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id) VALUES ('stranger', 's', 'c')
audit
expect ad a1 2026-01-03 trial_users_count=1
expect ad a1 2026-01-03 country=elsewhere none
name   ad stranger none
verify equal

story the settings change and everything is computed again
today    2026-01-12
user     u1 ad=a1
event    u1 2026-01-03T10:00Z RC Trial started
event    u1 2026-01-04T10:00Z Abo begonnen
event    u1 2026-01-05T10:00Z RC Initial purchase 10
event    u1 2026-01-06T10:00Z Storno -10
expect   ad a1 2026-01-03 post_trial_user_ids=["u1"]
expect   ad a1 2026-01-05 purchase_refund_user_ids=[]
settings trial_length=14
expect   ad a1 2026-01-03 post_trial_user_ids=[]
written  4 deleted 0
settings trial_started="Abo begonnen" refund_contains=storno
expect   ad a1 2026-01-03 none
expect   ad a1 2026-01-04 trial_users_count=1
expect   ad a1 2026-01-05 purchase_refund_user_ids=["u1"] net_actual_revenue_usd=0
settings trial_started="RC Trial started" refund_contains=cancel trial_length=7
expect   ad a1 2026-01-03 post_trial_user_ids=["u1"]
expect   ad a1 2026-01-04 none
verify   equal

story capture changes its way
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
daemon capture=scan
user   u1 ad=a2
expect ad a2 2026-01-03 trial_users_count=1
daemon capture=triggers
user   u1 ad=a3
expect ad a3 2026-01-03 trial_users_count=1
restart
no write
