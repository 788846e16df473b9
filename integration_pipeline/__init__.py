"""Every tenant's Microsoft Teams, Slack and LINE WORKS directories, kept in step with a company's own users.

The map, in the order in which a night goes::

    cli.py, commands/        what a person types                  definitions.py, defs/    the same through Dagster
    settings.py              the environment, read once
    pipeline.py              settings, database, locks, keys and sessions, opened together
    invocation.py            what one run is asked for, and what it tells while it goes on
    selection.py, estimate.py which connections that means, in which order, and what it will cost
    batch.py, crew.py        all of them, side by side; who works and who waits
    sync.py                  the line, once for all: one connection, one sync type
        tokens.py, crypto.py     a valid token; secrets sealed and opened
        registry.py, provider.py which providers there are; what a provider is
        providers/<vendor>/      auth (tokens), answers (errors), records, pages, directory (what to ask)
        http/                    client (limit, send, classify, retry), exchange, wire, status, grant, limiter, retry, paging,
                                 listings, hosts, webhook
        store/beginning.py       its history row is born, and says where the connection stands
        attempt.py, reading.py   one sync under way; the walk, all of it but the writing
        diff.py                  what changed against what is stored
        guard.py, verdict.py     whether so much may go at once; what the walk came to
        store/spool.py           changes as COPY's text, until the walk's end
        store/staging.py         changes -> tables, one short transaction        sql/sync/
        store/matching.py        who is who, of what changed or of all
        store/holds.py           what the guard keeps back, until a person decides
        store/history.py         what happened
        notices.py, notifier.py  what only a person can mend, told at once
    kpi.py                   the figures of a tenant's days                      sql/kpi/
    publish/                 those figures into Google Sheets
    report/                  the integration report and the weekly figures, for people         sql/report/
    store/                   engine, embedded server, locks, migrations          sql/migrations/
                             tenants and people, connections, sealing, mappings, cursors, kpis, notices, spreadsheets, tables
    sandbox/                 an imitation of the providers: server, worlds, faults; each vendor's own part is
                             providers/<vendor>/sandbox/, Google's is publish/sandbox/
    model.py, errors.py      the words; what can go wrong
    text.py                  what may be printed to a terminal, and how wide it is
"""
