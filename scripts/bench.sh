#!/usr/bin/env bash
# Mamont and PostgreSQL at the same work, on the same machine, in the same run.
#
#   scripts/bench.sh             the whole of it: some minutes
#   ROWS=100000 SECONDS_EACH=3 ROUNDS=1 scripts/bench.sh
#   ONLY='point|redo' scripts/bench.sh     the lines that match
#
# Measured, in rounds that alternate between the servers (the median round counts):
#   - COPY of the same file, in rows a second;
#   - transactions of one INSERT by 1 and by 16 clients, in commits a second;
#   - CREATE INDEX on 2,000,000 rows in no order, in rows a second;
#   - reads and updates of one row by primary key, in statements a second, the statement sent as text
#     (1 and 16 clients) or prepared (16 clients);
#   - an update storm: random rows of 100,000 with three indexes, 16 clients, autovacuum on; then the
#     size of table and indexes, in megabytes;
#   - redo: after a load without a checkpoint all processes are killed with SIGKILL; the log that
#     is replayed, divided by the time that the server says its redo took; and how long it took
#     from the start of the server to the first answer.
# One load generator (`mamont bench`) measures both, each in its own protocol: PostgreSQL with simple
# queries, or with Bind, Describe and Execute of a statement that it has parsed once; Mamont with the
# line protocol, or EXECUTE of a statement that it has prepared. What a statement costs the generator,
# which shares the processors with the server, is told at the end. COPY goes through psql.
# Both have the same durability (fsync, synchronous_commit, full_page_writes, checksums), the same
# shared_buffers and sizes of the log, no checkpoint while measuring, a Unix socket, and autovacuum
# every ten seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

rows=${ROWS:-1000000}
seconds=${SECONDS_EACH:-10}
rounds=${ROUNDS:-3}
only=${ONLY:-.}
index_rows=${INDEX_ROWS:-2000000}
point_rows=${POINT_ROWS:-100000}
shared_buffers=${SHARED_BUFFERS:-512MB}
max_wal_size=${MAX_WAL_SIZE:-16GB}
min_wal_size=${MIN_WAL_SIZE:-1GB}
pg_bin=${PG_BIN:-/usr/lib/postgresql/15/bin}

for tool in "$pg_bin/postgres" "$pg_bin/psql" "$pg_bin/initdb"; do
  if [ ! -x "$tool" ]; then
    echo "skipped: $tool is missing (Debian: apt install postgresql-15; or set PG_BIN)" >&2
    exit 0
  fi
done

cargo build --quiet --release --bin postmaster --bin mamont
mamont=target/release/mamont

work=$(mktemp -d "${TMPDIR:-/tmp}/mamont-bench.XXXXXX")
chmod 755 "$work"
mamont_pid=
pg_pid=

# Ends a server at once, with all its children, and waits until they are gone.
kill_server() {
  local pids
  [ -n "$1" ] || return 0
  pids="$1 $(pgrep -P "$1" | tr '\n' ' ' || true)"
  # shellcheck disable=SC2086
  kill -9 $pids 2>/dev/null || true
  for pid in $pids; do
    while [ -d "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null; do
      sleep 0.01
    done
  done
}

# Asks a server to shut down, so that it leaves no shared memory behind; ends it if it does not.
stop_server() {
  [ -n "$1" ] && kill -INT "$1" 2>/dev/null || return 0
  for _ in $(seq 200); do
    kill -0 "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  kill_server "$1"
}

clean_up() {
  stop_server "$mamont_pid"
  stop_server "$pg_pid"
  rm -rf "$work"
}
trap clean_up EXIT

now() { date +%s.%N; }

# --- Mamont ---------------------------------------------------------------------------------
start_mamont() {
  target/release/postmaster -D "$work/mamont" \
    --set listen_addresses= --set unix_socket_directory="$work/mamont-socket" \
    --set shared_buffers="$shared_buffers" \
    --set max_wal_size="$max_wal_size" --set min_wal_size="$min_wal_size" \
    --set checkpoint_timeout=1d --set autovacuum_naptime=10s >>"$work/mamont.log" 2>&1 &
  mamont_pid=$!
  until mamont_sql "SELECT 1" 2>/dev/null; do
    kill -0 "$mamont_pid" 2>/dev/null || { tail "$work/mamont.log" >&2; exit 1; }
    sleep 0.01
  done
}

mamont_sql() { "$mamont" shell "$work/mamont-socket/" -e "$1" >/dev/null; }

# The number that stands behind a name in the JSON of `mamont bench`.
field() { sed "s/.*\"$1\":\([0-9.]*\).*/\1/"; }

# Passes the JSON on, and notes what a statement has cost the load generator.
noted() { tee "$work/told.$1" && field client_cpu_us <"$work/told.$1" >>"$work/client.$1"; }

mamont_copy() {
  "$mamont" bench copy --connect "$work/mamont-socket/" --file "$work/rows" --keep --json |
    field rows_per_second
}

mamont_commit() {
  "$mamont" bench commit --connect "$work/mamont-socket/" --clients "$1" --seconds "$seconds" \
    --keep --json | noted mamont | field commits_per_second
}

mamont_index() {
  "$mamont" bench index --connect "$work/mamont-socket/" --rows "$index_rows" --json |
    field rows_per_second
}

# mamont_point KIND CLIENTS [OPTION...]
mamont_point() { point mamont "$work/mamont-socket/" "$@"; }

# point SERVER ADDRESS KIND CLIENTS [OPTION...]
point() {
  local server=$1 address=$2 kind=$3 clients=$4
  shift 4
  "$mamont" bench point --connect "$address" --kind "$kind" --rows "$point_rows" \
    --clients "$clients" --seconds "$seconds" --keep --json "$@" |
    noted "$server" | field "${kind}s_per_second"
}

mamont_size() {
  "$mamont" shell "$work/mamont-socket/" -e "SELECT sum(pg_relation_size(relname)) AS size \
FROM pg_class WHERE relname LIKE 'bench_point%'" | sed -n 's/^ROW //p'
}

# --- PostgreSQL -----------------------------------------------------------------------------
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

start_postgres() {
  as_postgres "$pg_bin/postgres" -D "$work/pg/data" >>"$work/pg.log" 2>&1 &
  until pg_sql "SELECT 1" >/dev/null 2>&1; do
    kill -0 $! 2>/dev/null || { tail "$work/pg.log" >&2; exit 1; }
    sleep 0.01
  done
  pg_pid=$(head -n 1 "$work/pg/data/postmaster.pid")
}

init_postgres() {
  mkdir "$work/pg"
  if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg"; fi
  as_postgres "$pg_bin/initdb" -A trust -k -U postgres -D "$work/pg/data" >/dev/null
  as_postgres tee -a "$work/pg/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$work/pg'
shared_buffers = $shared_buffers
max_wal_size = $max_wal_size
min_wal_size = $min_wal_size
checkpoint_timeout = 1d
autovacuum_naptime = 10s
log_checkpoints = on
CONF
}

psql_options=(-X -q -v ON_ERROR_STOP=1 -h "$work/pg" -U postgres -d postgres)
pg_sql() { "$pg_bin/psql" "${psql_options[@]}" -A -t -c "$1"; }

pg_copy() {
  local ms
  pg_sql "DROP TABLE IF EXISTS bench_copy" 2>/dev/null
  pg_sql "CREATE TABLE bench_copy (id bigint NOT NULL, account integer, name text,
    balance double precision, created timestamp)"
  ms=$("$pg_bin/psql" "${psql_options[@]}" -c '\timing on' \
    -c "\copy bench_copy FROM '$work/rows'" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
  awk -v ms="$ms" -v rows="$rows" 'BEGIN { printf "%.1f\n", rows * 1000 / ms }'
}

pg_commit() {
  "$mamont" bench commit --connect "$work/pg/" --postgres postgres --clients "$1" \
    --seconds "$seconds" --keep --json | noted pg | field commits_per_second
}

pg_index() {
  local ms
  pg_sql "DROP TABLE IF EXISTS bench_index" 2>/dev/null
  pg_sql "CREATE TABLE bench_index (k bigint NOT NULL, n bigint NOT NULL)"
  pg_sql "INSERT INTO bench_index SELECT i::bigint * 1000003 % 2147483647, i
    FROM generate_series(1, $index_rows) i"
  pg_sql CHECKPOINT
  ms=$("$pg_bin/psql" "${psql_options[@]}" -c '\timing on' \
    -c "CREATE INDEX ON bench_index (k)" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
  pg_sql "DROP TABLE bench_index"
  awk -v ms="$ms" -v rows="$index_rows" 'BEGIN { printf "%.1f\n", rows * 1000 / ms }'
}

# pg_point KIND CLIENTS [OPTION...]
pg_point() { point pg "$work/pg/" "$@" --postgres postgres; }

pg_size() {
  pg_sql "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname LIKE 'bench_point%'"
}

# --- the work -------------------------------------------------------------------------------
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# Runs both servers' measurements round by round and prints a line with both medians.
compare() {
  local name=$1 ours=$2 theirs=$3
  shift 3
  [[ $name =~ $only ]] || return 0
  : >"$work/ours" && : >"$work/theirs"
  for _ in $(seq "$rounds"); do
    "$ours" "$@" >>"$work/ours"
    "$theirs" "$@" >>"$work/theirs"
  done
  print_line "$name" "$(median <"$work/ours")" "$(median <"$work/theirs")"
}

print_line() {
  awk -v name="$1" -v ours="$2" -v theirs="$3" \
    'BEGIN { printf "%-34s %14.1f %14.1f %8.2f\n", name, ours, theirs, ours / theirs }'
}

compare_size() {
  [[ "update storm" =~ $only ]] || return 0
  megabytes() { awk -v bytes="$1" 'BEGIN { print bytes / 1048576 }'; }
  print_line "  size afterwards, MB" "$(megabytes "$(mamont_size)")" "$(megabytes "$(pg_size)")"
}

# Rows loaded, changed and inserted one by one, with no checkpoint in between.
load_for_redo() {
  local sql=$1 copy=$2 commit=$3
  "$sql" CHECKPOINT
  "$copy" >/dev/null
  "$sql" "UPDATE bench_copy SET balance = balance + 1 WHERE id % 4 = 0"
  "$commit" 16 >/dev/null
}

# The seconds that the last redo took, as the server's log tells: "... redo done at ... elapsed: S".
redo_seconds() { sed -n 's/.*redo done at.*elapsed: \([0-9.]*\) s.*/\1/p' "$1" | tail -n 1; }

lsn_bytes() { echo $((16#${1%/*} * 4294967296 + 16#${1#*/})); }

compare_redo() {
  [[ redo =~ $only ]] || return 0
  local before ours_ready theirs_ready ours_bytes theirs_bytes from to
  load_for_redo mamont_sql mamont_copy mamont_commit
  load_for_redo pg_sql pg_copy pg_commit
  kill_server "$mamont_pid"
  ours_bytes=$("$mamont" waldump -p "$work/mamont" --stats |
    sed -n 's/^end of log at .*(\([0-9]*\) bytes.*/\1/p')
  before=$(now)
  start_mamont
  ours_ready=$(awk -v from="$before" -v to="$(now)" 'BEGIN { print to - from }')

  kill_server "$pg_pid"
  before=$(now)
  start_postgres
  theirs_ready=$(awk -v from="$before" -v to="$(now)" 'BEGIN { print to - from }')
  from=$(sed -n 's/.*redo starts at \([0-9A-F/]*\).*/\1/p' "$work/pg.log" | tail -n 1)
  to=$(sed -n 's/.*redo done at \([0-9A-F/]*\) .*/\1/p' "$work/pg.log" | tail -n 1)
  theirs_bytes=$(($(lsn_bytes "$to") - $(lsn_bytes "$from")))

  rate() { awk -v bytes="$1" -v s="$2" 'BEGIN { print bytes / 1048576 / (s > 0 ? s : 0.001) }'; }
  print_line "redo, MB of WAL/s" "$(rate "$ours_bytes" "$(redo_seconds "$work/mamont.log")")" \
    "$(rate "$theirs_bytes" "$(redo_seconds "$work/pg.log")")"
  print_line "  WAL replayed, MB" "$(rate "$ours_bytes" 1)" "$(rate "$theirs_bytes" 1)"
  print_line "  kill -9 to first answer, s" "$ours_ready" "$theirs_ready"
}

"$mamont" bench data --rows "$rows" >"$work/rows"
mkdir "$work/mamont-socket"
init_postgres
start_postgres
start_mamont

printf '%-34s %14s %14s %8s\n' "$(uname -m), $(nproc) cpus" Mamont PostgreSQL ratio
compare "COPY of $rows rows, rows/s" mamont_copy pg_copy
compare "1 client, commits/s" mamont_commit pg_commit 1
compare "16 clients, commits/s" mamont_commit pg_commit 16
compare "CREATE INDEX, rows/s" mamont_index pg_index
compare "point read, 1 client" mamont_point pg_point read 1
compare "point read, 1, prepared" mamont_point pg_point read 1 --reuse --prepared
compare "point read, 16 clients" mamont_point pg_point read 16 --reuse
compare "point read, 16, prepared" mamont_point pg_point read 16 --reuse --prepared
compare "point update, 1 client" mamont_point pg_point update 1
compare "point update, 16 clients" mamont_point pg_point update 16 --reuse
compare "update storm, 16 clients" mamont_point pg_point update 16 --indexes 2
compare_size
compare_redo
[ ! -s "$work/client.pg" ] ||
  print_line "load generator, CPU us/statement" "$(median <"$work/client.mamont")" \
    "$(median <"$work/client.pg")"
