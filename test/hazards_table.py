"""What goes wrong in systems like this one, and the cases that provoke it here.

The one place: docs/hazards.md is made of it (test/hazards.py), test/tidy/hazards_test.py holds it
against the programs, and a whole run of the tests against their results.
"""
import dataclasses

from case_table import Shown


@dataclasses.dataclass
class Row(Shown):
    slug: str
    hazard: str
    holds: str
    tests: str  # "program/case", one a line
    missing: str = ""  # what of it is not there yet, and so has no test


OUTBOX = [
    Row("a_late_commit",
        "Overlapping transactions commit out of position order; `position > last` skips the late one",
        "nothing is ever skipped, order is strict",
        """integration/relay_gap_test/writers_that_commit_late_or_roll_back_lose_nothing
           integration/relay_gap_test/nothing_of_all_this_is_lost_or_out_of_order
           unit/test_settle/a_late_commit_is_published_in_its_place
           unit/test_settle/a_hundred_thousand_histories_skip_nothing"""),
    Row("a_hole_for_ever",
        "A rollback leaves a hole for ever; the reader stalls or skips too early",
        "holes settle once their possible owners ended",
        """integration/relay_gap_test/writers_that_commit_late_or_roll_back_lose_nothing
           integration/outbox_hazards_test/positions_lost_in_a_crash_of_postgresql_settle
           unit/test_settle/a_rolled_back_writer_leaves_a_void_position"""),
    Row("a_stuck_writer",
        "A stuck writer holds a position open; idle timeouts end neither an active nor a trickling "
        "one, and a session can turn them off",
        "bounded by the relay, which ends the session past a limit; said in a log line",
        """integration/relay_gap_test/a_stopped_client_is_ended
           integration/relay_gap_test/a_sleeping_statement_is_ended
           integration/relay_gap_test/a_trickling_writer_is_ended
           integration/relay_gap_test/a_stopped_backend_is_named_and_holds_up_nobody_once_it_goes_on"""),
    Row("an_unrelated_long_transaction",
        "An unrelated long transaction delays publishing (snapshot-xmin designs)",
        "it does not",
        "integration/outbox_hazards_test/an_unrelated_long_transaction_delays_nothing"),
    Row("a_relay_killed_while_publishing",
        "Relay killed between publish and acknowledgement",
        "the event is in the stream once",
        """integration/outbox_hazards_test/a_relay_killed_while_it_publishes_publishes_each_event_once
           integration/kill_test/every_stream_equals_its_outbox_leaf_by_leaf"""),
    Row("two_relays",
        "Two relays at once (split brain, paused process wakes up)",
        "the server refuses the late one; it steps down",
        """integration/relay_lease_test/on_an_empty_stream_the_standby_takes_over_and_the_woken_one_adds_nothing
           integration/relay_lease_test/one_publishes_and_when_it_is_killed_the_other_goes_on
           integration/relay_lease_test/a_stopped_one_is_replaced_and_when_woken_refused"""),
    Row("one_publish_of_a_pipeline_fails",
        "One publish of a pipeline fails, later ones succeed: a hole or a swap in the stream",
        "all behind the failed one are refused; resynchronise from the last message",
        """integration/outbox_hazards_test/connections_cut_in_the_middle_of_a_pipeline_leave_no_hole
           integration/outbox_hazards_test/a_full_disk_under_jetstream_stops_no_command_and_heals
           integration/kill_test/imports_go_through_while_everything_is_killed
           integration/kill_test/every_stream_equals_its_outbox_leaf_by_leaf
           unit/test_relay_state/after_a_failed_publish_or_an_error_the_end_is_read_first"""),
    Row("a_tail_that_was_acknowledged_is_lost",
        "The server acknowledged and then lost its tail (no fsync for each message by default)",
        "the stream heals from the outbox; consumers see nothing twice",
        """integration/relay_heal_test/the_newest_block_that_is_gone_is_published_again
           integration/relay_heal_test/a_store_that_was_wiped_is_filled_again"""),
    Row("a_store_damaged_in_the_middle",
        "Store damaged in the middle (a lost block: the next publish is accepted) or by one bit, or "
        "trimmed by a STREAM.UPDATE",
        "noticed without being asked, stream made again whole with the same numbers",
        """integration/relay_heal_test/a_middle_block_that_is_gone_is_found_and_the_stream_made_again
           integration/relay_heal_test/one_flipped_bit_in_any_block_is_found_and_the_stream_made_again
           integration/relay_heal_test/a_bit_that_rots_under_the_running_server_is_found_as_well
           integration/relay_heal_test/a_stream_that_an_administrator_trimmed_is_made_again
           unit/test_relay_state/each_damage_is_named_and_the_stream_made_again"""),
    Row("a_store_removed_under_its_server",
        "Store directory removed under a running nats-server (it goes on acknowledging into deleted "
        "files and never exits)",
        "the supervisor notices within 10 s and restarts it; the stream is whole again",
        """integration/up_test/a_store_removed_under_nats_server_is_noticed_within_10_s
           integration/relay_heal_test/a_store_removed_under_the_running_server_is_noticed_and_filled_again
           integration/relay_heal_test/a_store_that_was_wiped_is_filled_again"""),
    Row("an_older_postgresql",
        "PostgreSQL restored from an older backup: the stream knows more than the outbox, and new "
        "events reuse positions, so numbers alone show nothing",
        "the relay compares event id and log id at the stream's last position; that stream stops "
        "with instructions; its events can be taken back, or a new log id begins",
        """integration/restore_test/the_relay_stops_and_names_what_happened
           integration/restore_test/new_events_on_reused_positions_are_not_published
           integration/restore_test/the_other_services_go_on
           integration/outbox_hazards_test/postgresqls_data_deleted_and_the_streams_kept_is_noticed
           integration/recovery_test/without_new_events_the_stream_is_taken_back_as_it_was
           integration/recovery_test/with_new_events_taking_back_is_refused_and_a_fork_named
           integration/recovery_test/a_fork_keeps_the_extra_events_and_ends_whole
           integration/recovery_kill_test/postgres_data_deleted_and_the_streams_kept
           integration/backup_test/beside_streams_that_know_more_nobody_appends_before_the_operator_decides
           unit/test_relay_state/an_outbox_that_lacks_an_event_stops_it_until_it_is_started_again"""),
    Row("a_writer_without_synchronous_commit",
        "A writer with synchronous_commit off: the event is visible, published, then lost in a crash",
        "append refuses",
        "integration/commands_test/a_writer_with_synchronous_commit_off_is_refused"),
    Row("a_database_that_breaks_the_gap_rule",
        "Sequence with CACHE 32, a reader on a standby, a role that may write positions: each breaks "
        "the gap rule silently",
        "refused at connect, by name",
        """integration/relay_gap_test/a_sequence_with_cache_2_is_refused
           integration/relay_gap_test/a_role_that_may_insert_positions_is_refused
           integration/relay_gap_test/a_standby_is_refused"""),
    Row("a_foreign_message",
        "A foreign message in the stream (somebody's publish, a reply subject pointed at it)",
        "nobody but the relay may publish there; if one is there, it counts as damage",
        """integration/relay_heal_test/a_foreign_message_counts_as_damage
           integration/bus_test/what_may_not_be_published_is_refused
           integration/bus_test/a_reply_subject_writes_into_nobodys_stream
           unit/test_relay_state/a_message_that_cannot_be_read_is_damage"""),
    Row("the_first_publish_is_not_fenced",
        "The first publish to an empty stream is not fenced (nats.c's ExpectLastSeq = 0 sends no "
        "header)",
        "the header is set by hand",
        """integration/relay_lease_test/the_server_refuses_the_late_writer
           integration/relay_lease_test/on_an_empty_stream_the_standby_takes_over_and_the_woken_one_adds_nothing"""),
    Row("a_refused_publish_is_reported_nowhere",
        "A refused or timed-out publish is reported nowhere (no MaxWait: no callback; a permission "
        "error only in the connection's error handler)",
        "every publish ends in an answer or a resynchronisation",
        "integration/relay_heal_test/a_permission_taken_away_fails_the_process_and_nothing_is_lost"),
    Row("dedupe_ends_with_its_window",
        "Dedupe by Nats-Msg-Id ends with its window and is silent",
        "nothing depends on it",
        "integration/outbox_hazards_test/after_a_pause_longer_than_any_window_nothing_comes_twice"),
    Row("notify_slots_and_flags",
        "NOTIFY takes a database-wide lock at commit; replication slots fill the disk; "
        "published-flags bloat",
        "none of them is used",
        "integration/outbox_hazards_test/neither_notify_nor_slots_nor_published_flags_are_used"),
    Row("an_event_over_the_servers_bound",
        "Event larger than the server's max_payload",
        "refused at append with a clear error, never stuck in the relay",
        """integration/migrations_test/an_oversize_payload_is_refused
           integration/event_store_test/no_event_is_harmless_and_a_batch_over_the_limit_is_refused_whole
           integration/capacity_test/an_event_beyond_the_bound_is_refused_at_append_and_the_largest_passes_the_relay
           integration/capacity_test/a_request_beyond_the_bus_is_refused_in_words"""),
    Row("nats_servers_disk_is_full",
        "nats-server disk full: 2.9.10 deadlocks without an error or a log line",
        "never reached: `max_file_store` below the disk and free space watched; if it is, appends go "
        "on, lag is reported, the supervisor kills and restarts it once there is space",
        """integration/outbox_hazards_test/a_full_disk_under_jetstream_stops_no_command_and_heals
           integration/up_test/a_disk_that_fills_up_stops_nats_server_until_there_is_space"""),
    Row("a_durable_ahead_of_its_stream",
        "A stream that lost its tail leaves durables ahead of it, silently stuck",
        "noticed and re-created from the checkpoint",
        """integration/outbox_hazards_test/a_durable_ahead_of_its_stream_is_noticed_and_made_again
           integration/relay_heal_test/the_newest_block_that_is_gone_is_published_again"""),
    Row("a_zeroed_tail",
        "Zeroed tail: last sequence 59,990, last message 59,989",
        "counts as damage: stream made again",
        "integration/relay_heal_test/a_zeroed_tail_is_published_again"),
    Row("no_leader",
        "No leader for 4-14 s: publishes fail at once, 200 thousand times",
        "back off; stop at the first error, wait until nothing is in flight, read the stream's state "
        "again",
        """integration/outbox_hazards_test/publishes_that_nobody_answers_are_no_storm
           unit/test_relay_state/after_a_failed_publish_or_an_error_the_end_is_read_first
           sim/sim_test/fresh_histories_hold"""),
    Row("postgresqls_disk_is_full",
        "PostgreSQL disk full or read-only",
        "commands fail with UNAVAILABLE; nothing half-written",
        """integration/outbox_hazards_test/a_full_disk_under_postgresql_refuses_commands_whole
           integration/outbox_hazards_test/a_read_only_postgresql_refuses_commands_whole"""),
    Row("a_clock_that_steps",
        "Clock steps back or differs between machines",
        "order comes from positions, never from time; UUIDv7 stays monotonic in a process",
        """integration/outbox_hazards_test/a_clock_that_steps_changes_no_order
           unit/test_uuid/version_7_ascends_while_the_clock_steps_back"""),
    Row("a_doorbell_is_lost",
        "A doorbell is lost",
        "the poll behind it finds the events within its interval",
        "integration/outbox_hazards_test/a_lost_doorbell_costs_no_more_than_the_poll"),
]

INBOX = [
    Row("a_crash_between_effect_and_acknowledgement",
        "Crash between effect and acknowledgement",
        "effect once: the checkpoint moved in the same transaction",
        """integration/inbox_hazards_test/a_consumer_killed_in_a_loop_applies_each_event_once
           integration/kill_test/read_models_equal_an_independent_fold_of_the_log"""),
    Row("redelivery_overtakes",
        "Redelivery overtakes (ack wait, nak)",
        "positions at or below the checkpoint are skipped; a jump is refused and the consumer made "
        "again from the checkpoint",
        """integration/inbox_hazards_test/redelivery_to_a_slow_handler_counts_once
           integration/consumer_test/what_is_sent_again_while_a_consumer_sleeps_counts_once
           unit/test_inbox_state/a_message_left_out_makes_the_reader_again_from_the_checkpoint
           unit/test_inbox_state/a_filter_leaves_numbers_out_but_no_delivery"""),
    Row("a_quiet_partition",
        "Consumer of a quiet partition keeps an old checkpoint, and a restart reads the whole stream",
        "a range moves together, also without an event for it",
        "integration/inbox_hazards_test/one_hot_partition_moves_the_checkpoint_of_the_silent_ones",
        "consumers of some of the partitions: every consumer reads all 64"),
    Row("transient_failures",
        "PostgreSQL down, deadlock, disk full: every event fails and everything is parked",
        "transient errors are retried for ever and never parked",
        """integration/inbox_hazards_test/a_deadlock_or_a_full_disk_parks_nothing
           integration/inbox_hazards_test/postgresql_gone_for_many_attempts_parks_nothing
           integration/consumer_test/postgresql_away_parks_nothing
           unit/test_inbox_state/transient_failures_wait_longer_and_longer_and_never_give_up"""),
    Row("a_handler_that_always_fails",
        "A bug fails for every event and fills the dead letters",
        "past 100 parked aggregates the consumer stops as failing",
        "integration/consumer_test/past_a_hundred_poisoned_aggregates_the_consumer_stops_as_failing"),
    Row("a_deletion_comes_first",
        "A deletion arrives before the other source's row",
        "a tombstone keeps it from coming back",
        """integration/projections_test/however_sources_overtake_each_other
           integration/projections_test/nothing_of_a_deleted_person_is_left
           integration/projections_test/a_deleted_sender_is_told_from_an_unknown_one"""),
    Row("a_reactor_acts_twice",
        "A follow-up command runs twice, or again at a replay",
        "reactors: command id from event id and name, in the checkpoint's transaction; never at "
        "replay",
        "integration/inbox_hazards_test/a_reactor_killed_in_a_loop_acts_once_and_never_in_a_rebuild",
        "reactors that give commands: those of today erase keys"),
    Row("a_flow_control_that_is_not_allowed",
        "A flow-controlled consumer stops silently after 20 thousand messages (no permission on "
        "$JS.FC)",
        "permissions come from one table, the test reads 100 thousand",
        "integration/inbox_hazards_test/a_hundred_thousand_events_are_read_with_the_real_credentials"),
    Row("a_consumers_state_is_lost",
        "Consumer state lost or ahead of a restored database",
        "the consumer is re-created from the checkpoint",
        """integration/consumer_test/a_durable_that_was_deleted_is_made_again
           integration/consumer_test/a_read_model_restored_from_an_older_copy_catches_up"""),
    Row("two_instances_of_one_projection",
        "Two instances run one projection",
        "the second waits (lease) and takes over when the first dies or is paused; a woken one "
        "cannot write (fencing)",
        """integration/consumer_test/two_of_one_name_and_a_woken_one_writes_nothing
           integration/event_store_test/of_two_with_one_name_one_is_active_and_the_other_takes_over
           unit/test_inbox_state/fenced_is_the_end"""),
    Row("a_poison_event",
        "Poison event blocks everything, or order breaks when it is skipped",
        "its aggregate waits in the dead letters, all others go on, retry keeps order",
        """integration/consumer_test/a_poisoned_aggregate_waits_and_all_others_go_on
           unit/test_inbox_state/one_poison_event_parks_its_aggregate_and_nothing_else
           integration/dlq_test/a_retry_before_the_fix_leaves_all_of_it_parked
           integration/dlq_test/a_retry_after_the_fix_applies_them_in_order
           integration/dlq_test/a_retry_while_the_aggregate_goes_on_loses_nothing_and_turns_nothing_round
           integration/dlq_test/what_is_discarded_stays_in_the_log_and_in_the_audit
           unit/test_inbox_state/every_event_takes_effect_once_and_in_order_or_is_parked"""),
    Row("a_table_of_seen_ids",
        "Dedupe table grows for ever",
        "there is none",
        "integration/inbox_hazards_test/a_hundred_thousand_events_are_read_with_the_real_credentials"),
    Row("a_replay_sends_mail",
        "Replay sends e-mails again",
        "an effect outside is a row that its command wrote, and no replay writes one; after a crash at "
        "the wrong moment an e-mail goes once more, with the same Message-ID",
        """integration/mail_test/rebuilds_and_replays_send_nothing
           integration/mail_test/a_mailer_killed_again_and_again_sends_each_mail_once
           integration/mail_test/killed_between_the_servers_answer_and_its_note_it_sends_the_same_mail_again
           integration/mail_test/the_same_request_again_sends_nothing_again""",
        "effects of other kinds (push)"),
    Row("a_rebuild_while_live",
        "Rebuild while live: readers see half a model, or lose updates between catch-up and switch",
        "readers always see a whole one; the switch is one transaction at one position",
        """integration/rebuild_test/who_searches_during_rebuilds_sees_a_whole_index
           integration/rebuild_test/both_generations_are_equal_after_the_switch"""),
    Row("a_rebuild_killed",
        "Rebuild killed half-way",
        "resumes or is discarded; ten kills at drawn moments, and the result equals an undisturbed one",
        """integration/rebuild_test/a_rebuild_that_was_killed_can_be_run_again
           integration/rebuild_test/a_rebuild_that_is_killed_inside_its_switch_changes_nothing
           integration/operators_test/a_rebuild_is_discarded_by_abort_and_not_while_it_is_at_work"""),
    Row("back_to_a_former_read_model",
        "Going back to the read model of before a rebuild: it lacks what happened since, or nobody knows "
        "what, or it holds somebody who was deleted meanwhile",
        "it catches up before it is live, resumes when it is killed, takes its dead letters along; it is "
        "refused once it is gone, and it goes with a deleted person",
        """integration/operators_test/a_kept_generation_catches_up_before_it_is_live_again
           integration/operators_test/a_way_back_that_was_killed_goes_on_where_it_was
           integration/operators_test/parked_events_stay_with_their_generation
           integration/operators_test/a_kept_generation_goes_with_a_deleted_person_and_the_way_back_is_refused"""),
    Row("a_read_model_that_drifted",
        "A read model is not what the log says: a row changed by hand, lost, added, or made by a handler "
        "of before",
        "every such row is named, as of one vector of positions, while the read model goes on",
        """integration/operators_test/an_honest_read_model_is_what_the_log_says
           integration/operators_test/each_row_that_was_changed_removed_or_added_is_named
           integration/operators_test/a_read_model_is_verified_while_it_goes_on
           integration/operators_test/a_verification_that_is_ended_leaves_nothing_or_says_what_it_left"""),
    Row("old_events_meet_new_code",
        "Old events meet new code",
        "upcasters; every schema version ever written is in a corpus that is read in the tests",
        """unit/test_decode/an_old_type_is_opened_by_its_own_name_and_turned
           unit/test_decode/a_chain_of_turns_is_followed_to_its_end
           integration/compat_test/every_event_type_and_every_field_of_it_is_in_the_corpus
           integration/compat_test/every_event_of_the_corpus_passes_the_projections"""),
    Row("an_unknown_type_or_field",
        "Unknown event type or field arrives (newer producer)",
        "skipped and counted, or kept, as declared; never a crash",
        """integration/consumer_test/an_unknown_type_is_skipped
           unit/test_decode/unknown_and_unwanted_types_are_told_apart
           unit/test_decode/a_field_of_a_newer_contract_is_no_error
           integration/compat_test/a_newer_producers_fields_are_kept_and_its_types_passed_over_and_counted
           integration/compat_test/a_consumer_that_declares_it_stops_before_an_unknown_type
           integration/compat_test/a_newer_consumer_reads_an_older_producers_stream"""),
    Row("two_sources_in_another_order",
        "Two sources arrive in different order (profile before user)",
        "handlers commute or wait; end state equals any order",
        """integration/projections_test/however_sources_overtake_each_other
           integration/projections_test/however_events_are_cut_into_batches
           integration/projections_test/also_when_deleted_persons_keys_are_erased"""),
    Row("naughty_strings",
        "Full-text: NUL, invalid UTF-8, huge words, control characters",
        "refused at the command, or found as written; the projection never stops",
        """integration/inbox_hazards_test/whatever_is_written_is_refused_or_found_and_stops_nothing
           integration/projections_test/words_of_any_length_do_not_stop_the_index
           integration/projections_test/whatever_is_typed_is_text_and_never_syntax
           integration/bad_input_test/what_means_something_to_sql_or_headers_is_only_text"""),
]

COMMANDS = [
    Row("two_writers_one_aggregate",
        "Two writers, one aggregate",
        "one wins, the other retries on the new state; bounded",
        "integration/commands_test/many_writers_of_one_aggregate_leave_no_hole"),
    Row("a_repeated_command",
        "Client repeats a command after a timeout",
        "same answer, no second event; another payload under the same id is refused",
        """integration/commands_test/the_same_command_has_one_effect_and_one_answer
           integration/kill_test/the_same_commands_again_change_nothing
           integration/command_hazards_test/an_import_repeated_at_the_same_moment_changes_nothing
           integration/event_store_test/the_same_command_again_has_the_same_answer_and_no_second_event"""),
    Row("a_repeat_that_looks_like_theft",
        "A reply is lost and the repeat looks like theft (RefreshToken)",
        "the same command id gives the same tokens for a minute; another id revokes the family",
        """integration/sessions_test/the_same_command_within_a_minute_gets_the_same_tokens
           integration/sessions_test/a_reply_that_was_never_heard_is_asked_for_again
           integration/sessions_test/a_refresh_whose_service_is_killed_happens_once
           integration/sessions_test/a_repeat_after_more_than_a_minute_is_theft
           integration/sessions_test/an_old_token_under_another_id_ends_the_session
           integration/sessions_test/twenty_refreshes_of_one_token_at_once_leave_one_family_at_most
           integration/sessions_test/the_old_token_and_the_new_one_at_once_never_leave_two_families
           unit/test_session_rules/an_older_token_ends_the_session"""),
    Row("a_name_raced_for",
        "Uniqueness across aggregates (e-mail, user name) raced",
        "one wins, the other gets ALREADY_EXISTS and leaves no event",
        "integration/commands_test/one_of_many_gets_a_name"),
    Row("a_very_long_aggregate",
        "Very long aggregates",
        "snapshots; loading for a command stays flat; a wrong snapshot is detected and thrown away",
        """integration/command_hazards_test/an_aggregate_of_a_hundred_thousand_events_loads_as_fast_as_a_short_one
           integration/commands_test/a_snapshot_that_is_not_ours_is_thrown_away""",
        "a read model behind GetUser, which folds all events of a user"),
    Row("a_batch_partly_done",
        "Batch append partly done",
        "atomic",
        """integration/command_hazards_test/a_command_of_many_events_is_whole_or_absent_when_postgresql_is_killed
           integration/event_store_test/an_expected_version_that_is_wrong_is_a_conflict_and_nothing_is_written
           integration/services_test/a_command_of_several_events_is_whole_and_by_itself"""),
    Row("one_of_a_batch_fails",
        "Commands share a transaction, and one that conflicts, repeats itself, is refused or breaks "
        "a row's rule takes the others with it, or is lost among them",
        "each has its own outcome; a conflict fails, and tries again, that one alone",
        """integration/services_test/one_that_meets_another_writer_is_decided_again_and_the_others_stay
           integration/services_test/the_same_command_twice_has_one_effect_and_one_answer
           integration/services_test/another_request_under_a_command_id_of_the_batch_is_refused
           integration/services_test/a_copy_that_is_first_has_the_effect_and_both_the_answer
           integration/services_test/a_refused_command_leaves_the_others
           integration/services_test/a_row_that_the_table_refuses_fails_its_own_command
           integration/services_test/of_a_person_who_was_erased_nothing_is_written
           integration/services_test/commands_of_one_aggregate_follow_each_other
           integration/abuse_test/a_made_up_key_keeps_no_command_waiting_that_came_with_it
           integration/command_hazards_test/a_command_whose_deadline_passes_behind_others_is_told_so_and_does_nothing
           unit/test_group/of_two_that_append_to_one_aggregate_the_second_waits
           unit/test_group/a_thousand_histories_are_as_a_list_says"""),
    Row("a_batch_of_unknown_outcome",
        "The session ends while a batch commits: many callers know nothing, and repeat",
        "nothing or all of it is there; each finds out by its own command id, and nothing is there twice",
        """integration/services_test/a_backend_killed_before_the_commit_leaves_nothing_and_each_is_told
           integration/services_test/a_commit_whose_answer_is_lost_is_found_again_by_each_id
           integration/command_hazards_test/commands_that_go_together_are_there_once_whatever_is_killed_meanwhile"""),
]

WITNESS = "integration/witness_test/"
PROOFS = "integration/proofs_test/"
SIGNER = "integration/signer_test/"
AUDITORS = [
    Row("a_forged_or_replayed_proof",
        "A forged or replayed proof, another log's checkpoint",
        "refused offline",
        f"""unit/test_proof/of_ten_thousand_mutated_proofs_none_is_accepted
            unit/test_proof/an_event_of_another_log_is_refused_though_its_hash_is_in_the_tree
            unit/test_proof/a_log_that_is_signed_by_another_key_is_refused
            unit/test_proof/a_rewound_checkpoint_is_no_extension
            {PROOFS}of_ten_thousand_mutated_proofs_the_independent_verifier_accepts_none
            {PROOFS}check_proof_refuses_what_is_forged_or_anothers"""),
    Row("two_histories",
        "The operator signs two histories",
        "a witness that cosigns sees it; both checkpoints are kept as evidence",
        f"""{SIGNER}another_history_of_the_same_size_is_not_signed_and_a_signed_one_is_refused_by_the_witness
            {WITNESS}a_forked_log_of_the_same_size_is_refused_and_both_are_kept
            {WITNESS}a_forked_log_of_another_size_has_no_proof
            {WITNESS}of_two_histories_shown_at_once_one_is_cosigned
            {WITNESS}a_rewound_checkpoint_is_refused_and_both_are_kept"""),
    Row("two_signers",
        "The signer is killed anywhere, or two of them run",
        "one history is signed, one root for a size; what was published is continued",
        f"""{SIGNER}a_signer_killed_again_and_again_signs_one_history
            {SIGNER}a_second_signer_stands_by_until_the_first_is_gone
            {SIGNER}each_checkpoint_is_the_tree_of_the_events_before_it"""),
    Row("the_signing_key",
        "Another process signs, or changes what was signed",
        "the key's file, role and user on the bus are the signer's alone; checkpoints are only added",
        f"{SIGNER}the_key_is_the_signers_and_what_was_signed_stays"),
    Row("another_encoding",
        "A relay of next year encodes the same row differently, and a refilled stream no longer matches",
        "leaf bytes are fixed (v1), payloads copied",
        f"""unit/test_leaf/every_vector_has_its_leaf_and_its_hash
            {PROOFS}the_golden_vectors_of_the_leaf_are_read"""),
    Row("a_row_changed_by_hand",
        "A row changed, removed, inserted, reordered in outbox or stream",
        "found and named",
        f"""{SIGNER}a_row_changed_by_hand_is_named
            {SIGNER}a_row_removed_from_the_end_or_the_middle_is_named
            {SIGNER}two_rows_that_were_swapped_are_named
            {SIGNER}a_message_changed_in_the_stream_is_named
            {SIGNER}a_stored_hash_that_was_changed_is_named_and_not_signed
            {SIGNER}the_same_change_everywhere_is_found_by_the_signature
            unit/test_compare/a_changed_event_is_named
            unit/test_compare/one_that_was_removed_is_named
            unit/test_compare/of_two_that_were_swapped_the_first_is_named
            unit/test_compare/the_same_change_in_all_copies_is_found_and_no_event_is_named"""),
    Row("the_newest_rows_removed",
        "The newest rows removed together with their checkpoint",
        "found: checkpoints are published and kept elsewhere; consistency fails",
        f"""{SIGNER}a_database_restored_from_an_older_copy_is_not_signed_until_it_is_what_it_was
            unit/test_sign/a_smaller_tree_is_refused_once_nothing_more_is_to_be_read
            unit/test_sign/another_tree_is_refused_whatever_its_size
            {WITNESS}a_rewound_checkpoint_is_refused_and_both_are_kept"""),
    Row("a_person_forgotten",
        "A person must be forgotten but the log cannot change",
        "personal data is sealed per person; the key is deleted, every proof stays valid",
        f"{SIGNER}after_an_erasure_the_log_and_old_proofs_still_hold"),
]

STORE = "integration/event_store_test/"
# What of identity is provoked so far; the other rows of that table come with what they are about.
IDENTITY = [
    Row("a_forged_token",
        "JWT: `alg` none or swapped, HS256 with the public key, wrong or injected `kid`, a key that "
        "comes along, duplicate, huge, missing or future claims, other audience, another text of the "
        "same bytes (RFC 8725)",
        "refused, with its honest neighbour accepted beside it; only EdDSA with a known key",
        """unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused
           unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them
           unit/test_jwt_attacks/an_hmac_with_the_public_key_is_refused
           unit/test_jwt_attacks/what_its_key_did_not_sign_is_refused
           unit/test_jwt_attacks/a_signature_with_the_group_s_order_added_is_refused
           unit/test_jwt_attacks/a_token_has_one_text
           unit/test_jwt_attacks/each_part_is_base64url_and_nothing_else
           unit/test_jwt_attacks/the_bits_that_mean_nothing_are_zero
           unit/test_jwt_attacks/depth_and_length_are_bounded"""),
    Row("a_revoked_session",
        "A session has ended, and its access token is still good; the service that takes it was started, "
        "disconnected or deaf when it ended; the stream that tells is away",
        "refused by every service within a second, by events and without asking anybody; what ended before "
        "a start is known before the first token is taken; away for long: users are refused",
        """unit/test_revocations/nothing_is_good_before_the_feed_was_whole
           unit/test_revocations/a_gap_loses_the_feed_and_what_was_known_stays_good_for_a_while
           unit/test_revocations/an_older_feed_says_nothing_and_a_newer_one_is_taken_over
           unit/test_revocations/past_its_bound_older_tokens_are_refused_and_no_end_is_missed
           unit/test_revocations/in_every_history_a_verifier_that_follows_knows_every_end
           integration/verifier_test/a_session_that_ended_is_refused_by_every_service_whatever_ended_it
           integration/verifier_test/no_service_asks_identity_about_a_token
           integration/verifier_test/what_ended_before_a_service_started_it_never_takes
           integration/verifier_test/each_process_of_a_service_hears_of_every_end
           integration/verifier_test/a_durable_that_somebody_removes_is_made_again
           integration/verifier_test/a_feed_that_another_service_makes_up_is_not_listened_to
           integration/verifier_test/a_stream_that_stays_away_shuts_users_out_and_lets_them_in_again"""),
    Row("a_key_that_is_changed",
        "A signing key is changed: tokens of the old one are refused, the new one signs before others know "
        "it, an old one is taken for ever, the operator is cut off in the middle",
        "published before it signs, kept until its last token has expired, then refused; one step, which "
        "may be killed and run again; in the log",
        """unit/test_key_schedule/a_rotation_takes_a_key_through_all_its_states
           unit/test_key_schedule/no_token_outlives_its_key
           unit/test_keyring_rules/an_operator_publishes_a_key_before_it_signs
           unit/test_keyring_rules/nobody_else_does
           unit/test_keyring_rules/a_key_that_waits_is_not_overtaken
           unit/test_jwks/a_known_key_is_not_asked_for_and_an_unknown_one_once
           unit/test_jwks/old_keys_are_asked_for_again_and_a_removed_one_is_forgotten
           integration/verifier_test/a_key_is_changed_under_load_and_nobody_notices
           integration/verifier_test/a_key_whose_last_token_expired_is_gone_and_refused
           integration/verifier_test/a_rotation_that_is_killed_can_be_run_again
           integration/verifier_test/only_an_operator_sees_and_rotates_keys"""),
    Row("a_password_that_is_cut",
        "Long passwords cut, NUL bytes, Unicode forms; passwords that leaked elsewhere; hashes of a "
        "cost of long ago",
        "8 to 1,024 bytes after NFKC, never truncated; leaked ones are refused; a login makes an old "
        "hash anew",
        """unit/test_password/the_length_is_counted_after_nfkc
           unit/test_password/one_password_on_two_keyboards_is_one
           unit/test_password/nothing_is_cut_off
           unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost
           unit/test_leaked/all_of_the_list_are_found_and_few_others
           unit/test_leaked/whatever_is_not_as_it_was_written_is_refused
           integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed
           integration/passwords_test/a_password_of_no_length_with_a_nul_or_that_leaked_is_refused_and_leaves_nothing
           integration/passwords_test/a_login_makes_a_hash_of_another_cost_anew
           integration/passwords_test/of_many_logins_while_the_hash_changes_all_get_in"""),
    Row("an_account_that_a_stranger_finds",
        "Account enumeration by answer or timing (login, register, reset)",
        "same answer, same work: a dummy hash when unknown, the same rows written when refused; the "
        "holder of an address hears of it by e-mail",
        """integration/enumeration_test/a_refused_login_says_the_same_whoever_it_was_for
           integration/enumeration_test/a_refused_login_locks_no_account_and_writes_the_same_for_everybody
           integration/enumeration_test/a_refused_login_takes_the_same_time_whether_the_account_exists_or_not
           integration/enumeration_test/a_registration_says_the_same_whether_the_address_is_taken_or_free
           integration/enumeration_test/no_hash_is_left_out_of_a_registration_whose_address_is_taken
           integration/enumeration_test/the_measure_sees_a_hash_that_was_left_out
           integration/accounts_test/an_address_that_is_taken_is_answered_like_one_that_is_free
           integration/accounts_test/who_has_the_address_hears_of_it_once_in_a_while
           integration/accounts_test/of_a_hundred_registrations_of_one_address_one_wins_and_the_others_leave_no_event
           integration/mail_test/an_unknown_address_gets_the_same_answer_and_the_same_work
           unit/test_identity_rules/an_address_that_is_taken_is_answered_alike_and_leaves_no_event
           unit/test_identity_rules/a_wrong_password_is_all_a_stranger_hears""",
        "Register's time: a taken address costs some 2 ms more than a free one"),
    Row("lock_out",
        "Lock-out used to lock others out; passwords guessed from one address or many; clocks that step",
        "delay grows by name and address, forgotten slowly, the same for names that nobody has; a "
        "known device, or a reset, gets in",
        """unit/test_throttle/the_wait_doubles_behind_the_free_attempts_up_to_the_longest
           unit/test_throttle/however_many_fail_all_is_forgotten_in_a_bounded_time
           unit/test_throttle/a_clock_that_was_set_back_makes_nobody_wait
           unit/test_device_token/a_device_is_known_to_its_own_user_and_to_nobody_else
           unit/test_lock_rules/a_known_device_gets_in_and_leaves_strangers_locked_out
           integration/accounts_test/who_fails_waits_longer_each_time_whether_the_name_is_somebodys_or_not
           integration/accounts_test/a_name_in_other_letters_is_the_same_and_another_name_of_the_user_is_not
           integration/accounts_test/one_address_that_tries_many_names_waits_and_others_do_not
           integration/accounts_test/many_addresses_that_try_one_name_wait_together
           integration/accounts_test/of_many_failures_at_the_same_moment_all_count
           integration/accounts_test/a_clock_that_steps_keeps_nobody_out
           integration/accounts_test/what_is_forgotten_leaves_no_row
           integration/accounts_test/a_stranger_locks_a_user_for_strangers_and_a_known_device_gets_in
           integration/accounts_test/a_device_has_attempts_of_its_own_and_waits_for_them
           integration/accounts_test/a_reset_gets_in_and_unlocks"""),
    Row("security_audit",
        "Nobody can say what happened to an account; the log of it tells too much, to too many, or grows "
        "without end",
        "written in the command's transaction; the user's own and operators'; devices and addresses "
        "sealed and gone with the user; what can be repeated counts in one row",
        """integration/accounts_test/what_happened_to_an_account_is_kept_in_order
           integration/accounts_test/only_the_user_and_operators_read_it_and_a_look_is_kept
           integration/accounts_test/it_is_read_page_by_page
           integration/accounts_test/where_somebody_was_is_sealed_and_goes_with_them
           integration/accounts_test/what_is_too_old_is_not_kept
           integration/migrations_test/an_entry_of_the_audit_log_stays_as_it_is
           integration/migrations_test/an_auditor_sees_not_where_somebody_was"""),
    Row("a_name_that_looks_like_another",
        "A name that is read as a reserved one, or is another's in other letters; one who changes "
        "names all the time",
        "reserved names and what looks like them are refused; a handle is unique whatever its case; "
        "a change is followed by days without one",
        """unit/test_identity_rules/what_looks_like_a_reserved_name_is_reserved
           unit/test_identity_rules/a_handle_is_changed_at_a_bounded_rate
           integration/names_test/every_reserved_name_is_refused_in_each_way_of_writing_it
           integration/names_test/display_names_of_stack_exchange_go_in_and_the_handles_made_of_them_are_unique
           integration/names_test/a_handle_is_changed_once_and_then_not_for_days"""),
    Row("mail_tokens",
        "Reset and verification tokens leaked from the database, used twice, or for another address",
        "hashed, single use, short, bound to purpose and address; a new one voids the old; a changed password "
        "ends sessions",
        """integration/mail_test/no_token_is_in_the_tables_only_its_hash
           integration/mail_test/a_token_is_used_once_and_its_command_answers_again
           integration/mail_test/a_new_token_voids_the_old_one
           integration/mail_test/a_token_that_expired_or_is_none_sets_nothing
           integration/mail_test/a_token_is_bound_to_the_address_it_was_sent_to
           integration/mail_test/a_token_that_came_by_mail_sets_the_password_and_ends_every_session
           integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent"""),
]

BEHAVIOURS = [
    Row("expected_version", "1. Expected version: no stream, exact, any, exists",
        "a wrong one is a conflict, nothing written, version unchanged",
        f"""{STORE}an_expected_version_that_is_wrong_is_a_conflict_and_nothing_is_written
            integration/migrations_test/a_version_is_taken_once"""),
    Row("writers_with_the_same_expected_version", "2. N writers with the same expected version",
        "exactly one wins; with \"any\" all win, no holes in the stream",
        f"""{STORE}of_many_writers_with_one_expected_version_exactly_one_wins
            {STORE}with_any_expected_version_all_win_without_a_hole"""),
    Row("the_same_command_again", "3. The same command again",
        "same answer; partly written batches cannot exist",
        f"""{STORE}the_same_command_again_has_the_same_answer_and_no_second_event
            integration/command_hazards_test/a_command_of_many_events_is_whole_or_absent_when_postgresql_is_killed"""),
    Row("zero_events_and_too_many", "4. Appending zero events; a batch over the size limit",
        "harmless; refused whole",
        f"{STORE}no_event_is_harmless_and_a_batch_over_the_limit_is_refused_whole"),
    Row("reading", "5. Reading an unknown stream; from a version with a limit, forward and backward; "
        "batch boundaries 1, 2, large",
        "what is there and no more",
        f"""{STORE}reading_from_anywhere_gives_what_is_there_and_no_more
            {STORE}batches_of_one_of_two_and_large_end_the_same"""),
    Row("a_reader_of_everything", "6. A reader of everything",
        "never skips an event that commits late, and tolerates rolled-back gaps",
        f"""{STORE}a_reader_of_everything_skips_no_late_commit_and_no_gap_stops_it
            integration/relay_gap_test/writers_that_commit_late_or_roll_back_lose_nothing"""),
    Row("events_are_for_ever", "7. Events cannot be updated or deleted",
        "by no role of a service, a relay or a person",
        f"""{STORE}events_cannot_be_changed_or_removed_by_who_appends_reads_or_watches
            integration/commands_test/an_event_cannot_be_changed_by_its_service"""),
    Row("snapshots", "8. Snapshots", "none, record, overwrite, delete, delete again",
        f"{STORE}snapshots_are_recorded_overwritten_and_deleted_twice"),
    Row("subscriptions", "9. Subscriptions",
        "from the origin, from now, from a position; resume after restart; checkpoints move only "
        "forward; back pressure; two with one name: one active, takeover on crash",
        f"""{STORE}a_subscription_begins_at_the_origin_at_a_position_or_now
            {STORE}a_subscription_resumes_behind_its_checkpoint_which_only_grows
            {STORE}a_consumer_that_does_not_read_is_given_no_more_than_its_bound
            {STORE}of_two_with_one_name_one_is_active_and_the_other_takes_over"""),
    Row("consumer_groups", "10. Consumer groups",
        "disjoint and complete over the members; bad sizes are errors",
        f"""{STORE}partitions_are_disjoint_and_together_everything
            {STORE}members_of_a_group_share_a_log_and_bad_sizes_are_errors
            {STORE}each_member_that_follows_is_told_of_its_own_events
            unit/test_member/each_aggregate_is_exactly_one_members
            unit/test_member/a_member_is_two_numbers"""),
    Row("correlation_and_causation", "11. Correlation and causation",
        "correlation is copied; causation is the direct cause",
        f"{STORE}correlation_is_copied_and_causation_is_the_direct_cause"),
    Row("one_transaction", "12. A projection's checkpoint and rows",
        "are one transaction; rebuild gives the same rows; a second runner is blocked and the lock "
        "is freed when a connection dies",
        f"""{STORE}rows_and_checkpoint_are_one_transaction_and_a_dead_connection_frees_its_lock
            integration/rebuild_test/both_generations_are_equal_after_the_switch
            integration/datasets_test/a_rebuilt_projection_equals_the_live_one
            integration/consumer_test/two_of_one_name_and_a_woken_one_writes_nothing"""),
    Row("unicode_and_large_positions", "13. Unicode in data, names and ids; very long names; positions "
        "above 2^31",
        "kept as written; refused clearly; positions as any other",
        f"""{STORE}unicode_comes_through_and_names_that_are_too_long_are_refused
            {STORE}positions_above_2_to_the_31_are_positions"""),
    Row("migrated_equals_fresh", "14. A schema migrated from the oldest version",
        "is identical to a fresh one",
        """integration/compat_test/released_migrations_never_change
           integration/compat_test/a_database_of_the_first_release_becomes_equal_to_a_fresh_one"""),
]

SECTIONS = [("Outbox and relay", OUTBOX), ("Inbox and projections", INBOX),
            ("Aggregates and commands", COMMANDS), ("Identity and access", IDENTITY),
            ("Auditors", AUDITORS),
            ("Behaviours that public event stores agree on", BEHAVIOURS)]
