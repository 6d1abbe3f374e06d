"""What is public, as the contracts state it."""

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.contract import public_rpcs, public_services, streams
from gateway.descriptors import descriptor_set
from giro.booking.v1 import (
    annulments_pb2,
    booking_pb2,
    calendars_pb2,
    documents_pb2,
    outcomes_pb2,
    packages_pb2,
    portal_pb2,
    refix_pb2,
    repairs_pb2,
    series_pb2,
    swaps_pb2,
    unavailability_pb2,
    waitlist_pb2,
)
from giro.geo.v1 import geo_pb2, planning_pb2, travel_profile_pb2, zones_pb2
from giro.identity.v1 import identity_pb2
from giro.reminders.v1 import reminders_pb2


def test_every_rpc_of_the_public_services_is_served() -> None:
    booking = (
        booking_pb2,
        calendars_pb2,
        documents_pb2,
        outcomes_pb2,
        portal_pb2,
        waitlist_pb2,
        series_pb2,
        swaps_pb2,
        refix_pb2,
        packages_pb2,
        annulments_pb2,
        unavailability_pb2,
        repairs_pb2,
    )
    files = (identity_pb2, *booking, geo_pb2, planning_pb2, travel_profile_pb2, zones_pb2, reminders_pb2)
    stated = {
        method.full_name
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    as_streams = {path.strip("/").replace("/", ".") for path in streams()}
    assert {rpc.method.full_name for rpc in public_rpcs()} | as_streams == stated


def test_what_streams_has_no_json_form() -> None:
    names = {"OptimizeDay", "PlanTour", "RepairDay", "StreamReport", "UploadDocument", "DownloadDocument"}
    assert {path.rpartition("/")[2] for path in streams()} == names
    assert not {rpc.name for rpc in public_rpcs()} & names


def test_the_ledger_is_not_public() -> None:
    assert set(public_services()) == {
        "giro.identity.v1.IdentityService",
        "giro.reminders.v1.RemindersService",
        "giro.booking.v1.BookingService",
        "giro.booking.v1.OutcomesService",
        "giro.booking.v1.PortalService",
        "giro.booking.v1.CalendarsService",
        "giro.booking.v1.WaitlistService",
        "giro.booking.v1.SeriesService",
        "giro.booking.v1.SwapsService",
        "giro.booking.v1.DocumentsService",
        "giro.booking.v1.RefixService",
        "giro.booking.v1.PackagesService",
        "giro.booking.v1.AnnulmentsService",
        "giro.booking.v1.UnavailabilityService",
        "giro.booking.v1.RepairsService",
        "giro.geo.v1.GeoService",
        "giro.geo.v1.PlanningService",
        "giro.geo.v1.TravelProfileService",
        "giro.geo.v1.ZoneService",
    }
    files = FileDescriptorSet.FromString(descriptor_set()).file
    assert "giro/geo/v1/ledger.proto" not in {file.name for file in files}


def test_names_and_paths_are_unique() -> None:
    rpcs = public_rpcs()
    assert len({rpc.name for rpc in rpcs}) == len(rpcs)
    assert len({(rpc.verb, rpc.template) for rpc in rpcs}) == len(rpcs)


def test_only_signing_in_and_keys_are_open() -> None:
    assert {rpc.name for rpc in public_rpcs() if rpc.is_open} == {"CreateSession", "GetKeys"}
    assert all(rpc.roles for rpc in public_rpcs() if not rpc.is_open)


def test_descriptors_are_complete_and_in_order() -> None:
    seen: set[str] = set()
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        assert seen.issuperset(file.dependency), file.name
        seen.add(file.name)
    # without it Envoy drops the bodies of errors
    assert "google/rpc/error_details.proto" in seen
