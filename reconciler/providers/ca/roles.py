"""What PKI roles of ours say, whatever their profile, by the backend's own names. Pure data."""

from __future__ import annotations

from reconciler.model.resource import Fields

BACKDATE = 30  # seconds that notBefore lies in the past, for clocks that differ
SLACK = 5  # seconds between the server's two clock readings for one certificate
PROBE_ROLE = PROBE_NAME = "idac-probe"  # PKI role, cert-auth role and common name of the tool's own probe
TIER_PROBE = "idac-probe-mfa"  # common name of the one that every MFA tier holds to its code
PROBES = (PROBE_NAME, TIER_PROBE)
PROBE_LIFETIME = 300  # seconds
RUNTIME_KIND = "bot"  # whose certificates are fetched at run time
RUNTIME_OU = "idac-runtime"  # in the subject of each of them, and of no other
LONGEST_RUNTIME = 3600  # seconds
READ_ONLY = "allow_token_displayname"  # GET shows it, POST answers it with a warning

# RFC 5280 §4.2.1.3 -> the backend's names. A name it does not know is stored, and the certificate has no usage.
KEY_USAGES = {
    "digitalSignature": "DigitalSignature",
    "contentCommitment": "ContentCommitment",
    "keyEncipherment": "KeyEncipherment",
    "dataEncipherment": "DataEncipherment",
    "keyAgreement": "KeyAgreement",
}
# RFC 5280 §4.2.1.12
EXT_KEY_USAGES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4",
    "timeStamping": "1.3.6.1.5.5.7.3.8",
}
EXT_KEY_USAGE_FLAGS = {
    "serverAuth": "server_flag",
    "clientAuth": "client_flag",
    "codeSigning": "code_signing_flag",
    "emailProtection": "email_protection_flag",
}

# What every role of ours says, whatever its profile.
PINNED_ROLE: Fields = {
    "allow_any_name": False,
    "allow_bare_domains": False,
    "allow_glob_domains": True,  # `trader.*`
    "allow_globs_in_identity_templates": False,
    "allow_ip_sans": False,
    "allow_localhost": False,
    "allow_subdomains": False,
    READ_ONLY: False,
    "allow_wildcard_certificates": False,
    "allowed_domains_template": False,
    "allowed_ip_sans_cidr": [],
    "allowed_other_sans": [],
    "allowed_serial_numbers": [],
    "allowed_uri_sans_template": False,
    "allowed_user_ids": [],
    "basic_constraints_valid_for_non_ca": True,
    "cn_validations": ["hostname"],
    "country": [],
    "enforce_hostnames": True,
    "ext_key_usage": [],
    "generate_lease": False,  # a lease would revoke the certificate when the runner's token ends
    "issuer_ref": "default",
    "locality": [],
    "no_store": False,  # otherwise nothing could list, revoke or prove the certificate
    "not_after": "",
    "not_after_bound": "forbid",  # otherwise `not_after` in a request goes past max_ttl
    "not_before": "",
    "not_before_bound": "forbid",
    "not_before_duration": BACKDATE,
    "postal_code": [],
    "province": [],
    "require_cn": True,
    "signature_bits": 256,
    "street_address": [],
    "use_csr_common_name": False,
    "use_csr_sans": False,
    "use_pss": False,
}
