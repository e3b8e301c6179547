-- Decisions whose alias moves are not known to be done, oldest first.
SELECT revision, alias_moves
FROM echo.rollouts
LEFT JOIN echo.rollout_effects AS effects USING (model_name, revision)
WHERE model_name = %(model_name)s AND alias_moves <> '[]'::jsonb AND effects.revision IS NULL
ORDER BY revision
