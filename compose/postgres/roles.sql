-- Who may enter, made once with the cluster. psql reads the passwords where they lie: they are on no command line.
\set ON_ERROR_STOP on
\set database_password `cat /run/secrets/database_password`
\set monitor_password `cat /run/secrets/monitor_password`
\set pgbouncer_password `cat /run/secrets/pgbouncer_password`

CREATE ROLE loadlab LOGIN PASSWORD :'database_password';
CREATE DATABASE loadlab OWNER loadlab;

CREATE ROLE monitor LOGIN PASSWORD :'monitor_password';
GRANT pg_monitor TO monitor;

-- PgBouncer asks with this role for the SCRAM secrets of its clients. It holds no password of theirs, and derives none
-- anew for each client, which would cost it milliseconds.
CREATE ROLE pgbouncer LOGIN PASSWORD :'pgbouncer_password';
\connect loadlab
CREATE SCHEMA pgbouncer;
CREATE FUNCTION pgbouncer.secret_of(role_name text, OUT name text, OUT secret text)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS 'SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1 AND rolcanlogin AND NOT rolsuper';
REVOKE ALL ON FUNCTION pgbouncer.secret_of(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
GRANT EXECUTE ON FUNCTION pgbouncer.secret_of(text) TO pgbouncer;
