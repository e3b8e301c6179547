-- Where a file waits until it is whole: as text, since the ids and the edits come as text.
CREATE TEMPORARY TABLE staged_events (
    row_number bigint, event_id text, kind text, occurred_at timestamptz, received_at timestamptz, user_id text,
    session_id text, document_id text, seq bigint, version bigint, request_id text, language text, repository text,
    path text, model_version text, caret bigint, document_length bigint, prefix text, suffix text, edits text, cause text,
    proposal text, replace_start bigint, replace_end bigint, offset_unit text
) ON COMMIT DROP
