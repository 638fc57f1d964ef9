"""Artifacts in an object store: the contract on S3 (moto, in a process of its own), signed URLs, uploads in parts."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import pytest

from modelyard.artifacts.base import Part, store_for
from modelyard.domain.errors import InvalidArgument, NotSupported, Unavailable
from tests.contracts.artifact_store import ArtifactStoreContract, content, pieces, read, run
from tests.contracts.s3_server import bucket, call, line, options, put, s3

__all__ = ["bucket", "line", "s3"]  # fixtures

pytest.importorskip("obstore")


class TestS3(ArtifactStoreContract):
    @pytest.fixture
    def place(self, line, bucket, s3):
        self.line, self.bucket, self.s3 = line, bucket, s3
        return f"s3://{bucket}/some/prefix", options(line.port)

    def take_away(self) -> None:
        self.line.cut()

    def bring_back(self) -> None:
        self.line.repair()

    def assert_no_leftovers(self) -> None:
        assert b"<Upload>" not in call(self.s3, "GET", f"/{self.bucket}?uploads")


@pytest.fixture
def store(s3, bucket):
    return store_for(f"s3://{bucket}/prefix", options(s3))


def test_the_endpoint_and_the_keys_may_come_from_the_environment(s3, bucket, monkeypatch):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{s3}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    run(store_for(f"s3://{bucket}/x").write("a", pieces(b"1")))
    assert call(s3, "GET", f"/{bucket}/x/a") == b"1"


def test_objects_lie_where_their_paths_say(store, s3, bucket):
    run(store.write("1/run/artifacts/a b.txt", pieces(b"hello")))
    assert call(s3, "GET", f"/{bucket}/prefix/1/run/artifacts/a%20b.txt") == b"hello"


def test_a_missing_bucket_is_the_servers_trouble_and_no_secret_is_told(s3):
    store = store_for("s3://no-such-bucket/x", options(s3))

    async def scenario():
        for work in (store.write("a", pieces(b"1")), store.list(""), store.open("a"), store.ready()):
            with pytest.raises(Unavailable, match="bucket does not exist") as raised:
                await work
            assert "secret" not in raised.value.message

    run(scenario())


def test_signed_urls_need_no_keys(store):
    async def scenario():
        await store.write("a b/ü.txt", pieces(b"hello"))
        return await store.presign_get("a b/ü.txt", 60), await store.presign_put("new", 60)

    download, upload = run(scenario())
    with urllib.request.urlopen(download, timeout=20) as answer:
        assert answer.read() == b"hello"
    put(upload, b"straight")
    assert run(read(store, "new")) == b"straight"


@pytest.mark.parametrize("path", ["model.bin", "a b/ü~+&=.bin"])
def test_an_upload_in_parts(store, path):
    data = content(11_000_000)
    begun = run(store.multipart_create(path, 3, 600))
    assert list(run(store.list(""))) == []
    parts = []
    for number, url in enumerate(begun.urls, start=1):
        piece = data[(number - 1) * 5_242_880 : number * 5_242_880]
        parts.append(Part(number, put(url, piece)))
    run(store.multipart_complete(path, begun.upload_id, parts[::-1]))
    assert run(read(store, path)) == data


def test_an_upload_in_parts_that_is_aborted(store, s3, bucket):
    begun = run(store.multipart_create("a", 2, 600))
    run(store.multipart_abort("a", begun.upload_id))
    assert b"<Upload>" not in call(s3, "GET", f"/{bucket}?uploads")
    assert list(run(store.list(""))) == []


def test_parts_that_do_not_fit_are_the_callers_mistake(store):
    begun = run(store.multipart_create("a", 2, 600))
    with pytest.raises(InvalidArgument, match="InvalidPart"):
        run(store.multipart_complete("a", begun.upload_id, [Part(1, '"0123"')]))


def test_our_signature_is_the_librarys(s3, bucket):
    """A URL that boto3 signs for the same moment is the same URL, but for the order of its fields."""
    boto3 = pytest.importorskip("boto3")
    import botocore.auth
    from botocore.config import Config

    from modelyard.artifacts.multipart import S3Multipart

    settings = options(s3)
    client = boto3.client(
        "s3",
        endpoint_url=settings["endpoint"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="eu-west-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    ours = S3Multipart.of(bucket, "prefix", settings)
    wanted = {"Bucket": bucket, "Key": "prefix/a b/ü~(1).bin", "PartNumber": 7, "UploadId": "an/id+=="}

    def signed_at_one_moment() -> tuple[set[str], set[str]]:
        theirs = client.generate_presigned_url("upload_part", Params=wanted, ExpiresIn=60)
        mine = ours.sign("PUT", "a b/ü~(1).bin", {"partNumber": "7", "uploadId": "an/id+=="}, 60)
        assert urlsplit(mine).path == urlsplit(theirs).path
        return set(urlsplit(mine).query.split("&")), set(urlsplit(theirs).query.split("&"))

    assert botocore.auth
    assert any(mine == theirs for mine, theirs in (signed_at_one_moment() for _ in range(3)))  # a second may tick


def test_without_keys_of_our_own_there_are_no_parts(s3, bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    store = store_for(f"s3://{bucket}", {"endpoint": f"http://127.0.0.1:{s3}", "skip_signature": "true"})
    with pytest.raises(NotSupported, match=r"^Multipart upload is not supported for the current artifact repository$"):
        run(store.multipart_create("a", 2, 60))


@pytest.mark.parametrize(
    ("uri", "root"),
    [
        ("gs://bucket/x/", "gs://bucket/x"),
        ("az://container/x", "az://container/x"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("wasbs://container@account.blob.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("wasbs://container@account.blob.core.windows.net/x?sig=secret", "abfss://container@account.dfs.core.windows.net/x"),
    ],
)  # fmt: skip
def test_the_other_clouds_are_recognised(uri, root, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    assert store_for(uri).uri == root


def test_a_uri_without_a_bucket_is_refused():
    with pytest.raises(InvalidArgument, match="name a bucket"):
        store_for("s3:///x")
