-- What each of some models was shown and accepted for, from :since until :until (times of the server).
--
-- A request counts once, for the model that its `requested` event names (else the one that its outcome names), when it
-- was received early enough to have been answered. Outcomes are joined by request_id. An outcome implies that the
-- proposal was shown, should `shown` be lost; `ignored` does not: editors report it for what was never rendered, too.
-- The sums of squares over users are what a test needs that knows that one user's requests resemble each other.
WITH request AS (
    SELECT request_id,
           min(user_id) AS user_id,
           coalesce(min(model_version) FILTER (WHERE kind = 'requested'), min(model_version)) AS model_version,
           bool_or(kind = 'accepted') AS accepted,
           bool_or(kind = 'partially_accepted') AND NOT bool_or(kind = 'accepted') AS partially_accepted
    FROM echo.completion_events
    WHERE received_at >= %(since)s
      AND received_at < %(until)s
      AND kind IN ('requested', 'shown', 'accepted', 'partially_accepted', 'rejected')
      AND request_id IS NOT NULL
    GROUP BY request_id
    HAVING min(received_at) FILTER (WHERE kind = 'requested') < %(until)s - %(settle)s
       AND bool_or(kind <> 'requested')
), by_user AS (
    SELECT model_version,
           count(*)::double precision AS shown,
           count(*) FILTER (WHERE accepted)::double precision AS accepted,
           count(*) FILTER (WHERE partially_accepted) AS partially_accepted
    FROM request
    WHERE model_version = ANY (%(models)s)
    GROUP BY model_version, user_id
)
SELECT model_version,
       sum(shown)::bigint AS shown,
       sum(accepted)::bigint AS accepted,
       sum(partially_accepted)::bigint AS partially_accepted,
       count(*) AS users,
       sum(shown * shown) AS shown_squared,
       sum(shown * accepted) AS shown_accepted,
       sum(accepted * accepted) AS accepted_squared
FROM by_user
GROUP BY model_version
ORDER BY model_version
