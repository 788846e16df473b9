-- Tenants with KPIs of a day that has not begun where they are.
SELECT
    t.tenant_id,
    t.time_zone,
    greatest(d.day, p.day) AS day
FROM tenants AS t
CROSS JOIN LATERAL (SELECT max(k.day) AS day FROM daily_kpis AS k WHERE k.tenant_id = t.tenant_id) AS d
CROSS JOIN LATERAL (SELECT max(k.day) AS day FROM progress_kpis AS k WHERE k.tenant_id = t.tenant_id) AS p
WHERE greatest(d.day, p.day) > (%(now)s::timestamptz AT TIME ZONE t.time_zone)::date
ORDER BY t.tenant_id
