-- The accounts that are stored.
SELECT
    external_user_id, is_active, false AS is_staged, match_user_id,
    external_key, employee_number, match_email, match_email_2
FROM external_users
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s
