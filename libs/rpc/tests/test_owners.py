from uuid import uuid4

from tenon_policy.demands import Demands
from tenon_rpc.owners import TenancyOwner
from tenon_testing.system import System


async def test_an_older_tenancy_knows_of_no_demands(system: System) -> None:
    """So a gateway or a service may be newer than tenancy. (Auth serves no such method, either.)"""
    system.start("auth")
    channel = system.channel("auth")
    org_ids = [uuid4(), uuid4()]
    assert await TenancyOwner(channel).demands(org_ids) == [Demands(0)] * 2
    await channel.close(None)
