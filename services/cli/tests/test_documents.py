"""Documents and long reports on the command line: bytes up and down, whole files or none."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_samples import AGENTS, CAMPAIGN
from google.protobuf.timestamp_pb2 import Timestamp
from running_giro import Giro
from stub_gateway import StubGateway
from stub_streams import StubStreams

from cli import streams
from giro.booking.v1 import booking_pb2, portal_pb2

ROW = portal_pb2.ReportRow(
    appointment=booking_pb2.Appointment(
        appointment_id="apt_1",
        agent_id=AGENTS[0]["agentId"],
        start=Timestamp(seconds=1_796_115_600),
        end=Timestamp(seconds=1_796_118_300),
        state=booking_pb2.APPOINTMENT_STATE_CONFIRMED,
        zone="Centro",
        note='=HYPERLINK("http://giro.example")',
    ),
    contact_name='Rossi, "Gigi"',
    address="via Po 1, Torino",
)
COUNTS = portal_pb2.ReportCount(confirmed=1, total=1)


@pytest.fixture
def stub(gateway: StubGateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubStreams]:
    """The streams of the gateway, which the stub of its JSON can't serve on the same port."""
    made = StubStreams()
    channel = streams._channel
    monkeypatch.setattr(streams, "_channel", lambda url: channel(f"http://{made.target}"))
    gateway.on("GET", "/v1/me", {"userId": "usr_1"})
    gateway.on("GET", "/v1/campaigns", {"campaigns": [CAMPAIGN]})
    gateway.on("GET", "/v1/agents", {"agents": AGENTS})
    yield made
    made.close()


def test_a_document_goes_up_and_comes_back_byte_for_byte(stub: StubStreams, giro: Giro, home: Path) -> None:
    whole = bytes(range(256)) * 3000  # three parts of at most 256 KiB
    (home / "contract.pdf").write_bytes(whole)
    ran = giro("documents", "upload", "apt_1", "contract.pdf")
    assert ran.exit_code == 0, ran.stderr
    assert stub.tokens == ["Bearer a-token"]
    assert "768000" in ran.stdout

    ran = giro("documents", "download", "doc_1", "back.pdf")
    assert ran.exit_code == 0, ran.stderr
    assert (home / "back.pdf").read_bytes() == whole


def test_a_new_version_names_its_document(stub: StubStreams, giro: Giro, home: Path) -> None:
    (home / "contract.pdf").write_bytes(b"%PDF")
    giro("documents", "upload", "apt_1", "contract.pdf", "--as", "doc_7")
    assert [header.document_id for header in stub.headers] == ["doc_7"]
    assert stub.headers[0].file_name == "contract.pdf"


def test_a_refused_document_says_why_and_what_to_do(stub: StubStreams, giro: Giro, home: Path) -> None:
    stub.refusal = "DOCUMENT_REFUSED"
    (home / "bomb.docx").write_bytes(b"PK")
    ran = giro("documents", "upload", "apt_1", "bomb.docx")
    assert ran.exit_code == 1
    for said in ("not taken", "DOCUMENT_REFUSED", "cause BOMB", "what to do: keep a PDF"):
        assert said in ran.stderr


def test_a_download_that_breaks_off_leaves_what_was_there(stub: StubStreams, giro: Giro, home: Path) -> None:
    stub.kept["doc_1"], stub.refusal = b"the first and the rest", "NOT_FOUND"
    (home / "old.pdf").write_bytes(b"older")
    assert giro("documents", "download", "doc_1", "old.pdf").exit_code == 1
    assert (home / "old.pdf").read_bytes() == b"older"
    assert not list(home.glob(".*.part"))


def test_a_folder_that_is_not_there_is_named(stub: StubStreams, giro: Giro) -> None:
    ran = giro("documents", "download", "doc_1", "nowhere/back.pdf")
    assert ran.exit_code == 2
    assert "nowhere/back.pdf cannot be written" in ran.stderr


def test_a_report_as_csv_with_its_sum(stub: StubStreams, giro: Giro, home: Path) -> None:
    stub.report = [
        portal_pb2.StreamReportResponse(rows=[ROW]),
        portal_pb2.StreamReportResponse(summary=portal_pb2.Report(campaign=COUNTS)),
    ]
    ran = giro("portal", "export", "Sole", "all.csv")
    assert ran.exit_code == 0, ran.stderr
    with (home / "all.csv").open(newline="") as opened:
        head, row, total = csv.reader(opened)
    seen = dict(zip(head, row, strict=True))
    assert seen["contact"] == 'Rossi, "Gigi"'
    assert seen["agent"] == "Giada Cravero"
    assert seen["state"] == "confirmed"
    assert seen["note"].startswith("'=")  # no formula for a spreadsheet
    assert total[0] == "sum"
    assert "total 1" in total[-1]


def test_a_report_that_ended_early_writes_nothing(stub: StubStreams, giro: Giro, home: Path) -> None:
    stub.report = [portal_pb2.StreamReportResponse(rows=[ROW])]
    ran = giro("portal", "export", "Sole", "all.csv")
    assert ran.exit_code == 1
    assert "ended before its end" in ran.stderr
    assert not list(home.glob("*all.csv*"))
