#!/usr/bin/env bash
# A thousand idle connections: what each costs in memory, and what they cost eight that work; Mamont
# and PostgreSQL on the same machine, in the same run.
#
#   scripts/bench-connections.sh
#   CONNECTIONS=200 SECONDS_EACH=3 ROUNDS=1 scripts/bench-connections.sh
#
# Each idle connection has read and written three tables. The work is an INSERT and a SELECT of a
# hundred rows in turn, on a Unix socket, with full durability. Memory is the private memory of a
# session's process (Private_Clean + Private_Dirty of smaps_rollup) and its page tables (VmPTE),
# averaged over all idle sessions. The middle round counts.
set -euo pipefail
cd "$(dirname "$0")/.."

connections=${CONNECTIONS:-1000}
clients=${CLIENTS:-8}
seconds=${SECONDS_EACH:-5}
rounds=${ROUNDS:-3}
shared_buffers=${SHARED_BUFFERS:-128MB}
pg_bin=${PG_BIN:-/usr/lib/postgresql/15/bin}

# A descriptor for each connection, on the clients' side.
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((connections + 100)) ]; then
  ulimit -n $((connections + 100)) || {
    echo "skipped: only $(ulimit -n) descriptors are allowed; raise ulimit -n" >&2
    exit 0
  }
fi

cargo build --quiet --release --bin postmaster --bin mamont
mamont=target/release/mamont

work=$(mktemp -d "${TMPDIR:-/tmp}/mamont-connections.XXXXXX")
chmod 755 "$work"
mamont_pid=
pg_pid=

clean_up() {
  for pid in $mamont_pid $pg_pid; do
    kill -INT "$pid" 2>/dev/null || continue
    for _ in $(seq 200); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.05
    done
  done
  rm -rf "$work"
}
trap clean_up EXIT

# --- Mamont ---------------------------------------------------------------------------------
measure_mamont() {
  mkdir "$work/mamont-socket"
  target/release/postmaster -D "$work/mamont" \
    --set listen_addresses= --set unix_socket_directory="$work/mamont-socket" \
    --set shared_buffers="$shared_buffers" --set max_connections=$((connections + 50)) \
    --set checkpoint_timeout=1d >"$work/mamont.log" 2>&1 &
  mamont_pid=$!
  until "$mamont" shell "$work/mamont-socket/" -e "SELECT 1" >/dev/null 2>&1; do
    kill -0 "$mamont_pid" 2>/dev/null || { tail "$work/mamont.log" >&2; exit 1; }
    sleep 0.05
  done
  "$mamont" bench connections --connect "$work/mamont-socket/" --connections "$connections" \
    --clients "$clients" --seconds "$seconds" --rounds "$rounds" --json >"$work/mamont.json"
  kill -INT "$mamont_pid"
  wait "$mamont_pid" || true
  mamont_pid=
}

field() { sed "s/.*\"$1\":\([0-9.]*\).*/\1/" "$work/mamont.json"; }

# --- PostgreSQL -----------------------------------------------------------------------------
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
pg_sql() { "$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/pg" -U postgres -d postgres -c "$1"; }

start_postgres() {
  mkdir "$work/pg"
  if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg"; fi
  as_postgres "$pg_bin/initdb" -k -U postgres -D "$work/pg/data" >/dev/null
  as_postgres tee -a "$work/pg/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$work/pg'
shared_buffers = $shared_buffers
max_connections = $((connections + 50))
checkpoint_timeout = 1d
autovacuum = off
CONF
  as_postgres "$pg_bin/postgres" -D "$work/pg/data" >>"$work/pg.log" 2>&1 &
  until pg_sql "SELECT 1" >/dev/null 2>&1; do
    kill -0 $! 2>/dev/null || { tail "$work/pg.log" >&2; exit 1; }
    sleep 0.05
  done
  pg_pid=$(head -n 1 "$work/pg/data/postmaster.pid")
  for table in bench_idle_1 bench_idle_2 bench_idle_3 bench_work bench_small; do
    pg_sql "CREATE TABLE $table (id bigint NOT NULL, payload text)"
  done
  pg_sql "INSERT INTO bench_small SELECT g, 'row ' || g FROM generate_series(0, 99) g"
}

cat >"$work/work.sql" <<'SQL'
INSERT INTO bench_work VALUES (:client_id, '0123456789');
SELECT count(*), max(payload) FROM bench_small;
SQL
cat >"$work/idle.sql" <<'SQL'
BEGIN;
INSERT INTO bench_idle_1 VALUES (:client_id, 'idle');
SELECT id, payload FROM bench_idle_1 WHERE id = :client_id LIMIT 1;
INSERT INTO bench_idle_2 VALUES (:client_id, 'idle');
SELECT id, payload FROM bench_idle_2 WHERE id = :client_id LIMIT 1;
INSERT INTO bench_idle_3 VALUES (:client_id, 'idle');
SELECT id, payload FROM bench_idle_3 WHERE id = :client_id LIMIT 1;
COMMIT;
\sleep 2000 s
SQL

pgbench() { "$pg_bin/pgbench" -n -h "$work/pg" -U postgres "$@" postgres; }

# Requests a second: a transaction of the script is two of them.
pg_work() {
  pgbench -c "$clients" -j "$clients" -T "$seconds" -f "$work/work.sql" 2>/dev/null |
    awk '/^tps = / { printf "%.1f\n", 2 * $3 }'
}

idle_pids() {
  pg_sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' AND state = 'idle'"
}

# The average of the sums of some lines of a file of each process.
average() {
  local file=$1 names=$2
  for pid in $(cat "$work/pids"); do
    awk -v names="$names" '$1 ~ names { sum += $2 } END { print sum }' "/proc/$pid/$file"
  done | awk '{ sum += $1 } END { printf "%.1f\n", sum / NR }'
}

middle() { sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

measure_postgres() {
  start_postgres
  for _ in $(seq "$rounds"); do
    pg_work >>"$work/pg.alone"
    # Not by way of the function, whose shell would be killed in its place.
    "$pg_bin/pgbench" -n -h "$work/pg" -U postgres -c "$connections" -j 1 -t 1 -f "$work/idle.sql" \
      postgres >/dev/null 2>&1 &
    local holder=$!
    until [ "$(idle_pids | wc -l)" = "$connections" ]; do
      kill -0 "$holder" 2>/dev/null || { tail "$work/pg.log" >&2; exit 1; }
      sleep 0.5
    done
    sleep 3
    idle_pids >"$work/pids"
    average smaps_rollup '^Private_(Clean|Dirty):$' >>"$work/pg.private"
    average status '^VmPTE:$' >>"$work/pg.tables"
    pg_work >>"$work/pg.beside"
    kill "$holder"
    wait "$holder" 2>/dev/null || true
    sleep 1
  done
}

# --- both -----------------------------------------------------------------------------------
print_line() { printf '%-44s %12s %12s\n' "$1" "$2" "$3"; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f\n", 100 * b / a }'; }

measure_mamont
theirs=(- - - - -)
if [ -x "$pg_bin/postgres" ] && [ -x "$pg_bin/pgbench" ] && [ -x "$pg_bin/psql" ]; then
  measure_postgres
  alone=$(middle "$work/pg.alone")
  beside=$(middle "$work/pg.beside")
  theirs=("$alone" "$beside" "$(percent "$alone" "$beside")" "$(middle "$work/pg.private")"
    "$(middle "$work/pg.tables")")
else
  echo "PostgreSQL is not compared: $pg_bin lacks it (Debian: apt install postgresql-15; or PG_BIN)" >&2
fi
print_line "$connections idle, $clients at work, $(uname -m), $(nproc) cpus" Mamont PostgreSQL
print_line "requests/s without the idle ones" "$(field requests_per_second_alone)" "${theirs[0]}"
print_line "requests/s beside them" "$(field requests_per_second_beside)" "${theirs[1]}"
print_line "  of the speed without them, %" "$(field percent_of_speed)" "${theirs[2]}"
print_line "private memory of an idle session, kB" "$(field private_kb_average)" "${theirs[3]}"
print_line "  its page tables, kB" "$(field page_tables_kb_average)" "${theirs[4]}"
