"""Who we are to a server, and how far we trust it: from the environment, MLflow's names and ours."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard import settings
from modelyard.domain.errors import InvalidArgument

CREDENTIALS_FILE = Path("~/.mlflow/credentials")
"""Where MLflow's users may keep name and password, as an INI file."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in, and what to check.

    Attributes:
        authorization: the header's value; empty: nobody signs in. Never shown.
        verify: whether the server's certificate is checked.
        authority: file of certificates that are trusted; None: the system's.
        certificate: file with our own certificate and key; None: none.
    """

    authorization: str = field(default="", repr=False)
    verify: bool = True
    authority: str | None = None
    certificate: str | None = None

    def tls(self) -> dict[str, Any]:
        """What urllib3's pools take."""
        chosen: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED" if self.verify else "CERT_NONE"}
        if self.authority and self.verify:
            chosen["ca_cert_dir" if Path(self.authority).is_dir() else "ca_certs"] = self.authority
        if self.certificate:
            chosen["cert_file"] = self.certificate
        return chosen


def from_environment(userinfo: str = "") -> Credentials:
    """Credentials for a server.

    Args:
        userinfo: `name:password` of its URL, decoded; wins over the environment.

    Raises:
        InvalidArgument: both "do not check" and a file to check with are given.
    """
    authority = settings.TRACKING_SERVER_CERT_PATH.get()
    insecure = settings.TRACKING_INSECURE_TLS.get()
    if insecure and authority:
        raise InvalidArgument(
            "MODELYARD_TRACKING_INSECURE_TLS and MODELYARD_TRACKING_SERVER_CERT_PATH (or MLFLOW_...) are both set; "
            "unset one of them."
        )
    return Credentials(
        authorization=_authorization(userinfo),
        verify=not insecure,
        authority=authority or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"),
        certificate=settings.TRACKING_CLIENT_CERT_PATH.get() or None,
    )


def _authorization(userinfo: str) -> str:
    if userinfo:
        return _basic(userinfo)
    name, password = settings.TRACKING_USERNAME.get(), settings.TRACKING_PASSWORD.get()
    token = settings.TRACKING_TOKEN.get()
    if not (name and password) and not token:
        name, password = _from_file(name, password)
    if name and password:
        return _basic(f"{name}:{password}")
    return f"Bearer {token}" if token else ""


def _basic(userinfo: str) -> str:
    return "Basic " + b64encode(userinfo.encode()).decode()


def _from_file(name: str, password: str) -> tuple[str, str]:
    path = CREDENTIALS_FILE.expanduser()
    if not path.is_file():
        return name, password
    from configparser import ConfigParser, Error

    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path)
        section = parser["mlflow"]
    except (Error, KeyError, OSError, UnicodeDecodeError):
        return name, password
    return name or section.get("mlflow_tracking_username", ""), password or section.get("mlflow_tracking_password", "")
