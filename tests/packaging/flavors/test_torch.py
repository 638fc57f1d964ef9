from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelyard.domain.errors import DataCorrupted, InvalidArgument, PermissionDenied
from modelyard.packaging import model as packaging
from modelyard.packaging.manifest import Model

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402  after the skip

from modelyard.packaging.flavors.torch_program import is_plain_expression  # noqa: E402
from tests.contracts.flavor import FlavorContract, rows  # noqa: E402
from tests.packaging.flavors.torch_models import Branching, Everything, Pair, Small, Sum  # noqa: E402


class TestModules(FlavorContract):
    """What every flavor must do."""

    flavor = "pytorch"
    file = "data/weights.safetensors"
    options = {"serialization_format": "safetensors"}  # noqa: RUF012

    def answers(self, model: Any, data: Any) -> Any:
        return model(torch.from_numpy(data)).detach().numpy()

    @pytest.fixture
    def model(self) -> Any:
        return Small().eval()

    @pytest.fixture
    def data(self) -> Any:
        return rows(5).astype("float32")


class TestPrograms(TestModules):
    file = "data/model.pt2"
    options = {"serialization_format": "pt2", "export_example": rows(2).astype("float32")}  # noqa: RUF012


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def structure_of(path: Path) -> dict:
    return json.loads((path / "data/structure.json").read_text())


def rewrite(path: Path, change) -> None:
    structure = structure_of(path)
    change(structure)
    (path / "data/structure.json").write_text(json.dumps(structure))


def format_of(path: Path) -> str:
    return Model.read(path).flavors["pytorch"]["serialization_format"]


# ---------------------------------------------------------------- modules and weights


def test_a_module_comes_back_as_itself(tmp_path):
    model = Everything()
    tokens = torch.randint(0, 20, (3, 5))
    model(tokens)  # training mode: batch and spectral norm have something to remember
    packaging.save(model, tmp_path / "m", flavor="pytorch")
    loaded = packaging.load(tmp_path / "m")
    assert type(loaded).__name__ == "Everything"
    assert not loaded.training
    model.eval()
    torch.testing.assert_close(loaded(tokens), model(tokens), rtol=0, atol=0)
    ours, theirs = loaded.state_dict(), model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in ours)
    assert loaded.out.weight is loaded.embedding.weight
    assert loaded.again is loaded.blocks[0]
    assert loaded.unregistered[0] is loaded.blocks[1]
    assert loaded.finish.__self__ is loaded
    assert loaded.plain == model.plain
    assert loaded.size == model.size
    assert not loaded.scale.requires_grad
    assert "position" not in ours
    assert loaded.shown.data_ptr() != 0
    assert loaded.absent is None


def test_a_loaded_module_trains_on(tmp_path):
    packaging.save(Everything(), tmp_path / "m", flavor="pytorch")
    loaded = packaging.load(tmp_path / "m").train()
    loaded(torch.randint(0, 20, (3, 5))).sum().backward()
    assert loaded.spectral.parametrizations.weight.original.grad.abs().sum() > 0
    assert loaded.embedding.weight.grad.abs().sum() > 0


def test_there_is_no_pickle_and_tied_weights_are_stored_once(tmp_path):
    model = nn.Sequential(nn.Embedding(100, 50), nn.Linear(50, 100, bias=False))
    model[1].weight = model[0].weight
    packaging.save(model, tmp_path / "m", flavor="pytorch")
    names = {path.name for path in (tmp_path / "m").rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith((".pkl", ".pth", ".pt", ".bin"))}
    assert (tmp_path / "m/data/weights.safetensors").stat().st_size < 100 * 50 * 4 + 1000


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_precisions(tmp_path, dtype):
    model = Small().to(getattr(torch, dtype)).eval()
    packaging.save(model, tmp_path / "m", flavor="pytorch")
    loaded = packaging.load(tmp_path / "m")
    assert loaded.layers[0].weight.dtype == getattr(torch, dtype)
    x = torch.randn(2, 4).half().to(getattr(torch, dtype))
    assert torch.equal(loaded(x), model(x))
    answer = packaging.load_function(tmp_path / "m").predict(pd.DataFrame(x.float().numpy()))
    np.testing.assert_allclose(answer.to_numpy(), model(x).detach().float().numpy(), rtol=1e-6)


def test_two_parameters_over_one_memory_stay_so(tmp_path):
    model = nn.Module()
    model.a = nn.Parameter(torch.randn(4))
    model.b = nn.Parameter(model.a.data)
    model.c = torch.arange(10.0)[2:5]
    packaging.save(model, tmp_path / "m", flavor="pytorch")
    loaded = packaging.load(tmp_path / "m")
    assert loaded.a.data_ptr() == loaded.b.data_ptr()
    assert loaded.c.tolist() == [2, 3, 4]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_wrappers_are_taken_off(tmp_path):
    packaging.save(nn.DataParallel(torch.compile(Small())), tmp_path / "m", flavor="pytorch")
    assert type(packaging.load(tmp_path / "m")).__name__ == "Small"


def test_what_only_training_uses_stays_behind(tmp_path, caplog):
    model = Small()
    model.optimizer = torch.optim.Adam(model.parameters())
    with caplog.at_level(logging.WARNING, "modelyard"):
        packaging.save(model, tmp_path / "m", flavor="pytorch")
    assert "'optimizer' (Adam) is not saved" in caplog.text
    assert packaging.load(tmp_path / "m").optimizer is None


# ---------------------------------------------------------------- what cannot be kept


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda model: setattr(model.layers[1], "lookup", lambda x: x), "'layers.1.lookup'"),
        (lambda model: setattr(model, "file", Path(os.devnull).open()), "'file'"),  # noqa: SIM115  closed below
        (lambda model: model.layers.register_forward_hook(print), "'layers._forward_hooks'"),
        (lambda model: setattr(model, "table", {"deep": [torch.Generator()]}), "'table['deep'][0]'"),
        (lambda model: setattr(model, "sparse", torch.eye(2).to_sparse()), "'sparse'"),
        (
            lambda model: model.layers.append(nn.LazyLinear(3)),
            "'layers.4.weight' cannot be described, because it has no shape",
        ),
        (lambda model: model.layers.append(nn.Linear(3, 3, device="meta")), "'layers.4.weight'"),
        (lambda model: nn.utils.spectral_norm(model.layers[0]), "torch.nn.utils.parametrizations has the same"),
    ],
)
def test_what_cannot_be_described_is_named_with_the_remedies(tmp_path, spoil, named):
    model = Small()
    spoil(model)
    with pytest.raises(InvalidArgument) as refused:
        packaging.save(model, tmp_path / "m", flavor="pytorch")
    assert named in refused.value.message
    assert "input_example" in refused.value.message
    assert "serialization_format='pickle'" in refused.value.message
    assert not (tmp_path / "m").exists()
    if hasattr(model, "file"):
        model.file.close()


def test_a_class_inside_a_function_has_no_name(tmp_path):
    class Local(nn.Module):
        pass

    with pytest.raises(InvalidArgument, match=r"the class of 'the model' cannot be described.*inside a function"):
        packaging.save(Local(), tmp_path / "m", flavor="pytorch")


def test_formats_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="input_example"):
        packaging.save(Small(), tmp_path / "m", flavor="pytorch", serialization_format="pt2")
    with pytest.raises(InvalidArgument, match="safetensors, pt2, torchscript, pickle"):
        packaging.save(Small(), tmp_path / "m", flavor="pytorch", serialization_format="onnx")
    with pytest.raises(InvalidArgument, match=r"torch\.nn\.Module"):
        packaging.save({"a": 1}, tmp_path / "m", flavor="pytorch")


# ---------------------------------------------------------------- damage and malice


def test_damage_is_named(tmp_path):
    packaging.save(Small(), tmp_path / "m", flavor="pytorch")
    rewrite(tmp_path / "m", lambda s: s["tensors"]["layers.0.weight"].update(shape=[4, 8]))
    with pytest.raises(DataCorrupted, match=r"layers\.0\.weight"):
        packaging.load(tmp_path / "m")


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["modules"][0].update({"class": "subprocess:Popen"}),
        lambda s: s["modules"][0]["attributes"].update(x={"function": "os:system"}),
        lambda s: s["modules"][0]["attributes"].update(x={"function": "torch:load"}),
        lambda s: s["modules"][0]["attributes"].update(x={"function": "torch:os.system"}),
        lambda s: s["modules"][0]["attributes"].update(
            x={"partial": [{"function": "builtins:exec"}, [], {"dict": []}]}
        ),
        lambda s: s["modules"][0]["attributes"].update(x={"object": ["ctypes:CDLL", []]}),
        lambda s: s["modules"][0]["attributes"].update(x={"named_tuple": ["os:stat_result", []]}),
    ],
)
def test_foreign_names_are_refused(tmp_path, change):
    packaging.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "m", flavor="pytorch")
    rewrite(tmp_path / "m", change)
    with pytest.raises(PermissionDenied, match="trusted="):
        packaging.load(tmp_path / "m")


def test_a_class_that_is_no_module_is_refused(tmp_path):
    packaging.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "m", flavor="pytorch")
    rewrite(tmp_path / "m", lambda s: s["modules"][0].update({"class": "torch:Generator"}))
    with pytest.raises(DataCorrupted, match=r"subclass of torch\.nn\.Module"):
        packaging.load(tmp_path / "m")


def test_installed_packages_need_somebody_who_vouches_for_them(tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    (site / "layers_of_others.py").write_text("from torch import nn\n\nclass Odd(nn.Linear):\n    pass\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr("modelyard.packaging.source._places_of_packages", lambda: (site.resolve(),))
    import layers_of_others

    packaging.save(layers_of_others.Odd(2, 2), tmp_path / "m", flavor="pytorch")
    with pytest.raises(PermissionDenied, match=r"trusted=\['layers_of_others'\]"):
        packaging.load(tmp_path / "m")
    assert type(packaging.load(tmp_path / "m", trusted=["layers_of_others"])) is layers_of_others.Odd


def repack(source: Path, change) -> None:
    with zipfile.ZipFile(source) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    change(records)
    with zipfile.ZipFile(source, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content)


def in_graph(old: str, new: str):
    def change(records: dict[str, bytes]) -> None:
        name = next(name for name in records if name.endswith("models/model.json"))
        assert old.encode() in records[name]
        records[name] = records[name].replace(old.encode(), new.encode())

    return change


def as_pickle(records: dict[str, bytes]) -> None:
    name = next(name for name in records if name.endswith("model_weights_config.json"))
    records[name] = records[name].replace(b'"use_pickle": false', b'"use_pickle": true', 1)


def with_library(records: dict[str, bytes]) -> None:
    records["model/data/aotinductor/model/x.so"] = b"\x7fELF"


def with_sample(records: dict[str, bytes]) -> None:
    import io
    import pathlib

    buffer = io.BytesIO()
    torch.save((pathlib.Path("x"),), buffer)
    records[next(name for name in records if "sample_inputs" in name)] = buffer.getvalue()


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("program") / "m"
    packaging.save(Small(), path, flavor="pytorch", input_example=np.zeros((2, 4), np.float32))
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (in_graph("torch.ops.aten.relu.default", "torch.os.system"), "torch.os.system"),
        (in_graph("torch.ops.aten.relu.default", "torch.ops.aten.from_file.default"), "from_file"),
        (in_graph("Symbol('s", "__import__('s"), "would evaluate"),
        (in_graph('"guards_code": []', '"guards_code": ["print(1)"]'), "would evaluate"),
        (in_graph('"name": "x"', '"name": "x): pass\\nimport os #"'), "is not a name"),
        (in_graph("builtins.tuple", "collections.defaultdict"), "other classes"),
        (as_pickle, "is a pickle"),
        (with_library, "is not one that"),
        (with_sample, "example inputs"),
    ],
)
def test_a_program_that_could_run_code_is_refused(tmp_path, program, change, why):
    shutil.copytree(program, tmp_path / "m")
    repack(tmp_path / "m/data/model.pt2", change)
    with pytest.raises(PermissionDenied) as refused:
        packaging.load(tmp_path / "m")
    assert why in refused.value.message
    assert "allow_pickle=True" in refused.value.message


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Mul(Integer(5), Symbol('s77', positive=True, integer=True))", True),
        ("Eq(Mod(s0*s1 + 1, 2), 0)", True),
        ("L['x'].size()[0] <= 1024", True),
        ("exec(chr(1))", False),
        ("().__class__", False),
        ("[x for x in (1,)]", False),
        ("(lambda: 1)()", False),
        ("Symbol('__import__')", False),
        ("s0(1)(2)", False),
        ("os.system('ls')", False),
    ],
)
def test_plain_expressions(text, plain):
    assert is_plain_expression(text) is plain


# ---------------------------------------------------------------- exported programs


def test_with_an_example_the_model_is_exported(program):
    assert format_of(program) == "pt2"
    torch.manual_seed(0)
    model = Small().eval()
    loaded = packaging.load(program)
    assert loaded.eval() is loaded
    x = torch.randn(7, 4)  # another number of rows than the example's
    assert loaded(x).shape == (7, 3)
    assert list(loaded.state_dict()) == list(model.state_dict())
    names = [path.name for path in (program / "code").iterdir()]
    assert names == ["modelyard_torch_loader_1.py"]


def test_named_inputs_and_answers(tmp_path):
    model = Pair()
    example = {"words": np.array([[1, 2, 3], [4, 5, 6]]), "number": np.ones((2, 2), np.float32)}
    packaging.save(model, tmp_path / "m", flavor="pytorch", input_example=example)
    assert format_of(tmp_path / "m") == "pt2"
    data = {"words": np.array([[7, 8, 9]] * 3), "number": np.zeros((3, 2), np.float32)}
    answer = packaging.load_function(tmp_path / "m").predict(data)
    expected = model(torch.tensor(data["words"]), torch.tensor(data["number"]))
    np.testing.assert_allclose(answer["both"], expected["both"].detach().numpy(), rtol=1e-6)
    assert answer["total"].shape == (3,)


@pytest.mark.parametrize(
    ("example", "shape"),
    [
        (torch.zeros(2, 4), (-1, 4)),
        ([np.zeros((2, 4))], (-1, 4)),
        (torch.zeros(2, 4, dtype=torch.bfloat16), (-1, 4)),
        ((np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)), None),
    ],
)
def test_examples_of_tensors(tmp_path, example, shape):
    model = Sum() if shape is None else Small()
    made = packaging.save(model, tmp_path / "m", flavor="pytorch", input_example=example)
    assert format_of(tmp_path / "m") == "pt2"
    assert (made.signature and made.signature.inputs.inputs[0].shape) == shape
    data = torch.ones(3, 4, dtype=torch.float32)
    answer = packaging.load_function(tmp_path / "m").predict(data if shape else (data, data))
    assert answer.shape[0] == 3


def test_what_cannot_be_traced_is_described_instead(tmp_path, caplog):
    model = Branching().train()
    with caplog.at_level(logging.WARNING, "modelyard"):
        packaging.save(model, tmp_path / "m", flavor="pytorch", input_example=np.ones((2, 4), np.float32))
    assert "torch.export cannot trace Branching" in caplog.text
    assert format_of(tmp_path / "m") == "safetensors"
    assert model.training
    x = -torch.ones(1, 4)
    assert torch.equal(packaging.load(tmp_path / "m")(x), model(x))


# ---------------------------------------------------------------- as a python function


def test_tables_arrays_and_tensors(tmp_path):
    model = Small().eval()
    packaging.save(model, tmp_path / "m", flavor="pytorch")
    function = packaging.load_function(tmp_path / "m")
    data = np.random.default_rng(0).normal(size=(3, 4))
    expected = model(torch.tensor(data, dtype=torch.float32)).detach().numpy()
    np.testing.assert_array_equal(function.predict(data), expected)
    np.testing.assert_array_equal(function.predict(torch.tensor(data)), expected)
    frame = function.predict(pd.DataFrame(data, index=["a", "b", "c"]))
    assert list(frame.index) == ["a", "b", "c"]
    np.testing.assert_array_equal(frame.to_numpy(), expected)


def test_whole_numbers_stay_whole_where_the_example_said_so(tmp_path):
    model = nn.EmbeddingBag(10, 2)
    example = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    packaging.save(model, tmp_path / "m", flavor="pytorch", input_example=example.to_numpy(), signature=False)
    answer = packaging.load_function(tmp_path / "m").predict(example)
    np.testing.assert_allclose(answer.to_numpy(), model(torch.tensor(example.to_numpy())).detach().numpy(), rtol=1e-6)


# ---------------------------------------------------------------- code


def test_two_versions_of_one_file_live_in_one_process(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.syspath_prepend(source)
    for version in (1, 2):
        (source / "helper_of_net.py").write_text(f"FACTOR = {version}\n")
        (source / "my_net.py").write_text(
            "import torch\nfrom torch import nn\nfrom helper_of_net import FACTOR\n\n\n"
            "class Net(nn.Module):\n    def forward(self, x):\n        return x * FACTOR\n"
        )
        for name in ("my_net", "helper_of_net"):
            sys.modules.pop(name, None)
        import importlib

        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        packaging.save(importlib.import_module("my_net").Net(), tmp_path / f"m{version}", flavor="pytorch")
        sys.dont_write_bytecode = before
    first, second = (packaging.load(tmp_path / f"m{version}") for version in (1, 2))
    assert (first(torch.ones(1)).item(), second(torch.ones(1)).item()) == (1, 2)
    assert sys.modules["helper_of_net"].FACTOR == 2
    assert sorted(path.name for path in (tmp_path / "m1/code").glob("*.py")) == [
        "helper_of_net.py",
        "modelyard_torch_loader_1.py",
        "my_net.py",
    ]


SCRIPT = """
    from __future__ import annotations
    import argparse, sys
    from functools import partial
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from modelyard.packaging import model as packaging

    args = argparse.Namespace(width=3, device="cpu")
    try:
        import numpy as np
    except ImportError:
        np = None
    DEVICE = torch.device("cpu")
    loader = open(sys.argv[0])  # what only training uses, and no file can hold

    def scale(x: Tensor) -> Tensor:
        return x * args.width

    class Inner(nn.Module):
        def forward(self, x):
            return scale(F.relu(x)).to(DEVICE)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.inner = nn.Linear(4, 2), Inner()
            self.act = partial(F.leaky_relu, negative_slope=0.1)

        def forward(self, x):
            return self.act(self.inner(self.linear(x)))

        def train_dataloader(self):
            return loader

    torch.manual_seed(0)
    net = Net()
    packaging.save(net, sys.argv[1] + "/safetensors", flavor="pytorch")
    print(net(torch.arange(8.0).view(2, 4)).tolist())
"""

READER = """
    import sys, warnings
    warnings.simplefilter("ignore")
    sys.modules["modelyard"] = None
    import numpy as np
    import mlflow
    data = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    for name in ("safetensors", "pt2"):
        print(mlflow.pyfunc.load_model(sys.argv[1] + "/" + name).predict(data).tolist())
    import torch
    print(mlflow.pytorch.load_model(sys.argv[1] + "/pt2")(torch.from_numpy(data)).tolist())

    net = torch.nn.Sequential(torch.nn.Linear(4, 2))
    from mlflow.models import infer_signature
    signature = infer_signature(data, net(torch.from_numpy(data)).detach().numpy())
    options = {"signature": signature, "pip_requirements": ["torch"]}
    mlflow.pytorch.save_model(net, sys.argv[1] + "/their_pt2", input_example=data, **options)
    mlflow.pytorch.save_model(net, sys.argv[1] + "/their_pickle", serialization_format="pickle", **options)
    scripted = torch.jit.trace(net, torch.from_numpy(data))
    mlflow.pytorch.save_model(scripted, sys.argv[1] + "/their_script", serialization_format="pickle", **options)
    print(net(torch.from_numpy(data)).tolist())
"""


def test_a_script_stock_mlflow_and_back(tmp_path, program):
    pytest.importorskip("mlflow", reason="stock MLflow is not installed")
    shutil.copytree(program, tmp_path / "pt2")
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "read.py").write_text(textwrap.dedent(READER))
    answers = []
    for script in ("train.py", "read.py"):
        done = subprocess.run(
            [sys.executable, script, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        answers += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    saved, safetensors, pt2, native, theirs = map(np.array, answers)
    data = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    np.testing.assert_allclose(safetensors, saved, rtol=1e-6)
    for exported in (pt2, native):
        np.testing.assert_allclose(exported, packaging.load_function(program).predict(data), rtol=1e-6)
    own = [path.name for path in (tmp_path / "safetensors/code").iterdir()]
    text = next((tmp_path / "safetensors/code" / name).read_text() for name in own if "modelyard_model_" in name)
    assert "open(" not in text
    assert "packaging" not in text

    np.testing.assert_allclose(packaging.load_function(tmp_path / "safetensors").predict(data), saved, rtol=1e-6)
    np.testing.assert_allclose(packaging.load_function(tmp_path / "their_pt2").predict(data), theirs, rtol=1e-6)
    assert packaging.load(tmp_path / "their_pt2")(torch.from_numpy(data)).shape == (2, 2)
    with pytest.raises(PermissionDenied, match="allow_pickle=True"):
        packaging.load(tmp_path / "their_pickle")
    allowed = packaging.load(tmp_path / "their_pickle", allow_pickle=True)
    np.testing.assert_allclose(allowed(torch.from_numpy(data)).detach().numpy(), theirs, rtol=1e-6)
    scripted = packaging.load(tmp_path / "their_script")
    np.testing.assert_allclose(scripted(torch.from_numpy(data)).detach().numpy(), theirs, rtol=1e-6)


def test_a_pickle_only_when_asked_for_and_allowed(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "modelyard"):
        packaging.save(Small(), tmp_path / "m", flavor="pytorch", serialization_format="pickle")
    assert "must allow that" in caplog.text
    with pytest.raises(PermissionDenied, match="allow_pickle=True"):
        packaging.load(tmp_path / "m")
    assert isinstance(packaging.load(tmp_path / "m", allow_pickle=True), Small)
