-- Events of a window, the requests of the day within it, and the tables that the day is cut into (0 without a partition).
SELECT (SELECT count(*) FROM echo.completion_events
        WHERE received_at >= %(start)s AND received_at < %(end)s) AS events,
       (SELECT count(*) FROM echo.completion_events
        WHERE kind = 'requested' AND received_at >= %(day_start)s AND received_at < %(day_end)s) AS requests,
       (SELECT count(*) FROM pg_partition_tree(to_regclass(
            'echo.completion_events_' || to_char(%(day_start)s AT TIME ZONE 'UTC', 'YYYYMMDD')))
        WHERE isleaf) AS ranges
