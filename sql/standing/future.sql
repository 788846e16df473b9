-- Tenants with KPIs of a day that has not begun where they are; what day it is there, the caller says.
WITH newest AS (
    SELECT
        t.tenant_id,
        t.today,
        greatest(
            (SELECT max(d.day) FROM daily_kpis AS d WHERE d.tenant_id = t.tenant_id),
            (SELECT max(p.day) FROM progress_kpis AS p WHERE p.tenant_id = t.tenant_id)
        ) AS day
    FROM unnest(%(tenant_ids)s::text [], %(todays)s::date []) AS t (tenant_id, today)
)

SELECT
    tenant_id,
    today,
    day
FROM newest
WHERE day > today
ORDER BY tenant_id
