-- The accounts whose mapping alone would change, by what match.sql finds over the stage: those that are not in it.
WITH difference AS (
    {match}
)
SELECT external_user_id
FROM difference
WHERE NOT EXISTS (SELECT FROM stage WHERE stage.key = difference.external_user_id)
