#!/usr/bin/env bash
# The migrations and their grants, tried on a private PostgreSQL of this test's own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/lib/postgres.sh"
postgres_start

sql() { # sql ROLE STATEMENT: as that role
  postgres_psql -c "SET ROLE $1" -c "$2" 2>&1
}
allowed() { # allowed BEHAVIOUR ROLE STATEMENT
  local output code=0
  output=$(sql "$2" "$3") || { code=1; echo "# $output"; }
  tap $code "$1"
}
refused() { # refused BEHAVIOUR TEXT ROLE STATEMENT: fails with that text
  local output code=1
  if output=$(sql "$3" "$4"); then echo "# it was allowed"; else
    case $output in *"$2"*) code=0 ;; *) echo "# $output" ;; esac
  fi
  tap $code "$1"
}

postgres_migrate >"$postgres_home/migrated" || exit 1

columns="event_id, type, aggregate_type, aggregate_id, version, actor, command_id, command_index,
  command_digest, correlation_id, causation_id, occurred_at, payload"
id() { printf "'00000000-0000-7000-8000-%012d'" "$1"; }
values() { # values AGGREGATE VERSION COMMAND
  echo "$(id 1), 'user.created', 'user', $(id "$1"), $2, 'operator', $(id "$3"), 0, sha256(''), $(id 1),
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
# What no message of the stream can carry: it would stop the relay, or speak NATS through it.
bad() { # bad CONSTRAINT PATTERN REPLACEMENT
  refused "a_service_cannot_append_what_breaks_$1" "$1" $me \
    "$insert ($columns) VALUES ($(values 3 1 3 | sed "s/$2/$3/"))"
}
for type in "repeat('x', 600)" "'a.' || repeat('x', 63)" "'user'" "'user.created.07'" "'a.b c'" \
  "E'x 12 12\\\\r\\\\nPUB a 0\\\\r\\\\n'" "E'user.created\\\\n'" "'user.*'" "'user.>'" "''"; do
  bad outbox_type "'user.created'" "$type"
done
bad outbox_aggregate_type "'user'," "'a.b',"
bad outbox_aggregate_type "'user'," "repeat('x', 65),"
bad outbox_actor "'operator'" "repeat('x', 600)"
bad outbox_actor "'operator'" "E'a\\\\nb'"
bad outbox_actor "'operator'" "''"
bad outbox_command_digest "sha256('')" "'x'"
bad outbox_command_index_check " 0, sha256" " -1, sha256"
bad outbox_occurred_at "now()" "'infinity'"
bad outbox_occurred_at "now()" "'20000-01-01'"
refused a_traceparent_has_55_bytes "outbox_traceparent" $me \
  "$insert (traceparent, $columns) VALUES (repeat('0', 56), $(values 3 1 3))"
allowed every_event_carries_the_newest_log_id $me \
  "SELECT 1 / count(*) FROM identity.outbox JOIN identity.log USING (log_id)"
refused a_relay_cannot_append "permission denied" identity_relay \
  "$insert ($columns) VALUES ($(values 4 1 4))"
allowed a_relay_reads_the_outbox identity_relay "SELECT count(*) FROM identity.outbox"
refused only_a_relay_ends_writers "permission denied" $me "SELECT identity.end_stuck_writer(1)"
allowed a_relay_ends_nobody_without_the_lock identity_relay \
  "SELECT 1 / (NOT identity.end_stuck_writer(pg_backend_pid()))::int"

# One role cannot take every session of the server.
check_limits() {
  [ "$(postgres_psql -c "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND NOT rolsuper
      AND rolconnlimit < 1")" = 0 ] || return 1
  postgres_psql -c "SELECT sum(rolconnlimit) FROM pg_roles WHERE rolconnlimit > 0" >"$postgres_home/sum"
  [ "$(cat "$postgres_home/sum")" -lt \
    "$(sed -n 's/.*max_connections = \([0-9]*\).*/\1/p' "$root/cli/server_postgres.c")" ]
}
code=0
check_limits || code=1
tap $code every_role_has_a_limit_of_sessions_and_the_server_room_for_all

# A writer that holds its transaction open until it is ended.
{ echo "SET ROLE $me; BEGIN; $insert ($columns) VALUES ($(values 6 1 6));
        SELECT pg_sleep(600);"; } |
  postgres_psql >/dev/null 2>&1 &
holder="SELECT pid FROM pg_locks WHERE relation = 'identity.outbox'::regclass
        AND mode = 'RowExclusiveLock' AND granted"
for _ in $(seq 200); do # until the lock is there
  pid=$(sql identity_relay "$holder")
  [ -n "$pid" ] && break
  sleep 0.05
done
allowed a_relay_sees_who_holds_its_outboxs_lock identity_relay \
  "SELECT 1 / (role = 'nova' AND started_at < clock_timestamp() AND pid = ${pid:-0})::int
   FROM identity.outbox_writers()"
refused a_service_cannot_look_at_others_sessions "permission denied" $me \
  "SELECT * FROM identity.outbox_writers()"
refused another_services_relay_cannot_end_it "permission denied" communication_relay \
  "SELECT identity.end_stuck_writer(${pid:-0})"
allowed a_relay_ends_a_holder_of_its_outboxs_lock identity_relay \
  "SELECT 1 / identity.end_stuck_writer(${pid:-0})::int"
wait
allowed an_ended_writer_leaves_no_event identity_relay \
  "SELECT 1 / (count(*) = 1)::int FROM identity.outbox"

# Keys of persons: made once, erased, never changed otherwise.
allowed a_service_keeps_a_persons_key $me \
  "INSERT INTO identity.person_key (person_id, key_id, wrapped) VALUES ($(id 1), $(id 2), 'k')"
refused a_person_has_one_key "person_key_pkey" $me \
  "INSERT INTO identity.person_key (person_id, key_id, wrapped) VALUES ($(id 1), $(id 3), 'k')"
refused a_person_cannot_be_unforgotten "permission denied" $me \
  "UPDATE identity.person_key SET person_id = $(id 9)"
refused a_tombstone_cannot_be_removed "permission denied" $me "DELETE FROM identity.person_key"
refused a_key_is_erased_and_dated_together "person_key_check" identity_consumer \
  "UPDATE identity.person_key SET wrapped = NULL"
allowed a_consumer_forgets_a_person identity_consumer \
  "UPDATE identity.person_key SET wrapped = NULL, erased_at = now() WHERE person_id = $(id 1)"
refused an_auditor_cannot_open_what_is_sealed "permission denied" auditor \
  "SELECT * FROM identity.person_key"
refused an_operator_cannot_open_what_is_sealed "permission denied" operator \
  "SELECT * FROM identity.person_key"

# Refresh tokens: a hash and nothing else, of a session that is there, and nobody else's to read.
token="INSERT INTO identity.refresh_token VALUES ($(id 7)"
refused a_refresh_token_is_not_kept_itself "refresh_token_hash" $me "$token, 0, 'a token', now())"
refused a_refresh_token_has_a_generation "refresh_token_generation" $me \
  "$token, -1, sha256(''), now())"
refused a_refresh_token_is_a_sessions "refresh_token_session_id_fkey" $me \
  "$token, 0, sha256(''), now())"
refused an_auditor_sees_no_refresh_token "permission denied" auditor \
  "SELECT * FROM identity.refresh_token"
refused an_operator_sees_no_refresh_token "permission denied" operator \
  "SELECT * FROM identity.refresh_token"

# E-mails that wait, and the tokens in them: a hash and nothing else, and nobody else's to read.
refused a_token_that_was_sent_is_not_kept_itself "mail_token_hash" $me \
  "INSERT INTO identity.mail_token VALUES ('password_reset', 'd', $(id 7), $(id 1), 'a token', now())"
refused a_token_has_a_purpose_that_is_known "mail_token_purpose" $me \
  "INSERT INTO identity.mail_token VALUES ('anything', 'd', $(id 7), $(id 1), sha256(''), now())"
refused an_effect_is_of_a_known_kind "effect_kind" $me "INSERT INTO identity.effect
  VALUES ($(id 7), 'anything', $(id 1), 'd', now(), now(), 0, now())"
refused an_effect_that_is_done_says_what_came_of_it "effect_done" $me "INSERT INTO identity.effect
  VALUES ($(id 7), 'password_reset', $(id 1), 'd', now(), now(), 0, now(), now())"
refused an_operator_sees_no_token_that_was_sent "permission denied" operator \
  "SELECT * FROM identity.mail_token"
refused an_operator_sees_not_whom_an_effect_is_for "permission denied" operator \
  "SELECT user_id FROM identity.effect"
allowed an_operator_sees_how_many_effects_wait operator \
  "SELECT count(*), min(created_at) FROM identity.effect WHERE done_at IS NULL"
refused an_auditor_sees_no_effect "permission denied" auditor "SELECT kind FROM identity.effect"

# Failed logins by digest, and the security audit log, of which an auditor sees all but where
# somebody was, and in which nobody changes what an entry says.
refused a_failed_login_is_kept_by_digest "login_failure_digest" $me \
  "INSERT INTO identity.login_failure VALUES ('ada', now(), now())"
refused an_operator_sees_no_failed_login "permission denied" operator \
  "SELECT * FROM identity.login_failure"
allowed the_audit_log_is_written $me \
  "INSERT INTO identity.security_audit (user_id, action, actor) VALUES ($(id 1), 'login', 'a')"
refused what_counts_says_for_which_address "security_audit_counted" $me \
  "INSERT INTO identity.security_audit (user_id, action, actor, hour) VALUES ($(id 1), 'x', 'a', 1)"
refused an_entry_of_the_audit_log_stays_as_it_is "permission denied" $me \
  "UPDATE identity.security_audit SET action = 'logout'"
refused the_place_of_an_entry_is_postgresqls "audit_id" $me \
  "INSERT INTO identity.security_audit (audit_id, user_id, action, actor)
   VALUES (1, $(id 1), 'login', 'a')"
allowed an_auditor_reads_the_audit_log auditor \
  "SELECT user_id, action, at, attempts FROM identity.security_audit"
refused an_auditor_sees_not_where_somebody_was "permission denied" auditor \
  "SELECT sealed FROM identity.security_audit"
refused an_auditor_sees_no_refused_registration "permission denied" auditor \
  "SELECT * FROM identity.refused_registration"
refused an_operator_reads_the_audit_log_by_its_method "permission denied" operator \
  "SELECT action FROM identity.security_audit"

# Leases.
allowed a_relay_takes_its_lease identity_relay \
  "UPDATE identity.relay_lease SET owner = $(id 1), owner_name = 'a', epoch = epoch + 1,
     lease_until = clock_timestamp() + '5s' WHERE lease_until < clock_timestamp()"
refused a_relay_cannot_add_a_second_lease "permission denied" identity_relay \
  "INSERT INTO identity.relay_lease (service) VALUES ('content')"
refused a_service_cannot_stop_its_relay "permission denied" $me \
  "UPDATE identity.relay_lease SET epoch = 99"

allowed an_operator_pauses_a_relay operator \
  "UPDATE identity.relay_lease SET paused_at = clock_timestamp(), paused_by = 'me'"
refused an_operator_cannot_take_its_lease "permission denied" operator \
  "UPDATE identity.relay_lease SET owner = NULL"
refused a_service_cannot_let_itself_append "permission denied" $me \
  "SELECT identity.outbox_admit()"

# People.
allowed an_auditor_reads_every_log auditor "SELECT count(*) FROM identity.outbox, content.outbox,
  communication.outbox, identity.log, content.log, communication.log"
refused an_auditor_cannot_append "permission denied" auditor \
  "$insert ($columns) VALUES ($(values 7 1 7))"
refused an_operator_cannot_append "permission denied" operator \
  "$insert ($columns) VALUES ($(values 7 1 7))"
refused an_operator_cannot_drop_an_outbox "must be owner" operator "DROP TABLE content.outbox"
refused a_read_models_owner_cannot_drop_an_outbox "must be owner" content_owner \
  "DROP TABLE content.outbox"

# A generation of a read model, as a rebuild makes it.
allowed an_operator_builds_a_generation operator \
  "SET ROLE content_owner; CREATE SCHEMA views_g2; CREATE TABLE views_g2.post (id bigint);
   CREATE VIEW content.post AS SELECT * FROM views_g2.post"
allowed the_consumer_fills_it content_consumer "INSERT INTO views_g2.post VALUES (1)"
allowed the_service_reads_it_through_the_view content_service "SELECT 1 / id FROM content.post"
refused the_service_cannot_reach_behind_the_view "permission denied for schema" content_service \
  "SELECT * FROM views_g2.post"
refused the_service_cannot_write_a_read_model "permission denied" content_service \
  "INSERT INTO content.post VALUES (2)"
refused the_consumer_cannot_drop_a_generation "must be owner" content_consumer \
  "DROP SCHEMA views_g2 CASCADE"
refused another_service_cannot_read_it "permission denied" communication_service \
  "SELECT * FROM content.post"
allowed an_operator_drops_a_generation operator "DROP SCHEMA views_g2 CASCADE"
refused an_operators_own_rights_forget_nobody "permission denied" operator \
  "UPDATE content.person_key SET wrapped = NULL, erased_at = now()"
allowed an_operator_acts_as_a_consumer_where_it_says_so operator \
  "SET LOCAL ROLE content_consumer; UPDATE content.person_key SET wrapped = NULL, erased_at = now()"
refused an_operator_builds_nothing_in_identity "permission denied" operator \
  "CREATE TABLE identity.mine (id bigint)"

# Everything each role may do with each table, and nothing else. A line: role, table, what it may
# do with the whole table, or with columns only (in brackets). <service> stands for each of those
# named before.
may() { # may SERVICE: as it is
  postgres_psql -v service="$1" <<'SQL'
SELECT regexp_replace(r.rolname, '^' || :'service' || '_', '') || ' ' || c.relname || ': ' ||
       string_agg(coalesce(p, '[' || q || ']'), ' ' ORDER BY place)
FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
CROSS JOIN pg_roles AS r
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                        'TRIGGER']) WITH ORDINALITY AS kind (kind, place)
CROSS JOIN LATERAL (SELECT CASE WHEN has_table_privilege(r.oid, c.oid, kind) THEN kind END AS p,
    CASE WHEN kind IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') AND
              has_any_column_privilege(r.oid, c.oid, kind) THEN kind END AS q) AS may
WHERE s.nspname = :'service' AND c.relkind IN ('r', 'v', 'p') AND (p IS NOT NULL OR q IS NOT NULL)
  AND NOT r.rolsuper AND r.rolname !~ '^pg_'
  -- Whoever may act as a view's owner may do everything with it.
  AND NOT (c.relkind = 'v' AND pg_has_role(r.oid, c.relowner, 'MEMBER'))
GROUP BY r.rolname, c.relname ORDER BY c.relname COLLATE "C", r.rolname COLLATE "C";
SQL
}
expected_outbox='auditor log: SELECT
operator log: SELECT
relay log: SELECT
service log: SELECT
signer log: SELECT
auditor log_checkpoint: SELECT
operator log_checkpoint: SELECT
signer log_checkpoint: SELECT [INSERT]
auditor log_tile: SELECT
operator log_tile: SELECT
signer log_tile: SELECT INSERT [UPDATE]
auditor log_tree: SELECT
operator log_tree: SELECT
signer log_tree: SELECT INSERT [UPDATE]
auditor outbox: SELECT
operator outbox: SELECT
relay outbox: SELECT
service outbox: SELECT [INSERT]
signer outbox: SELECT
consumer person_key: SELECT [UPDATE]
service person_key: SELECT INSERT [UPDATE]
operator relay_lease: SELECT [UPDATE]
relay relay_lease: SELECT [UPDATE]
service snapshot: SELECT INSERT UPDATE DELETE'
expected_inbox='auditor audit_event: SELECT
operator audit_event: SELECT [INSERT]
auditor checkpoint: SELECT
consumer checkpoint: SELECT INSERT UPDATE
operator checkpoint: SELECT INSERT UPDATE DELETE
service checkpoint: SELECT
consumer consumer_lease: SELECT INSERT UPDATE
operator consumer_lease: SELECT INSERT UPDATE
auditor dead_letter: SELECT
consumer dead_letter: SELECT INSERT UPDATE DELETE
operator dead_letter: SELECT INSERT UPDATE DELETE
consumer generation: SELECT INSERT UPDATE
operator generation: SELECT INSERT UPDATE
service generation: SELECT'
expected_identity='service account: SELECT INSERT UPDATE DELETE
operator effect: [SELECT]
service effect: SELECT INSERT UPDATE DELETE
service login_failure: SELECT INSERT UPDATE DELETE
service mail_token: SELECT INSERT UPDATE DELETE
service refresh_token: SELECT INSERT UPDATE DELETE
service refused_registration: SELECT INSERT UPDATE DELETE
auditor security_audit: [SELECT]
service security_audit: SELECT INSERT [UPDATE] DELETE
service session: SELECT INSERT UPDATE DELETE
service signing_key: SELECT INSERT DELETE'
views_content='comment_view post_view'
views_communication='conversation_view member_view message_sender_cache message_sender_gone message_view'
views_search='post_index term_index user_index'
for service in identity content communication search; do
  case $service in
    identity) expected="$expected_outbox"$'\n'"$expected_identity" ;;
    search) expected=$expected_inbox ;;
    *) # Its forget reactor leaves a tombstone also for somebody who has no key yet.
      expected="${expected_outbox/person_key: SELECT \[UPDATE\]/person_key: SELECT [INSERT] [UPDATE]}"
      expected+=$'\n'"$expected_inbox" ;;
  esac
  views=views_$service
  for view in ${!views-}; do 
    expected+=$'\n'"service $view: SELECT"$'\n'"consumer $view: SELECT INSERT UPDATE DELETE"
  done
  code=0
  diff <(LC_ALL=C sort <<<"$expected") <(may $service | LC_ALL=C sort) >"$postgres_home/diff" ||
    { code=1; sed 's/^/# /' "$postgres_home/diff"; }
  tap $code "the_tables_of_${service}_grant_what_is_listed_and_nothing_else"
done

# Every role of a service tries everything on every table, sequence and function of the others.
attempts=0
for service in identity content communication search; do
  leaks=
  for kind in owner service relay signer consumer; do
    role=${service}_$kind
    case $role in search_relay | search_signer) continue ;; esac # it has no outbox
    output=$(postgres_psql -v role="$role" -v service="$service" \
      -f "$root/test/integration/migrations_matrix.sql" 2>&1) || leaks+="$role: $output"$'\n'
    leaks+=$(sed -n "s/^leak: /$role: /p" <<<"$output")
    count=$(sed -n 's/^attempts: //p' <<<"$output")
    attempts=$((attempts + ${count:-0}))
  done
  [ -z "$leaks" ] || sed 's/^/# /' <<<"$leaks"
  tap $([ -z "$leaks" ]; echo $?) "the_roles_of_${service}_can_do_nothing_to_the_other_services"
done
echo "# $attempts attempts were refused"
tap $([ $attempts -gt 1000 ]; echo $?) the_attempts_were_made
limits=$(postgres_psql -c "SELECT string_agg(s, ',' ORDER BY s) FROM pg_db_role_setting,
  unnest(setconfig) AS s WHERE setrole = 'content_service'::regrole")
tap $([ "$limits" = "idle_in_transaction_session_timeout=10s,lock_timeout=5s,statement_timeout=15s" ]
  echo $?) a_services_sessions_are_bounded
tap_end
