-- Where mapping coverage fell by more than so many points on a tenant's newest day, today or yesterday, against the day
-- before; what day it is there, the caller says. Without a value on both days nothing is said.
WITH known AS (
    SELECT
        t.tenant_id,
        split_part(k.kpi, '.', 2) AS system_type,
        k.day,
        k.value,
        lag(k.value) OVER by_day AS value_before,
        lag(k.day) OVER by_day AS day_before,
        lead(k.day) OVER by_day AS day_after
    FROM unnest(%(tenant_ids)s::text [], %(todays)s::date []) AS t (tenant_id, today)
    INNER JOIN daily_kpis AS k ON t.tenant_id = k.tenant_id AND k.day BETWEEN t.today - 2 AND t.today
    WHERE split_part(k.kpi, '.', 1) = 'mapping_coverage' AND k.value IS NOT NULL
    WINDOW by_day AS (PARTITION BY t.tenant_id, k.kpi ORDER BY k.day)
)

SELECT
    tenant_id,
    system_type,
    day,
    value,
    value_before
FROM known
WHERE day_after IS NULL AND day_before = day - 1 AND value_before - value > %(points)s
ORDER BY tenant_id, system_type
