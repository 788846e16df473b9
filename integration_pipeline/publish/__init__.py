"""KPIs into people's spreadsheets: a tenant's days, a row each, written so that writing again changes nothing.

kpi -> layout -> placement -> changes -> google (one read, one write) -> publishing, tenant by tenant
"""
