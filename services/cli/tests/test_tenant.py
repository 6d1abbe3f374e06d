"""What the whole tenant decides, on the command line (R-084)."""

from running_giro import Giro
from stub_gateway import StubGateway

SHOWN = {"name": "agents_enabled", "value": "false", "source": "TENANT", "description": "Whether (R-084)."}


def test_agents_enabled_is_read_and_set(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/tenantParameters/agents_enabled", {**SHOWN, "value": "true", "source": "SYSTEM"})
    shown = giro("tenant", "get", "agents_enabled").stdout
    assert "true" in shown
    assert "system" in shown
    gateway.on("POST", "/v1/tenantParameters", SHOWN)
    shown = giro("tenant", "set", "agents_enabled", "false").stdout
    assert gateway.body_of("/v1/tenantParameters") == {"name": "agents_enabled", "value": "false"}
    assert "false" in shown
    assert "tenant" in shown
