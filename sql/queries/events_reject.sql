-- Keep what was refused. The same row again, of this file or another, is the same row.
INSERT INTO echo.rejected_events (digest, reason, detail, source, row_number, row)
SELECT DISTINCT ON (digest) digest, reason, detail, source, row_number, "row"::jsonb
FROM staged_rejects
ORDER BY digest, row_number
ON CONFLICT DO NOTHING
