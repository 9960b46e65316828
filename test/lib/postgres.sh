# postgres.sh - a private PostgreSQL for one test, gone when the test ends. To be sourced.
#
# The caller sets $root, the project's folder.
#   postgres_start            sets $postgres_home and $postgres_url; superuser nova, trust, a socket
#   postgres_psql ARGUMENT... psql as the superuser, stopping at the first error
#   postgres_stop MODE        as pg_ctl's -m: fast, immediate
#   postgres_again            starts it again after a stop
#   postgres_end              stops and removes it; at EXIT, unless the caller sets a trap of its own
#   postgres_migrate OPTION.. `nova db migrate` of all services (the root and build in use)
#   tap RESULT BEHAVIOUR      prints a TAP line; tap_end exits with the outcome

postgres_bin=/usr/lib/postgresql/15/bin
postgres_as=()

postgres_start() {
  postgres_home=$(mktemp -d /tmp/nova-postgres.XXXXXX)
  if [ "$(id -u)" -eq 0 ]; then # PostgreSQL refuses to run as root
    chown postgres "$postgres_home"
    postgres_as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  fi
  trap postgres_end EXIT
  (cd "$postgres_home" && "${postgres_as[@]}" "$postgres_bin/initdb" -D "$postgres_home/data" \
    -U nova -A trust -E UTF8 --locale=C >/dev/null)
  postgres_url="postgresql://nova@/postgres?host=$postgres_home"
  postgres_again
}

postgres_again() {
  (cd "$postgres_home" && "${postgres_as[@]}" "$postgres_bin/pg_ctl" -D "$postgres_home/data" -w \
    -l "$postgres_home/log" start >/dev/null \
    -o "-c listen_addresses='' -c unix_socket_directories='$postgres_home' -c fsync=off") ||
    { cat "$postgres_home/log"; exit 1; }
}

postgres_stop() {
  (cd "$postgres_home" && "${postgres_as[@]}" "$postgres_bin/pg_ctl" -D "$postgres_home/data" -w \
    -m "$1" stop >/dev/null)
}

postgres_end() {
  postgres_stop immediate 2>/dev/null || true
  rm -rf "$postgres_home"
}

postgres_psql() {
  "$postgres_bin/psql" -h "$postgres_home" -U nova -d postgres -qAtX -v ON_ERROR_STOP=1 "$@"
}

postgres_migrate() {
  NOVA_ROOT=${NOVA_ROOT:-$root} NOVA_POSTGRES_URL=${NOVA_POSTGRES_URL:-$postgres_url} \
    "$root/${NOVA_BUILD:-build/test}/cli/nova" db migrate --home "$postgres_home/home" "$@"
}

tap_place=0 tap_failed=0
tap() {
  tap_place=$((tap_place + 1))
  if [ "$1" = 0 ]; then echo "ok $tap_place - $2"; else echo "not ok $tap_place - $2"; tap_failed=1; fi
}
tap_end() { exit $tap_failed; }
