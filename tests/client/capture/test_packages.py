"""The list of packages is pip's."""

import json
import subprocess
import sys

import pytest

from modelyard.client.capture import packages


def test_the_list_is_that_of_pip_freeze() -> None:
    pytest.importorskip("pip", reason="pip is not installed")
    done = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    assert packages.freeze() == done.stdout.splitlines()


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({"url": "https://h/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}, "x @ git+https://h/x.git@abc"),
        (
            {"url": "https://ann:pw@h/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "lib"},
            "x @ git+https://h/x.git@abc#subdirectory=lib",
        ),
        ({"url": "https://h/x.whl", "archive_info": {"hash": "sha256=1f"}}, "x @ https://h/x.whl#sha256=1f"),
        ({"url": "https://h/x.whl", "archive_info": {"hashes": {"sha256": "1f"}}}, "x @ https://h/x.whl#sha256=1f"),
        ({"url": "file:///src/x", "dir_info": {}}, "x @ file:///src/x"),
        ({"strange": 1}, "X==1.0"),
        ([], "X==1.0"),
    ],
)
def test_packages_from_elsewhere(tmp_path, monkeypatch, origin, line) -> None:
    place = tmp_path / "site-packages"
    metadata = place / "x-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: X\nVersion: 1.0\n\nVersion: 2 in the text\n")
    (metadata / "direct_url.json").write_text(json.dumps(origin))
    (place / "broken-1.dist-info").mkdir()
    (place / "Egg-2.egg-info").write_text("Metadata-Version: 1.0\r\nName: Egg\r\nVersion: 2\r\n")
    monkeypatch.setattr(sys, "path", [str(place)])
    assert packages.freeze() == ["Egg==2", line.replace("x @", "X @")]


def test_an_editable_package_without_git(tmp_path, monkeypatch) -> None:
    metadata = tmp_path / "site-packages" / "x-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: x\nVersion: 1.0\n")
    origin = {"url": f"file://{tmp_path}/my%20code", "dir_info": {"editable": True}}
    (metadata / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site-packages")])
    assert packages.freeze() == [
        "# Editable install with no version control (x==1.0)",
        f"-e {tmp_path}/my code",
    ]
