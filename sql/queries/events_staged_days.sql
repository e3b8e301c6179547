-- The days (UTC) of what is staged, and whether any of its events is new.
SELECT (received_at AT TIME ZONE 'UTC')::date AS day,
       bool_or(NOT EXISTS (
           SELECT FROM echo.events_seen AS seen
           WHERE seen.event_id = staged.event_id::uuid AND seen.place = hashtextextended(staged.document_id, staged.seq)
       )) AS is_new
FROM staged_events AS staged
GROUP BY day
ORDER BY day
