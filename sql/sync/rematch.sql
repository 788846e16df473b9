-- Writes what match.sql wants of accounts that nothing else changes, and gives back which those are.
UPDATE external_users AS account SET
    match_rule = wanted.match_rule, match_user_id = wanted.match_user_id,
    match_status = wanted.match_status, match_reason = wanted.match_reason
FROM wanted
WHERE
    account.tenant_id = %(tenant_id)s AND account.system_type = %(system_type)s {among_wanted}
    AND account.external_user_id = wanted.external_user_id AND NOT wanted.is_staged
    AND (account.match_rule, account.match_user_id, account.match_status, account.match_reason)
    IS DISTINCT FROM (wanted.match_rule, wanted.match_user_id, wanted.match_status, wanted.match_reason)
RETURNING account.external_user_id
