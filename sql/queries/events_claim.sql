-- Take the events that nobody has taken yet. In the order of the key: loaders side by side then cannot block each other.
-- Of an event that stands in the file more than once, the row that was received first is taken.
WITH taken AS (
    INSERT INTO echo.events_seen (event_id, place)
    SELECT DISTINCT event_id::uuid AS id, hashtextextended(document_id, seq) AS place FROM staged_events ORDER BY id, place
    ON CONFLICT DO NOTHING
    RETURNING event_id, place
)
INSERT INTO claimed (row_number)
SELECT DISTINCT ON (taken.event_id, taken.place) staged.row_number
FROM staged_events AS staged
JOIN taken ON taken.event_id = staged.event_id::uuid AND taken.place = hashtextextended(staged.document_id, staged.seq)
ORDER BY taken.event_id, taken.place, staged.received_at, staged.row_number
