"""The endpoints of gateways, and of what they measured."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import NotFound
from modelyard.wire import routing as wire

from . import routing
from .edge import Route

GATEWAYS: Final = [
    Route(
        "GET",
        "/routing",
        routing.routing,
        "Read who answers what; waits for a change, if you like.",
        "Gateways",
        takes=wire.RoutingQuery,
        gives=wire.Routing,
    ),
    Route(
        "POST",
        "/gateways/report",
        routing.report,
        "Tell what a gateway measured; a repetition is not counted twice.",
        "Gateways",
        takes=wire.GatewayReport,
        gives=wire.Reported,
    ),
    Route(
        "GET",
        "/gateways",
        routing.listing,
        "List gateways, and by which routing they work.",
        "Gateways",
        gives=wire.GatewayList,
    ),
    Route(
        "GET",
        "/rates",
        routing.rates,
        "Read how much all deployments are asked now, ten seconds a number.",
        "Deployments",
        gives=wire.RateList,
    ),
    Route(
        "GET",
        "/deployments/{name}/measurements",
        routing.measurements,
        "Read what was measured of a deployment's revisions as columns, by role and segment.",
        "Deployments",
        takes=wire.MeasurementQuery,
        gives=wire.MeasurementPage,
        errors=(NotFound,),
    ),
]
