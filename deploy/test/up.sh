#!/usr/bin/env bash
# Really brings docker-compose.yml up, on a machine that can reach a Debian mirror and the Python package index but no
# image registry, sends two workers over a marketplace, and takes everything down again (volumes too).
#
#   deploy/test/up.sh [--keep]      --keep leaves the stack running
#
# Needs a running engine (DOCKER_HOST), the compose plugin, and debootstrap and root for the first time. PORT and
# LIVE_PORT choose where it listens; DEBIAN_MIRROR where packages come from (debian/ and debian-security/ below it).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scripts/bootstrap run
KEEP=${1:-}
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org}
BASE_IMAGE=cartwright-test/debian:bookworm
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
SCRATCH=$(mktemp -d)
export COMPOSE_PROJECT_NAME=cartwright-test PORT=${PORT:-24080} LIVE_PORT=${LIVE_PORT:-24081}
COMPOSE=(docker compose --env-file "$SCRATCH/env" -f docker-compose.yml -f deploy/test/compose.local.yml)

finish() {
    local status=$?
    if ((status)); then
        "${COMPOSE[@]}" ps --all || true
        "${COMPOSE[@]}" logs --tail 40 || true
    fi
    if [[ $KEEP != --keep ]]; then "${COMPOSE[@]}" down --volumes --timeout 30 || true; fi
    rm -rf "$SCRATCH"
    exit "$status"
}

# The machine's own authorities go into the stand-ins, and so only there, for networks with a proxy that signs.
build_debian() {
    debootstrap --variant=minbase --include=ca-certificates bookworm "$SCRATCH/debian" "$MIRROR/debian"
    printf 'deb %s main\n' "$MIRROR/debian bookworm" "$MIRROR/debian bookworm-updates" \
        "$MIRROR/debian-security bookworm-security" >"$SCRATCH/debian/etc/apt/sources.list"
    cp "$CERTIFICATES" "$SCRATCH/debian$CERTIFICATES"
    tar -C "$SCRATCH/debian" -c . | docker import \
        -c "ENV PIP_CERT=$CERTIFICATES SSL_CERT_FILE=$CERTIFICATES UV_SYSTEM_CERTS=true" - "$BASE_IMAGE"
}

secret() { od -An -tx1 -N32 /dev/urandom | tr -d ' \n'; }

write_settings() {
    local name
    for name in SECRET_KEY JWT_SECRET_KEY ENCRYPTION_KEY MYSQL_PASSWORD MYSQL_ROOT_PASSWORD REDIS_PASSWORD ADMIN_PASSWORD; do
        echo "$name=$(secret)"
    done
    echo "ADMIN_EMAIL=operator@cartwright.example"
    echo "PUBLIC_URL=https://shop.cartwright.example"
    echo "FARM_CONTACT=https://shop.cartwright.example/bot"
    echo "MAIL_URL=smtp://mail.cartwright.example:25"
    echo "MAIL_FROM=shop@cartwright.example"
    echo "STAFF_SECOND_FACTOR=0" # check.py has no authenticator app
    echo "ALLOWED_PRIVATE_TARGETS=market:9000"
    echo "WORKER_COUNT=1"
}

trap finish EXIT
docker image inspect "$BASE_IMAGE" >/dev/null 2>&1 || build_debian
for program in python redis mysql; do
    docker build --quiet --file deploy/test/stand-ins.Dockerfile --target "$program" \
        --tag "cartwright-test/$program:local" deploy/test
done
(umask 077 && write_settings >"$SCRATCH/env")
"${COMPOSE[@]}" build --quiet migrate
"${COMPOSE[@]}" up --detach --wait --wait-timeout 300 --scale worker=2
"${COMPOSE[@]}" ps --all --format 'table {{.Service}}\t{{.Status}}'
ADMIN_EMAIL=$(sed -n 's/^ADMIN_EMAIL=//p' "$SCRATCH/env") ADMIN_PASSWORD=$(sed -n 's/^ADMIN_PASSWORD=//p' "$SCRATCH/env") \
    .venv/bin/python deploy/test/check.py "http://127.0.0.1:$PORT"
for worker in 1 2; do
    "${COMPOSE[@]}" exec --index "$worker" worker sh -c 'cat /proc/[0-9]*/cmdline' | tr '\0' '\n'
done >"$SCRATCH/words"
grep -q -- '/chromium-headless-shell$' "$SCRATCH/words"
if grep -qx -- --no-sandbox "$SCRATCH/words"; then
    echo "A browser runs without its sandbox." >&2
    exit 1
fi
echo "The stack came up and its workers visited the marketplace with their sandboxes on."
