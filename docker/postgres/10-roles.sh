#!/bin/bash
# Run once by the Postgres image, on an empty data folder: a role and a database for each service, that own nothing else.
set -euo pipefail

for name in echo airflow mlflow; do
    psql -X -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v name="$name" <<SQL
\\getenv password ${name^^}_DB_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
