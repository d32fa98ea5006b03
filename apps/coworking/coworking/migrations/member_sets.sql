-- Exact sets of members, as bitmaps: who checked in during each hour, day, month and year of UTC, who
-- joined on each day, month and year, and who is active. docs/rollups.md has the reasoning.

-- A member's place in the bitmaps. Ids may be sparse, numbers are dense; they stay until a rebuild.
create table member_numbers (
    user_id  bigint   primary key,
    number   integer  not null unique
);

-- Row (unit, start, chunk) has the members $bits * chunk ≤ number < $bits * (chunk + 1).
create table member_sets (
    unit     text       not null,
    start    timestamp  not null,
    chunk    integer    not null,
    members  bit($bits) not null,
    primary key (unit, start, chunk)
) with (fillfactor = 70, vacuum_truncate = off);
alter table member_sets alter members set storage plain;  -- a kilobyte is read faster than unpacked

-- The same of joining; unit 'active', which has no start, is of those who have not left.
create table joined_sets (
    unit     text       not null,
    start    timestamp  not null,
    chunk    integer    not null,
    members  bit($bits) not null,
    primary key (unit, start, chunk)
) with (fillfactor = 70, vacuum_truncate = off);
alter table joined_sets alter members set storage plain;

-- The deltas: whose check-ins a large statement has added or deleted in a quarter hour, and which
-- users have changed. A small statement's rows in token_deltas say it all already.
alter table quarter_deltas add came integer[], add went integer[];
create table member_changes (
    user_id  bigint  not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

create or replace function tokens_inserted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $inserted_members
    return null;
end $function$;

create or replace function tokens_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $deleted_members
    return null;
end $function$;

create or replace function tokens_updated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $updated_members
    return null;
end $function$;

create or replace function tokens_truncated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    truncate public.daily_visits, public.user_visits, public.quarter_hours,
             public.quarter_deltas, public.user_deltas, public.token_deltas, public.member_sets;
    return null;
end $function$;

create function members_inserted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    insert into public.member_changes select id from added;
    return null;
end $function$;

create function members_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    insert into public.member_changes select id from removed;
    return null;
end $function$;

create function members_updated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    insert into public.member_changes
    select id from (
        select id, joined_at, is_active, 1 as n from added
        union all
        select id, joined_at, is_active, -1 from removed) both_sides
    group by id, joined_at, is_active having sum(n) <> 0;
    return null;
end $function$;

-- A snapshot from before it sees no user any more, and must see none in a set.
create function members_truncated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    truncate public.joined_sets, public.member_changes;
    return null;
end $function$;

create or replace function rollup_triggers() returns void
    language plpgsql as $function$
begin
    create or replace trigger rollups_inserted after insert on public.tokens
        referencing new table as added
        for each statement execute function public.tokens_inserted();
    create or replace trigger rollups_deleted after delete on public.tokens
        referencing old table as removed
        for each statement execute function public.tokens_deleted();
    create or replace trigger rollups_updated after update on public.tokens
        referencing old table as removed new table as added
        for each statement execute function public.tokens_updated();
    create or replace trigger rollups_truncated after truncate on public.tokens
        for each statement execute function public.tokens_truncated();
    create or replace trigger members_inserted after insert on public.users
        referencing new table as added
        for each statement execute function public.members_inserted();
    create or replace trigger members_deleted after delete on public.users
        referencing old table as removed
        for each statement execute function public.members_deleted();
    create or replace trigger members_updated after update on public.users
        referencing old table as removed new table as added
        for each statement execute function public.members_updated();
    create or replace trigger members_truncated after truncate on public.users
        for each statement execute function public.members_truncated();
    alter table public.users
        enable always trigger members_inserted, enable always trigger members_deleted,
        enable always trigger members_updated, enable always trigger members_truncated;
    alter table public.tokens
        enable always trigger rollups_inserted, enable always trigger rollups_deleted,
        enable always trigger rollups_updated, enable always trigger rollups_truncated;
end $function$;

-- As before; then the sets, by what the one statement has taken from the deltas. A bit is set for a
-- check-in that came. Where one went, the tokens are asked for the member's nearest others of that
-- year, by which the hour, day, month or year has another one or not. They may be of a later snapshot: what it sees beyond the first one
-- is still a delta, whose member readers take from the tokens, and which the next fold takes.
-- Without enable_seqscan = off a table that was empty when a statement was planned is read whole for
-- each row that the statement itself adds to it: the first load of a million tokens took minutes.

create or replace function rollup_fold(out days bigint, out users bigint, out quarters bigint)
    language plpgsql set search_path = pg_catalog, pg_temp set enable_seqscan = off
    as $function$
declare
    event_members  bigint[];
    event_hours    timestamp[];
    event_came     boolean[];
    event_went     boolean[];
    changed        bigint[];
begin
    lock table public.users, public.tokens in access share mode;
    lock table public.daily_visits, public.user_visits, public.quarter_hours,
               public.quarter_deltas, public.user_deltas, public.token_deltas,
               public.member_sets, public.joined_sets, public.member_numbers,
               public.member_changes in row exclusive mode;

    with plain as (delete from public.token_deltas returning *),
         by_user as (delete from public.user_deltas returning *),
         by_quarter as (delete from public.quarter_deltas returning *),
         changed_members as (delete from public.member_changes returning user_id),
         quarter_changes as (
             select start, sum(check_ins)::bigint as check_ins, sum(issued)::bigint as issued,
                    sum(unused)::bigint as unused
             from (
                 select start, check_ins, issued, unused from by_quarter
                 union all
                 $plain_by_quarter
             ) parts
             group by start
             having sum(check_ins) <> 0 or sum(issued) <> 0 or sum(unused) <> 0),
         day_changes as (
             select start::date as day, sum(issued - unused)::bigint as visits
             from quarter_changes group by 1 having sum(issued - unused) <> 0),
         user_changes as (
             select user_id, sum(parts.visits)::bigint as visits, min(removed) as removed,
                    least(min(old.first_check_in), min(added)) as earliest
             from (
                 select user_id, visits, added, removed from by_user
                 union all
                 $plain_by_user
             ) parts
             left join public.user_visits old using (user_id)
             group by user_id),
         written_days as (
             insert into public.daily_visits as old select day, visits from day_changes
             on conflict (day) do update set visits = old.visits + excluded.visits
             returning day),
         written_quarters as (
             insert into public.quarter_hours as old
             select start, check_ins, issued, unused from quarter_changes
             on conflict (start) do update set check_ins = old.check_ins + excluded.check_ins,
                 issued = old.issued + excluded.issued, unused = old.unused + excluded.unused
             returning start),
         written_users as (
             insert into public.user_visits as old
             select user_id, visits, $first_check_in from user_changes changed
             on conflict (user_id) do update set visits = old.visits + excluded.visits,
                 first_check_in = excluded.first_check_in
             returning user_id),

         events as (
             select user_id, start, bool_or(not gone) as came, bool_or(gone) as went
             from (
                 select user_id, date_trunc('hour', used_at) as start, n < 0 as gone
                 from plain where $kept
                 union all
                 select unnest(came), date_trunc('hour', used_at), false
                 from (select *, start as used_at from by_quarter) by_quarter where $kept
                 union all
                 select unnest(went), date_trunc('hour', used_at), true
                 from (select *, start as used_at from by_quarter) by_quarter where $kept
             ) parts
             group by 1, 2)
    select (select count(*) from written_days), (select count(*) from written_users),
           (select count(*) from written_quarters),
           array_agg(events.user_id), array_agg(start), array_agg(came), array_agg(went),
           (select array_agg(distinct user_id) from changed_members)
    from events
    into days, users, quarters, event_members, event_hours, event_came, event_went, changed;

    insert into public.member_numbers
    select user_id, row_number() over (order by user_id) - 1
                    + coalesce((select max(number) + 1 from public.member_numbers), 0)
    from (select distinct unnest(event_members || changed) as user_id) touched
    where not exists (select from public.member_numbers old
                      where old.user_id = touched.user_id);

    -- LATERAL and OFFSET 0: the planner can't know how many there are, and so must not choose to
    -- read a whole table, nor to compare each with each.
    if event_members is not null then
        with events as materialized (
                 select event.user_id, start, came, went, number
                 from unnest(event_members, event_hours, event_came, event_went)
                      event(user_id, start, came, went)
                 cross join lateral (select number from public.member_numbers known
                                     where known.user_id = event.user_id offset 0) known),
             hours as (
                 select start, number / $bits as chunk, $bit_or_numbers as members
                 from events where came group by 1, 2),
             $longer_sets,
             gone as materialized (
                 select start, number, next, last
                 from events cross join lateral (
                     select min(used_at) filter (where used_at >= start) as next,
                            max(used_at) filter (where used_at < start) as last
                     from public.tokens t
                     where t.user_id = events.user_id
                       and t.used_at >= date_trunc('year', start)
                       and t.used_at < date_trunc('year', start) + interval '1 year'
                     offset 0) that_year
                 where went),
             dead as (
                 select unit, date_trunc(unit, start) as start, number / $bits as chunk,
                        $bit_or_numbers as members
                 from gone
                 cross join unnest('{hour,day,month,year}'::text[],
                                   '{1 hour,1 day,1 month,1 year}'::interval[])
                            units(unit, length)
                 where (next < date_trunc(unit, start) + length) is not true
                   and (last >= date_trunc(unit, start)) is not true
                 group by 1, 2, 3)
        insert into public.member_sets
        select unit, start, chunk, (coalesce(old.members, $none) | coalesce(new.members, $none))
                                   & ~ coalesce(dead.members, $none)
        from (select 'hour' as unit, * from hours union all select 'day', * from days_of
              union all select 'month', * from months union all select 'year', * from years) new
        full join dead using (unit, start, chunk)
        left join lateral (select members from public.member_sets stored
                           where stored.unit = coalesce(new.unit, dead.unit)
                             and stored.start = coalesce(new.start, dead.start)
                             and stored.chunk = coalesce(new.chunk, dead.chunk) offset 0) old
            on true
        on conflict (unit, start, chunk) do update set members = excluded.members;
    end if;

    if changed is not null then
        with numbers as materialized (
                 select user_id, number from unnest(changed) member(user_id)
                 join public.member_numbers using (user_id)),
             cleared as (
                 select number / $bits as chunk, $bit_or_numbers as members
                 from numbers group by 1),
             joined as (select number, joined_at, is_active
                        from numbers join public.users on users.id = user_id),
             joiners as ($joiners group by 1, 2, 3)
        insert into public.joined_sets
        select unit, start, chunk, (coalesce(old.members, $none) & ~ cleared.members)
                                   | coalesce(new.members, $none)
        from joiners new
        full join (select * from public.joined_sets
                   where chunk in (select chunk from cleared)) old using (unit, start, chunk)
        join cleared using (chunk)
        where new.members is not null or old.members & cleared.members <> $none
        on conflict (unit, start, chunk) do update set members = excluded.members;
    end if;

    if users + quarters > 0 then
        delete from public.daily_visits where visits = 0;
        delete from public.user_visits where visits = 0;
        delete from public.quarter_hours where check_ins = 0 and issued = 0 and unused = 0;
    end if;
end $function$;

create or replace function rollup_rebuild() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $function$
begin
    if current_setting('transaction_isolation') <> 'repeatable read' then
        raise 'rollup_rebuild() is exact only in a REPEATABLE READ transaction';
    end if;
    delete from public.daily_visits;
    delete from public.user_visits;
    delete from public.quarter_hours;
    delete from public.quarter_deltas;
    delete from public.user_deltas;
    delete from public.token_deltas;
    delete from public.member_sets;
    delete from public.joined_sets;
    delete from public.member_numbers;
    delete from public.member_changes;
    insert into public.daily_visits select day, visits from public.true_daily_visits;
    insert into public.user_visits
        select user_id, visits, first_check_in from public.true_user_visits;
    insert into public.quarter_hours
        select start, check_ins, issued, unused from public.true_quarter_hours;
    -- In the order of joining, so that those who join on a day stand in one chunk.
    insert into public.member_numbers
        select user_id, row_number() over (order by min(joined_at), user_id) - 1
        from (select id::bigint as user_id, joined_at from public.users
              union all select user_id, null from public.user_visits) known
        group by user_id;
    insert into public.member_sets
        select 'hour', date_trunc('hour', used_at), number / $bits, $bit_or_numbers
        from public.tokens join public.member_numbers using (user_id)
        where $kept group by 2, 3;
    with hours as (select start, chunk, members from public.member_sets),
         $longer_sets
    insert into public.member_sets
        select 'day', * from days_of union all select 'month', * from months
        union all select 'year', * from years;
    with joined as (select number, joined_at, is_active
                    from public.users join public.member_numbers on user_id = users.id)
    insert into public.joined_sets $joiners group by 1, 2, 3;
end $function$;
