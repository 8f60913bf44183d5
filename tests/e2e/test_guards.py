"""What stops a change that should not happen, and what it must not stop, on a real OpenBao."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from tests.firm import Firm


def test_a_plan_file_emptied_and_prolonged_under_its_own_digest_grants_nothing(firm: Firm, tmp_path: Path) -> None:
    plan_file = tmp_path / "plan.json"
    firm.trader("mallory")
    firm.idac("plan", "--out", str(plan_file), code=0)
    honest = plan_file.read_text()
    document = json.loads(honest)
    plan_file.write_text(
        json.dumps(
            {
                **document,
                "changes": [],
                "summary": dict.fromkeys(document["summary"], 0),
                "findings": [],
                "planId": str(uuid.uuid4()),
            }
        )
    )
    refused = firm.idac("apply", "--plan", str(plan_file), code=4)
    assert "the changes were altered" in refused.err and "the summary was altered" in refused.err
    plan_file.write_text(json.dumps({**document, "expiresAt": "2099-01-01T00:00:00Z"}))
    assert "longer life than the policy" in firm.idac("apply", "--plan", str(plan_file), code=4).err
    assert firm.admin.list(f"{firm.estate.mounts.kv}/metadata/certificates").keys in ([], None)
    plan_file.write_text(honest)
    firm.idac("apply", "--plan", str(plan_file), code=0)
    assert firm.holder("mallory").login() == 200
