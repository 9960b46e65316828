#!/usr/bin/env bash
# A newcomer's first command on a fresh Debian 12: ./nova up in a root made by debootstrap, where
# nothing is installed, once as root and once as a user with sudo. It wants root, a mirror and some
# 4 GB under /var/tmp, so it runs only when asked for: ./nova test fresh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repository=$PWD
work=$(mktemp -d /var/tmp/nova-fresh.XXXXXX)
number=0

if [ "$(id -u)" != 0 ]; then
  echo "nova: ./nova test fresh makes a root by debootstrap: run it as root"
  exit 1
fi
trap 'rm -rf --one-file-system "$work"' EXIT

ok() { number=$((number + 1)); echo "ok $number - $1"; }
not_ok() {
  number=$((number + 1))
  echo "not ok $number - $1"
  sed 's/^/# /' "$2"
  echo "$((number - 1)) passed, 1 failed"
  exit 1
}

# The mirrors and their settings are those of this machine.
make_root() {
  debootstrap --variant=minbase bookworm "$work/pristine" >"$work/debootstrap.log" 2>&1 ||
    not_ok a_fresh_debian_is_made "$work/debootstrap.log"
  rm -rf "$work/pristine/etc/apt"
  cp -a /etc/apt "$work/pristine/etc/apt"
  for file in resolv.conf hosts; do cp -L "/etc/$file" "$work/pristine/etc/$file"; done
  ok a_fresh_debian_is_made
}

# Below those that the kernel gives to whoever asks for any: it is used minutes later only.
free_port() {
  python3 -c 'import random, socket
while True:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", random.randrange(20000, 30000)))
        except OSError:
            continue
        print(s.getsockname()[1])
        break'
}

# inside ROOT COMMAND: with processes of its own, which end with it.
inside() {
  local root=$1
  shift
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1; shift
    mount -t proc proc "$root/proc"
    mkdir -p "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/dev/shm"
    exec chroot "$root" "$@"' inside "$root" "$@"
}

# What a newcomer does, and what must be so afterwards. Runs inside, as the newcomer.
cat >"$work/newcomer.sh" <<'END'
set -euo pipefail
cd ~/nova
must_say() { # must_say FILE WORDS...: each of them
  local file=$1 words
  shift
  for words in "$@"; do
    grep -q -- "$words" "$file" || { echo "not said: $words"; cat "$file"; exit 1; }
  done
}
installed() { cat /var/log/dpkg.log 2>/dev/null | cksum; }
built() { stat -c %Y build/release/cli/nova; }

echo "--- the first start installs, builds, starts and shows a sample"
./nova up </dev/null >/tmp/up.1 2>&1 || { cat /tmp/up.1; exit 1; }
must_say /tmp/up.1 installing "building (Release" "users registered" "Try next:"
sed -n '/users registered/,$p' /tmp/up.1
before="$(installed) $(built)"
echo "--- a start while it runs says so"
./nova up </dev/null >/tmp/up.2 2>&1 || { cat /tmp/up.2; exit 1; }
must_say /tmp/up.2 "runs already"
echo "--- it works"
./nova status --json >/tmp/status.json
grep -q '"running": *true' /tmp/status.json
if grep '"state": *"\(failing\|backoff\|stopped\)"' /tmp/status.json; then exit 1; fi
./nova call search GetIndexStats '{}' | grep -q '"posts"'
echo "--- the second start neither installs nor builds, and finds what was there"
posts=$(./nova call search GetIndexStats '{}')
./nova down
./nova up </dev/null >/tmp/up.3 2>&1 || { cat /tmp/up.3; exit 1; }
must_say /tmp/up.3 "Try next:"
if grep -E '^nova: (installing|building)' /tmp/up.3; then exit 1; fi
[ "$(installed) $(built)" = "$before" ]
[ "$(./nova call search GetIndexStats '{}')" = "$posts" ]
./nova down
echo "--- nothing of the system was started, nothing lies open"
for process in /proc/[0-9]*/comm; do
  case $(cat "$process" 2>/dev/null) in postgres | nats-server) echo "$process runs"; exit 1 ;; esac
done
for cluster in /etc/postgresql/15/main /var/lib/postgresql/15/main; do
  [ ! -d $cluster ] || { echo "$cluster was made"; exit 1; }
done
open=$(find .nova/credentials -type f -perm /077)
[ -z "$open" ] || { echo "open to others: $open"; exit 1; }
echo "--- the tests run here as well"
./nova test unit </dev/null >/tmp/tests 2>&1 || { tail -n 100 /tmp/tests; exit 1; }
tail -n 1 /tmp/tests
tail -n 1 /tmp/tests | grep -q '^[1-9][0-9]* passed, 0 failed$'
echo "--- all well"
END

try_as() { # try_as NAME USER HOME
  local name=$1 user=$2 home=$3 root="$work/$1" log="$work/$1.log"
  cp -a "$work/pristine" "$root"
  if [ "$user" != root ]; then
    inside "$root" bash -c "apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo" \
      >"$log" 2>&1 || not_ok "$name" "$log"
    inside "$root" useradd --create-home --shell /bin/bash "$user"
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
  fi
  git clone -q "$repository" "$root$home/nova"
  cp "$work/newcomer.sh" "$root/tmp/newcomer.sh"
  inside "$root" chown -R "$user:" "$home/nova"
  inside "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$home" TERM=dumb \
    ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} \
    NOVA_POSTGRES_PORT="$(free_port)" NOVA_NATS_PORT="$(free_port)" \
    NOVA_NATS_MONITOR_PORT="$(free_port)" \
    setpriv --reuid="$user" --regid="$user" --init-groups bash /tmp/newcomer.sh \
    </dev/null >"$log" 2>&1 || not_ok "$name" "$log"
  grep -q '^--- all well$' "$log" || not_ok "$name" "$log"
  sed -n '/users registered/,/^---/p; / passed, /p' "$log" | sed 's/^/# /' | head -40
  ok "$name"
  rm -rf --one-file-system "$root"
}

make_root
try_as up_works_for_root root /root
try_as up_works_for_a_user_with_sudo newcomer /home/newcomer
echo "$number passed, 0 failed"
