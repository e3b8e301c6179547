-- The days (UTC) that have requests.
SELECT DISTINCT (received_at AT TIME ZONE 'UTC')::date AS day
FROM echo.completion_events
WHERE kind = 'requested'
ORDER BY day
