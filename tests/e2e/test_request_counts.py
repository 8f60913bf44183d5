"""How many requests a run sends: counted on the wire, and held per subject, so that no loop creeps in."""

from __future__ import annotations

import re
from pathlib import Path

from tests.firm import Firm
from tests.keys import keyed
from tests.openbao import Server
from tests.weather import Weather, weather

READS_A_KEY = 2  # the key's own, and its certificate's
READS_A_SUBJECT = 3  # one each for the entity, the login role and the certificate
CALLS_A_JOINER = 14  # every check before, write, and read back of entity, alias, certificate, delivery and login
BY_THE_CLOCK = re.compile(r"detailed-metadata/(holds|releases|distrusted)")
CALLS_A_LEAVER = 36  # measured 36: what is taken away, read back, and two rounds of proofs


def sent(firm: Firm, sky: Weather, *arguments: str) -> int:
    """How many; but for those that a run sends once a second, however many subjects there are (barrier.py)."""
    before = len(sky.lines)
    # The relay ends TLS, so the probe's certificate never arrives and a containment is not proved: exit 5.
    assert firm.idac("-q", *arguments).code in (0, 5)
    return sum(1 for line in sky.lines[before:] if not BY_THE_CLOCK.search(line))


def test_a_no_op_plan_reads_every_object_once_and_lists_every_collection_once(firm: Firm, openbao: Server) -> None:
    firm.configure(policy={"autoApprove": True, "removals": {"absolute": 5, "percent": 100}})
    with weather(openbao) as sky:
        firm.environ = {"VAULT_ADDR": sky.address}
        for number in range(2):
            firm.trader(f"t{number}")
        joined = sent(firm, sky, "apply", "--auto-approve")
        few = sent(firm, sky, "plan")
        for number in range(2, 12):
            firm.trader(f"t{number}")
        more_joined = sent(firm, sky, "apply", "--auto-approve")
        many = sent(firm, sky, "plan")
        assert (many - few) / 10 <= READS_A_SUBJECT
        assert not [line for line in sky.lines[-many:] if line.startswith(("PUT", "DELETE", "PATCH"))]
        assert (more_joined - joined) / 8 <= CALLS_A_JOINER + READS_A_SUBJECT
        firm.leave("t0")
        one = sent(firm, sky, "apply", "--auto-approve")
        for number in (1, 2):
            firm.leave(f"t{number}")
        two = sent(firm, sky, "apply", "--auto-approve")
        assert two - one <= CALLS_A_LEAVER


def test_a_key_in_a_token_is_read_once_like_everything_else(openbao: Server, tmp_path: Path) -> None:
    firm = keyed(openbao, tmp_path)
    with weather(openbao) as sky:
        firm.environ = {"VAULT_ADDR": sky.address}
        for number in range(2):
            firm.trader(f"t{number}", credentials=["mtls", "signing"])
        sent(firm, sky, "apply", "--auto-approve")
        few = sent(firm, sky, "plan")
        for number in range(2, 7):
            firm.trader(f"t{number}", credentials=["mtls", "signing"])
        sent(firm, sky, "apply", "--auto-approve")
        assert (sent(firm, sky, "plan") - few) / 5 <= READS_A_SUBJECT + READS_A_KEY
