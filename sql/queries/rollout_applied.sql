-- The alias moves of a decision are done.
INSERT INTO echo.rollout_effects (model_name, revision, notes) VALUES (%(model_name)s, %(revision)s, %(notes)s)
