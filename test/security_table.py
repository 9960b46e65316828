"""What OWASP ASVS 4.0.3, RFC 8725, RFC 9106, RFC 9700 and NIST SP 800-63B ask of a service like this,
and what shows that it is so here.

The one place: the tables of docs/security.md are made of it (test/security.py), and
test/tidy/security_test.py holds them against the programs. Each line is of one of these kinds:

    held     how it is held, and the cases that show it; `missing` what of it is not there yet
    missing  nothing of it is there yet, or we do otherwise: what, and why
    aside    it does not apply: why

`asks` is our short form of what the text asks, not its words.
"""
import dataclasses

from case_table import Shown


@dataclasses.dataclass
class Line(Shown):
    place: str  # the item's number, or the section
    asks: str
    held: str = ""
    tests: str = ""  # "program/case", one a line
    missing: str = ""
    aside: str = ""
    level: str = ""  # of ASVS: the lowest that has it


def held(place, asks, how, tests, missing=""):
    return Line(place, asks, held=how, tests=tests, missing=missing)


def missing(place, asks, what):
    return Line(place, asks, missing=what)


def aside(place, asks, why):
    return Line(place, asks, aside=why)


def levels(first, second, *lines):
    """ASVS's levels of these lines: `first` and `second` are the numbers of level 1 and 2."""
    ones, twos = first.split(), second.split()
    for line in lines:
        assert (line.place in ones) != (line.place in twos), line.place
        line.level = "1" if line.place in ones else "2"
    assert [line.place for line in lines] == sorted(
        ones + twos, key=lambda place: [int(each) for each in place.split(".")]), lines
    return list(lines)


BROWSER = "a browser's matter: no front end is part of this"
TOTP = "the second factor: TOTP (RFC 6238), its secret sealed, no code taken twice"
CODES = "recovery codes, which come with the second factor"
NOTICE = ("an e-mail when password, address or devices change: the user finds it in GetSecurityAudit, and is "
          "not told")

V2_1 = levels(
    "2.1.1 2.1.2 2.1.3 2.1.4 2.1.5 2.1.6 2.1.7 2.1.8 2.1.9 2.1.10 2.1.11 2.1.12", "",
    missing("2.1.1", "12 characters at least",
            "a least length of 12: 8 bytes after NFKC are enough, since NIST SP 800-63B asks for eight "
            "([decision 28](decisions/0028-what-a-password-may-be.md)), and there is no setting for more"),
    held("2.1.2", "64 characters are possible, more than 128 are not",
         "1,024 bytes, and not one more; the bound keeps hashing cheap to refuse, and longer ones are no harm to "
         "Argon2id, whose first step is a hash of all of it",
         """unit/test_password/the_length_is_counted_after_nfkc
            integration/passwords_test/a_password_of_no_length_with_a_nul_or_that_leaked_is_refused_and_leaves_nothing"""),
    held("2.1.3", "nothing is cut off",
         "the whole normalised text is hashed, to its 1,024th byte",
         """unit/test_password/nothing_is_cut_off
            integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed"""),
    held("2.1.4", "every printable character of Unicode may be in it",
         "all of UTF-8 but NUL; NFKC makes one password of two keyboards'",
         """unit/test_password/one_password_on_two_keyboards_is_one
            integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed"""),
    held("2.1.5", "users can change it", "ChangePassword",
         """unit/test_mail_rules/a_password_is_changed_by_its_user_who_knows_it
            integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent"""),
    held("2.1.6", "a change wants the present one and the new one",
         "both are in the request; wrong guesses wait like those of a login",
         """integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent
            integration/accounts_test/who_has_a_session_cannot_guess_the_password_with_it"""),
    held("2.1.7", "known leaked ones are refused at registration, login and change",
         "where one is chosen (Register, ChangePassword, ResetPassword), by a filter that needs no network; "
         "the 3,000 best known ship, `./nova passwords` makes one of any list",
         """unit/test_leaked/all_of_the_list_are_found_and_few_others
            unit/test_leaked/the_filter_that_ships_knows_the_best_known
            unit/test_mail_rules/a_password_that_everybody_knows_is_not_set
            integration/passwords_test/a_password_of_no_length_with_a_nul_or_that_leaked_is_refused_and_leaves_nothing
            integration/passwords_test/a_list_of_ones_own_becomes_a_filter_that_the_service_asks""",
         "at a login: who has one already, by an import or from before the list, goes on with it"),
    aside("2.1.8", "a meter of a password's strength", BROWSER),
    held("2.1.9", "no rules of composition", "length and the list, nothing else",
         "integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed"),
    held("2.1.10", "no change because of age, no history of former ones",
         "a password has no age, and of a former one nothing is kept: an old hash is written over",
         "integration/passwords_test/a_login_makes_a_hash_of_another_cost_anew"),
    aside("2.1.11", "pasting and password managers are allowed", BROWSER),
    aside("2.1.12", "what is typed can be shown", BROWSER))

V2_2 = levels(
    "2.2.1 2.2.2 2.2.3", "",
    held("2.2.1", "guessing by machines is slowed: at most 100 failures an hour on one account",
         "5 are free, then each failure doubles the wait, to 15 minutes; an hour sees some 20 of one name, and "
         "twice that of who knows handle and address. Addresses wait as well. A known device, or a reset, gets in "
         "([decision 38](decisions/0038-a-failed-login-is-noted-for-everybody.md))",
         """unit/test_throttle/the_wait_doubles_behind_the_free_attempts_up_to_the_longest
            unit/test_throttle/failures_are_forgotten_one_by_one
            integration/accounts_test/who_fails_waits_longer_each_time_whether_the_name_is_somebodys_or_not
            integration/accounts_test/one_address_that_tries_many_names_waits_and_others_do_not
            integration/accounts_test/many_addresses_that_try_one_name_wait_together
            integration/accounts_test/of_many_failures_at_the_same_moment_all_count
            integration/accounts_test/a_stranger_locks_a_user_for_strangers_and_a_known_device_gets_in"""),
    held("2.2.2", "SMS and e-mail are no first way in",
         "nothing is sent by SMS; the token of an e-mail opens no session: it sets a password, with which one logs "
         "in, or confirms the address",
         """integration/mail_test/a_token_that_came_by_mail_sets_the_password_and_ends_every_session
            integration/mail_test/a_token_that_came_by_mail_verifies_the_address_until_it_changes"""),
    held("2.2.3", "the user is told of changes and of logins from unknown places",
         "by e-mail only that somebody tried to register with their address; everything else is in "
         "GetSecurityAudit, which they may read",
         """integration/accounts_test/who_has_the_address_hears_of_it_once_in_a_while
            integration/accounts_test/what_happened_to_an_account_is_kept_in_order""", NOTICE))

V2_3 = levels(
    "2.3.1", "2.3.2 2.3.3",
    held("2.3.1", "what the system makes for a first login is random, short-lived and no password for ever",
         "no password is ever made for anybody. Who is imported without a hash cannot log in with one, and sets it "
         "by a token of 256 bits that lives half an hour",
         """unit/test_password/no_hash_matches_nothing
            unit/test_mail_token/whatever_it_is_made_of_makes_another
            integration/mail_test/a_token_that_expired_or_is_none_sets_nothing"""),
    missing("2.3.2", "devices of the user's own (FIDO2, U2F)",
            "passkeys, which need a front end to enroll them"),
    aside("2.3.3", "authenticators that run out are renewed in time", "none runs out: a password has no age"))

V2_4 = levels(
    "", "2.4.1 2.4.2 2.4.3 2.4.4 2.4.5",
    held("2.4.1", "passwords are kept salted, by a slow one-way function",
         "Argon2id as a PHC string; hashes from elsewhere are taken when they are Argon2id too, and made anew at "
         "the next login",
         """unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost
            unit/test_password/a_hash_at_another_cost_is_to_be_made_anew
            integration/passwords_test/a_login_makes_a_hash_of_another_cost_anew
            integration/methods_test/an_imported_argon2id_hash_logs_in
            integration/abuse_test/no_digest_of_the_log_is_a_hash_that_a_guess_can_be_tried_on"""),
    held("2.4.2", "a salt of its own for each, 32 bits at least",
         "libsodium draws 128 bits for each hash; an imported one without a salt is refused",
         "unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost"),
    aside("2.4.3", "PBKDF2 with many iterations", "no password is hashed with it"),
    aside("2.4.4", "bcrypt at a cost of 10 or more", "no password is hashed with it, and none is imported"),
    missing("2.4.5", "one more iteration with a secret salt, kept elsewhere",
            "a pepper from a file of its own. Until then a copy of `identity.account` can be tried at Argon2id's "
            "cost"))

V2_5 = levels(
    "2.5.1 2.5.2 2.5.3 2.5.4 2.5.5 2.5.6", "2.5.7",
    held("2.5.1", "a secret for recovery does not go over the wire in the open",
         "the mailer hands its e-mail to a server with TLS and a certificate somebody vouches for, or (on loopback "
         "alone) without; the token is for one purpose and address, works once and half an hour",
         """integration/mail_tls_test/an_email_goes_by_starttls_and_the_login_of_the_file
            integration/mail_tls_test/a_server_without_starttls_gets_nothing
            integration/mail_tls_test/a_server_whose_certificate_nobody_vouches_for_gets_nothing
            integration/mail_test/a_token_is_used_once_and_its_command_answers_again""",
         "encryption to its reader: from that server on it is as open as e-mail is"),
    aside("2.5.2", "no hints, no questions about one's life", "the contract has no field for either"),
    held("2.5.3", "recovery shows nothing of the present password",
         "of which only the hash is known; the e-mail holds a token and a text",
         """integration/mail_test/the_mail_is_whole
            integration/mail_test/no_token_is_in_the_tables_only_its_hash"""),
    held("2.5.4", "no shared or default accounts",
         "nobody is there in a new home; names such as admin and root are refused; each process has a role, a key "
         "and a password of its own, made at random",
         """integration/names_test/every_reserved_name_is_refused_in_each_way_of_writing_it
            unit/test_identity_rules/what_looks_like_a_reserved_name_is_reserved
            integration/up_test/postgresql_listens_on_loopback_by_password_only"""),
    missing("2.5.5", "the user is told when a factor changes", NOTICE),
    held("2.5.6", "recovery by something strong",
         "a single-use token of 256 bits to the account's address, void when a newer one is asked for, the address "
         "changes or the password does; all sessions end",
         """integration/mail_test/a_new_token_voids_the_old_one
            integration/mail_test/a_token_is_bound_to_the_address_it_was_sent_to
            integration/mail_test/a_token_that_came_by_mail_sets_the_password_and_ends_every_session
            integration/mail_test/an_unknown_address_gets_the_same_answer_and_the_same_work""",
         f"{CODES}; so who reads the mailbox has the account"),
    missing("2.5.7", "a lost second factor is replaced with as much proof as it was enrolled with", TOTP))

V2_6 = levels(
    "", "2.6.1 2.6.2 2.6.3",
    missing("2.6.1", "each look-up secret works once", CODES),
    missing("2.6.2", "they have 112 bits, or are salted and hashed", CODES),
    missing("2.6.3", "they cannot be predicted or tried offline", CODES))

V2_7 = levels(
    "2.7.1 2.7.2 2.7.3 2.7.4", "2.7.5 2.7.6",
    aside("2.7.1", "SMS and telephone are not the default",
          "nobody logs in out of band; the next lines are about the tokens of e-mails, which recover and confirm"),
    held("2.7.2", "a code expires after 10 minutes",
         "it expires, by `identity.reset_lifetime_s` and `identity.verification_lifetime_s`",
         "integration/mail_test/a_token_that_expired_or_is_none_sets_nothing",
         "10 minutes by default; it is half an hour for a reset and a day for a confirmation, since e-mail takes its time"),
    held("2.7.3", "a code works once, and for what it was asked for",
         "bound to purpose and address; its use deletes it",
         """integration/mail_test/a_token_is_used_once_and_its_command_answers_again
            integration/mail_test/a_token_that_came_by_mail_verifies_the_address_until_it_changes
            unit/test_mail_token/what_has_another_form_or_purpose_is_none"""),
    aside("2.7.4", "the other channel is independent and safe",
          "nobody logs in out of band; what e-mail is worth: 2.5.1"),
    held("2.7.5", "only a hash of the code is kept", "SHA-256 of 256 random bits",
         """integration/mail_test/no_token_is_in_the_tables_only_its_hash
            integration/migrations_test/a_token_that_was_sent_is_not_kept_itself"""),
    held("2.7.6", "a code has 20 random bits",
         "HMAC-SHA256 under a key that comes from the master key: nobody makes one up",
         """unit/test_mail_token/whatever_it_is_made_of_makes_another
            integration/mail_test/a_token_that_expired_or_is_none_sets_nothing"""))

V2_8 = levels(
    "2.8.1", "2.8.2 2.8.3 2.8.4 2.8.5 2.8.6 2.8.7",
    missing("2.8.1", "a time-based code has a time", TOTP),
    missing("2.8.2", "the key of the codes is well protected", TOTP),
    missing("2.8.3", "approved algorithms make and check them", TOTP),
    missing("2.8.4", "a code works once in its time", TOTP),
    missing("2.8.5", "one that comes again is refused, logged and told to its holder", TOTP),
    aside("2.8.6", "a stolen physical generator can be revoked", "there are no physical ones"),
    aside("2.8.7", "biometrics only beside something else", "a device's matter: none reaches a service"))

V2_9 = levels(
    "", "2.9.1 2.9.2 2.9.3",
    held("2.9.1", "keys that prove who one is are kept well",
         "processes have Ed25519 keys (nkeys), each in a file for its owner only",
         """integration/up_test/secrets_are_for_their_owner_only
            unit/test_access/a_secret_that_others_may_read_is_refused""",
         "keys of users (2.3.2), and a TPM or HSM for those of processes"),
    held("2.9.2", "a challenge of 64 bits that does not come again",
         "nats-server's nonce for each connection; two known faults of the library around it are worked around "
         "([decision 8](decisions/0008-around-nats-c.md))",
         "integration/bus_test/every_connection_is_let_in"),
    held("2.9.3", "approved algorithms", "Ed25519, by libsodium; the same key signs a process's token",
         """unit/test_jwt/a_signed_token_verifies_and_is_the_same_every_time
            integration/rpc_test/keys_of_persons_are_refused_to_all_that_the_table_does_not_name"""))

V2_10 = levels(
    "", "2.10.1 2.10.2 2.10.3 2.10.4",
    held("2.10.1", "services do not rest on secrets that never change, or on shared ones",
         "a process says who it is by a token that it signs anew; each has a role and a key of its own, and a "
         "table says what each may do. One that is removed is made anew",
         """integration/bus_test/each_is_allowed_what_it_needs_and_no_more
            integration/bus_test/with_its_password_communication_reaches_no_table_of_others
            integration/up_test/a_credential_that_was_removed_is_made_anew""",
         "a change by itself: nkeys and PostgreSQL's passwords stay until somebody removes their file"),
    held("2.10.2", "no default passwords among them", "each is drawn at the first `./nova up`",
         "integration/up_test/postgresql_listens_on_loopback_by_password_only"),
    held("2.10.3", "those passwords resist being tried offline",
         "PostgreSQL keeps SCRAM verifiers of random ones; the files that hold them are for their owner only",
         """unit/test_scram/a_verifier_knows_its_password_and_no_other
            integration/up_test/secrets_are_for_their_owner_only"""),
    held("2.10.4", "no secret stands in the source; they are managed",
         "they are made in the home, or come from files that settings name (systemd's credentials are such files); "
         "a file that others may read is refused",
         """integration/up_test/secrets_are_for_their_owner_only
            integration/up_test/processes_without_a_home_do_the_whole_work
            unit/test_access/a_process_without_a_home_names_its_files
            unit/test_access/a_secret_that_others_may_read_is_refused
            unit/test_settings/secrets_are_not_shown"""))

V3_1 = levels(
    "3.1.1", "",
    aside("3.1.1", "no session token in a URL",
          "there are no URLs: tokens travel in a header of the request, refresh tokens in its body"))

V3_2 = levels(
    "3.2.1 3.2.2 3.2.3", "3.2.4",
    held("3.2.1", "a login makes a new session token",
         "each Login begins a session of its own, with tokens of its own",
         """integration/services_test/a_login_gives_a_token_that_says_who_asks
            integration/sessions_test/a_refresh_gives_new_tokens_and_takes_the_old_one"""),
    held("3.2.2", "64 random bits in it",
         "access tokens are signed, refresh tokens end in 256 bits of HMAC; who knows ids makes none",
         """unit/test_jwt/every_changed_byte_is_refused
            unit/test_refresh_token/another_key_makes_another_token
            integration/sessions_test/a_token_that_is_no_good_is_refused_by_name_and_changes_nothing
            integration/abuse_test/a_known_command_id_and_a_wrong_password_open_no_session"""),
    aside("3.2.3", "the browser keeps it safely", BROWSER),
    held("3.2.4", "approved algorithms make it", "Ed25519 and HMAC-SHA256, tried against other libraries",
         """integration/methods_test/a_token_is_verified_by_others_with_the_published_key
            unit/test_refresh_token/a_token_is_what_another_implementation_makes"""))

V3_3 = levels(
    "3.3.1 3.3.2", "3.3.3 3.3.4",
    held("3.3.1", "logout and expiry end the token everywhere",
         "however a session ends, every service refuses its access token, by events and without asking anybody "
         "([decision 40](decisions/0040-a-verifier-hears-of-ended-sessions.md))",
         """integration/verifier_test/a_session_that_ended_is_refused_by_every_service_whatever_ended_it
            integration/verifier_test/what_ended_before_a_service_started_it_never_takes
            integration/sessions_test/a_logout_ends_one_session_and_a_revocation_those_that_are_named
            unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them""",
         "an end in time while identity's relay is behind: it is heard as late as that is"),
    held("3.3.2", "one logs in again: after 30 days (level 1), 12 hours or half an hour without use (level 2)",
         "a session ends after 14 days without use and after 30 in any case",
         """integration/sessions_test/a_token_that_is_no_good_is_refused_by_name_and_changes_nothing
            unit/test_session_rules/a_token_that_is_over_is_refused
            unit/test_session_rules/the_newest_token_gives_the_next""",
         "level 2's times by default: `identity.session_lifetime_s` and `identity.refresh_lifetime_s` set them"),
    held("3.3.3", "a changed password can end all other sessions",
         "a change ends all but the one that is named, a reset ends all",
         """integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent
            integration/mail_test/a_token_that_came_by_mail_sets_the_password_and_ends_every_session
            unit/test_mail_rules/a_changed_password_ends_every_other_session
            integration/verifier_test/a_session_that_ended_is_refused_by_every_service_whatever_ended_it"""),
    held("3.3.4", "users see their sessions and end each of them, having shown their password again",
         "ListSessions, RevokeSession, RevokeAllSessions, for the user alone",
         """integration/sessions_test/the_list_shows_device_address_and_last_use_to_the_user_alone
            integration/sessions_test/a_logout_ends_one_session_and_a_revocation_those_that_are_named""",
         "a fresh password for it: any open session may end the others"))

V3_4 = levels(
    "3.4.1 3.4.2 3.4.3 3.4.4 3.4.5", "",
    *(aside(f"3.4.{number}", f"cookies: {what}", "no cookies: tokens are in headers and messages")
      for number, what in enumerate(("Secure", "HttpOnly", "SameSite", "the __Host- prefix", "an exact path"), 1)))

V3_5 = levels(
    "", "3.5.1 3.5.2 3.5.3",
    aside("3.5.1", "users revoke what they granted to linked applications",
          "identity grants other applications nothing; sessions are revoked: 3.3.4"),
    held("3.5.2", "session tokens instead of static keys",
         "no user has a static key; without a good token nothing but the open methods answers",
         """integration/services_test/a_token_with_a_changed_byte_is_refused
            integration/sessions_test/the_list_shows_device_address_and_last_use_to_the_user_alone"""),
    held("3.5.3", "stateless tokens are signed, and safe from null ciphers and exchanged keys",
         "the attacks of RFC 8725, each beside a token that is accepted; fuzzed as well",
         """unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused
            unit/test_jwt_attacks/an_hmac_with_the_public_key_is_refused
            unit/test_jwt_attacks/what_its_key_did_not_sign_is_refused
            unit/test_jwt_attacks/a_token_has_one_text
            fuzz/fuzz_test/fuzz_jwt"""))

V3_7 = levels(
    "3.7.1", "",
    held("3.7.1", "sensitive changes want a valid session, or one's password again",
         "each wants a session that goes on, and the user's own; the password's change wants the password too",
         """integration/services_test/only_the_user_and_operators_change_a_user
            integration/accounts_test/who_has_a_session_cannot_guess_the_password_with_it
            integration/sessions_test/a_logout_ends_one_session_and_a_revocation_those_that_are_named""",
         "a fresh password for another address (UpdateUser), and for DeleteUser"))

V6_1 = levels(
    "", "6.1.1 6.1.2 6.1.3",
    held("6.1.1", "what identifies people is kept encrypted",
         "in events, streams and archives it is sealed by a key of the person's own, in the security audit log by one of "
         "the service's; identity's accounts hold keyed digests",
         """unit/test_sealed/every_event_with_a_personal_message_has_a_sealed_field
            unit/test_sealed/the_key_opens_it_and_the_text_is_not_to_be_seen
            integration/accounts_test/where_somebody_was_is_sealed_and_goes_with_them
            integration/tools_test/a_log_opens_only_with_the_master_key_and_the_services_role""",
         "encrypted read models: they are plain text, since they are searched; encrypt the disk"),
    aside("6.1.2", "data on health", "none is asked for"),
    aside("6.1.3", "data on money", "none is asked for"))

V6_2 = levels(
    "6.2.1", "6.2.2 6.2.3 6.2.4 6.2.5 6.2.6",
    held("6.2.1", "cryptography fails without telling why",
         "what does not open is one error, whatever was wrong, and nothing of the text is released; there is no "
         "padding",
         """unit/test_seal/every_flipped_bit_is_noticed
            unit/test_seal/another_key_opens_nothing
            unit/test_seal/a_text_too_short_to_be_sealed_is_refused
            integration/accounts_test/an_entry_that_was_damaged_hides_no_other"""),
    held("6.2.2", "well-known algorithms and libraries, nothing of one's own",
         "libsodium for all that is sealed, signed and hashed (XChaCha20-Poly1305, Ed25519, Argon2id, HMAC-SHA256, "
         "BLAKE2b), libcurl for TLS; formats are tried against other implementations",
         """integration/methods_test/a_token_is_verified_by_others_with_the_published_key
            unit/test_refresh_token/a_token_is_what_another_implementation_makes
            unit/test_scram/a_verifier_proves_what_the_rfcs_client_and_server_say"""),
    held("6.2.3", "nonces and modes as is advised today",
         "a random nonce of 192 bits for each text, and what it belongs to is bound to it",
         """unit/test_seal/the_same_text_is_sealed_differently_each_time
            unit/test_seal/a_text_cannot_move_to_another_event"""),
    held("6.2.4", "algorithms, costs and keys can be exchanged",
         "the cost of a hash stands in it, and a login makes it anew; signing keys rotate with an overlap; refresh, "
         "device and e-mail tokens begin with their version",
         """integration/passwords_test/a_login_makes_a_hash_of_another_cost_anew
            integration/verifier_test/a_key_is_changed_under_load_and_nobody_notices
            integration/sessions_test/a_new_key_takes_no_session_away""",
         "another master key: nothing wraps the keys of persons anew yet"),
    held("6.2.5", "nothing known to be weak",
         "no block modes, no padding; other hashes of passwords and other algorithms of tokens are refused. SHA-1 is "
         "in UUIDv5 alone, whose ids open nothing",
         """unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost
            unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused"""),
    held("6.2.6", "no nonce twice under one key", "drawn anew each time",
         "unit/test_seal/the_same_text_is_sealed_differently_each_time"))

V6_3 = levels(
    "", "6.3.1 6.3.2",
    held("6.3.1", "what nobody may guess comes from a generator made for it",
         "libsodium's, or an HMAC under a key of it; no id opens anything",
         """unit/test_seal/the_same_text_is_sealed_differently_each_time
            integration/sessions_test/a_token_that_is_no_good_is_refused_by_name_and_changes_nothing
            integration/abuse_test/a_known_command_id_and_a_wrong_password_open_no_session"""),
    aside("6.3.2", "random GUIDs are of version 4", "ids are of version 7 and 5 and no secrets: 6.3.1"))

V6_4 = levels(
    "", "6.4.1 6.4.2",
    held("6.4.1", "secrets have a place that makes, guards and destroys them",
         "one file each, for its owner, made by `./nova up`; what cannot be made again is not made in silence",
         """integration/up_test/secrets_are_for_their_owner_only
            integration/up_test/a_lost_master_key_is_not_made_anew_in_silence
            unit/test_access/a_secret_that_others_may_read_is_refused
            unit/test_access/a_missing_secret_is_named_with_what_makes_it""",
         "a vault: whoever wants one lets it write those files"),
    missing("6.4.2", "a module of its own holds the keys, and the application never sees them",
            "such a module: keys are in the memory of the process that uses them, wiped after use, but neither locked "
            "(mlock) nor kept out of a core dump yet, and no HSM is spoken to"))

V7_1 = levels(
    "7.1.1 7.1.2", "7.1.3 7.1.4",
    held("7.1.1", "no passwords or session tokens in logs",
         "runs are searched for the secrets that they used: logs, states, metrics, the list of processes",
         """integration/up_test/no_secret_is_in_logs_state_or_process_list
            integration/mail_test/no_log_holds_an_address_or_a_token
            integration/accounts_test/streams_and_logs_hold_nothing_of_it
            integration/sessions_test/nothing_that_is_kept_refreshes"""),
    held("7.1.2", "nothing personal in logs", "ids, never payloads; a person's texts are searched for as bytes",
         """integration/erasure_test/after_the_deletion_no_file_holds_them
            integration/mail_test/no_log_holds_an_address_or_a_token
            integration/pg_test/a_taken_key_is_named_by_its_constraint_and_never_by_its_value"""),
    held("7.1.3", "what concerns security is logged: logins good and bad, refusals, malformed input",
         "the security audit log has logins, those that failed, resets, changes, ends of sessions, reused refresh "
         "tokens, and looks at itself",
         """integration/accounts_test/what_happened_to_an_account_is_kept_in_order
            integration/accounts_test/only_the_user_and_operators_read_it_and_a_look_is_kept
            integration/abuse_test/a_known_command_id_and_a_wrong_password_open_no_session""",
         "entries for requests refused for want of permission or form: they are counted (`nova_service_errors_total`), and no "
         "line says whose"),
    held("7.1.4", "each entry says enough to tell what happened when",
         "account, action, reason, actor, session, first and last time, how often; device and address sealed. An "
         "event also says its command, cause and correlation",
         """integration/accounts_test/what_happened_to_an_account_is_kept_in_order
            integration/log_test/causes_and_effects_are_one_tree_over_all_services
            unit/test_log/a_line_is_json_with_level_process_sentence_and_fields"""))

V7_2 = levels(
    "", "7.2.1 7.2.2",
    held("7.2.1", "every decision on who somebody is is logged, without the secret",
         "every Login, whoever it was for, in the transaction that decides it",
         """unit/test_lock_rules/a_failed_login_is_noted_and_refused_whoever_it_was_for
            integration/enumeration_test/a_refused_login_locks_no_account_and_writes_the_same_for_everybody
            integration/accounts_test/what_happened_to_an_account_is_kept_in_order
            integration/accounts_test/streams_and_logs_hold_nothing_of_it""",
         "entries for logins that are refused because they must wait, and for access tokens: these are counted only"),
    missing("7.2.2", "every refusal for want of permission is logged",
            "such a log: PERMISSION_DENIED is counted and answered; what nats-server or PostgreSQL refuses stands in their own "
            "logs"))

V7_3 = levels(
    "", "7.3.1 7.3.3 7.3.4",
    held("7.3.1", "nobody writes lines into a log", "one JSON object a line, every control character escaped",
         """unit/test_log/hostile_bytes_stay_inside_their_field
            unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused
            integration/bad_input_test/what_means_something_to_sql_or_headers_is_only_text"""),
    held("7.3.3", "logs of security are safe from looks and changes",
         "an entry of the audit log cannot be changed by who writes it, nor an event by anybody without its being "
         "found: logs are Merkle trees, signed and cosigned ([the verifiable log](verifiable-log.md))",
         """integration/migrations_test/an_entry_of_the_audit_log_stays_as_it_is
            integration/migrations_test/an_auditor_sees_not_where_somebody_was
            integration/migrations_test/an_event_cannot_be_changed
            integration/migrations_test/an_event_cannot_be_deleted
            integration/signer_test/a_row_changed_by_hand_is_named
            integration/signer_test/the_same_change_everywhere_is_found_by_the_signature
            integration/witness_test/a_forked_log_of_the_same_size_is_refused_and_both_are_kept""",
         "a tree over entries that are no events (failed logins), and a role that cannot delete entries: the service's "
         "deletes old ones"),
    held("7.3.4", "clocks agree", "one clock dates all that is recorded, PostgreSQL's, in UTC, and order never rests "
         "on it; `./nova check` warns when clocks are apart",
         """integration/outbox_hazards_test/a_clock_that_steps_changes_no_order
            integration/migrations_test/a_service_cannot_set_the_recorded_time
            integration/pg_test/a_connection_is_named_and_speaks_utf8_and_utc
            integration/accounts_test/a_clock_that_steps_keeps_nobody_out""",
         "a case that sets two clocks apart to see that warning"))

V7_4 = levels(
    "7.4.1", "7.4.2 7.4.3",
    held("7.4.1", "an unexpected error tells the caller nothing of the inside",
         "a refusal names the rule or the field, and a login's says one sentence whatever was wrong; no value of "
         "another's row is in any",
         """integration/enumeration_test/a_refused_login_says_the_same_whoever_it_was_for
            integration/bad_input_test/what_is_no_request_is_refused
            integration/bad_input_test/a_field_that_is_wrong_is_named
            integration/pg_test/a_taken_key_is_named_by_its_constraint_and_never_by_its_value""",
         "general words for INTERNAL and UNAVAILABLE: these say what failed inside, such as a constraint's name. Callers "
         "on the bus are processes of ours; an edge must not pass it on"),
    held("7.4.2", "errors are handled alike everywhere",
         "one type of error; ignoring a status does not compile",
         """unit/test_error/each_level_says_what_it_was_doing
            unit/test_error/an_error_nobody_reads_still_returns_its_status
            unit/test_error/a_transient_failure_says_so_and_stays_so"""),
    held("7.4.3", "a last handler catches what nobody expected",
         "a process that ends or hangs is started again after growing pauses; its transactions were whole or absent",
         """unit/test_supervise/a_child_that_ends_is_started_again_after_growing_pauses
            integration/supervision_test/a_stopped_process_of_each_kind_is_noticed_killed_and_started_again
            integration/sessions_test/a_refresh_whose_service_is_killed_happens_once"""))

V8_1 = levels(
    "", "8.1.1 8.1.2 8.1.3 8.1.4",
    held("8.1.1", "no cache on the way keeps sensitive data",
         "states and snapshots of aggregates hold nothing personal "
         "([decision 3](decisions/0003-states-hold-nothing-personal.md)); keys of persons are cached in memory, bounded",
         """integration/erasure_test/after_the_deletion_no_file_holds_them
            unit/test_keys/more_keys_than_memory_is_given_are_asked_again
            unit/test_keys/an_erased_key_is_absent"""),
    held("8.1.2", "copies are guarded, or go",
         "a read model is its service's alone; a deletion also takes what a rebuild left behind; backups are for "
         "their owner only",
         """integration/migrations_test/another_service_cannot_read_it
            integration/bus_test/with_its_password_communication_reaches_no_table_of_others
            integration/erasure_test/a_former_generation_of_each_projection_holds_them_as_well
            integration/erasure_test/after_the_deletion_no_file_holds_them
            integration/backup_test/a_backup_is_made_while_everything_runs""",
         "encryption of backups, which hold the keys as well: keep them as you keep these"),
    held("8.1.3", "requests carry no more than is needed",
         "a token has eight claims and nothing personal; a field that a message does not know is passed over",
         """integration/methods_test/a_token_is_verified_by_others_with_the_published_key
            unit/test_jwt_attacks/what_we_sign_says_when_and_which"""),
    held("8.1.4", "an unusual number of requests is noticed",
         "by name, address and device for what guesses; past its queue a service refuses at once, and goes on checking "
         "tokens. user.locked is an event that anybody entitled may watch",
         """integration/accounts_test/one_address_that_tries_many_names_waits_and_others_do_not
            integration/accounts_test/a_stranger_locks_a_user_for_strangers_and_a_known_device_gets_in
            integration/abuse_test/a_storm_of_logins_does_not_keep_tokens_from_being_checked
            integration/capacity_test/a_full_service_refuses_at_once_and_loses_nothing""",
         "an alarm, and bounds on what a user with a good token may ask in an hour: the edge's"))

V8_2 = levels(
    "8.2.1 8.2.2 8.2.3", "",
    aside("8.2.1", "headers against a browser's cache", BROWSER),
    aside("8.2.2", "nothing sensitive in a browser's storage", BROWSER),
    aside("8.2.3", "a client forgets when a session ends", BROWSER))

V8_3 = levels(
    "8.3.1 8.3.2 8.3.3 8.3.4", "8.3.5 8.3.6 8.3.7 8.3.8",
    aside("8.3.1", "sensitive data in the body, not in a URL", "there are no URLs: 3.1.1"),
    held("8.3.2", "users can have their data removed, or take it with them",
         "DeleteUser makes it unreadable in log and streams, and takes it out of read models, as soon as each service has "
         "heard of it ([what erasure erases](erasure.md))",
         """integration/erasure_test/after_the_deletion_no_file_holds_them
            integration/erasure_test/whoever_asks_afterwards_is_told_so
            integration/erasure_test/a_rebuilt_projection_does_not_bring_them_back
            integration/sessions_test/a_deletion_ends_every_session_also_of_those_who_refresh_meanwhile""",
         "ExportUser, and a delay in which a deletion can be taken back"),
    aside("8.3.3", "people are told what is collected, and agree", BROWSER),
    held("8.3.4", "what is sensitive is known as such",
         "the contract says it: each event's personal part is a sealed field, each password a secret one",
         """unit/test_sealed/every_event_with_a_personal_message_has_a_sealed_field
            unit/test_command_digest/every_password_of_the_contracts_is_known_as_a_secret
            unit/test_command_digest/a_password_is_not_in_it"""),
    held("8.3.5", "looks at sensitive data are noted",
         "an operator's look at somebody's security audit log is an entry of it",
         "integration/accounts_test/only_the_user_and_operators_read_it_and_a_look_is_kept",
         "entries for an operator's GetUser, and for what consumers open with GetPersonKeys"),
    held("8.3.6", "secrets in memory are written over after use",
         "keys, and what tokens are made of, by sodium_memzero",
         "unit/test_seal/a_forgotten_key_is_all_zero",
         "wiping a request's memory, in which the password came"),
    held("8.3.7", "encryption keeps secret and whole", "XChaCha20-Poly1305, an AEAD",
         """unit/test_seal/a_sealed_text_opens_under_its_key
            unit/test_seal/every_flipped_bit_is_noticed
            unit/test_sealed/another_event_or_type_or_key_does_not_open_it
            unit/test_sealed/cut_bytes_are_refused"""),
    held("8.3.8", "old personal data goes by itself",
         "entries of the audit log after `identity.audit_days`; failed logins, refused registrations and tokens when "
         "they have run out",
         """integration/accounts_test/what_is_too_old_is_not_kept
            integration/accounts_test/what_is_forgotten_leaves_no_row
            integration/accounts_test/a_refused_registration_is_not_kept_for_long""",
         "an end for device and address of former sessions: they stay in the log, sealed, until the user is deleted"))

RFC_8725 = [
    held("3.1", "the verifier chooses the algorithm, and each key has one",
         "EdDSA, always; the key, found by kid, decides what a token may say",
         """unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused
            unit/test_jwt_attacks/an_hmac_with_the_public_key_is_refused"""),
    held("3.2", "good algorithms, and none only where it is wanted", "Ed25519 alone; none is refused in every spelling",
         "unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused"),
    held("3.3", "every signature is checked, or the token refused whole", "before its claims are read",
         """unit/test_jwt_attacks/what_its_key_did_not_sign_is_refused
            unit/test_jwt/every_changed_byte_is_refused"""),
    held("3.4", "inputs of the cryptography are valid",
         "libsodium refuses what is no canonical signature; each part has one text in base64url",
         """unit/test_jwt_attacks/a_signature_with_the_group_s_order_added_is_refused
            unit/test_jwt_attacks/each_part_is_base64url_and_nothing_else
            unit/test_jwt_attacks/the_bits_that_mean_nothing_are_zero
            fuzz/fuzz_test/fuzz_jwt"""),
    held("3.5", "keys have enough entropy, and no password is one",
         "key pairs are drawn by libsodium and wrapped by a master key of 32 bytes; no symmetric key verifies a token",
         """unit/test_access/a_master_key_is_32_bytes_or_refused
            unit/test_jwt_attacks/an_hmac_with_the_public_key_is_refused"""),
    aside("3.6", "no compression before encryption", "tokens are not encrypted; a header that says zip is refused"),
    held("3.7", "UTF-8", "what is not is refused",
         "unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them"),
    held("3.8", "issuer and subject are checked against the key",
         "a key may sign for one issuer; the subject's session must go on",
         """unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them
            unit/test_jwt_attacks/what_its_key_did_not_sign_is_refused
            integration/verifier_test/a_session_that_ended_is_refused_by_every_service_whatever_ended_it"""),
    held("3.9", "the audience is there and checked", "one text, \"nova\"; a list of several is refused",
         "unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them"),
    held("3.10", "no claim is trusted that leads elsewhere: kid, jku, x5u",
         "a kid has the letters that ours have; any other header is refused, so nothing is fetched and nothing "
         "injected; a made-up kid keeps nobody waiting",
         """unit/test_jwt_attacks/headers_that_choose_for_the_verifier_are_refused
            unit/test_jwks/a_known_key_is_not_asked_for_and_an_unknown_one_once
            integration/abuse_test/a_made_up_key_keeps_no_known_one_waiting_while_identity_sleeps"""),
    missing("3.11", "the header says which kind of token it is",
            "a typ for each kind: it is JWT, or absent, for both of ours, and any other is refused; they are told apart by "
            "their keys"),
    held("3.12", "rules for each kind that exclude each other",
         "keys of users' tokens and of processes' are apart, and each may sign for its issuer only; other tokens of "
         "ours (refresh, device, e-mail) are no JWTs and have keys of their own",
         """unit/test_jwt_attacks/what_its_key_did_not_sign_is_refused
            unit/test_mail_token/what_has_another_form_or_purpose_is_none
            unit/test_device_token/what_has_another_form_is_none
            unit/test_refresh_token/what_has_not_the_form_of_one_is_none"""),
]

RFC_9106 = [
    held("4", "Argon2id is the variant", "and no other is taken, nor another version than 1.3",
         """unit/test_password/a_hash_at_another_cost_is_to_be_made_anew
            unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost"""),
    missing("4, 7.4", "1 pass over 2 GiB, or 3 over 64 MiB, with 4 lanes",
            "that much: it is 2 passes over 19 MiB with 1 lane, which OWASP recommends and which lets two hashes run at once on a small "
            "machine; `identity.argon2_memory_kib` and `identity.argon2_passes` raise it to 1 GiB and 64, and logins "
            "make hashes anew. libsodium has one lane"),
    held("3.1, 4", "a salt of 128 bits and a tag of 256", "libsodium's; a hash of another library is checked as well",
         """integration/methods_test/an_imported_argon2id_hash_logs_in
            unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost"""),
    missing("3.1", "a secret beside password and salt (K), if one likes", "the pepper: ASVS 2.4.5"),
    held("4", "as many calls at once as memory allows",
         "two at once, 64 wait, one more is refused at once; an imported hash may not cost more than 256 MiB and 10 "
         "passes",
         """integration/abuse_test/a_storm_of_logins_does_not_keep_tokens_from_being_checked
            unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost"""),
]

RFC_9700 = [
    aside("2.1, 4.1 to 4.8, 4.11, 4.12, 4.15 to 4.17", "redirects, codes, PKCE, state, referrers, frames",
          "identity is no authorization server for others: no redirect, no code, no browser"),
    missing("2.2.1, 4.9, 4.10.1", "access tokens that only their sender can use (DPoP, mutual TLS)",
            "either: they are bearer tokens, and who has one is the user for an hour, or until the session ends. A typ of dpop+jwt "
            "is refused"),
    held("2.2.2, 4.14.2", "refresh tokens of public clients are rotated, or bound to their sender",
         "each is used once and gives the next; the answer to a repeated command is the same again "
         "([decision 25](decisions/0025-a-refresh-token-is-derived.md))",
         """integration/sessions_test/a_refresh_gives_new_tokens_and_takes_the_old_one
            integration/sessions_test/the_same_command_within_a_minute_gets_the_same_tokens
            unit/test_session_rules/the_newest_token_gives_the_next"""),
    held("4.14.2", "an old one that comes again revokes the family",
         "REFRESH_REUSED, session.revoked and an entry of the audit log; of two at once never two families live",
         """integration/sessions_test/an_old_token_under_another_id_ends_the_session
            integration/sessions_test/a_repeat_after_more_than_a_minute_is_theft
            integration/sessions_test/twenty_refreshes_of_one_token_at_once_leave_one_family_at_most
            integration/sessions_test/the_old_token_and_the_new_one_at_once_never_leave_two_families
            unit/test_session_rules/an_older_token_ends_the_session
            integration/accounts_test/what_happened_to_an_account_is_kept_in_order""",
         "an e-mail to the user that it happened"),
    held("4.14.2", "nobody makes, changes or guesses one", "HMAC-SHA256; fuzzed; compared in constant time",
         """unit/test_refresh_token/a_changed_character_makes_another_token
            unit/test_refresh_token/another_key_makes_another_token
            integration/sessions_test/a_token_that_is_no_good_is_refused_by_name_and_changes_nothing
            fuzz/fuzz_test/fuzz_refresh_token"""),
    held("4.14.1", "one that leaks from where it is kept is of no use", "only the newest one's hash is kept",
         """integration/sessions_test/nothing_that_is_kept_refreshes
            integration/migrations_test/a_refresh_token_is_not_kept_itself
            integration/migrations_test/an_operator_sees_no_refresh_token
            integration/migrations_test/an_auditor_sees_no_refresh_token"""),
    held("4.14.2", "they are revoked when the password changes or the user logs out", "with the session",
         """integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent
            integration/sessions_test/a_logout_ends_one_session_and_a_revocation_those_that_are_named"""),
    held("4.14.2", "they expire when nobody uses them", "after 14 days; with the session, after 30, in any case",
         """integration/sessions_test/a_token_that_is_no_good_is_refused_by_name_and_changes_nothing
            unit/test_session_rules/a_token_that_is_over_is_refused"""),
    aside("4.14.2", "they are bound to the scope and the resource that were granted",
          "a session has no scopes: it may what its user may"),
    held("2.3, 4.10.2", "an access token is for one audience and no more than is needed",
         "aud is checked by every service",
         "unit/test_jwt_attacks/claims_of_another_meaning_are_refused_whoever_signed_them",
         "an audience for each service: all of ours are one"),
    aside("2.4", "no resource owner's password for a client",
          "there are no clients of others that a user would give a password to; identity's own app asks for it"),
    aside("2.6, 4.13", "TLS from end to end, and proxies", "the gateway's; inside: see above, \"What is not promised\""),
]

NIST_800_63B = [
    held("4.1", "AAL1: one factor, proof against guessing", "password, throttled, over sessions that end",
         """integration/accounts_test/who_fails_waits_longer_each_time_whether_the_name_is_somebodys_or_not
            integration/services_test/a_login_gives_a_token_that_says_who_asks"""),
    missing("4.2", "AAL2: two factors", TOTP),
    held("5.1.1.2", "eight characters at least, sixty-four possible, each code point counts as one",
         "8 to 1,024 bytes",
         """unit/test_password/the_length_is_counted_after_nfkc
            integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed""",
         "counting characters: it is bytes that count, so that outside ASCII fewer than eight do"),
    held("5.1.1.2", "all of Unicode, normalised, nothing cut off", "NFKC, whole",
         """unit/test_password/one_password_on_two_keyboards_is_one
            unit/test_password/nothing_is_cut_off
            fuzz/fuzz_test/fuzz_password"""),
    held("5.1.1.2", "no composition, no age", "length and the list",
         "integration/passwords_test/all_of_a_password_counts_in_whatever_form_it_is_typed"),
    aside("5.1.1.2", "no hints, no questions", "the contract has no field for either"),
    held("5.1.1.2", "known ones are refused, and the user is told why", "PASSWORD_LEAKED, with the reason",
         """integration/passwords_test/a_password_of_no_length_with_a_nul_or_that_leaked_is_refused_and_leaves_nothing
            unit/test_leaked/lines_are_normalised_and_those_that_are_none_are_skipped"""),
    aside("5.1.1.2", "pasting, showing, a meter", BROWSER),
    held("5.1.1.2", "salted, by a function that takes memory", "Argon2id: RFC 9106, above",
         "unit/test_password/a_hash_from_elsewhere_is_argon2id_at_a_bearable_cost"),
    missing("5.1.1.2", "one more keyed hash, its key elsewhere", "the pepper: ASVS 2.4.5"),
    missing("5.1.2", "look-up secrets", CODES),
    held("5.1.3.1", "e-mail is no second channel to log in by", "its token opens no session",
         "integration/mail_test/a_token_that_came_by_mail_sets_the_password_and_ends_every_session"),
    missing("5.1.4, 5.1.5", "one-time passwords", TOTP),
    missing("5.1.7 to 5.1.9", "cryptographic devices and software", "passkeys: ASVS 2.3.2"),
    held("5.2.2", "failures are limited, to 100 in a row on one account",
         "by waits that grow to 15 minutes, by address and by device; who has the device gets in",
         """unit/test_throttle/the_wait_doubles_behind_the_free_attempts_up_to_the_longest
            unit/test_throttle/however_many_fail_all_is_forgotten_in_a_bounded_time
            integration/accounts_test/a_device_has_attempts_of_its_own_and_waits_for_them
            integration/accounts_test/of_many_failures_at_the_same_moment_all_count""",
         "an end after 100: who waits may go on, four times an hour; an end would be a way to lock somebody out"),
    held("6.1.2.3", "a lost factor is replaced by a proof of who one is", "a reset by the account's address",
         """integration/accounts_test/a_reset_gets_in_and_unlocks
            integration/mail_test/a_token_is_bound_to_the_address_it_was_sent_to""",
         "a confirmed address as the condition for it, and another way for who lost the mailbox"),
    held("6.4", "what is revoked stops at once", "sessions, and tokens that were sent, go with the password",
         "integration/mail_test/a_changed_password_ends_all_other_sessions_and_voids_what_was_sent",
         "forgetting devices: one stays known after that, and so keeps attempts of its own"),
    held("7.1", "the session's secret is made by the verifier, with 64 bits, ends with the logout, and is no cookie alone",
         "see ASVS 3.2 and 3.3",
         """unit/test_refresh_token/another_key_makes_another_token
            integration/sessions_test/a_logout_ends_one_session_and_a_revocation_those_that_are_named"""),
    held("7.1.2", "an access token is no sign that the user is there", "it lives an hour and falls with its session",
         """integration/verifier_test/a_session_that_ended_is_refused_by_every_service_whatever_ended_it
            integration/verifier_test/a_stream_that_stays_away_shuts_users_out_and_lets_them_in_again"""),
    held("7.2", "one logs in again after 30 days (AAL1)", "`identity.session_lifetime_s`",
         "unit/test_session_rules/a_token_that_is_over_is_refused",
         "AAL2's 12 hours, and half an hour without use: settings"),
]

ASVS = [
    ("V2.1 Password security", V2_1), ("V2.2 Authenticators in general", V2_2),
    ("V2.3 Their life", V2_3), ("V2.4 How credentials are kept", V2_4),
    ("V2.5 Recovery", V2_5), ("V2.6 Look-up secrets", V2_6), ("V2.7 Out of band", V2_7),
    ("V2.8 One-time passwords", V2_8), ("V2.9 Cryptographic keys", V2_9),
    ("V2.10 Services", V2_10), ("V3.1 Sessions in general", V3_1), ("V3.2 Their tokens", V3_2),
    ("V3.3 Their end", V3_3), ("V3.4 Cookies", V3_4), ("V3.5 Tokens instead of cookies", V3_5),
    ("V3.7 Defence of sessions", V3_7), ("V6.1 What is encrypted", V6_1), ("V6.2 Algorithms", V6_2),
    ("V6.3 Randomness", V6_3), ("V6.4 Secrets", V6_4), ("V7.1 What logs hold", V7_1),
    ("V7.2 What is logged", V7_2), ("V7.3 Logs, guarded", V7_3), ("V7.4 Errors", V7_4),
    ("V8.1 Data, in general", V8_1), ("V8.2 Data at the client", V8_2), ("V8.3 Private data", V8_3)]
OTHERS = [
    ("RFC 8725, JSON Web Token best current practices", RFC_8725),
    ("RFC 9106, Argon2", RFC_9106),
    ("RFC 9700, OAuth 2.0 security, for refresh tokens", RFC_9700),
    ("NIST SP 800-63B (revision 3)", NIST_800_63B)]
SECTIONS = ASVS + OTHERS
