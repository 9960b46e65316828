#!/usr/bin/env bash
# `nova db` and the runner behind it, on a private PostgreSQL: what is carried out, refused, left
# behind, and shown.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/lib/postgres.sh"
postgres_start
nova=$root/${NOVA_BUILD:-build/test}/cli/nova
home=$postgres_home/home
export NOVA_ROOT=$postgres_home/copy NOVA_POSTGRES_URL=$postgres_url
mkdir -p "$NOVA_ROOT" "$home/credentials/postgres"

fresh() { # a database without anything, and the files as they are in the project
  rm -rf "$NOVA_ROOT/migrations"
  cp -r "$root/migrations" "$NOVA_ROOT/migrations"
  postgres_psql -c "SET client_min_messages = error" -c 'DROP DATABASE IF EXISTS nova WITH (FORCE)' -c 'CREATE DATABASE nova'
  NOVA_POSTGRES_URL="postgresql://nova@/nova?host=$postgres_home"
}
db() { "$nova" db "$@" --home "$home" 2>&1; }
query() { "$postgres_bin/psql" -h "$postgres_home" -U nova -d nova -qAtX -v ON_ERROR_STOP=1 -c "$1"; }
query_is() { query "$1" | grep -q "$2"; }
check() { # check BEHAVIOUR COMMAND...: it succeeds
  local code=0 name=$1
  shift
  "$@" >"$postgres_home/output" 2>&1 || { code=1; sed 's/^/# /' "$postgres_home/output"; }
  tap $code "$name"
}
fails_with() { # fails_with TEXT COMMAND...: says that, and says so by its exit code
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then echo "it succeeded"; return 1; fi
  case $output in *"$text"*) ;; *) echo "$output"; return 1 ;; esac
}
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
# All there is: schemas, rights, roles with their passwords, settings, and what the runner noted.
picture() { # (without pg_dump's random words against meta-commands)
  { "$postgres_bin/pg_dump" -h "$postgres_home" -U nova -d nova
    "$postgres_bin/pg_dumpall" -h "$postgres_home" -U nova --roles-only; } |
    sed -E '/^\\(un)?restrict/d'
}
until_true() { # until_true COMMAND...: waits for it, 20 s at most
  local i
  for i in $(seq 400); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  echo "never true: $*"
  return 1
}

fresh
check all_is_pending_in_an_empty_database \
  is "$(db status --json | python3 -c '
import json, sys
files = json.load(sys.stdin)
print({f["state"] for f in files}, sorted({f["service"] for f in files}))')" \
  "{'pending'} ['communication', 'content', 'identity', 'search']"
check what_is_pending_does_not_verify fails_with "common/roles/010_roles.sql of identity is pending" db verify
check migrate_carries_out_everything db migrate
check what_is_carried_out_verifies db verify
check status_says_when_and_how_long is "$(db status --json | python3 -c '
import json, sys
print(all(f["state"] == "applied" and f["applied_at"].startswith("20") and f["took_ms"] >= 0
          for f in json.load(sys.stdin)))')" True
check the_digest_is_of_the_files_bytes is \
  "$(query "SELECT encode(sha256, 'hex') FROM nova_migrations.applied
            WHERE service = 'search' AND file = 'inbox/tables/010_checkpoint.sql'")" \
  "$(sha256sum <"$root/migrations/inbox/tables/010_checkpoint.sql" | cut -d' ' -f1)"
check search_has_no_log is "$(query "SELECT to_regclass('search.outbox') IS NULL")" t

printf 'a-password-of-content' >"$home/credentials/postgres/content_service"
printf 'a-password-of-people' >"$home/credentials/postgres/operator"
chmod 600 "$home"/credentials/postgres/*
check passwords_of_the_home_are_set db migrate
picture >"$postgres_home/before"
check a_second_run_finds_nothing_to_do is "$(db migrate)" "nova: every migration is carried out"
picture >"$postgres_home/after"
check a_second_run_changes_nothing diff "$postgres_home/before" "$postgres_home/after"
check passwords_are_stored_as_scram_verifiers is "$(query "SELECT count(*) FROM pg_authid
  WHERE rolcanlogin AND rolpassword LIKE 'SCRAM-SHA-256\$4096:%'")" 2
query "ALTER SYSTEM SET log_statement = 'all'" && query "SELECT pg_reload_conf()" >/dev/null
until_true grep -q 'parameter "log_statement" changed' "$postgres_home/log"
printf 'another-password' >"$home/credentials/postgres/operator"
check a_changed_password_is_set db migrate
check the_server_was_told_the_verifier grep -q "ALTER ROLE operator LOGIN PASSWORD" "$postgres_home/log"
check the_server_was_never_told_a_password fails_with "" grep -e another-password "$postgres_home/log"
query "ALTER SYSTEM RESET log_statement" && query "SELECT pg_reload_conf()" >/dev/null

printf 'local all nova trust\nlocal all all scram-sha-256\n' >"$postgres_home/data/pg_hba.conf"
query "SELECT pg_reload_conf()" >/dev/null
as() { PGPASSWORD=$2 "$postgres_bin/psql" -h "$postgres_home" -U "$1" -d nova -qAtX -c "SELECT 1"; }
until_true fails_with "password authentication failed" as operator wrong-password
check a_role_logs_in_with_its_password as content_service a-password-of-content
check a_role_logs_in_with_its_new_password as operator another-password
check a_wrong_password_is_refused \
  fails_with "password authentication failed" as operator a-password-of-people
check nobody_else_can_log_in is "$(query "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles
  WHERE rolcanlogin AND NOT rolsuper")" "content_service operator"

echo '-- a word more' >>"$NOVA_ROOT/migrations/outbox/tables/020_outbox.sql"
echo 'CREATE TABLE :"service".late (id int);' >"$NOVA_ROOT/migrations/outbox/tables/900_late.sql"
check a_changed_file_is_refused_by_name \
  fails_with "outbox/tables/020_outbox.sql changed after it was carried out for identity" db migrate
check a_changed_file_stops_those_behind_it is "$(query "SELECT to_regclass('identity.late') IS NULL")" t
check a_changed_file_does_not_verify \
  fails_with "outbox/tables/020_outbox.sql of identity is changed" db verify
check status_names_what_changed is "$(db status | awk '$2 == "changed" { print $1, $4 }' | sort)" \
  "communication outbox/tables/020_outbox.sql
content outbox/tables/020_outbox.sql
identity outbox/tables/020_outbox.sql"
cp "$root/migrations/outbox/tables/020_outbox.sql" "$NOVA_ROOT/migrations/outbox/tables/"
mv "$NOVA_ROOT/migrations/inbox/grants/020_operator.sql" "$postgres_home/kept"
check a_file_that_went_is_refused_by_name \
  fails_with "inbox/grants/020_operator.sql was carried out for content and is not in" db migrate
check a_file_that_went_is_shown is "$(db status | awk '$2 == "missing"' | wc -l)" 3
mv "$postgres_home/kept" "$NOVA_ROOT/migrations/inbox/grants/020_operator.sql"
check a_new_file_is_carried_out db migrate
check it_was_for_every_service_that_has_an_outbox is \
  "$(query "SELECT string_agg(service, ' ' ORDER BY service) FROM nova_migrations.applied
            WHERE file LIKE '%900_late.sql'")" "communication content identity"

bad=$NOVA_ROOT/migrations/identity/tables/950_bad.sql
printf 'CREATE TABLE :"service".half (id int);\nSELECT 1 / 0;\n' >"$bad"
check a_failing_file_is_named fails_with "identity/tables/950_bad.sql for identity: PostgreSQL: division by zero" db migrate
check a_failing_file_leaves_nothing is "$(query "SELECT to_regclass('identity.half') IS NULL AND
  NOT EXISTS (SELECT FROM nova_migrations.applied WHERE file LIKE '%950%')")" t
printf 'CREATE TABLE :"service".half (id int);\nCOMMIT;\n' >"$bad"
check a_file_may_not_end_its_transaction fails_with "950_bad.sql for identity: it ends its transaction" db migrate
query "DROP TABLE identity.half"
printf 'SELECT :"nobody";' >"$bad"
check an_unknown_variable_is_named fails_with "950_bad.sql for identity: line 1: there is no variable nobody" db migrate
printf '\xff' >"$bad"
check what_is_no_text_is_refused fails_with "950_bad.sql" db migrate
rm "$bad"
for name in 95_short.sql 950-dash.sql 950_.txt 950_tables.sql~; do
  touch "$NOVA_ROOT/migrations/identity/tables/$name"
  check "a_file_named_${name//[^a-z0-9]/_}_is_refused" fails_with "$name is no migration" db migrate
  rm "$NOVA_ROOT/migrations/identity/tables/$name"
done
touch "$NOVA_ROOT/migrations/identity/tables/010_again.sql"
check a_number_is_taken_once fails_with "have the same number" db migrate
rm "$NOVA_ROOT/migrations/identity/tables/010_again.sql"
mkdir -p "$NOVA_ROOT/migrations/content/tables"
echo 'SET LOCAL ROLE :"owner_role"; CREATE SCHEMA kept_g1;' \
  >"$NOVA_ROOT/migrations/content/tables/950_owned.sql"
check a_file_may_act_as_the_owner db migrate
check what_it_made_is_the_owners is "$(query "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'kept_g1'")" content_owner
nowhere() { NOVA_ROOT=/nowhere db status; }
check a_directory_without_migrations_is_said fails_with "/nowhere/migrations holds no migrations" nowhere
check an_unknown_word_is_a_usage_error is "$(code=0; db up >/dev/null || code=$?; echo $code)" 2

# A table that somebody reads for long: the file gives way, others are not held up behind it, and it
# is carried out when the reader is gone.
echo 'ALTER TABLE :"service".account ADD COLUMN more int;' >"$NOVA_ROOT/migrations/identity/tables/960_more.sql"
query "BEGIN; LOCK TABLE identity.account IN ACCESS SHARE MODE; SELECT pg_sleep(600)" >/dev/null 2>&1 &
reader="SELECT pid FROM pg_locks WHERE relation = 'identity.account'::regclass AND granted"
until_true query_is "$reader" "^[0-9]"
pid=$(query "$reader")
db migrate >"$postgres_home/migrated" &
migrating=$!
check a_file_gives_way_to_a_long_reader \
  until_true grep -q "canceling statement due to lock timeout" "$postgres_home/log"
query "SELECT pg_terminate_backend($pid, 5000)" >/dev/null
check and_is_carried_out_when_the_reader_is_gone wait $migrating
check it_is_there_once is "$(query "SELECT count(*) FROM nova_migrations.applied WHERE file LIKE '%960_more.sql'")" 1

# Two runners: one waits for the other's lock, and each file is carried out once.
fresh
query "SELECT pg_advisory_lock(7956003944985229671), pg_sleep(600)" >/dev/null 2>&1 &
until_true query_is "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted" 1
db migrate >"$postgres_home/one" &
one=$!
db migrate >"$postgres_home/two" &
two=$!
check two_runners_wait_for_the_lock until_true query_is \
  "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted" 2
check nothing_is_done_without_the_lock is "$(query "SELECT to_regclass('nova_migrations.applied') IS NULL")" t
query "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted" >/dev/null
check the_one_runner_succeeds wait $one
check the_other_runner_succeeds wait $two
check each_file_was_carried_out_by_one_of_them is \
  "$(cat "$postgres_home/one" "$postgres_home/two" | grep -c ' ms)')" \
  "$(query "SELECT count(*) FROM nova_migrations.applied")"
check one_of_them_did_all is "$(grep -l ' ms)' "$postgres_home/one" "$postgres_home/two" | wc -l)" 1
check the_lock_is_free_again is "$(query "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")" 0

# psql carries out the same files, with the same outcome but for the log ids and the generations of
# projections, which come from the binary.
query "DO 'DECLARE s name; BEGIN FOR s IN SELECT nspname FROM pg_namespace WHERE nspname ~ ''_g1\$''
  LOOP EXECUTE format(''DROP SCHEMA %I CASCADE'', s); END LOOP; END'" >/dev/null
dump() {
  "$postgres_bin/pg_dump" -h "$postgres_home" -U nova -d "$1" --schema-only -N nova_migrations |
    sed -E "s/[0-9a-f]{8}-[0-9a-f-]{27}/ID/g; /^\\\\(un)?restrict/d"
}
postgres_psql -c 'CREATE DATABASE by_psql'
db status | while read -r service _ _ file; do
  PGOPTIONS='-c client_min_messages=warning' \
    "$postgres_bin/psql" -h "$postgres_home" -U nova -d by_psql -qAtX1 -v ON_ERROR_STOP=1 \
    -v service=$service -v service_role=${service}_service -v relay_role=${service}_relay \
    -v signer_role=${service}_signer -v consumer_role=${service}_consumer -v owner_role=${service}_owner \
    -f "$root/migrations/$file" >/dev/null
done
dump nova >"$postgres_home/by_nova.sql"
dump by_psql >"$postgres_home/by_psql.sql"
check psql_makes_the_same_of_the_files diff "$postgres_home/by_nova.sql" "$postgres_home/by_psql.sql"

# Services may lie in PostgreSQLs of their own.
fresh
postgres_psql -c 'CREATE DATABASE apart'
export NOVA_POSTGRES_SEARCH_URL="postgresql://nova@/apart?host=$postgres_home"
check a_service_apart_is_migrated_too db migrate
check each_lies_where_it_was_said is "$(query "SELECT to_regnamespace('search') IS NULL")$(
  postgres_psql -d apart -c "SELECT to_regnamespace('search') IS NOT NULL AND
                             to_regnamespace('identity') IS NULL")" tt
check both_verify db verify
postgres_psql -c 'DROP DATABASE apart' -c 'CREATE DATABASE apart'
printf 'a-password-of-nobody' >"$home/credentials/postgres/search_relay"
chmod 600 "$home/credentials/postgres/search_relay"
check a_password_of_no_role_is_named \
  fails_with "setting the password of search_relay: no migration makes such a role" db migrate
check and_only_where_its_service_lies is \
  "$(postgres_psql -d apart -c "SELECT to_regnamespace('search') IS NOT NULL")" t
tap_end
