# shellcheck shell=bash disable=SC2154 # `state` and `version` are of repository.sh
# Start a server on restored files until it has replayed the log, and count its rows. The programs
# beside this file read it with `.`, after repository.sh.

check_version() {
  local ours
  ours=$(postgres --version | sed 's/.*) \([0-9]*\).*/\1/')
  ask_repository
  [ "$state" != backups ] || [ "$version" = "$ours" ] || stop "The repository holds backups of" \
    "PostgreSQL $version, and this image is PostgreSQL $ours. Name an image of PostgreSQL $version."
}

# Start a server that nobody outside of the container reaches, and wait until it has replayed the log
# and writes. pg_ctl waits for less: where hot_standby is off it takes a replay for a start.
start_and_replay() {
  local sockets=$1 log=$2
  shift 2
  beside pg_ctl start -s -w -D "$PGDATA" -l "$log" \
    -o "-c config_file=${SERVER_CONFIG:?} -c hot_standby=off -c listen_addresses= -k $sockets $*" ||
    return 1
  until pg_isready -q -h "$sockets" -U postgres; do
    pg_ctl status -s -D "$PGDATA" >/dev/null || return 1
    beside sleep 0.2
  done
}

# Why a server ended: its last fatal line, and not what it said to those who asked whether it is ready.
why_it_ended() { grep 'FATAL' "$1" | grep -v 'the database system is' | tail -n 1; }
