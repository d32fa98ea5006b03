-- The truth: the plain queries that the rollups must equal in every snapshot. `coworking rebuild`
-- makes these views again where they are of another table than the one that is named tokens.

create view true_daily_visits as
    select created_at::date as day, count(*) as visits
    from public.tokens where used_at is not null group by 1;

create view true_user_visits as
    select user_id, count(*) as visits, min(used_at) as first_check_in
    from public.tokens group by user_id;

create view true_quarter_hours as
    select start, sum(check_ins)::bigint as check_ins, sum(issued)::bigint as issued,
           sum(unused)::bigint as unused
    from (
        select public.quarter_hour(created_at) as start, 0::bigint as check_ins,
               count(*) as issued, count(*) filter (where used_at is null) as unused
        from public.tokens group by 1
        union all
        select public.quarter_hour(used_at), count(*), 0, 0
        from public.tokens where used_at is not null group by 1
    ) parts
    group by start;
