-- Completion events: one row is one thing that an editor reports. Append-only, one partition a day (UTC) of received_at.
-- Needs PostgreSQL 14. The schema and the ledger of migrations are made by echo-ops migrate itself.

-- Every event that was ever taken. A unique constraint cannot span partitions without received_at, and the same event
-- may come again on another day: so what was seen is kept apart, and the first to bring an event wins, whoever loads
-- beside it. A row outlives its event: what was deleted for good does not come back with a late repeat.
-- place is hashtextextended(document_id, seq). A repeat has the id, the document and the seq of the first; clients exist
-- that derive ids from a path and a counter, and give one id to two events when a file is closed and opened again.
CREATE TABLE echo.events_seen (
    event_id uuid   NOT NULL,
    place    bigint NOT NULL,
    PRIMARY KEY (event_id, place)
);

CREATE TABLE echo.completion_events (
    event_id        uuid        NOT NULL,
    kind            text        NOT NULL,
    occurred_at     timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    user_id         text        NOT NULL,
    session_id      text        NOT NULL,
    document_id     text        NOT NULL,
    seq             bigint      NOT NULL,
    version         bigint,
    request_id      uuid,
    language        text,
    repository      text,
    path            text,
    model_version   text,
    caret           integer,
    document_length integer,
    prefix          text,
    suffix          text,
    edits           jsonb,
    cause           text,
    proposal        text,
    replace_start   integer,
    replace_end     integer,
    offset_unit     text        NOT NULL,
    CONSTRAINT known_kind CHECK (kind IN (
        'opened', 'changed', 'selection_changed', 'requested', 'shown',
        'accepted', 'partially_accepted', 'rejected', 'ignored', 'closed')),
    CONSTRAINT known_offset_unit CHECK (offset_unit IN ('code-point', 'utf-16', 'utf-8')),
    CONSTRAINT whole_request CHECK (
        kind <> 'requested' OR (request_id IS NOT NULL AND prefix IS NOT NULL AND suffix IS NOT NULL)),
    CONSTRAINT positions CHECK (
        seq >= 0 AND caret >= 0 AND document_length >= 0 AND replace_start >= 0 AND replace_end >= replace_start),
    CONSTRAINT edits_are_a_list CHECK (jsonb_typeof(edits) = 'array')
) PARTITION BY RANGE (received_at);

-- lz4 where the server was built with it: reading is a quarter faster than with pglz. Partitions inherit it.
DO $$
DECLARE
    stored text;
BEGIN
    FOREACH stored IN ARRAY ARRAY['prefix', 'suffix', 'edits', 'proposal'] LOOP
        EXECUTE format('ALTER TABLE echo.completion_events ALTER COLUMN %I SET COMPRESSION lz4', stored);
    END LOOP;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server has no lz4; text is compressed with pglz';
END
$$;

-- Takes what comes for a day that has no partition yet, so that no writer fails; make_partition empties it.
CREATE TABLE echo.completion_events_default PARTITION OF echo.completion_events DEFAULT;

-- A document's place among 65,536 buckets: a shard is a range of them, so that an index can find it. Stable within a
-- database; another hash would only deal the documents differently.
CREATE FUNCTION echo.document_bucket(document_id text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashtextextended(document_id, 0) & 65535)::integer;

-- A shard's events of a window, and the count of a window, without reading the text beside them.
CREATE INDEX completion_events_bucket ON echo.completion_events (echo.document_bucket(document_id), received_at);

-- The requests of a day, their documents, and the days that have any.
CREATE INDEX completion_events_requested ON echo.completion_events (received_at, document_id) WHERE kind = 'requested';

-- Repeats are ignored for every writer. A loader that has claimed its rows itself, all at once, says so for its
-- transaction: SET LOCAL echo.events_claimed = 'on'.
CREATE FUNCTION echo.ignore_repeat() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO echo.events_seen VALUES (NEW.event_id, hashtextextended(NEW.document_id, NEW.seq)) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER ignore_repeat BEFORE INSERT ON echo.completion_events
    FOR EACH ROW WHEN (current_setting('echo.events_claimed', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION echo.ignore_repeat();

-- Makes the partition of a day (UTC), and moves into it what had come to the default partition; false where it stood.
-- Attached rather than created in place: readers and writers of other days go on meanwhile.
CREATE FUNCTION echo.make_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name  text := 'completion_events_' || to_char(day, 'YYYYMMDD');
    first timestamptz := day::timestamp AT TIME ZONE 'UTC';
    past  timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass('echo.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- One maker at a time, in one order of locks: the advisory one, then the default partition. Whether somebody was
    -- first is asked of the catalogue itself: to_regclass would answer from what this session remembers.
    PERFORM pg_advisory_xact_lock(hashtextextended('echo.make_partition', 0));
    PERFORM FROM pg_class WHERE relname = name AND relnamespace = 'echo'::regnamespace;
    IF FOUND THEN
        RETURN false;
    END IF;
    LOCK TABLE echo.completion_events_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE echo.%I (LIKE echo.completion_events INCLUDING ALL EXCLUDING INDEXES)', name);
    EXECUTE format('ALTER TABLE echo.%I ADD CONSTRAINT day CHECK (received_at >= %L AND received_at < %L)',
                   name, first, past);
    EXECUTE format(
        'WITH moved AS (DELETE FROM echo.completion_events_default WHERE received_at >= %L AND received_at < %L RETURNING *)'
        ' INSERT INTO echo.%I SELECT * FROM moved ORDER BY received_at', first, past, name);
    EXECUTE format('ALTER TABLE echo.completion_events ATTACH PARTITION echo.%I FOR VALUES FROM (%L) TO (%L)',
                   name, first, past);
    EXECUTE format('ALTER TABLE echo.%I DROP CONSTRAINT day', name);
    RETURN true;
END
$$;

-- Forgets a day's events; false where it has no partition. What was seen stays, so that late repeats do not come back.
CREATE FUNCTION echo.drop_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := 'completion_events_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass('echo.' || name) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE echo.%I', name);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION echo.make_partition(date), echo.drop_partition(date), echo.ignore_repeat() FROM PUBLIC;

-- Rows that a loader refused: what they were, without the user's text, and why. The same row again is one row.
CREATE TABLE echo.rejected_events (
    digest      bytea       PRIMARY KEY,  -- SHA-256 of the whole row as it came
    reason      text        NOT NULL,
    detail      text,                     -- the column, the limit; never a user's text
    source      text        NOT NULL,     -- name of the file
    row_number  bigint      NOT NULL,     -- from 0, in that file
    row         jsonb       NOT NULL,     -- long values are cut, text is replaced by its length
    rejected_at timestamptz NOT NULL DEFAULT now()
);
