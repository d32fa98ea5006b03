-- The exact rollups of `tokens`: what they are, how triggers record each change, how a fold moves
-- the changes in. docs/rollups.md has the reasoning. What is said more than once stands in parts.py.

create function quarter_hour(moment timestamp) returns timestamp
    language sql immutable strict parallel safe
    -- Counted from the day's own midnight: an origin later than the moment bins wrongly before
    -- PostgreSQL 15.6, and a much earlier one overflows in the far future. Infinity stays itself.
    return date_bin('15 minutes', moment, moment::date);

-- The rollups: as of the newest fold. Their fillfactor leaves room for updates in place.

create table daily_visits (
    day     date    primary key,
    visits  bigint  not null
) with (fillfactor = 70, vacuum_truncate = off);

create table user_visits (
    user_id         integer  primary key,
    visits          bigint   not null,
    first_check_in  timestamp
) with (fillfactor = 70, vacuum_truncate = off);

create table quarter_hours (
    start      timestamp  primary key,
    check_ins  bigint     not null,
    issued     bigint     not null,
    unused     bigint     not null
) with (fillfactor = 70, vacuum_truncate = off);

-- The deltas: changes that no fold has moved yet, in the transaction that made them. A small
-- statement leaves its rows as they are in token_deltas (one cheap insert); a large one leaves sums
-- in the other two, so that readers have few rows to add. Append-only between folds. A vacuum that
-- waits to cut off empty pages makes a TRUNCATE wait, and everyone behind it: so it doesn't.

create table quarter_deltas (
    start      timestamp  not null,
    check_ins  bigint     not null,
    issued     bigint     not null,
    unused     bigint     not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

create table user_deltas (
    user_id  integer  not null,
    visits   bigint   not null,
    added    timestamp,  -- the earliest used_at that came
    removed  timestamp   -- the earliest used_at that went
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

create table token_deltas (
    user_id     integer    not null,
    created_at  timestamp  not null,
    used_at     timestamp,
    n           bigint     not null  -- so many such tokens came (> 0) or went (< 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);

-- What triggers do. They run as their owner, so that any role may go on writing tokens.

create function tokens_inserted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $inserted
    return null;
end $function$;

create function tokens_deleted() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $deleted
    return null;
end $function$;

create function tokens_updated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    $updated
    return null;
end $function$;

-- TRUNCATE, not DELETE: a snapshot from before it sees no token any more, and must see no count.
create function tokens_truncated() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
begin
    truncate public.daily_visits, public.user_visits, public.quarter_hours,
             public.quarter_deltas, public.user_deltas, public.token_deltas;
    return null;
end $function$;

-- Creates or replaces the triggers. They fire also in sessions that switch triggers off by
-- session_replication_role. Writers of tokens wait until the caller commits, readers don't.

create function rollup_triggers() returns void
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
    alter table public.tokens
        enable always trigger rollups_inserted, enable always trigger rollups_deleted,
        enable always trigger rollups_updated, enable always trigger rollups_truncated;
end $function$;

-- Moves every delta of its snapshot into the rollups. READ COMMITTED, one caller at a time.
-- One statement, so one snapshot: folding a delete before its insert would count the token again.
-- A minimum can't be subtracted from: when the earliest first_check_in may be deleted, it is read
-- from tokens again.

create function rollup_fold(out days bigint, out users bigint, out quarters bigint)
    language plpgsql set search_path = pg_catalog, pg_temp as $function$
begin
    lock table public.tokens in access share mode;
    lock table public.daily_visits, public.user_visits, public.quarter_hours,
               public.quarter_deltas, public.user_deltas, public.token_deltas
               in row exclusive mode;

    with plain as (delete from public.token_deltas returning *),
         by_user as (delete from public.user_deltas returning *),
         by_quarter as (delete from public.quarter_deltas returning *),
         quarter_changes as (
             select start, sum(check_ins)::bigint as check_ins, sum(issued)::bigint as issued,
                    sum(unused)::bigint as unused
             from (
                 select start, check_ins, issued, unused from by_quarter
                 union all
                 $plain_by_quarter
             ) parts
             group by start),
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
             returning user_id)
    select (select count(*) from written_days), (select count(*) from written_users),
           (select count(*) from written_quarters)
    into days, users, quarters;

    if users + quarters > 0 then
        delete from public.daily_visits where visits = 0;
        delete from public.user_visits where visits = 0;
        delete from public.quarter_hours where check_ins = 0 and issued = 0 and unused = 0;
    end if;
end $function$;

-- Rebuilds the rollups from tokens. REPEATABLE READ: what it deletes, reads and writes is one
-- snapshot, so a delta that it doesn't see belongs to a token that it doesn't see either.

create function rollup_rebuild() returns void
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
    insert into public.daily_visits select day, visits from public.true_daily_visits;
    insert into public.user_visits
        select user_id, visits, first_check_in from public.true_user_visits;
    insert into public.quarter_hours
        select start, check_ins, issued, unused from public.true_quarter_hours;
end $function$;
