# shellcheck shell=bash disable=SC2154 # what ask_repository and keep-backups set
# The line by which `python -m ci status` knows how the backups are. keep-backups reads this with `.`.
#
#   State: repository=backups since=1764400000 asked=1764410000 newest=20261129-085639F … why=…
#
# Times are seconds since 1970; what is not known is left out; `why` is the rest of the line.
# ci/oncall/backup_state.py reads it.

facts=$(mktemp -d) # between the loop that takes backups and the one that reports

# Keep what ask_repository found, for the next line. While the repository is away its backups are
# those of the last answer.
note_repository() {
  [ "$state" = "${state_before-}" ] || since=$(date +%s)
  state_before=$state
  if [ "$state" != away ]; then
    found="${newest:+ newest=$newest oldest=$oldest}${damaged:+ damaged=yes}"
    found+="${proven:+ proven=$proven proven_at=$proven_at}"
  fi
  printf '%s' "repository=$state since=$since asked=$(date +%s)${found-}" \
    "${dropped_at:+ dropped_at=$dropped_at}" >"$facts/new"
  [ "$state" != away ] || printf ' why=%s' "$(LC_ALL=C tr -c '[:print:]' ' ' <<<"$why")" >>"$facts/new"
  mv "$facts/new" "$facts/repository"
}

# What the server knows. The archiver's count of failures is left out: on a new cluster it tries
# before the repository is made, so a healthy one has a few.
_archiver="SELECT concat_ws(' ', 'server=up',
  'archived_at=' || extract(epoch FROM last_archived_time)::bigint,
  'waiting=' || count(f.name), 'waiting_since=' || extract(epoch FROM min(f.modification))::bigint,
  'checksums=' || current_setting('data_checksums'),
  'bad_pages=' || (SELECT sum(checksum_failures) FROM pg_stat_database))
  FROM pg_stat_archiver LEFT JOIN pg_ls_archive_statusdir() f ON f.name LIKE '%.ready'
  GROUP BY last_archived_time"

say_state() {
  local server used='' free='' disk=''
  server=$(ask_server "$_archiver") || server=server=away
  read -r _ _ used free _ < <(df -Pk "${PGDATA:-/var/lib/postgresql/data}" | tail -n 1) || true
  [ -z "$free" ] || disk="disk=$((used * 100 / (used + free))) free=$((free / 1024))"
  say "State: every=$INCR_SECONDS $server $disk" \
    "$(cat "$facts/running" "$facts/repository" 2>/dev/null)"
}

report_state() {
  while :; do
    say_state
    sleep "${REPORT_SECONDS:-60}"
  done
}
