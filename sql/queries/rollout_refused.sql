-- Challengers that the gate found worse: they are not tried again.
SELECT DISTINCT challenger
FROM echo.rollouts
WHERE model_name = %(model_name)s AND decision = 'roll_back' AND verdict = 'worse' AND challenger IS NOT NULL
ORDER BY challenger
