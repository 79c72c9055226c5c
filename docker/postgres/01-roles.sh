#!/bin/sh
# Runs once, in an empty database (the image's docker-entrypoint-initdb.d). Passwords come from the environment, so this is no SQL file.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set "dbname=$POSTGRES_DB" --set "debezium_password=$DEBEZIUM_PASSWORD" --set "lookup_password=$LOOKUP_PASSWORD" <<'SQL'
-- Owns the tables. No password: only `docker compose exec postgres psql -U app app` gets in.
CREATE ROLE app LOGIN;
GRANT CREATE ON SCHEMA public TO app;
-- Debezium reads the log, and makes its publication: that takes REPLICATION, ownership of the tables, and CREATE on the database.
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'debezium_password';
GRANT app TO debezium;
GRANT CREATE ON DATABASE :"dbname" TO debezium;
-- Freshet looks rows up, and no more.
CREATE ROLE freshet LOGIN PASSWORD :'lookup_password';
GRANT pg_read_all_data TO freshet;
SQL
