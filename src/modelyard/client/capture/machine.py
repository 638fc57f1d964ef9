"""What the process runs on: Python and where its packages come from, the system, processor, memory, GPU, container."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_GPU_PATIENCE_S: Final = 5.0
_LOCKS: Final = (
    "uv.lock", "pixi.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml", "environment.yml",
    "environment.yaml", "requirements.txt", "pyproject.toml",
)  # fmt: skip


def python(directory: str) -> dict[str, Any]:
    """The interpreter, and what manages its packages.

    Args:
        directory: the project's, where lock files would be.
    """
    prefix = Path(sys.prefix)
    settings = _text(prefix / "pyvenv.cfg")
    conda = os.environ.get("CONDA_PREFIX", "") if (prefix / "conda-meta").is_dir() else ""
    made_by_uv = re.search(r"^uv\s*=\s*(\S+)", settings, re.MULTILINE)
    found: dict[str, Any] = {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "environment": "conda" if (prefix / "conda-meta").is_dir() else "uv" if made_by_uv
        else "venv" if sys.prefix != sys.base_prefix else "bare",
        "prefix": sys.prefix,
        "locks": [name for name in _LOCKS if Path(directory, name).is_file()],
    }  # fmt: skip
    if made_by_uv:
        found["uv"] = made_by_uv[1]
    if (prefix / "conda-meta").is_dir():
        found["conda"] = {"name": os.environ.get("CONDA_DEFAULT_ENV", ""), "prefix": conda or sys.prefix}
        # NAME-VERSION-BUILD.json: the names say it all
        found["conda"]["packages"] = sorted(path.stem for path in (prefix / "conda-meta").glob("*-*-*.json"))
    return found


def machine() -> dict[str, Any]:
    """The machine. Bytes are bytes."""
    system = os.uname()
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        name = ""
    return {
        "host": system.nodename,
        "system": system.sysname,
        "release": system.release,
        "distribution": name,
        "architecture": system.machine,
        "cpu": _cpu(),
        "cpu_count": os.cpu_count(),
        "cpu_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "gpus": _gpus(),
        "container": _container(),
    }


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _cpu() -> str:
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", _text(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def _gpus() -> list[dict[str, Any]]:
    """NVIDIA's, as its own tool lists them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(  # noqa: S603 - NVIDIA's tool
            [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GPU_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    return [
        {"name": name, "memory_bytes": int(size) * 2**20 if size.isdigit() else 0, "driver": driver}
        for name, size, driver in (row for row in rows if len(row) == 3)
    ]


def _container() -> dict[str, str]:
    """What kind of container this is, and its image where that can be known; empty outside of one."""
    found: dict[str, str] = {}
    podman = _text(Path("/run/.containerenv"))
    apptainer = os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER")
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        found["kind"] = "kubernetes"
    elif apptainer:
        found = {"kind": "apptainer", "image": apptainer}
    elif Path("/run/.containerenv").exists():
        found["kind"] = "podman"
    elif Path("/.dockerenv").exists():
        found["kind"] = "docker"
    else:
        group = re.search(r"kubepods|docker|containerd|lxc", _text(Path("/proc/1/cgroup")))
        if group:
            found["kind"] = group[0]
    if image := re.search(r'^image="(.*)"$', podman, re.MULTILINE):
        found["image"] = image[1]
    if digest := re.search(r'^imageid="(.*)"$', podman, re.MULTILINE):
        found["image_id"] = digest[1]
    return found
