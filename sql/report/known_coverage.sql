-- Mapping coverage as it was on a day and the day before, where daily_kpis knows it: per cent, of how many accounts.
-- The keys are those of sql/kpi/: the KPI, a dot, the system.
SELECT
    coverage.day,
    coverage.tenant_id,
    split_part(coverage.kpi, '.', 2) AS system_type,
    coverage.value AS percent,
    accounts.value AS accounts
FROM daily_kpis AS coverage
INNER JOIN daily_kpis AS accounts
    ON
        coverage.tenant_id = accounts.tenant_id
        AND coverage.day = accounts.day
        AND accounts.kpi = 'active_users.' || split_part(coverage.kpi, '.', 2)
WHERE
    coverage.day BETWEEN %(day)s::date - 1 AND %(day)s::date
    AND coverage.kpi LIKE 'mapping_coverage.%%'
    AND coverage.value IS NOT NULL
    AND accounts.value > 0
