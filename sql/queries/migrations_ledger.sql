-- The ledger of what was applied; it must stand before the first migration.
CREATE SCHEMA IF NOT EXISTS echo;
CREATE TABLE IF NOT EXISTS echo.migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
