"""The estate's configuration as an object."""

from __future__ import annotations

from tests.unit.test_plan import estate


def test_an_estate_copied_under_another_name_has_that_names_mounts() -> None:
    original = estate()
    assert original.mounts.pki == f"idac-{original.name}-pki"
    assert original.model_copy(update={"name": "other"}).mounts.pki == "idac-other-pki"
