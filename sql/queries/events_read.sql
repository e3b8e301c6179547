-- The events of a window, of those documents of some buckets that have a request in the day, and of users who consent.
-- Columns and types of EVENTS; windows only of the kinds of events whose windows say something.
SELECT event_id::text, kind, occurred_at, received_at, user_id, session_id, document_id, seq, version,
       request_id::text, language, repository, path, model_version, caret::bigint, document_length::bigint,
       CASE WHEN kind = ANY(%(showing)s) THEN prefix END AS prefix,
       CASE WHEN kind = ANY(%(showing)s) THEN suffix END AS suffix,
       edits::text, cause, proposal, replace_start::bigint, replace_end::bigint, offset_unit
FROM echo.completion_events
WHERE received_at >= %(start)s AND received_at < %(end)s
  AND echo.document_bucket(document_id) >= %(first_bucket)s AND echo.document_bucket(document_id) < %(past_bucket)s
  AND document_id IN (
      SELECT document_id FROM echo.completion_events
      WHERE kind = 'requested' AND received_at >= %(day_start)s AND received_at < %(day_end)s
        AND echo.document_bucket(document_id) >= %(first_bucket)s
        AND echo.document_bucket(document_id) < %(past_bucket)s)
  AND CASE WHEN %(opt_in)s THEN user_id IN (SELECT user_id FROM echo.last_consents WHERE consented)
           ELSE user_id NOT IN (SELECT user_id FROM echo.last_consents WHERE NOT consented) END
