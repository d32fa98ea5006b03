-- What was found out about the rollups (coworking/checks.py); one row, of fold and rebuild.
create table rollup_checks (
    only_row            boolean      primary key default true check (only_row),
    part                text         not null default 'users',  -- the next step of the rotation
    after               text         not null default '',
    rotation_began      timestamptz  not null default now(),
    verified_at         timestamptz  not null default now(),  -- the newest check without a fault
    whole_since         timestamptz  not null default now(),  -- when all of it was known right
    fault               text,
    not_verified_since  timestamptz
);
insert into rollup_checks default values;
