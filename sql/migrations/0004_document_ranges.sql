-- A large day is cut into ranges of echo.document_bucket: tables of some tens of megabytes, in each of which a document
-- lies with all its events. A harvest then reads range by range, each once, and never has to bring documents together.
-- Small days stay one table, and so do the days that there are already: both are read alike.

-- Into how many ranges a day is cut: by the largest of the two weeks before it, so that a range has at most 32 MB, about
-- 16,000 events with windows. 32 at most: whoever asks for all days at once takes a lock on every range and its indexes.
CREATE FUNCTION echo.ranges_for(day date) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT least(32, power(2, ceil(log(2, greatest(1, coalesce(max(size), 0) / (32 << 20))))))::integer
    FROM (
        SELECT sum(pg_table_size(part.relid)) AS size
        FROM generate_series(1, 14) AS before
        CROSS JOIN pg_partition_tree(to_regclass('echo.completion_events_' || to_char(day - before, 'YYYYMMDD'))) AS part
        WHERE part.isleaf
        GROUP BY before
    ) AS days
$$;

-- As before, with the ranges.
CREATE FUNCTION echo.make_partition(day date, ranges integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name  text := 'completion_events_' || to_char(day, 'YYYYMMDD');
    first timestamptz := day::timestamp AT TIME ZONE 'UTC';
    past  timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
    cut   text := CASE WHEN ranges > 1 THEN ' PARTITION BY RANGE (echo.document_bucket(document_id))' ELSE '' END;
BEGIN
    IF ranges IS NULL OR ranges < 1 OR ranges > 1024 OR 65536 % ranges <> 0 THEN
        RAISE EXCEPTION 'a day cannot be cut into % ranges; wanted is a power of two from 1 to 1024', ranges;
    END IF;
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
    EXECUTE format('CREATE TABLE echo.%I (LIKE echo.completion_events INCLUDING ALL EXCLUDING INDEXES)', name) || cut;
    EXECUTE format('ALTER TABLE echo.%I ADD CONSTRAINT day CHECK (received_at >= %L AND received_at < %L)',
                   name, first, past);
    IF ranges > 1 THEN
        FOR range IN 0 .. ranges - 1 LOOP
            EXECUTE format('CREATE TABLE echo.%I PARTITION OF echo.%I FOR VALUES FROM (%s) TO (%s)',
                           name || '_' || to_char(range, 'FM0000'), name,
                           range * (65536 / ranges), (range + 1) * (65536 / ranges));
        END LOOP;
    END IF;
    EXECUTE format(
        'WITH moved AS (DELETE FROM echo.completion_events_default WHERE received_at >= %L AND received_at < %L RETURNING *)'
        ' INSERT INTO echo.%I SELECT * FROM moved ORDER BY received_at', first, past, name);
    EXECUTE format('ALTER TABLE echo.completion_events ATTACH PARTITION echo.%I FOR VALUES FROM (%L) TO (%L)',
                   name, first, past);
    EXECUTE format('ALTER TABLE echo.%I DROP CONSTRAINT day', name);
    RETURN true;
END
$$;

-- What writers are allowed to call goes by the days before.
CREATE OR REPLACE FUNCTION echo.make_partition(day date) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT echo.make_partition(day, echo.ranges_for(day))
$$;

REVOKE ALL ON FUNCTION echo.ranges_for(date), echo.make_partition(date, integer) FROM PUBLIC;
