-- The claimed rows, day by day and bucket by bucket: a shard then lies together
-- (COPY of one in eight of 200,000 events: 0.30 s instead of 0.45 s).
INSERT INTO echo.completion_events (
    event_id, kind, occurred_at, received_at, user_id, session_id, document_id, seq, version, request_id, language,
    repository, path, model_version, caret, document_length, prefix, suffix, edits, cause, proposal, replace_start,
    replace_end, offset_unit)
SELECT event_id::uuid, kind, occurred_at, received_at, user_id, session_id, document_id, seq, version, request_id::uuid,
       language, repository, path, model_version, caret, document_length, prefix, suffix, edits::jsonb, cause, proposal,
       replace_start, replace_end, offset_unit
FROM staged_events JOIN claimed USING (row_number)
ORDER BY (received_at AT TIME ZONE 'UTC')::date, echo.document_bucket(document_id), received_at, row_number
