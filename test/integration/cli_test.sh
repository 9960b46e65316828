#!/usr/bin/env bash
# The command line: help, mistakes that are named with the way out, and documents that cannot drift.
set -euo pipefail
cd "$(dirname "$0")/../.."
nova=$PWD/${NOVA_BUILD:-build/test}/cli/nova
here=$(mktemp -d /tmp/nova-cli.XXXXXX)
trap 'rm -rf "$here"' EXIT
for name in $(compgen -e NOVA_ || true); do unset "$name"; done
export NOVA_ROOT=$here

place=0 failed=0
report() { # report RESULT BEHAVIOUR
  place=$((place + 1))
  if [ "$1" = 0 ]; then echo "ok $place - $2"; else echo "not ok $place - $2"; failed=1; fi
}
says() { # says BEHAVIOUR CODE TEXT ARGUMENT...: ends with that code and says the text
  local behaviour=$1 code=$2 text=$3 output got=0
  shift 3
  output=$("$nova" "$@" 2>&1) || got=$?
  case $got:$output in
    "$code":*"$text"*) report 0 "$behaviour" ;;
    *) echo "# $got: $output"; report 1 "$behaviour" ;;
  esac
}

says help_lists_every_command 0 "./nova psql ROLE [ARGUMENT...]" --help
for command in $(sed -nE 's/^COMMAND\(([a-z]+),.*/\1/p' cli/commands.def); do
  says "${command}_has_help_with_an_example" 0 "  ./nova $command" "$command" --help
done
says without_a_command_the_help_is_said_and_the_code_is_2 2 "./nova up" ;
says a_mistyped_command_gets_did_you_mean 2 "no command 'stauts'; did you mean 'status'?" stauts
says an_unknown_flag_is_named 2 "no flag '--hom'" --hom x status
says a_flag_without_its_value_is_named 2 "--home wants a value" status --home
says an_unknown_argument_is_named_with_the_help 2 "up takes no 'now' (./nova up --help)" up now
says a_mistyped_setting_gets_did_you_mean 1 "did you mean 'nats.port'?" --set nats.prot=1 status
says flags_may_stand_before_or_behind_the_command 0 "nats.port                    7  # --set" \
  config show --set nats.port=7
says an_unknown_kind_of_process_is_named 2 "no kind of process 'relais'; did you mean 'relay'?" run relais identity
says status_of_nothing_fails_and_says_what_to_do 1 "does not run in $here/.nova: ./nova up" status
says a_missing_credential_says_what_makes_it 1 "run ./nova up" --home "$here/none" env auditor

printf 'nats:\n  port: many\n' >"$here/nova.yaml"
says a_mistake_in_the_file_is_named_by_line_and_column 1 \
  "nova.yaml:2:9: nats.port must be a whole number, not 'many'" status
rm "$here/nova.yaml"

result=0
"$nova" config sample | diff - docs/nova.yaml || result=1
report $result the_sample_file_in_docs_is_what_the_table_says

result=0
"$nova" config show >/dev/full 2>/dev/null && result=1
report $result output_that_cannot_be_written_is_a_failure
exit $failed
