"""What a night costs, in one run and as ratios: ``make bench``.

    __main__.py      what was asked for, case after case, the table, the targets, the plot
    pages.py         a workspace's pages on four nights          server.py    serves them from a process of its own
    machine.py       PostgreSQL, databases ready to be synced    meter.py     what a process cost, and PostgreSQL with it
    nights.py        one tenant's nights, the product and the others side by side
        subject.py       one of them in a process of its own: product, floors (floor.py), row by row (rowwise.py)
        dlt_subject.py   dlt, in the environment that dlt_environment.py makes
    tenants.py, startup.py, graph.py, calls.py, limits.py, faults.py, dagster_runs.py      the other cases
    results.py       a measured line, and lines as a table       targets.py   P1 to P13     plot.py
    scaling.py       what the unit costs say of fleets that no bench holds

No figure is asserted anywhere: machines differ. What is tested is that the bench works.
"""
