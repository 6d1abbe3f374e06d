"""An independent telephone on the loopback: SIPp speaks SIP, a UDP socket hears our sound and presses keys.

The keys are the RFC 4733 packets that SIPp's package brings, with the payload type that our offer names.
"""

import asyncio
import re
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

from rigs import Phone, until

SIPP = shutil.which("sipp")
PCAPS = Path("/usr/share/sip-tester")
SCENARIOS = Path(__file__).parent / "sipp"
LOUD = 500
"""Mean size of a 16-bit sample that counts as speech."""
SOON = 10
LATER = 22
"""Loud packets of 20 ms before the first and the second key."""


@dataclass
class Sound(asyncio.DatagramProtocol):
    """The far side's ear and fingers."""

    keys: str = ""
    payload_type: int = 0
    packets: int = 0
    loud: int = 0
    loud_at: list[float] = field(default_factory=list)
    pressed: int = 0
    transport: asyncio.DatagramTransport | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 13 or data[1] & 0x7F != 0:  # PCMU
            return
        self.packets += 1
        if sum(abs(_linear(byte)) for byte in data[12:]) / len(data[12:]) > LOUD:
            self.loud += 1
            self.loud_at.append(asyncio.get_running_loop().time())
        due = SOON if self.pressed == 0 else LATER
        if self.pressed < len(self.keys) and self.loud >= due and self.payload_type:
            self.tasks.append(asyncio.create_task(self._press(self.keys[self.pressed], addr)))
            self.pressed += 1

    async def _press(self, key: str, addr: tuple[str, int]) -> None:
        assert self.transport
        for packet in event_packets(key, self.payload_type):
            self.transport.sendto(packet, addr)
            await asyncio.sleep(0.02)


class SipPeer:
    """A telephone behind `port`; `rings` are the calls that reached it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port = folder, port
        self._process: asyncio.subprocess.Process | None = None
        self.sound = Sound()
        self._log = folder / "messages.log"
        self._watch: asyncio.Task[None] | None = None

    async def start(self, phone: Phone, scenario: str = "") -> None:
        """Begins to behave so, or by a scenario of its own."""
        assert SIPP
        await self.stop()
        loop = asyncio.get_running_loop()
        self.sound = Sound(keys=phone.presses)
        transport, _ = await loop.create_datagram_endpoint(lambda: self.sound, local_addr=("127.0.0.1", 0))
        media = transport.get_extra_info("sockname")[1]
        self._log.unlink(missing_ok=True)
        played = SCENARIOS / (scenario or scenario_of(phone))
        words = f"-sf {played} -i 127.0.0.1 -p {self.port} -key mport {media} -nostdin"
        words += f" -trace_msg -message_file {self._log} -message_overwrite true -timeout 60s"
        self._process = await asyncio.create_subprocess_exec(
            SIPP, *words.split(), cwd=self._folder, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await until(lambda: bound(self.port))
        self._watch = asyncio.create_task(self._learn_payload_type())

    async def stop(self) -> None:
        if self._watch:
            self._watch.cancel()
        if self._process and self._process.returncode is None:
            self._process.kill()
        if self._process:
            await self._process.wait()
        if self.sound.transport:
            self.sound.transport.close()
        await asyncio.gather(*self.sound.tasks)

    def messages(self) -> str:
        return self._log.read_text("latin-1") if self._log.exists() else ""

    def rings(self) -> int:
        """Different calls whose INVITE came."""
        return len(set(re.findall(r"\nINVITE sip:.*?\nCall-ID: ([^\r\n]+)", self.messages(), re.DOTALL)))

    async def _learn_payload_type(self) -> None:
        """The far side sends keys by the number that our offer gives them."""
        found = None
        while found is None:
            await asyncio.sleep(0.02)
            found = re.search(r"a=rtpmap:(\d+) telephone-event/8000", self.messages())
        self.sound.payload_type = int(found[1])


def scenario_of(phone: Phone) -> str:
    if phone.unknown:
        return "unknown.xml"
    if phone.busy:
        return "busy.xml"
    if not phone.picks_up:
        return "no_answer.xml"
    return "hangs_up.xml" if phone.hangs_up else "answers.xml"


def event_packets(key: str, payload_type: int) -> list[bytes]:
    """The RTP packets of one key, from SIPp's recording."""
    recording = (PCAPS / f"dtmf_2833_{key}.pcap").read_bytes()
    order = "<" if recording[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    (link,) = struct.unpack(order + "I", recording[20:24])
    headers = {1: 14, 113: 16, 101: 0}[link] + 28  # Ethernet or cooked, IPv4, UDP
    at, packets = 24, []
    while at < len(recording):
        (size,) = struct.unpack(order + "I", recording[at + 8 : at + 12])
        rtp = bytearray(recording[at + 16 + headers : at + 16 + size])
        rtp[1] = rtp[1] & 0x80 | payload_type
        packets.append(bytes(rtp))
        at += 16 + size
    return packets


def bound(port: int) -> bool:
    """Whether somebody has this UDP port of the loopback."""
    return f"0100007F:{port:04X}" in Path("/proc/net/udp").read_text()


def _linear(byte: int) -> int:
    """G.711 mu-law to 16 bit."""
    byte = ~byte & 0xFF
    magnitude = (((byte & 0x0F) << 3) + 0x84 << ((byte & 0x70) >> 4)) - 0x84
    return -magnitude if byte & 0x80 else magnitude
