#!/bin/sh
# In place of the exporter for PgBouncer: asks once what that one asks, by the way that it is given.
set -eu
for argument; do
  case $argument in
    --pgBouncer.connectionString=*) way=${argument#*=} ;;
  esac
done
for what in VERSION STATS POOLS DATABASES LISTS CONFIG; do
  psql "$way" --no-psqlrc --expanded --command="SHOW $what"
done
