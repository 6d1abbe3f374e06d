"""What is public, as the contracts state it."""

import importlib
import pkgutil

from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import giro
from gateway.contract import public_rpcs, public_services, streams
from gateway.descriptors import descriptor_set
from gateway.testing.stub import CONTRACTS_SERVED


def _stated() -> dict[str, FileDescriptor]:
    """Every generated contract, by the name of its module: found, so that a new one needs no entry here."""
    names = [found.name for found in pkgutil.walk_packages(giro.__path__, "giro.")]
    return {name: importlib.import_module(name).DESCRIPTOR for name in names if name.endswith("_pb2")}


def _has_path(method: MethodDescriptor) -> bool:
    return bool(method.GetOptions().HasExtension(annotations_pb2.http))


def test_every_rpc_of_the_public_services_is_served() -> None:
    services = [service for file in _stated().values() for service in file.services_by_name.values()]
    public = [service for service in services if any(map(_has_path, service.methods))]
    stated = {method.full_name for service in public for method in service.methods}
    as_streams = {path.strip("/").replace("/", ".") for path in streams()}
    assert {rpc.method.full_name for rpc in public_rpcs()} | as_streams == stated


def test_the_stub_answers_every_service_there_is() -> None:
    served = {name for file in CONTRACTS_SERVED for name in file.services_by_name}
    assert served == {name for file in _stated().values() for name in file.services_by_name}


def test_what_streams_has_no_json_form() -> None:
    names = {"OptimizeDay", "PlanTour", "RepairDay", "StreamReport", "UploadDocument", "DownloadDocument"}
    assert {path.rpartition("/")[2] for path in streams()} == names
    assert not {rpc.name for rpc in public_rpcs()} & names


def test_the_ledger_is_not_public() -> None:
    assert set(public_services()) == {
        "giro.identity.v1.IdentityService",
        "giro.identity.v1.TenantParametersService",
        "giro.reminders.v1.RemindersService",
        "giro.booking.v1.BookingService",
        "giro.booking.v1.OutcomesService",
        "giro.booking.v1.PortalService",
        "giro.booking.v1.CalendarsService",
        "giro.booking.v1.WaitlistService",
        "giro.booking.v1.SeriesService",
        "giro.booking.v1.ExplanationsService",
        "giro.booking.v1.SwapsService",
        "giro.booking.v1.ContactsService",
        "giro.booking.v1.DocumentsService",
        "giro.booking.v1.RefixService",
        "giro.booking.v1.PackagesService",
        "giro.booking.v1.AnnulmentsService",
        "giro.booking.v1.UnavailabilityService",
        "giro.booking.v1.RepairsService",
        "giro.booking.v1.PlansService",
        "giro.geo.v1.DayService",
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
