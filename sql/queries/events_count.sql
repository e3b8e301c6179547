-- Events of a window, and the requests of the day within it.
SELECT (SELECT count(*) FROM echo.completion_events
        WHERE received_at >= %(start)s AND received_at < %(end)s) AS events,
       (SELECT count(*) FROM echo.completion_events
        WHERE kind = 'requested' AND received_at >= %(day_start)s AND received_at < %(day_end)s) AS requests
