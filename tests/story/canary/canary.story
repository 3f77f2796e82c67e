# Told wrongly on purpose: the user's trial counts on its latest day.
story a trial that is expected on the wrong day
user   u1 campaign=c1 adset=s1 ad=a7 country=US
event  u1 2026-01-03T10:00Z RC Trial started
event  u1 2026-01-05T10:00Z RC Trial started
expect ad a7 2026-01-03 trial_users_count=1
