-- The rows of the same file that break the contract.
CREATE TEMPORARY TABLE staged_rejects (
    row_number bigint, digest bytea, source text, reason text, detail text, "row" text
) ON COMMIT DROP
