"""The tool's own probe: a certificate that logs in, is revoked, and then must not log in again.

It shows that revoking works here and now, end to end. It is the only key the tool makes, and it is forgotten.
"""

from __future__ import annotations

from reconciler.model.estate import Estate
from reconciler.model.resource import Fields
from reconciler.model.secret import Secret
from reconciler.providers.ca.resources import PROBE_LIFETIME, PROBE_NAME, PROBE_ROLE, TIER_PROBE
from reconciler.providers.ca.revocation import CrlKeeper
from reconciler.providers.ca.revoker import Revoker
from reconciler.providers.protocol import Answer, CertificateLogin, Client
from reconciler.x509 import join_pem, new_key_and_csr, read_certificate


def sign_probe(contain: Client, estate: Estate, name: str) -> tuple[str, Secret]:
    """A certificate of one of the tool's own probes, good for minutes and without any power, and its key."""
    key, csr = new_key_and_csr(name)
    body = {
        "csr": csr,
        "common_name": name,
        "ttl": f"{PROBE_LIFETIME}s",
        "exclude_cn_from_sans": "true",  # text: an ACL compares texts only
        "format": "pem",
    }
    signed = contain.write(f"{estate.mounts.pki}/sign/{PROBE_ROLE}", body).data["certificate"]
    return join_pem(str(signed)), key


def sign_tier_probe(contain: Client, estate: Estate) -> tuple[str, Secret]:
    """A certificate of the probe that every MFA tier holds to its code, and its key."""
    return sign_probe(contain, estate, TIER_PROBE)


def probe(
    contain: Client,
    estate: Estate,
    authority: str,
    login: CertificateLogin,
    revoker: Revoker,
    keeper: CrlKeeper,
) -> tuple[bool, str, Fields]:
    """Whether the revoked probe was refused, in words, with public evidence. Raises `IdacError`.

    The first login is the control: a refusal after it proves something only if it was accepted.
    """
    pem, key = sign_probe(contain, estate, PROBE_NAME)
    serial = read_certificate(pem).serial
    chain = join_pem(pem, authority)
    evidence: dict[str, object] = {"probe_serial": serial}
    try:
        control = login(chain, key, PROBE_ROLE)
    finally:
        revoker.revoke(serial, PROBE_NAME, "the probe of a proof")
        keeper.refresh(authority, full=False)
    if not _accepted(control):
        return (
            False,
            f"the probe was not let in before it was revoked ({control.said}): nothing is proved",
            evidence,
        )
    _end_token(contain, control)
    after = login(chain, key, PROBE_ROLE)
    if _accepted(after):
        _end_token(contain, after)
        return False, "the probe logged in although it was revoked and the lists were pushed", evidence
    return True, f"a probe certificate logged in, was revoked, and was refused ({after.said})", evidence


def _accepted(answer: Answer) -> bool:
    return answer.status == 200 and bool((answer.body.get("auth") or {}).get("accessor"))


def _end_token(contain: Client, answer: Answer) -> None:
    accessor = answer.body["auth"]["accessor"]
    contain.write("auth/token/revoke-accessor", {"accessor": accessor})
