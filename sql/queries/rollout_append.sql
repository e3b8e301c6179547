-- One more decision about a model. Its primary key refuses a second decision on the same state.
INSERT INTO echo.rollouts (
    model_name, revision, rollout_id, decision, reason, champion, challenger, share_before, share_after, share_since,
    evidence_from, evidence_until, champion_shown, champion_accepted, champion_users, challenger_shown,
    challenger_accepted, challenger_users, verdict, difference, low, high, evidence, alias_moves, settings_digest,
    decided_at
) VALUES (
    %(model_name)s, %(revision)s, %(rollout_id)s, %(decision)s, %(reason)s, %(champion)s, %(challenger)s,
    %(share_before)s, %(share_after)s, %(share_since)s, %(evidence_from)s, %(evidence_until)s, %(champion_shown)s,
    %(champion_accepted)s, %(champion_users)s, %(challenger_shown)s, %(challenger_accepted)s, %(challenger_users)s,
    %(verdict)s, %(difference)s, %(low)s, %(high)s, %(evidence)s, %(alias_moves)s, %(settings_digest)s, %(decided_at)s
)
ON CONFLICT (model_name, revision) DO NOTHING
