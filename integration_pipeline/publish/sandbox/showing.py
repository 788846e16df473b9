"""A sheet of the sandbox as a person would see it, for a terminal: what the demo ends with."""

from collections.abc import Sequence

from integration_pipeline.publish.sandbox.routes import Shared
from integration_pipeline.sandbox.plan import SPREADSHEETS
from integration_pipeline.sandbox.world import World
from integration_pipeline.text import table


def lines(world: World, tenant_id: str, title: str, *, fields: Sequence[str] | None = None) -> list[str]:
    """A tenant's sheet in aligned columns, formulas as what they come to.

    :param fields: the headers to show, in this order; None = all.
    :raises KeyError: there is no such sheet or header.
    """
    shared = world.workspace(tenant_id, SPREADSHEETS)
    if not isinstance(shared, Shared):
        raise TypeError(f"{tenant_id} has no spreadsheet")
    header, *rows = shared.book.table(title)
    places = {name: at for at, name in enumerate(header) if name}
    wanted = list(fields if fields is not None else places)
    return table(wanted, [[row[places[name]] for name in wanted] for row in rows])
