-- What a report calls its tenants, and the language it is read in.
SELECT
    tenant_id,
    name,
    locale
FROM tenants
