-- Where mapping coverage fell by more than so many points on a tenant's newest day, today or yesterday, against the day
-- before. Without a value on both days nothing is said.
SELECT
    t.tenant_id,
    c.system_type,
    c.day,
    c.value,
    c.value_before
FROM tenants AS t
CROSS JOIN LATERAL (
    SELECT
        split_part(k.kpi, '.', 2) AS system_type,
        k.day,
        k.value,
        lag(k.value) OVER by_day AS value_before,
        lag(k.day) OVER by_day AS day_before,
        row_number() OVER (PARTITION BY k.kpi ORDER BY k.day DESC) AS turn
    FROM daily_kpis AS k
    WHERE
        k.tenant_id = t.tenant_id
        AND k.day BETWEEN (%(now)s::timestamptz AT TIME ZONE t.time_zone)::date - 2
        AND (%(now)s::timestamptz AT TIME ZONE t.time_zone)::date
        AND split_part(k.kpi, '.', 1) = 'mapping_coverage'
        AND k.value IS NOT NULL
    WINDOW by_day AS (PARTITION BY k.kpi ORDER BY k.day)
) AS c
WHERE c.turn = 1 AND c.day_before = c.day - 1 AND c.value_before - c.value > %(points)s
ORDER BY t.tenant_id, c.system_type
