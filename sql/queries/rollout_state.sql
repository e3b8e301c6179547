-- The last decision about a model, whole.
SELECT model_name, revision, rollout_id, decision, reason, champion, challenger, share_before, share_after, share_since,
       evidence_from, evidence_until, verdict, evidence, alias_moves, settings_digest, decided_at
FROM echo.rollout_state
WHERE model_name = %(model_name)s
