-- What every reader reads: the rollup plus the deltas of the reader's own snapshot.
-- The few deltas are summed and joined to the many rows of the rollup, which are so only read.

create view pending_user_visits as
    select user_id, sum(visits)::bigint as visits, min(added) as added, min(removed) as removed
    from (
        select user_id, visits, added, removed from public.user_deltas
        union all
        $plain_by_user
    ) parts
    group by user_id;

create view pending_quarter_hours as
    select start, sum(check_ins)::bigint as check_ins, sum(issued)::bigint as issued,
           sum(unused)::bigint as unused
    from (
        select start, check_ins, issued, unused from public.quarter_deltas
        union all
        $plain_by_quarter
    ) parts
    group by start;

create view pending_daily_visits as
    select day, sum(visits)::bigint as visits
    from (
        select start::date as day, issued - unused as visits from public.quarter_deltas
        union all
        select created_at::date, n from public.token_deltas where used_at is not null
    ) parts
    group by day;

-- Each begins with a branch of tokens that yields nothing, so that readers lock tokens first, as
-- writers, folds and truncations do: then no two of them can wait for each other. The second branch
-- has the rollup's rows, the third those of which it has none yet.

create view exact_daily_visits as
    select null::date as day, null::bigint as visits from public.tokens where false
    union all
    select day, old.visits + coalesce(new.visits, 0)
    from public.daily_visits old left join public.pending_daily_visits new using (day)
    where old.visits + coalesce(new.visits, 0) <> 0
    union all
    select day, visits from public.pending_daily_visits new
    where visits <> 0 and not exists (select from public.daily_visits old where old.day = new.day);

create view exact_user_visits as
    select null::integer as user_id, null::bigint as visits, null::timestamp as first_check_in
    from public.tokens where false
    union all
    select user_id, visits, $first_check_in
    from (
        select user_id, old.visits + coalesce(new.visits, 0) as visits, removed,
               least(old.first_check_in, added) as earliest
        from public.user_visits old left join public.pending_user_visits new using (user_id)
        where old.visits + coalesce(new.visits, 0) <> 0
        union all
        select user_id, visits, removed, added from public.pending_user_visits new
        where visits <> 0
          and not exists (select from public.user_visits old where old.user_id = new.user_id)
    ) changed;

create view exact_quarter_hours as
    select null::timestamp as start, null::bigint as check_ins, null::bigint as issued,
           null::bigint as unused
    from public.tokens where false
    union all
    select * from (
        select start, old.check_ins + coalesce(new.check_ins, 0) as check_ins,
               old.issued + coalesce(new.issued, 0) as issued,
               old.unused + coalesce(new.unused, 0) as unused
        from public.quarter_hours old left join public.pending_quarter_hours new using (start)
        union all
        select start, check_ins, issued, unused from public.pending_quarter_hours new
        where not exists (select from public.quarter_hours old where old.start = new.start)
    ) changed
    where check_ins <> 0 or issued <> 0 or unused <> 0;
