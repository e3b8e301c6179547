-- The ledger of rollouts: MLflow's aliases keep no history, so every decision stands here, with its evidence.
-- Nothing in it names a user.

CREATE SCHEMA IF NOT EXISTS echo;

CREATE TABLE echo.rollouts (
    model_name          text             NOT NULL,
    revision            bigint           NOT NULL CHECK (revision > 0),
    rollout_id          text,
    decision            text             NOT NULL CHECK (decision IN ('advance', 'hold', 'roll_back', 'promote')),
    reason              text             NOT NULL,
    champion            text,
    challenger          text,
    share_before        double precision NOT NULL CHECK (share_before >= 0 AND share_before < 1),
    share_after         double precision NOT NULL CHECK (share_after >= 0 AND share_after < 1),
    share_since         timestamptz,
    evidence_from       timestamptz,
    evidence_until      timestamptz,
    champion_shown      bigint,
    champion_accepted   bigint,
    champion_users      bigint,
    challenger_shown    bigint,
    challenger_accepted bigint,
    challenger_users    bigint,
    verdict             text CHECK (verdict IN ('insufficient', 'worse', 'undecided', 'not_worse', 'better')),
    difference          double precision,
    low                 double precision,
    high                double precision,
    evidence            jsonb,
    alias_moves         jsonb            NOT NULL,
    settings_digest     text             NOT NULL,
    decided_at          timestamptz      NOT NULL,
    PRIMARY KEY (model_name, revision),
    -- whoever routes requests needs all four while users are shared out
    CHECK (share_after = 0 OR (rollout_id IS NOT NULL AND champion IS NOT NULL
                               AND challenger IS NOT NULL AND share_since IS NOT NULL))
);

COMMENT ON TABLE echo.rollouts IS 'Every decision about a challenger, append-only; see docs/concepts/rollout.md';

-- A decision is written before the aliases are moved; its row here says that they have been.
CREATE TABLE echo.rollout_effects (
    model_name text        NOT NULL,
    revision   bigint      NOT NULL,
    notes      jsonb       NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model_name, revision),
    FOREIGN KEY (model_name, revision) REFERENCES echo.rollouts
);

COMMENT ON TABLE echo.rollout_effects IS 'Decisions whose alias moves are done in MLflow, append-only';

CREATE FUNCTION echo.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON echo.rollouts
    FOR EACH STATEMENT EXECUTE FUNCTION echo.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON echo.rollout_effects
    FOR EACH STATEMENT EXECUTE FUNCTION echo.refuse_change();

-- The last decision about each model: who reads only this row knows who gets which model. While it is running, users
-- whose position is below share_after get the challenger, and everybody else what is serving.
CREATE VIEW echo.rollout_state AS
SELECT DISTINCT ON (rollouts.model_name)
    rollouts.*,
    rollouts.share_after > 0 AS running,
    CASE WHEN rollouts.decision = 'promote' THEN rollouts.challenger ELSE rollouts.champion END AS serving,
    effects.applied_at
FROM echo.rollouts
LEFT JOIN echo.rollout_effects AS effects USING (model_name, revision)
ORDER BY rollouts.model_name, rollouts.revision DESC;

-- Where a user stands in a rollout, in [0, 1): below the share, the challenger serves. The same as
-- echo_ops.rollout.assignment.position, so that a router needs nothing but this database.
CREATE FUNCTION echo.rollout_position(rollout_id text, user_id text) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || substr(encode(sha256(convert_to(rollout_id || E'\n' || user_id, 'UTF8')), 'hex'), 1, 13))::bit(52)::bigint
           / 4503599627370496::double precision
$$;
