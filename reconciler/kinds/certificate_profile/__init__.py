"""Kind CertificateProfile."""
