#!/usr/bin/env bash
# The projections against a PostgreSQL of this test's own: check_projections.c and
# check_queries.c hold the cases.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/lib/postgres.sh"
postgres_start
postgres_migrate >"$postgres_home/migrated" || exit 1
for check in check_projections check_queries; do
  NOVA_TEST_PG=$postgres_url CMOCKA_MESSAGE_OUTPUT=TAP "$root/${NOVA_BUILD:-build/test}/test/$check"
done
