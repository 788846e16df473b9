-- Who is who, for one connection at once (requirement A6): what user_matches should hold and does not.
--
-- Rules in their order; the first one under which an account finds anybody decides. An internal user who is not active
-- is found only where no active one is. Two internal users found, or two active accounts that find the same one, is an
-- ERROR for all of them, except that a link made by hand beats the accounts that only found their way there.
-- The accounts are those of external_users, or in a dry run what external_users would hold.
--
-- Everything is joined and grouped by hashing. A rule for which no account carries anything costs one look at the
-- accounts, since the people it would compare with are not even hashed; so each rule says IS NOT NULL.
WITH accounts AS (
    {accounts}
),
people AS NOT MATERIALIZED (
    SELECT internal_user_id, is_active, email_key, employee_key
    FROM internal_users
    WHERE tenant_id = %(tenant_id)s
),
candidates AS (
    SELECT account.external_user_id, account.is_active AS account_is_active, 1 AS rank, 'LINK' AS rule,
        person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN user_links AS link
        ON link.tenant_id = %(tenant_id)s AND link.system_type = %(system_type)s
        AND link.external_user_id = account.external_user_id
    INNER JOIN people AS person ON link.internal_user_id = person.internal_user_id
    UNION ALL
    SELECT account.external_user_id, account.is_active, 2, 'EXTERNAL_KEY', person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.external_key = person.internal_user_id
    WHERE account.external_key IS NOT NULL
    UNION ALL
    SELECT account.external_user_id, account.is_active, 3, 'EMPLOYEE_NUMBER', person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.employee_key = person.employee_key
    WHERE account.employee_key IS NOT NULL
    UNION ALL
    SELECT account.external_user_id, account.is_active, 4, 'EMAIL', person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.email_key = person.email_key
    WHERE account.email_key IS NOT NULL
    UNION ALL
    SELECT account.external_user_id, account.is_active, 5, 'EMAIL_2', person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.email_key_2 = person.email_key
    WHERE account.email_key_2 IS NOT NULL
),
found AS (
    SELECT
        external_user_id,
        rank,
        rule,
        bool_or(account_is_active) AS account_is_active,
        count(*) FILTER (WHERE is_active) AS active_count,
        count(*) AS any_count,
        min(internal_user_id) FILTER (WHERE is_active) AS active_id,
        min(internal_user_id) AS any_id
    FROM candidates
    GROUP BY external_user_id, rank, rule
),
chosen AS (
    SELECT
        external_user_id,
        rule,
        account_is_active,
        CASE
            WHEN active_count = 1 THEN active_id
            WHEN active_count = 0 AND any_count = 1 THEN any_id
        END AS internal_user_id,
        active_count = 1 AS person_is_active
    FROM found
    WHERE NOT EXISTS (
        SELECT FROM found AS better
        WHERE better.external_user_id = found.external_user_id AND better.rank < found.rank
    )
),
contested AS (
    SELECT internal_user_id, count(*) FILTER (WHERE rule = 'LINK') AS links
    FROM chosen
    WHERE account_is_active
    GROUP BY internal_user_id
    HAVING count(*) > 1
),
judged AS (
    SELECT
        external_user_id,
        rule,
        internal_user_id,
        CASE
            WHEN internal_user_id IS NULL THEN 'several internal users have this ' || CASE rule
                WHEN 'EMPLOYEE_NUMBER' THEN 'employee number' ELSE 'e-mail address' END
            WHEN account_is_active AND links IS NOT NULL AND NOT (rule = 'LINK' AND links = 1) THEN
                'several accounts reach internal user ' || internal_user_id
        END AS error,
        person_is_active
    FROM chosen
    LEFT JOIN contested USING (internal_user_id)
),
wanted AS (
    SELECT
        external_user_id,
        rule,
        CASE WHEN error IS NULL THEN internal_user_id END AS internal_user_id,
        CASE WHEN error IS NOT NULL THEN 'ERROR' WHEN person_is_active THEN 'ACTIVE' ELSE 'INACTIVE' END AS sync_status,
        coalesce(error, CASE WHEN NOT person_is_active THEN 'the internal user is not active' END) AS reason
    FROM judged
),
stored AS (
    SELECT external_user_id, rule, internal_user_id, sync_status, reason
    FROM user_matches
    WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s
)
SELECT
    external_user_id, wanted.rule, wanted.internal_user_id, wanted.sync_status, wanted.reason,
    stored.rule IS NULL AS is_new
FROM wanted
FULL JOIN stored USING (external_user_id)
WHERE
    (wanted.rule, wanted.internal_user_id, wanted.sync_status, wanted.reason)
    IS DISTINCT FROM (stored.rule, stored.internal_user_id, stored.sync_status, stored.reason)
