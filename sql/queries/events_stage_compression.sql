-- Compressed text is copied as it is from table to table: stage it as the events shall have it, where there is lz4.
SELECT set_config('default_toast_compression', 'lz4', true)
FROM pg_settings
WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
