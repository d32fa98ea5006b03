-- What every reader reads: the rollup plus the deltas of the reader's own snapshot.
-- Each begins with a branch of tokens that yields nothing, so that readers lock tokens first, as
-- writers, folds and truncations do: then no two of them can wait for each other.

create view exact_daily_visits as
    select day, sum(visits)::bigint as visits
    from (
        select null::date as day, null::bigint as visits from public.tokens where false
        union all
        select day, visits from public.daily_visits
        union all
        select start::date, issued - unused from public.quarter_deltas
        union all
        select created_at::date, n from public.token_deltas where used_at is not null
    ) parts
    group by day
    having sum(visits) <> 0;

create view exact_user_visits as
    select user_id, visits, $first_check_in as first_check_in
    from (
        select user_id, sum(visits)::bigint as visits, min(earliest) as earliest,
               min(removed) as removed
        from (
            select null::integer as user_id, null::bigint as visits, null::timestamp as earliest,
                   null::timestamp as removed
            from public.tokens where false
            union all
            select user_id, visits, first_check_in, null from public.user_visits
            union all
            select user_id, visits, added, removed from public.user_deltas
            union all
            $plain_by_user
        ) parts
        group by user_id
        having sum(visits) <> 0
    ) changed;

create view exact_quarter_hours as
    select start, sum(check_ins)::bigint as check_ins, sum(issued)::bigint as issued,
           sum(unused)::bigint as unused
    from (
        select null::timestamp as start, null::bigint as check_ins, null::bigint as issued,
               null::bigint as unused
        from public.tokens where false
        union all
        select start, check_ins, issued, unused from public.quarter_hours
        union all
        select start, check_ins, issued, unused from public.quarter_deltas
        union all
        $plain_by_quarter
    ) parts
    group by start
    having sum(check_ins) <> 0 or sum(issued) <> 0 or sum(unused) <> 0;
