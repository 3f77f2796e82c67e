# Ad spend, its breakdowns, mappings, names.

story spend is corrected days back
today     2026-01-20
meta      a1 2026-01-03 adset=s1 campaign=c1 spend=10
meta      a2 2026-01-03 adset=s1 campaign=c1 spend=5
meta      a1 2026-01-04 adset=s1 campaign=c1 spend=1
expect    campaign c1 2026-01-03 meta_spend=15
remember
meta      a1 2026-01-03 adset=s1 campaign=c1 spend=12.34
expect    campaign c1 2026-01-03 meta_spend=17.34 profit_usd=-17.34
written   3 deleted 0
rewritten campaign c1 2026-01-03
untouched campaign c1 2026-01-04
untouched ad a2 2026-01-03

story Meta's row alone makes a row, and its end ends it
meta   a1 2026-01-03 adset=s1 campaign=c1 spend=10 ad_name=First
expect ad a1 2026-01-03 trial_users_count=0 trial_users_list=[] meta_spend=10
name   ad a1 = First
delete meta a1 2026-01-03
expect ad a1 2026-01-03 none
name   ad a1 none
hierarchy a1 none
written 0 deleted 5

story a breakdown row brings a main row into being
meta   a1 2026-01-03 country=Germany spend=10
expect ad a1 2026-01-03 meta_spend=0 data_quality_score=0.8
expect ad a1 2026-01-03 country=Germany meta_spend=10
delete meta a1 2026-01-03 country=Germany
expect ad a1 2026-01-03 none
written 0 deleted 2

story the last user of a key goes, and the row is gone and not zero
user   u1 ad=a1 country=US
event  u1 2026-01-03T10:00Z RC Trial started as=only
meta   a1 2026-01-03 country=DE spend=1
expect ad a1 2026-01-03 trial_users_count=1
delete event only
expect ad a1 2026-01-03 trial_users_count=0       # Meta's breakdown row holds it
expect ad a1 2026-01-03 country=US none
expect ad a1 2026-01-03 country=DE mixpanel_trial_count=0
delete meta a1 2026-01-03 country=DE
expect ad a1 2026-01-03 none

story a country mapping comes, changes, rests and goes
meta    a1 2026-01-03 country="United States" spend=1
meta    a1 2026-01-03 country=US spend=2
expect  ad a1 2026-01-03 country="United States" meta_spend=1
unmapped country US country "United States"
mapping country "United States" US
expect  ad a1 2026-01-03 country="United States" none
expect  ad a1 2026-01-03 country=US meta_spend=3
unmapped country US
mapping country "United States" CA
expect  ad a1 2026-01-03 country=CA meta_spend=1
expect  ad a1 2026-01-03 country=US meta_spend=2
mapping country "United States" CA inactive
expect  ad a1 2026-01-03 country=CA none
expect  ad a1 2026-01-03 country="United States" meta_spend=1
mapping country "United States" ""
expect  ad a1 2026-01-03 country=unknown meta_spend=1
drop    meta_country_mapping
expect  ad a1 2026-01-03 country=unknown none
expect  ad a1 2026-01-03 country="United States" meta_spend=1

story devices have a mapping of their own until a table says otherwise
meta    a1 2026-01-03 device=iphone spend=1
meta    a1 2026-01-03 device=ipad spend=2
meta    a1 2026-01-03 device=tv spend=4
expect  ad a1 2026-01-03 device=APP_STORE meta_spend=3
expect  ad a1 2026-01-03 device=tv meta_spend=4
unmapped device tv
create  meta_device_mapping
no write                                          # empty: the built-in one holds
mapping device tv STRIPE
expect  ad a1 2026-01-03 device=APP_STORE none
expect  ad a1 2026-01-03 device=iphone meta_spend=1
expect  ad a1 2026-01-03 device=STRIPE meta_spend=4
unmapped device iphone device ipad
delete  mapping device tv
expect  ad a1 2026-01-03 device=APP_STORE meta_spend=3
expect  ad a1 2026-01-03 device=tv meta_spend=4

story a mapping's own table changes nothing for users
user    u1 ad=a1 country=Germany
event   u1 2026-01-03T10:00Z RC Trial started
mapping country Germany DE
meta    a1 2026-01-03 country=Germany spend=1
expect  ad a1 2026-01-03 country=DE mixpanel_trial_count=0 meta_spend=1
expect  ad a1 2026-01-03 country=Germany mixpanel_trial_count=1 meta_spend=0

story a campaign is renamed
meta   a1 2026-01-03 campaign=c1 campaign_name="Spring Sale" spend=1
meta   a1 2026-01-04 campaign=c1 campaign_name="Spring Sale" spend=1
meta   a1 2026-01-05 campaign=c1 campaign_name="Summer Sale" spend=1
name   campaign c1 = Spring Sale count=2 last=2026-01-04
meta   a1 2026-01-06 campaign=c1 campaign_name="Summer Sale" spend=1
name   campaign c1 = Summer Sale count=2 last=2026-01-06
meta   a1 2026-01-04 country=US campaign=c1 campaign_name="Spring Sale" spend=1
name   campaign c1 = Spring Sale count=3 last=2026-01-04
name   ad a1 none
verify equal

story an ad is moved to another ad set
meta      a1 2026-01-03 adset=s1 campaign=c1
meta      a1 2026-01-04 adset=s1 campaign=c1
meta      a1 2026-01-05 adset=s2 campaign=c1
meta      a1 2026-01-06 campaign=c1
hierarchy a1 = s1 c1 confidence=0.67 first=2026-01-03 last=2026-01-04
meta      a1 2026-01-06 adset=s2 campaign=c1
hierarchy a1 = s2 c1 confidence=0.5 first=2026-01-05 last=2026-01-06
meta      a1 2026-01-07 country=US adset=s9 campaign=c9
hierarchy a1 = s2 c1 confidence=0.5
expect    campaign c9 2026-01-07 meta_spend=0
update    meta a1 2026-01-03 adset=s2
hierarchy a1 = s2 c1 confidence=0.75 first=2026-01-03 last=2026-01-06
expect    adset s1 2026-01-03 none
expect    adset s2 2026-01-03 meta_spend=0
