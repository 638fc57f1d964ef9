"""Uploads in parts that a client sends to S3 itself, with one signed URL per part.

obstore signs URLs but takes no query of ours, and a part's number and upload belong to what is signed. So the signature
(AWS Signature Version 4, query form: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html)
is made here, with keys from the options or the environment. Where keys come from elsewhere there is no such upload.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape, unescape

import urllib3

from modelyard.artifacts.base import MultipartUpload, Part
from modelyard.domain.errors import InvalidArgument, NotFound, Unavailable

_TIMEOUT: Final = urllib3.Timeout(connect=4, read=60)
_RETRIES: Final = urllib3.Retry(connect=3, read=False, redirect=False, status=0, other=0, backoff_factor=0.1)
_UPLOAD_ID: Final = re.compile(r"<UploadId>([^<]+)</UploadId>")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_OWN_REQUEST_S: Final = 120


class S3Multipart:
    """Creates, completes and aborts uploads in one bucket. Blocking.

    Args:
        base: URL of the bucket.
        prefix: of every key, without slashes at its ends.
        region: of the bucket.
        key_id: access key.
        secret: its secret.
        token: of a temporary key; None for a lasting one.
    """

    def __init__(self, base: str, prefix: str, region: str, key_id: str, secret: str, token: str | None) -> None:
        self._base = urlsplit(base.rstrip("/"))
        self._prefix = prefix
        self._region = region
        self._key_id = key_id
        self._secret = secret
        self._token = token
        self._http = urllib3.PoolManager(maxsize=4, timeout=_TIMEOUT, retries=_RETRIES)

    @classmethod
    def of(cls, bucket: str, prefix: str, config: Mapping[str, str]) -> "S3Multipart | None":
        """For a bucket and its settings, whose names are obstore's; None without keys."""
        key_id = config.get("access_key_id") or os.environ.get("AWS_ACCESS_KEY_ID")
        secret = config.get("secret_access_key") or os.environ.get("AWS_SECRET_ACCESS_KEY")
        if not key_id or not secret:
            return None
        region = config["region"]
        endpoint = config.get("endpoint") or f"https://s3.{region}.amazonaws.com"
        token = config.get("session_token") or os.environ.get("AWS_SESSION_TOKEN")
        return cls(f"{endpoint.rstrip('/')}/{bucket}", prefix, region, key_id, secret, token)

    def create(self, path: str, parts: int, expires_s: int) -> MultipartUpload:
        """Begin an upload, and sign a URL for each part from 1 to `parts`.

        Raises:
            Unavailable: if S3 does not answer as expected.
        """
        found = _UPLOAD_ID.search(self._request("POST", path, {"uploads": ""}))
        if found is None:
            raise Unavailable("The artifact store began no upload in parts.")
        upload_id = unescape(found[1])
        urls = tuple(
            self.sign("PUT", path, {"partNumber": str(number), "uploadId": upload_id}, expires_s)
            for number in range(1, parts + 1)
        )
        return MultipartUpload(upload_id, urls)

    def complete(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Join the parts.

        Raises:
            InvalidArgument: if S3 does not accept them.
            NotFound: if there is no such upload.
            Unavailable: if S3 cannot be reached.
        """
        listed = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
            for part in sorted(parts, key=lambda part: part.number)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        self._request("POST", path, {"uploadId": upload_id}, body.encode())

    def abort(self, path: str, upload_id: str) -> None:
        """Drop the parts; raises as `complete` does."""
        self._request("DELETE", path, {"uploadId": upload_id})

    def _request(self, method: str, path: str, query: Mapping[str, str], body: bytes = b"") -> str:
        url = self.sign(method, path, query, _OWN_REQUEST_S)
        try:
            answer = self._http.request(method, url, body=body)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"The artifact store cannot be reached ({type(error).__name__}).") from None
        text: str = answer.data.decode("utf-8", "replace")
        found = _CODE.search(text)
        code = found[1] if found else ""
        # S3 may say 200, think about it, and then send an error
        if answer.status < 300 and not code:
            return text
        if code == "NoSuchUpload":
            raise NotFound(f"There is no such upload in parts of {path!r}; it was completed, aborted, or never begun.")
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML", "InvalidRequest"):
            raise InvalidArgument(f"The artifact store does not accept these parts of {path!r}: {code}.")
        raise Unavailable(f"The artifact store answered {answer.status} {code}".rstrip() + ".")

    def sign(self, method: str, path: str, query: Mapping[str, str], expires_s: int) -> str:
        """A URL that allows one request to one object for a while."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{self._region}/s3/aws4_request"
        fields = {
            **query,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self._key_id}/{scope}",
            "X-Amz-Date": now,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
        }
        if self._token:
            fields["X-Amz-Security-Token"] = self._token
        key = "/".join(part for part in (self._base.path.strip("/"), self._prefix, path) if part)
        resource = "/" + quote(key, safe="/~")
        asked = "&".join(f"{quote(name, safe='~')}={quote(fields[name], safe='~')}" for name in sorted(fields))
        request = f"{method}\n{resource}\n{asked}\nhost:{self._base.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        signing = f"AWS4{self._secret}".encode()
        for word in scope.split("/"):
            signing = hmac.digest(signing, word.encode(), "sha256")
        signature = hmac.digest(signing, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}".encode(), "sha256").hex()
        return f"{self._base.scheme}://{self._base.netloc}{resource}?{asked}&X-Amz-Signature={signature}"
