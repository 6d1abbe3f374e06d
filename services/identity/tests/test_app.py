"""The whole service: started, asked over gRPC, its events on NATS; and the command line."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from identity_house import PASSWORD, fresh_email

from giro.identity.v1 import identity_pb2 as contract
from giro.identity.v1 import identity_pb2_grpc
from identity import app
from identity.__main__ import main
from identity.domain.email import Email
from identity.domain.tenants import PLATFORM_TENANT_ID
from identity.settings import IdentitySettings
from kit.bus.connect import connect
from kit.settings import SettingsError

if TYPE_CHECKING:
    from kit.testing.databases import DatabaseUrls
    from kit.testing.nats import NatsServer


@pytest.mark.asyncio
async def test_it_serves_and_its_events_reach_nats(
    settings: IdentitySettings, urls: "DatabaseUrls", nats_server: "NatsServer"
) -> None:
    whole = app.build(settings.model_copy(update={"nats_url": nats_server.url}))
    await whole.start()
    try:
        email = Email.parse(fresh_email("root"))
        user = await app.bootstrap_platform(settings, email, PASSWORD)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{whole.server.port}") as channel:
            stub = identity_pb2_grpc.IdentityServiceStub(channel)
            request = contract.CreateSessionRequest(email=email.address, password=PASSWORD)
            session = await stub.CreateSession(request)
        assert session.user.user_id == user.user_id
        bus = await connect(nats_server.url)
        subject = f"giro.evt.{PLATFORM_TENANT_ID}.identity.v1.user_created"
        subscription = await bus.jetstream.subscribe(subject, ordered_consumer=True)
        seen: set[bytes] = set()
        while user.user_id.encode() not in b"".join(seen):
            seen.add((await subscription.next_msg(timeout=60)).data)
        await bus.stop()
    finally:
        await whole.stop()


@pytest.mark.parametrize(
    "missing", ["signing_key_file", "jwks_file", "service_key", "database_url", "nats_url"]
)
def test_no_start_without_what_it_needs(settings: IdentitySettings, missing: str) -> None:
    given = settings.model_copy(update={"nats_url": "nats://127.0.0.1:1", missing: ""})
    with pytest.raises(SettingsError, match=missing.upper()):
        app.build(given)


def _environment(settings: IdentitySettings, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "GIRO_IDENTITY_DATABASE_URL": settings.database_url,
        "GIRO_IDENTITY_WORKER_DATABASE_URL": settings.worker_database_url,
        "GIRO_IDENTITY_MIGRATE_DATABASE_URL": settings.migrate_database_url,
        "GIRO_SIGNING_KEY_FILE": settings.signing_key_file,
        "GIRO_JWKS_FILE": settings.jwks_file,
        "GIRO_SERVICE_KEY": settings.service_key,
        "GIRO_SANDBOX": "true",
        **more,
    }


@pytest.mark.asyncio
async def test_a_process_serves_until_it_is_told_to_stop(
    settings: IdentitySettings, nats_server: "NatsServer", free_port: Callable[[], int]
) -> None:
    port = free_port()
    environment = _environment(settings, GIRO_NATS_URL=nats_server.url, GIRO_IDENTITY_PORT=str(port))
    words = (sys.executable, "-m", "identity", "serve")
    process = await asyncio.create_subprocess_exec(*words, env=environment, stdout=asyncio.subprocess.DEVNULL)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = identity_pb2_grpc.IdentityServiceStub(channel)
        keys = await stub.GetKeys(contract.GetKeysRequest(), wait_for_ready=True, timeout=60)
    assert keys.keys
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0


def test_the_command_line_makes_keys_and_the_platforms_user(
    settings: IdentitySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in _environment(settings).items():
        monkeypatch.setenv(name, value)
    main(["migrate"])
    main(["keys", "--dir", str(tmp_path)])
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "signing.jwk.json"),
        str(tmp_path / "jwks.json"),
    ]
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    words = ["bootstrap-platform", "--email", fresh_email("root"), "--password-file", str(file)]
    main(words)
    main(words)
    first, second = capsys.readouterr().out.split()
    assert first == second
    file.write_text("short")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "--password-file" in capsys.readouterr().err
