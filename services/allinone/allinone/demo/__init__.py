"""The demo: two call centres around Turin, loaded through the public RPCs.

    ids = await demo.load(stack, file=Path(".run/demo.json"))      # a second time it only looks

Everything follows from one seed; only the first booked day follows from the tenant's clock.
"""

from allinone.demo.ids import DemoIds
from allinone.demo.start import load
from allinone.demo.tenants import platform_user

FILE_NAME = "demo.json"

__all__ = ["FILE_NAME", "DemoIds", "load", "platform_user"]
