-- The tenants' days as daily_kpis knows them, a row for each, the systems taken together.
SELECT
    t.tenant_id,
    d.day,
    d.active,
    d.coverage,
    d.unmatched,
    d.success_rate,
    d.api_calls
FROM tenants AS t
CROSS JOIN LATERAL (
    SELECT
        k.day,
        sum(k.value) FILTER (WHERE split_part(k.kpi, '.', 1) = 'active_users') AS active,
        max(k.value) FILTER (WHERE k.kpi = 'mapping_coverage') AS coverage,
        sum(k.value) FILTER (WHERE split_part(k.kpi, '.', 1) = 'unmatched_accounts') AS unmatched,
        max(k.value) FILTER (WHERE k.kpi = 'sync_success_rate') AS success_rate,
        sum(k.value) FILTER (WHERE split_part(k.kpi, '.', 1) = 'api_calls') AS api_calls
    FROM daily_kpis AS k
    WHERE k.tenant_id = t.tenant_id AND k.day BETWEEN %(first)s AND %(last)s
    GROUP BY k.day
) AS d
WHERE %(tenant_ids)s::text [] IS NULL OR t.tenant_id = ANY(%(tenant_ids)s)
ORDER BY t.tenant_id, d.day
