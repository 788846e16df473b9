-- Who is who (requirement A6): what matching finds for some accounts of one connection, and for those who compete with
-- them for an internal user; all others stay as they are. With no rule: an account that reaches nobody any more.
--
-- Rules in their order; the first one under which an account finds anybody decides. An internal user who is not active
-- is found only where no active one is. Two internal users found, or two active accounts that find the same one, is an
-- ERROR for all of them, except that a link made by hand beats the accounts that only found their way there.
--
-- Everything is joined and grouped by hashing. A rule for which no account carries anything costs one look at the
-- accounts, since the people it would compare with are not even hashed; so each rule says IS NOT NULL.
WITH accounts AS (
    SELECT
        external_user_id,
        is_active,
        is_staged,
        match_user_id,
        external_key,
        nullif(btrim(employee_number), '') AS employee_key,
        nullif(lower(btrim(match_email)), '') AS email_key,
        nullif(lower(btrim(match_email_2)), '') AS email_key_2
    FROM (
        {accounts}
    ) AS account
),
people AS NOT MATERIALIZED (
    SELECT internal_user_id, is_active, email_key, employee_key
    FROM internal_users
    WHERE tenant_id = %(tenant_id)s
),
candidates AS (
    SELECT
        account.external_user_id, account.is_active AS account_is_active, account.is_staged, 1 AS rank, 'LINK' AS rule,
        person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN user_links AS link
        ON link.tenant_id = %(tenant_id)s AND link.system_type = %(system_type)s
        AND link.external_user_id = account.external_user_id
    INNER JOIN people AS person ON link.internal_user_id = person.internal_user_id
    UNION ALL
    SELECT
        account.external_user_id, account.is_active, account.is_staged, 2, 'EXTERNAL_KEY',
        person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.external_key = person.internal_user_id
    WHERE account.external_key IS NOT NULL
    UNION ALL
    SELECT
        account.external_user_id, account.is_active, account.is_staged, 3, 'EMPLOYEE_NUMBER',
        person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.employee_key = person.employee_key
    WHERE account.employee_key IS NOT NULL
    UNION ALL
    SELECT
        account.external_user_id, account.is_active, account.is_staged, 4, 'EMAIL',
        person.internal_user_id, person.is_active
    FROM accounts AS account
    INNER JOIN people AS person ON account.email_key = person.email_key
    WHERE account.email_key IS NOT NULL
    UNION ALL
    SELECT
        account.external_user_id, account.is_active, account.is_staged, 5, 'EMAIL_2',
        person.internal_user_id, person.is_active
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
        bool_or(is_staged) AS is_staged,
        count(*) FILTER (WHERE is_active) AS active_count,
        count(*) AS any_count,
        min(internal_user_id) FILTER (WHERE is_active) AS active_id,
        min(internal_user_id) AS any_id
    FROM candidates
    GROUP BY external_user_id, rank, rule
),
-- The last rule beats none: without it nothing is compared where only one rule finds anybody.
chosen AS (
    SELECT
        external_user_id,
        account_is_active,
        is_staged,
        rule,
        CASE
            WHEN active_count = 1 THEN active_id
            WHEN active_count = 0 AND any_count = 1 THEN any_id
        END AS internal_user_id,
        active_count = 1 AS person_is_active
    FROM found
    WHERE NOT EXISTS (
        SELECT FROM found AS better
        WHERE
            better.external_user_id = found.external_user_id
            AND better.rank < found.rank AND better.rank < (SELECT max(any_rule.rank) FROM found AS any_rule)
    )
),
-- The other accounts that reach somebody whom these reach, or reached until now. What they find is what it was; whether
-- they are alone with it may be answered otherwise.
rivals AS (
    SELECT rival.external_user_id, rival.match_rule, rival.match_user_id, person.is_active
    FROM external_users AS rival
    INNER JOIN people AS person ON rival.match_user_id = person.internal_user_id
    WHERE
        NOT %(is_whole)s
        AND rival.tenant_id = %(tenant_id)s AND rival.system_type = %(system_type)s AND rival.is_active
        AND rival.match_user_id IN (
            SELECT internal_user_id FROM chosen
            UNION ALL
            SELECT match_user_id FROM accounts
        )
        AND NOT EXISTS (SELECT FROM accounts WHERE accounts.external_user_id = rival.external_user_id)
),
reaching AS (
    SELECT external_user_id, account_is_active, is_staged, rule, internal_user_id, person_is_active
    FROM chosen
    UNION ALL
    SELECT external_user_id, true, false, match_rule, match_user_id, is_active
    FROM rivals
),
contested AS (
    SELECT internal_user_id, count(*) FILTER (WHERE rule = 'LINK') AS links
    FROM reaching
    WHERE account_is_active
    GROUP BY internal_user_id
    HAVING count(*) > 1
),
judged AS (
    SELECT
        external_user_id,
        is_staged,
        rule,
        internal_user_id,
        person_is_active,
        CASE
            WHEN internal_user_id IS NULL THEN 'several internal users have this ' || CASE rule
                WHEN 'EMPLOYEE_NUMBER' THEN 'employee number' ELSE 'e-mail address' END
            WHEN account_is_active AND links IS NOT NULL AND NOT (rule = 'LINK' AND links = 1) THEN
                'several accounts reach internal user ' || internal_user_id
        END AS error
    FROM reaching
    LEFT JOIN contested USING (internal_user_id)
)
SELECT
    external_user_id,
    is_staged,
    rule AS match_rule,
    internal_user_id AS match_user_id,
    CASE WHEN error IS NOT NULL THEN 'ERROR' WHEN person_is_active THEN 'ACTIVE' ELSE 'INACTIVE' END AS match_status,
    coalesce(error, CASE WHEN NOT person_is_active THEN 'the internal user is not active' END) AS match_reason
FROM judged
UNION ALL
SELECT external_user_id, is_staged, NULL, NULL, NULL, NULL
FROM accounts
WHERE NOT is_staged AND NOT EXISTS (SELECT FROM found WHERE found.external_user_id = accounts.external_user_id)
