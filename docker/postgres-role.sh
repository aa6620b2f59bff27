#!/bin/sh
# Gives HyMo the role `hymo`, which owns its database and is no superuser, with the password of POSTGRES_PASSWORD.
# PostgreSQL's image runs this in a new volume. A volume in which `hymo` is the superuser itself needs it once:
#
#   docker compose exec postgres sh /docker-entrypoint-initdb.d/role.sh
#
# It can be run again: it then only sets the password. The superuser `postgres` has none, so that it can only connect from
# inside the container.
set -eu

as() {
    user="$1"
    shift
    psql --no-psqlrc --quiet --tuples-only --set ON_ERROR_STOP=1 --dbname hymo --username "$user" "$@"
}

# The superuser that initdb made cannot be made less than that: it is renamed, by another one.
if ! as postgres --command 'SELECT' >/dev/null 2>&1; then
    as hymo --command 'CREATE ROLE postgres SUPERUSER LOGIN'
fi

as postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
BEGIN;
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hymo' AND rolsuper) AS is_superuser \gset
\if :is_superuser
    ALTER ROLE hymo RENAME TO hymo_initdb;
    ALTER ROLE hymo_initdb NOLOGIN PASSWORD NULL;
\endif
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hymo') AS is_missing \gset
\if :is_missing
    CREATE ROLE hymo LOGIN;
\endif
ALTER ROLE hymo PASSWORD :'password';
ALTER ROLE postgres PASSWORD NULL;
ALTER DATABASE hymo OWNER TO hymo;
SELECT format('ALTER TABLE %I.%I OWNER TO hymo', schemaname, tablename)
  FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'hymo' \gexec
COMMIT;
-- Whoever is still connected keeps the superuser's rights; HyMo connects again by itself.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hymo_initdb' \g /dev/null
SQL
