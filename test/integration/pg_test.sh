#!/usr/bin/env bash
# pg/ against a PostgreSQL of this test's own: check_pg.c holds the cases.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/lib/postgres.sh"
postgres_start
NOVA_TEST_PG=$postgres_url CMOCKA_MESSAGE_OUTPUT=TAP "$root/${NOVA_BUILD:-build/test}/test/check_pg"
