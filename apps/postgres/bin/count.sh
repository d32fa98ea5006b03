# shellcheck shell=bash
# How many rows each table has. The programs beside this file read it with `.`.

DATABASE=${DATABASE:-coworking}

# Print the rows of each table, such as `tokens 100; users 5`, as they are at one moment, and give that
# moment a name in the log (`pg_create_restore_point`). Writers wait while the rows are counted: else a
# restore to the name would find other rows.
count_rows() {
  local sockets=$1 name=$2
  psql -XAtq -v ON_ERROR_STOP=1 -h "$sockets" -U postgres -d "$DATABASE" -v name="$name" <<'EOF'
BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT format('LOCK TABLE %s IN SHARE MODE', string_agg(oid::regclass::text, ', '))
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace HAVING count(*) > 0 \gexec
SELECT string_agg(relname || ' ' || (xpath('//rows/text()', query_to_xml(
  format('SELECT count(*) AS rows FROM %s', oid::regclass), false, true, '')))[1], '; ' ORDER BY relname)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace;
SELECT pg_create_restore_point(:'name') IS NULL \g /dev/null
COMMIT;
EOF
}
