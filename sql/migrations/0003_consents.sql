-- Who agreed that what they do with completions is learned from, and who withdrew. Append-only: the last word counts.

CREATE TABLE echo.consents (
    user_id   text        NOT NULL,
    consented boolean     NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, at)
);

COMMENT ON TABLE echo.consents IS 'Who consented or withdrew, and when; see docs/concepts/curation.md';

CREATE VIEW echo.last_consents AS
SELECT DISTINCT ON (user_id) user_id, consented, at FROM echo.consents ORDER BY user_id, at DESC;
