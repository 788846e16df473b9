-- What rematch.sql would give back.
SELECT account.external_user_id
FROM external_users AS account
INNER JOIN wanted ON account.external_user_id = wanted.external_user_id AND NOT wanted.is_staged
WHERE
    account.tenant_id = %(tenant_id)s AND account.system_type = %(system_type)s
    AND (account.match_rule, account.match_user_id, account.match_status, account.match_reason)
    IS DISTINCT FROM (wanted.match_rule, wanted.match_user_id, wanted.match_status, wanted.match_reason)
