-- The accounts that change, as they will be: what is gone keeps what it was.
SELECT
    stage.key AS external_user_id,
    stage.state = 'ACTIVE' AS is_active,
    true AS is_staged,
    known.match_user_id,
    CASE stage.action WHEN 'G' THEN known.external_key ELSE stage.external_key END AS external_key,
    CASE stage.action WHEN 'G' THEN known.employee_number ELSE stage.employee_number END AS employee_number,
    CASE stage.action WHEN 'G' THEN known.match_email ELSE stage.match_email END AS match_email,
    CASE stage.action WHEN 'G' THEN known.match_email_2 ELSE stage.match_email_2 END AS match_email_2
FROM stage
LEFT JOIN external_users AS known
    ON
        known.tenant_id = %(tenant_id)s AND known.system_type = %(system_type)s {among_staged}
        AND stage.key = known.external_user_id
