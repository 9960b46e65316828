#!/usr/bin/env bash
# The migrations and their grants, tried on a private PostgreSQL of this test's own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=/usr/lib/postgresql/15/bin
home=$(mktemp -d /tmp/nova-migrations.XXXXXX)
server=()
if [ "$(id -u)" -eq 0 ]; then # PostgreSQL refuses to run as root
  chown postgres "$home"
  server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd "$home"
trap '"${server[@]}" "$bin/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1 || true
      cd /; rm -rf "$home"' EXIT
"${server[@]}" "$bin/initdb" -D "$home/data" -U nova -A trust -E UTF8 --locale=C >/dev/null
"${server[@]}" "$bin/pg_ctl" -D "$home/data" -w -l "$home/log" start >/dev/null \
  -o "-c listen_addresses='' -c unix_socket_directories='$home'" || { cat "$home/log"; exit 1; }

place=0 failed=0
sql() { # sql ROLE STATEMENT: as that role
  "$bin/psql" -h "$home" -U nova -d postgres -qAtX -v ON_ERROR_STOP=1 -c "SET ROLE $1" -c "$2" 2>&1
}
report() { # report RESULT BEHAVIOUR
  place=$((place + 1))
  if [ "$1" = 0 ]; then echo "ok $place - $2"; else echo "not ok $place - $2"; failed=1; fi
}
allowed() { # allowed BEHAVIOUR ROLE STATEMENT
  local output code=0
  output=$(sql "$2" "$3") || { code=1; echo "# $output"; }
  report $code "$1"
}
refused() { # refused BEHAVIOUR TEXT ROLE STATEMENT: fails with that text
  local output code=1
  if output=$(sql "$3" "$4"); then echo "# it was allowed"; else
    case $output in *"$2"*) code=0 ;; *) echo "# $output" ;; esac
  fi
  report $code "$1"
}

for service in identity content communication; do
  for kind in roles tables functions grants; do
    for file in "$root/migrations/common/$kind"/*.sql; do
      "$bin/psql" -h "$home" -U nova -d postgres -qAtX -v ON_ERROR_STOP=1 -v service=$service \
        -v service_role=${service}_service -v relay_role=${service}_relay -f "$file" >/dev/null
    done
  done
done

columns="event_id, type, aggregate_type, aggregate_id, version, actor, command_id, command_index,
  command_digest, correlation_id, causation_id, occurred_at, payload"
id() { printf "'00000000-0000-7000-8000-%012d'" "$1"; }
values() { # values AGGREGATE VERSION COMMAND
  echo "$(id 1), 'user.created', 'user', $(id "$1"), $2, 'operator', $(id "$3"), 0, '', $(id 1),
    $(id 1), now(), 'x'"
}
insert="INSERT INTO identity.outbox"
me=identity_service
allowed a_service_appends_to_its_outbox $me "$insert ($columns) VALUES ($(values 1 1 1))"
refused a_service_cannot_choose_a_position "permission denied" $me \
  "$insert (position, $columns) OVERRIDING SYSTEM VALUE VALUES (99, $(values 1 2 2))"
refused a_service_cannot_set_the_recorded_time "permission denied" $me \
  "$insert (recorded_at, $columns) VALUES (now(), $(values 1 2 2))"
refused a_service_cannot_choose_the_log_id "permission denied" $me \
  "$insert (log_id, $columns) VALUES ($(id 1), $(values 1 2 2))"
refused an_event_cannot_be_changed "permission denied" $me "UPDATE identity.outbox SET type = 'x'"
refused an_event_cannot_be_deleted "permission denied" $me "DELETE FROM identity.outbox"
refused the_outbox_cannot_be_emptied "permission denied" $me "TRUNCATE identity.outbox"
refused a_version_is_taken_once "outbox_aggregate_id_version_key" $me \
  "$insert ($columns) VALUES ($(values 1 1 2))"
refused a_command_is_taken_once "outbox_command_id" $me \
  "$insert ($columns) VALUES ($(values 2 1 1))"
refused an_oversize_payload_is_refused "outbox_payload_check" $me \
  "$insert (${columns}) VALUES ($(values 3 1 3 | sed "s/'x'\$/convert_to(repeat('x', 1000001), 'UTF8')/"))"
allowed every_event_carries_the_newest_log_id $me \
  "SELECT 1 / count(*) FROM identity.outbox JOIN identity.log USING (log_id)"
refused a_relay_cannot_append "permission denied" identity_relay \
  "$insert ($columns) VALUES ($(values 4 1 4))"
allowed a_relay_reads_the_outbox identity_relay "SELECT count(*) FROM identity.outbox"
for other in identity content; do
  refused "communication_cannot_read_${other}s_outbox" "permission denied for schema $other" \
    communication_service "SELECT * FROM $other.outbox"
  refused "communication_cannot_append_to_${other}s_outbox" "permission denied for schema $other" \
    communication_service "INSERT INTO $other.outbox ($columns) VALUES ($(values 5 1 5))"
done
refused only_a_relay_ends_writers "permission denied" $me "SELECT identity.end_stuck_writer(1)"
allowed a_relay_ends_nobody_without_the_lock identity_relay \
  "SELECT 1 / (NOT identity.end_stuck_writer(pg_backend_pid()))::int"

# A writer that holds its transaction open until it is ended.
{ echo "SET ROLE $me; BEGIN; $insert ($columns) VALUES ($(values 6 1 6));
        SELECT pg_sleep(600);"; } |
  "$bin/psql" -h "$home" -U nova -d postgres -qAtX >/dev/null 2>&1 &
holder="SELECT pid FROM pg_locks WHERE relation = 'identity.outbox'::regclass
        AND mode = 'RowExclusiveLock' AND granted"
for _ in $(seq 200); do # until the lock is there
  pid=$(sql identity_relay "$holder")
  [ -n "$pid" ] && break
  sleep 0.05
done
refused another_services_relay_cannot_end_it "permission denied" communication_relay \
  "SELECT identity.end_stuck_writer(${pid:-0})"
allowed a_relay_ends_a_holder_of_its_outboxs_lock identity_relay \
  "SELECT 1 / identity.end_stuck_writer(${pid:-0})::int"
wait
allowed an_ended_writer_leaves_no_event identity_relay \
  "SELECT 1 / (count(*) = 1)::int FROM identity.outbox"
exit $failed
