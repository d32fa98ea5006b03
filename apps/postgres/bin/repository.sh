# shellcheck shell=bash disable=SC2034 # what is set here is read by the programs
# Questions to the backups' repository. The programs beside this file read it with `.`.
# pgBackRest's own settings: base/postgres/backups/pgbackrest.conf, and PGBACKREST_* beside it.

STANZA=main
export TZ=UTC # pgBackRest names a backup after the local time

say() { printf '%s\n' "$*"; }

# Each sentence once, however often the same thing is found.
said=
say_once() {
  [ "$*" = "$said" ] || say "$*"
  said=$*
}

stop() {
  say "$*"
  exit 1
}

# Commands run beside the shell, so that it can stop them when the pod is to end.
beside() {
  "$@" &
  wait $!
}
trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' TERM INT

backrest() { pgbackrest --stanza="$STANZA" "$@"; }

# Ask the repository what it holds. Sets, for the caller:
#   state    unused (nobody has written to this path), empty (no backup yet), backups, or away
#   why      what pgBackRest says, when it is away
#   system   the system identifier of the database that the repository belongs to
#   version  that database's PostgreSQL, such as 15
#   archive  the folder of its write-ahead log, such as 15-1
#   labels   the backups, oldest first
#   oldest, newest      the first of them, and the last
#   proven, proven_at   the newest one that was restored as a proof, and the second of that
#   damaged  whether the newest one has pages with wrong checksums: yes, or empty
# The codes are pgBackRest's (src/command/info/info.c); its exit status is 0 whatever it found.
ask_repository() {
  local info
  # Within half a minute: a server that could serve waits for the answer.
  info=$(timeout 30 pgbackrest --stanza="$STANZA" --output=json --log-level-console=off info 2>&1) ||
    info=${info:-it gives no answer within 30 s}
  case $(sed -n 's/.*"status":{"code":\([0-9]*\),.*/\1/p' <<<"$info") in
    0) state=backups ;;
    1) state=unused ;;
    2) state=empty ;;
    *) state=away ;;
  esac
  why=$(sed -n 's/.*"status":{"code":[0-9]*,"message":"\(\[[^"\\]*\).*/\1/p' <<<"$info")
  why=${why:-${info:0:200}}$(sed -n 's/.*<Code>\([A-Za-z]*\)<.*/ \1/p' <<<"$info")
  system=$(_last 's/.*"system-id":\([0-9]*\).*/\1/p' <<<"$info")
  version=$(_last 's/.*"version":"\([0-9.]*\)".*/\1/p' <<<"$info")
  archive=$(_last 's/.*"id":"\([0-9.]*-[0-9]*\)".*/\1/p' <<<"$info")
  labels=$(tr , '\n' <<<"$info" | sed -n 's/.*"label":"\([^"]*\)".*/\1/p')
  newest=$(tail -n 1 <<<"$labels") oldest=$(head -n 1 <<<"$labels")
  _read_notes "$info"
}

# A backup's notes come before its name: the words of the list are sorted.
_read_notes() {
  local line at='' bad=''
  proven='' proven_at='' damaged=''
  while IFS= read -r line; do
    case $line in
      *'"proven":"'*) line=${line##*'"proven":"'} at=${line%%'"'*} ;;
      '"error":true') bad=yes ;;
      *)
        [ -z "$at" ] || { proven=${line:9:-1} && proven_at=$at; }
        damaged=$bad at='' bad=''
        ;;
    esac
  done < <(tr , '\n' <<<"$1" | grep -e '"proven":"' -e '^"error":true$' -e '^"label":"')
}

_last() { tr ',' '\n' | sed -n "$1" | tail -n 1; }

# The highest number of a timeline in the repository. Each restore that ended began one, and
# archived the file that says where.
newest_timeline() {
  local files last
  files=$(pgbackrest --log-level-console=off --filter='^[0-9A-F]{8}[.]history$' \
    repo-ls "archive/$STANZA/$archive") || return 1
  last=$(sort <<<"$files" | tail -n 1)
  if [ -n "$last" ]; then say $((16#${last%.history})); else say 1; fi
}
