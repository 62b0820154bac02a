"""tessera.Model and the layers of tessera.nn: the same numbers and names as in C++."""

import copy
import json
import os
import pickle
import struct
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import tessera

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = {
    "egnn": {"node_in_dim": 2, "dim": 8},
    "lmu": {"hidden_dim": 8, "num_classes": 3},
    "ugs": {"dims": [5, 4, 3], "num_nodes": 6},
    "unicornn": {"hidden_dim": 8, "num_layers": 2},
    "folded_cnn": {"fold": 2},
    "gfnn": {"hidden_dims": [6], "grid_sizes": [4, 3]},
    "snn_calibration": {"conv_plan": [4, "M", 4, "M"], "arch": "vgg"},
    "zoo_tuning": {"layer": "zoo_conv2d", "in_channels": 6, "out_channels": 5},
}
CASES = ["egnn/clean_basic", "gfnn/grid2d_cubic", "lmu/parallel_fft_f64", "lmu/original_cell_f64",
         "unicornn/model_residual_f64", "zoo_tuning/conv3_align"]


def read_case(name):
    """(configuration, tensors) of a golden case of doubles and integers."""
    data = (ROOT / "tests" / "cases" / f"{name}.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    dtypes = {"F64": torch.double, "F32": torch.float, "I64": torch.long, "BOOL": torch.bool}
    tensors = {}
    for key, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + size + begin:8 + size + end])
        tensors[key] = torch.frombuffer(raw, dtype=dtypes[entry["dtype"]]).reshape(entry["shape"])
    return json.loads(metadata["config"]), tensors


def below(tensors, prefix):
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def draw(*size, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(size))
    return torch.randn(*size, generator=generator, dtype=torch.double, requires_grad=True)


@pytest.fixture(autouse=True)
def doubles():
    torch.set_default_dtype(torch.double)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float)


@pytest.mark.parametrize("name", CASES)
def test_a_model_computes_what_the_authors_code_did(name, tmp_path):
    config, tensors = read_case(name)
    config.pop("mode", None)
    model = tessera.Model(name.split("/")[0], **config).double()
    save_file(below(tensors, "weight/") | below(tensors, "buffer/"), tmp_path / "weights.safetensors")
    model.load(tmp_path / "weights.safetensors")
    inputs = below(tensors, "input/")
    found = model(inputs)
    for key, expected in below(tensors, "output/").items():
        torch.testing.assert_close(found[key], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("system", SYSTEMS)
def test_weights_of_every_system_survive_state_dict_pickle_and_files(system, tmp_path):
    model = tessera.Model(system, **SYSTEMS[system])
    assert model.system == system and model.config.items() >= SYSTEMS[system].items()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    model.save(tmp_path / "weights.safetensors")
    read = tessera.Model(system, **SYSTEMS[system]).load(tmp_path / "weights.safetensors")
    loaded = tessera.Model(system, **SYSTEMS[system])
    loaded.load_state_dict(model.state_dict())
    model.float()
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for other in (read.float(), loaded.float(), *copies):
        for (name, ours), (key, theirs) in zip(model.state_dict().items(), other.state_dict().items(), strict=True):
            assert name == key and ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_an_optimizer_of_python_trains_what_cpp_computes_with():
    model = tessera.Model("gfnn", **SYSTEMS["gfnn"]).double()
    inputs = {"x": torch.rand(16, 1), "g": torch.rand(16, 2)}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (model(inputs)["y"] - inputs["x"].sin()).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_train_and_eval_reach_cpp():
    model = tessera.Model("unicornn", dropout=0.5, **SYSTEMS["unicornn"])
    x = torch.rand(2, 5, 1)
    assert not torch.equal(model(x=x)["logits"], model(x=x)["logits"])
    assert torch.equal(model.eval()(x=x)["logits"], model(x=x)["logits"])


def test_wrong_settings_are_refused_with_the_rule():
    with pytest.raises(RuntimeError, match='Did you mean "dim"'):
        tessera.Model("egnn", dimm=3)
    with pytest.raises(RuntimeError, match='Did you mean "egnn"'):
        tessera.Model("egnm")
    with pytest.raises(RuntimeError, match="no tensor named"):
        tessera.Model("egnn")(h=torch.zeros(3, 1))


def test_a_run_of_the_command_line_is_a_model_and_back(tmp_path):
    binary = Path(os.environ.get("TESSERA_BINARY", ROOT / "build/release/bin/tessera"))
    if not binary.exists():
        pytest.skip(f"{binary} is not built")

    def run(*words):
        environment = dict(os.environ, XDG_STATE_HOME=str(tmp_path))
        return subprocess.run([binary, *words, "--threads", "1"], cwd=tmp_path, env=environment, check=True,
                              capture_output=True, text=True).stdout

    settings = ["--set", "model.dim=8", "--set", "task.eval_draws=1"]
    run("train", "egnn/cycles", *settings, "--set", "train.steps=5", "--out", "run", "--quiet")
    model = tessera.load_run(tmp_path / "run")
    assert not model.training and model.config["dim"] == 8
    model.save(tmp_path / "weights.safetensors")
    metrics = json.loads(run("eval", "run", "--json"))["metrics"]
    again = run("eval", "egnn/cycles", *settings, "--weights", "weights.safetensors", "--json")
    assert json.loads(again)["metrics"] == metrics


def graph(nodes=6, edges=14):
    generator = torch.Generator().manual_seed(1)
    row = torch.randint(0, nodes, (edges,), generator=generator)
    return torch.stack([row, (row + 1 + torch.randint(0, nodes - 1, (edges,), generator=generator)) % nodes])


def test_egcl_is_the_layer_of_the_model():
    index, h, x = graph(), draw(6, 4), draw(6, 3)
    model = tessera.Model("egnn", architecture="egnn_layer", node_in_dim=4, node_out_dim=4, dim=4).double()
    layer = tessera.nn.EGCL(4, 4)
    layer.load_state_dict(model.state_dict())
    out, (h_out, x_out) = model(h=h, x=x, edge_index=index), layer(h, x, tessera.sort_edges(index, 6))
    torch.testing.assert_close(h_out, out["h"])
    torch.testing.assert_close(x_out, out["x"])


def test_the_lmu_cell_is_the_layer_of_the_model():
    model = tessera.Model("lmu", variant="original", input_dim=3, hidden_dim=5, order=4, theta=9.0,
                          hidden_activation="tanh", encoder_activation="linear", num_classes=2).double()
    layer, x = tessera.nn.LMUCell(3, 5, 4, 9.0), draw(2, 7, 3)
    state = {k.removeprefix("layers.0."): v for k, v in model.state_dict().items() if k.startswith("layers.0.")}
    for name in ("A", "B"):  # made here and there
        torch.testing.assert_close(layer.cell.get_buffer(name), state[f"cell.{name}"], rtol=1e-6, atol=1e-7)
    layer.load_state_dict(state)
    _, (h_n, _) = layer(x)
    logits = torch.nn.functional.linear(h_n, model.classifier.weight, model.classifier.bias)
    torch.testing.assert_close(logits, model(x=x)["logits"])


def test_the_legendre_memory_is_its_recurrence():
    memory, u = tessera.nn.LegendreMemory(4, 8.0, 10), draw(2, 9, 3)
    A, B = tessera.nn.delay_system(4, 8.0)
    m = torch.zeros(2, 3, 4)
    for t in range(9):
        m = m @ A.t() + u[:, t, :, None] * B[:, 0]
        torch.testing.assert_close(memory(u)[:, t], m)
    memory.every_step = False
    torch.testing.assert_close(memory(u), m)
    with pytest.raises(ValueError, match="max_len = 10"):
        memory(draw(1, 11, 1))


def test_a_unicornn_layer_is_the_layer_of_the_model():
    model = tessera.Model("unicornn", input_dim=3, hidden_dim=4, num_layers=1, num_classes=2, dt=0.2, alpha=2.0,
                          batch_first=False).double().eval()
    layer, x = tessera.nn.UnICORNNLayer(3, 4, dt=0.2, alpha=2.0), draw(5, 2, 3)
    layer.fc.load_state_dict(model.get_submodule("DIs.0.fc").state_dict())
    layer.load_state_dict(model.get_submodule("RNNs.0").state_dict(), strict=False)
    _, (y_n, _) = layer(x)
    logits = torch.nn.functional.linear(y_n, model.classifier.weight, model.classifier.bias)
    torch.testing.assert_close(logits, model(x=x)["logits"])


def test_grid_layers_are_those_of_the_model():
    model = tessera.Model("gfnn", in_dim=3, out_dim=2, hidden_dims=[4], grid_sizes=[4, 3]).double()
    state, x, g = model.state_dict(), draw(5, 3), torch.rand(5, 2)
    layers = [tessera.nn.GridLinear(3, 4, [4, 3]), tessera.nn.GridLinear(4, 2, [4, 3])]
    for i, layer in enumerate(layers):
        layer.load_state_dict({k: torch.randn_like(v) for k, v in below(state, f"layers.{i}.").items()})
        model.load_state_dict({f"layers.{i}.{k}": v for k, v in layer.state_dict().items()}, strict=False)
    hidden = torch.nn.functional.elu(layers[0](x, g))
    torch.testing.assert_close(layers[1](hidden, g), model(x=x, g=g)["y"])


def test_an_aggregated_convolution_begins_without_an_alignment():
    layer, x, gates = tessera.nn.AggregatedConv2d(3, 4, 3, 2, padding=1), draw(2, 3, 5, 5), draw(2, 2)
    torch.nn.init.normal_(layer.bias)
    for image, gate, found in zip(x, gates, layer(x, gates)):
        kernel, bias = (gate @ p.flatten(1) for p in (layer.weight, layer.bias))
        torch.testing.assert_close(found, torch.nn.functional.conv2d(image, kernel.view(4, 3, 3, 3), bias, padding=1))


def test_a_masked_graph_convolution_is_its_matrix():
    index, layer, h, mask = graph(), tessera.nn.MaskedGraphConv(4, 3), draw(6, 4), draw(14).abs()
    adjacency = torch.eye(6).index_put((index[0], index[1]), mask, accumulate=True)  # receivers, senders
    scale = adjacency.sum(0).rsqrt()
    expected = scale[:, None] * adjacency * scale @ h @ layer.weight.t()
    torch.testing.assert_close(layer(h, mask, tessera.sort_edges(index, 6)), expected)


LAYERS = ["perceptron", "egcl", "legendre_memory", "lmu_cell", "unicornn", "grid_linear", "aggregated_conv2d",
          "masked_graph_conv"]


def layers():
    edges = tessera.sort_edges(graph(), 6)
    u = tessera.nn.UnICORNNLayer(3, 4, dt=0.2, alpha=2.0)
    return {
        "perceptron": (tessera.nn.Perceptron(5, 4, 2), [draw(6, 3), draw(6, 2)]),
        "egcl": (lambda h, x, layer=tessera.nn.EGCL(3, 4, attention=True, coord_norm="plus_one"):
                 layer(h, x, edges), [draw(6, 3), draw(6, 3, seed=1)]),
        "legendre_memory": (tessera.nn.LegendreMemory(4, 8.0, 10), [draw(2, 9, 3)]),
        "lmu_cell": (lambda x, layer=tessera.nn.LMUCell(3, 5, 4, 9.0): layer(x)[0], [draw(2, 7, 3)]),
        "unicornn": (lambda x: u(x)[0], [draw(7, 2, 3)]),
        "grid_linear": (tessera.nn.GridLinear(3, 2, [4, 3], periodic=[False, True]),
                        [draw(5, 3), torch.rand(5, 2).requires_grad_()]),
        "aggregated_conv2d": (tessera.nn.AggregatedConv2d(3, 4, 3, 2, padding=1), [draw(2, 3, 5, 5), draw(2, 2)]),
        "masked_graph_conv": (lambda h, mask, layer=tessera.nn.MaskedGraphConv(4, 3):
                              layer(h, mask.abs(), edges), [draw(6, 4), draw(14)]),
    }


@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_gradients_and_compile_as_one_graph(name):
    layer, inputs = layers()[name]
    assert torch.autograd.gradcheck(layer, inputs)
    if name == "grid_linear":
        return  # grid_weights looks at values, which no graph has
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs), layer(*inputs))


def test_if_neurons_spike_by_their_threshold():
    current = torch.full((4, 1), 0.6)
    assert tessera.nn.IFNeuron(1.0, steps=4)(current).flatten().tolist() == [0, 1, 0, 1]


def test_everything_public_has_a_docstring():
    for module in (tessera, tessera.nn):
        for name in module.__all__:
            assert getattr(module, name).__doc__, name
