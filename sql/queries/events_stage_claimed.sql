-- The staged rows that this transaction was the first to bring.
CREATE TEMPORARY TABLE claimed (row_number bigint PRIMARY KEY) ON COMMIT DROP
