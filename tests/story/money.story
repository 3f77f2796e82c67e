# Conversions, refunds, values and rates.

story a refund before the conversion is none of the trial
today  2026-02-01
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u1 2026-01-10T10:00Z RC Trial converted 10
event  u1 2026-01-10T09:59Z RC Cancellation -4
expect ad a1 2026-01-03 converted_user_ids=["u1"] trial_refund_user_ids=[] actual_refunds_usd=4 net_actual_revenue_usd=6
event  u1 2026-01-10T10:00Z RC Cancellation -4
expect ad a1 2026-01-03 trial_refund_user_ids=["u1"] trial_refund_rate_actual=1 actual_refunds_usd=8 net_actual_revenue_usd=2

story a cancellation without money refunds nothing
today  2026-02-01
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Initial purchase 10
event  u1 2026-01-04T10:00Z rc CANCELLED 0
expect ad a1 2026-01-03 purchase_refund_user_ids=[]
event  u1 2026-01-05T10:00Z rc CANCELLED -10 as=refund
expect ad a1 2026-01-03 purchase_refund_user_ids=["u1"] purchase_refund_rate_actual=1 net_actual_revenue_usd=0
delete event refund
expect ad a1 2026-01-03 purchase_refund_user_ids=[] net_actual_revenue_usd=10

story a trial ends as the days pass, and begins again when they go back
today  2026-01-09
user   u1 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u1 2026-01-08T10:00Z RC Trial converted 10
expect ad a1 2026-01-03 post_trial_user_ids=[] converted_user_ids=[] trial_conversion_rate_actual=0 actual_revenue_usd=10
today  2026-01-10
expect ad a1 2026-01-03 post_trial_user_ids=["u1"] converted_user_ids=["u1"] trial_conversion_rate_actual=1
written 4 deleted 0
today  2026-03-10
no write
today  2026-01-09
expect ad a1 2026-01-03 post_trial_user_ids=[] converted_user_ids=[]
written 4 deleted 0

story thirty days pass while nobody looks
user   u1 ad=a1
user   u2 ad=a1
event  u1 2026-01-03T10:00Z RC Trial started
event  u2 2026-01-20T10:00Z RC Trial started
today  2026-01-04
expect ad a1 2026-01-03 post_trial_user_ids=[]
restart
today  2026-02-03
expect ad a1 2026-01-03 post_trial_user_ids=["u1"]
expect ad a1 2026-01-20 post_trial_user_ids=["u2"]
written 8 deleted 0

story values and rates change
today   2026-02-01
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
product 1 u1 product=a value=10.005 conversion=0.5 trial_refund=0.1
product 2 u1 product=b value=20 conversion=0.25
expect  ad a1 2026-01-03 estimated_revenue_usd=30.01 trial_conversion_rate_estimated=0.375 trial_refund_rate_estimated=0
update  product 1 conversion=NULL
expect  ad a1 2026-01-03 trial_conversion_rate_estimated=0.25
event   u1 2026-01-12T10:00Z RC Trial converted 1
expect  ad a1 2026-01-03 trial_refund_rate_estimated=0.1
delete  product 1
expect  ad a1 2026-01-03 estimated_revenue_usd=20 trial_refund_rate_estimated=0

story estimates follow what Meta reports
today   2026-02-01
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
product 1 u1 product=a value=10
meta    a1 2026-01-03 spend=8 clicks=50 trials=4 purchases=1
expect  ad a1 2026-01-03 adjusted_estimated_revenue_usd=40 profit_usd=32 estimated_roas=5 trial_accuracy_ratio=25
expect  ad a1 2026-01-03 mixpanel_cost_per_trial=8 meta_cost_per_trial=2 meta_cost_per_purchase=8 click_to_trial_rate=2
update  meta a1 2026-01-03 trials=0
expect  ad a1 2026-01-03 adjusted_estimated_revenue_usd=10 profit_usd=2 estimated_roas=1.25 trial_accuracy_ratio=100

story the whole product table is deleted and loaded again
user    u1 ad=a1
user    u2 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
event   u2 2026-01-03T10:00Z RC Trial started
product 1 u1 product=a value=10 store=stripe
product 2 u2 product=a value=20 store=app_store
expect  ad a1 2026-01-03 estimated_revenue_usd=30
reload  user_product_metrics
no write

story a product row that replaces two others
user    u1 ad=a1
user    u2 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
event   u2 2026-01-03T10:00Z RC Trial started
product 1 u1 product=a value=10
product 2 u2 product=a value=20
expect  ad a1 2026-01-03 estimated_revenue_usd=30
product 1 u2 product=a value=7          # its number was u1's, its user and product were row 2's
expect  ad a1 2026-01-03 estimated_revenue_usd=7

story the score of a row's data
today   2026-02-01
meta    a1 2026-01-03 spend=1
expect  ad a1 2026-01-03 data_quality_score=0.8          # no trials
update  meta a1 2026-01-03 purchases=1
expect  ad a1 2026-01-03 data_quality_score=0.6          # Meta reports a purchase, and there are no users
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
expect  ad a1 2026-01-03 data_quality_score=0.9          # no value
product 1 u1 product=a value=0.004
expect  ad a1 2026-01-03 data_quality_score=0.9          # its cents are none
update  product 1 value=0.005
expect  ad a1 2026-01-03 data_quality_score=1
user    u2 ad=a1
event   u2 2026-01-03T10:00Z RC Initial purchase 1
expect  ad a1 2026-01-03 data_quality_score=1
event   u1 2026-01-03T10:00Z RC Initial purchase 1
expect  ad a1 2026-01-03 data_quality_score=0.7          # more purchases than trials
delete  meta a1 2026-01-03
expect  ad a1 2026-01-03 data_quality_score=0.5          # and no Meta row

story an absurd amount is stored as the nearest double
user    u1 ad=a1
event   u1 2026-01-03T10:00Z RC Trial started
product 1 u1 product=a value=584358159.59
meta    a1 2026-01-03 trials=2794160
verify  equal                    # 1632790195199994.40 in cents is past 2^53, where halves are what a double can tell
