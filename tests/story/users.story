# Who counts where, and when.

story a user who is attributed to another ad moves with everything
user    u1  campaign=c1 adset=s1 ad=a7 country=US
event   u1  2026-01-03T10:00Z  RC Trial started
expect  ad a7 2026-01-03       trial_users_count=1 trial_users_list=["u1"]
restart
user    u1  campaign=c1 adset=s1 ad=a8 country=US
expect  ad a7 2026-01-03       none
expect  ad a8 2026-01-03       trial_users_count=1
written 4 deleted 4            # the ad's row and its three breakdown rows; campaign and ad set stand
verify equal

story each level stands alone
user   u1 campaign=c1
user   u2 campaign=c1 adset=s1 ad=a1 attributed=0
user   u3 ad=a1 adset=""
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T10:00Z RC Trial started
event  u3 2026-01-03T10:00Z RC Trial started
expect campaign c1 2026-01-03 trial_users_list=["u1"]
expect adset s1 2026-01-03 none
expect ad a1 2026-01-03 trial_users_list=["u3"]
update user u2 attributed=1
expect campaign c1 2026-01-03 trial_users_list=["u1","u2"]
expect adset s1 2026-01-03 trial_users_list=["u2"]
expect ad a1 2026-01-03 trial_users_list=["u2","u3"]

story a user who arrives after the events counts from then on
event  u1 2026-01-03T10:00Z RC Trial started
event  u1 2026-01-05T10:00Z RC Initial purchase 9.99
no write
user   u1 ad=a1 country=DE
written 8 deleted 0
expect ad a1 2026-01-03 country=DE mixpanel_trial_count=1
expect ad a1 2026-01-05 purchase_users_count=1 actual_revenue_usd=9.99

story a user row that is deleted takes everything along
user   u1 campaign=c1 ad=a1
user   u2 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=2
delete user u1
expect ad a1 2026-01-03 trial_users_list=["u2"]
expect campaign c1 2026-01-03 none
user   u1 campaign=c1 ad=a1
expect campaign c1 2026-01-03 trial_users_count=1

story a trial counts once, on its latest day
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started as=first
event  u1 2026-01-09T10:00Z RC Trial started as=second
expect ad a1 2026-01-03 none
expect ad a1 2026-01-09 trial_users_count=1
delete event second
expect ad a1 2026-01-03 trial_users_count=1
expect ad a1 2026-01-09 none
delete event first
expect ad a1 2026-01-03 none
written 0 deleted 4

story one of two trials on the same day is deleted and nothing changes
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started as=one
event  u1 2026-01-03T11:00Z RC Trial started as=two
expect ad a1 2026-01-03 trial_users_count=1
delete event one
no write
delete event two
expect ad a1 2026-01-03 none

story an event four hundred days old moves nobody forward but counts where it belongs
today  2026-02-01
user   u1 ad=a1
user   u2 ad=a1
event  u1 2026-01-20T10:00Z RC Trial started
expect ad a1 2026-01-20 trial_users_count=1
event  u1 2024-12-28T10:00Z RC Trial started
no write
event  u2 2024-12-28T10:00Z RC Trial started
expect ad a1 2024-12-28 trial_users_list=["u2"] post_trial_user_ids=["u2"]
written 4 deleted 0

story a replaced event goes from one user to the other
user   u1 campaign=c1
user   u2 campaign=c1
event  u1 2026-01-03T10:00Z RC Trial started as=shared
expect campaign c1 2026-01-03 trial_users_list=["u1"]
event  u2 2026-01-04T10:00Z RC Trial started as=shared
expect campaign c1 2026-01-03 none
expect campaign c1 2026-01-04 trial_users_list=["u2"]
update event shared user=u1 time=2026-01-05T10:00Z
expect campaign c1 2026-01-04 none
expect campaign c1 2026-01-05 trial_users_list=["u1"]

story a purchase and a trial on one day are one user in one row
user    u1 ad=a1 country=US
event   u1 2026-01-03T10:00Z RC Trial started
event   u1 2026-01-03T11:00Z RC Initial purchase 20
product 1 u1 product=yearly store=app_store value=30
expect  ad a1 2026-01-03 trial_users_count=1 purchase_users_count=1 actual_revenue_usd=20 estimated_revenue_usd=30
expect  ad a1 2026-01-03 device=APP_STORE mixpanel_trial_count=1 mixpanel_purchase_count=1 estimated_revenue_usd=30
written 4 deleted 0

story a change of country leaves the main row alone
user      u1 ad=a1 country=US region=CA
event     u1 2026-01-03T10:00Z RC Trial started
remember
update    user u1 country=DE
written   1 deleted 1
untouched ad a1 2026-01-03
untouched ad a1 2026-01-03 region=CA
expect    ad a1 2026-01-03 country=US none
expect    ad a1 2026-01-03 country=DE trial_user_ids=["u1"]
update    user u1 country=NULL
expect    ad a1 2026-01-03 country=unknown mixpanel_trial_count=1

story a device is the store of the latest product
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
expect  ad a1 2026-01-03 device=unknown mixpanel_trial_count=1
product 1 u1 product=a credited=2026-01-01 store=play_store
product 2 u1 product=b credited=2026-01-02 store=app_store
product 3 u1 product=c credited=2026-01-03 store=""
expect  ad a1 2026-01-03 device=APP_STORE mixpanel_trial_count=1
expect  ad a1 2026-01-03 device=PLAY_STORE none
delete  product 2
expect  ad a1 2026-01-03 device=PLAY_STORE mixpanel_trial_count=1
expect  ad a1 2026-01-03 device=unknown none

story strange ids are told as JSON
user   "he said \ so" ad=a1
user   "two words" ad=a1
event  "he said \ so" 2026-01-03T10:00Z RC Trial started
event  "two words" 2026-01-03T10:00Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=2
verify equal

story days are days of the reporting zone
settings zone=America/New_York
user   u1 ad=a1
event  u1 2026-01-04T04:59:59Z RC Trial started
expect ad a1 2026-01-03 trial_users_count=1
event  u1 2026-01-04T00:00-05:00 RC Trial started
expect ad a1 2026-01-03 none
expect ad a1 2026-01-04 trial_users_count=1
settings zone=UTC
expect ad a1 2026-01-04 trial_users_count=1
settings zone=Pacific/Apia
expect ad a1 2026-01-04 trial_users_count=1
verify equal
