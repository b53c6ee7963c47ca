#!/usr/bin/env python3
"""Loads adapters that tera wrote in PEFT and compares what PEFT computes with what it computed before, and with what tera computes.

    dotnet build -c Release src/TeRA.Kernels.Cli
    python3 tests/peft/check_peft.py --tera "dotnet src/TeRA.Kernels.Cli/bin/Release/net10.0/tera.dll"

The files can be made on one machine and checked on another: with --tera and --files DIR they are left in DIR (this needs Python alone), with
--files DIR and no --tera they are only checked (this needs torch, peft, transformers and safetensors, and no .NET).

For every folder of tests/data/peft (written by PEFT; see the README there):
  1. the folder is written again by `tera convert`, for VeRA and RandLoRA also with its frozen bases put into the file, for VeRA also as LoRA;
  2. PEFT loads each of these on the same frozen layers, without a missing or an unexpected key of an adapter;
  3. y, dx, every trained gradient (not for a change of method) and the weight change agree with what PEFT gave for the original;
  4. what `tera apply --grad` computes from the same files agrees with what PEFT computes from them;
  5. `tera merge` of the original gives the weights that PEFT's merge_and_unload gives;
  6. 2, 4 and 5 again with `fan_in_fan_out` on layers that keep their weights the other way round (Conv1D).
For adapters that `tera finetune` trained and wrote as LORA, VERA and RANDLORA: 2 and 4.
Prints one line a check and exits with 1 if one fails.
"""
import argparse
import array
import json
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import warnings

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "peft"
TOLERANCE = 5e-6  # of the largest number of a tensor: float32 sums in another order
TRAINED = {"lora": "LORA", "vera": "VERA", "randlora": "RANDLORA"}


class Checks:
    def __init__(self):
        self.failed = 0
        self.passed = 0

    def that(self, what, passed, note=""):
        self.failed += not passed
        self.passed += bool(passed)
        print(f"{'ok  ' if passed else 'FAIL'} {what} {note}".rstrip(), flush=True)

    def close(self, what, actual, expected):
        scale = expected.abs().max().item()
        error = (actual - expected).abs().max().item() / (scale if scale > 0 else 1)
        self.that(what, actual.shape == expected.shape and error <= TOLERANCE, f"{error:.1e}")


# ---- Writing the files: Python's own library and tera, nothing else. ----


def read_tensors(path):
    """Name to (shape, float32 numbers)."""
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    header.pop("__metadata__", None)
    return {name: (one["shape"], array.array("f", data[end + one["data_offsets"][0]: end + one["data_offsets"][1]])) for name, one in header.items()}


def write_tensors(path, tensors):
    header, data = {}, b""
    for name, (shape, numbers) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(numbers)]}
        data += numbers.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def transposed(shape, numbers):
    rows, columns = shape
    return [columns, rows], array.array("f", (numbers[r * columns + c] for c in range(columns) for r in range(rows)))


def inputs(base):
    """Some activations and output gradients for every layer of a base."""
    tensors = {}
    for name, (shape, _) in base.items():
        if name.endswith(".weight"):
            for kind, width, step in ("x", shape[1], 37), ("dy", shape[0], 53):
                numbers = array.array("f", ((i * step % 101 - 50) / 64 for i in range(5 * width)))
                tensors[f"{name[:-len('.weight')]}.{kind}"] = [5, width], numbers
    return tensors


def write_files(checks, tera, out):
    def run(*arguments):
        done = subprocess.run([*tera, *map(str, arguments)], capture_output=True, text=True)
        what = pathlib.Path(arguments[arguments.index("--out" if "--out" in arguments else "--output") + 1]).relative_to(out)
        checks.that(f"tera {arguments[0]}: {what}", done.returncode == 0, "" if done.returncode == 0 else done.stderr[-500:])

    def apply(base, adapter, io):
        run("apply", "--base", base, "--adapter", adapter, "--input", io, "--output", adapter / "tera.safetensors", "--grad", "--device", "cpu")

    for golden in sorted(folder for folder in DATA.iterdir() if (folder / "adapter_config.json").exists()):
        method = json.loads((golden / "adapter_config.json").read_text())["peft_type"]
        base, io, folder = golden / "base.safetensors", golden / "io.safetensors", out / golden.name
        run("convert", golden, "--out", folder / "again")
        if method != "LORA":
            run("convert", golden, "--out", folder / "full", "--with-bases", "--base", base)
        if method == "VERA":
            run("convert", golden, "--out", folder / "lora", "--to", "LORA", "--base", base)
        for adapter in sorted(path for path in folder.iterdir() if path.is_dir()):
            apply(base, adapter, io)
        run("merge", "--base", base, "--adapter", golden, "--out", folder / "merged.safetensors", "--device", "cpu")

        # The same adapter on a base that keeps its weights the other way round.
        turned = folder / "turned.safetensors"
        write_tensors(turned, {name: transposed(*tensor) if len(tensor[0]) == 2 else tensor for name, tensor in read_tensors(base).items()})
        shutil.copytree(golden, folder / "original", ignore=lambda _, names: [name for name in names if not name.startswith("adapter_")])
        config = json.loads((golden / "adapter_config.json").read_text())
        (folder / "original" / "adapter_config.json").write_text(json.dumps({**config, "fan_in_fan_out": True}))
        run("convert", folder / "original", "--out", folder / "transposed")
        apply(turned, folder / "transposed", io)
        run("merge", "--base", turned, "--adapter", folder / "transposed", "--out", folder / "merged_turned.safetensors", "--device", "cpu")
        shutil.rmtree(folder / "original")

    trained = out / "finetune"
    run("finetune", "--device", "cpu", "--hidden", "64", "--epochs", "10", "--pretrain-epochs", "3", "--method", *TRAINED, "--out", trained)
    base = trained / "base.safetensors"
    write_tensors(trained / "io.safetensors", inputs(read_tensors(base)))
    for name in TRAINED:
        apply(base, trained / name, trained / "io.safetensors")


# ---- Checking them: torch and PEFT. ----


def network(base, conv1d):
    """The frozen layers of a base, side by side."""
    import torch

    class Net(torch.nn.Module):
        def forward(self, x):  # PEFT wants one; the layers are called one by one
            return x

    net = Net()
    for name in sorted(key[: -len(".weight")] for key in base if key.endswith(".weight")):
        weight = base[f"{name}.weight"]
        if conv1d:
            from transformers.pytorch_utils import Conv1D
            layer = Conv1D(weight.shape[1], weight.shape[0])
        else:
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=f"{name}.bias" in base)
        layer.weight.data.copy_(weight)
        if layer.bias is not None:
            layer.bias.data.copy_(base[f"{name}.bias"])
        setattr(net, name, layer)
    return net


def load(base, folder, conv1d=False):
    """The adapter on its base, and the warnings that loading gave."""
    from peft import PeftModel
    from safetensors.torch import load_file
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(network(load_file(base), conv1d), str(folder), is_trainable=True)
    return model.eval(), [str(one.message) for one in caught]


def compare(checks, label, base, folder, io, expected, gradients, conv1d=False):
    """y, dx, ΔW and the gradients that PEFT computes from a folder, held against each of the expected files."""
    model, caught = load(base, folder, conv1d)
    keys = [key for text in caught if "adapter keys" in text for key in re.findall(r"'([^']+)'", text)]
    # The bases stand in the file once, for the whole model; PEFT may miss the references that each layer holds to them.
    keys = [key for key in keys if not re.search(r"\.(vera|randlora)_[AB](\.|$)", key)]
    checks.that(f"{label}: PEFT loads it", not keys, ", ".join(keys)[:300])
    net, found = model.get_base_model(), {}
    for name in sorted(key[:-2] for key in io if key.endswith(".x")):
        layer = getattr(net, name)
        x = io[f"{name}.x"].clone().requires_grad_(True)
        y = layer(x)
        y.backward(io[f"{name}.dy"])
        found[f"{name}.y"], found[f"{name}.dx"] = y.detach(), x.grad
        found[f"{name}.delta"] = layer.get_delta_weight("default").detach()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            found["grad:" + name.replace(".default", "")] = parameter.grad
    for who, tensors in expected.items():
        for key, value in tensors.items():
            if not key.endswith((".y", ".dx", ".delta")) and not (gradients and key.startswith("grad:")):
                continue
            checks.that(f"{label}: {key} is there", key in found) if key not in found else checks.close(f"{label} against {who}: {key}", found[key], value)


def merged(checks, label, base, folder, path, conv1d=False):
    from safetensors.torch import load_file
    ours = load_file(path)
    for name, parameter in load(base, folder, conv1d)[0].merge_and_unload().state_dict().items():
        checks.close(f"{label}, merged: {name}", ours[name], parameter)


def check_files(checks, out):
    import peft
    import torch
    from safetensors.torch import load_file
    print(f"PEFT {peft.__version__}, torch {torch.__version__}")
    for golden in sorted(folder for folder in DATA.iterdir() if (folder / "adapter_config.json").exists()):
        base, folder, io = golden / "base.safetensors", out / golden.name, load_file(golden / "io.safetensors")
        compare(checks, f"{golden.name} as PEFT wrote it", base, golden, io, {"itself before": io}, gradients=True)
        for variant in sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "transposed"):
            ours = load_file(folder / variant / "tera.safetensors")
            compare(checks, f"{golden.name} {variant}", base, folder / variant, io, {"PEFT's original": io}, gradients=variant != "lora")
            compare(checks, f"{golden.name} {variant}", base, folder / variant, io, {"tera": ours}, gradients=True)
        merged(checks, golden.name, base, golden, folder / "merged.safetensors")
        turned, ours = folder / "turned.safetensors", load_file(folder / "transposed" / "tera.safetensors")
        compare(checks, f"{golden.name} transposed", turned, folder / "transposed", io, {"tera": ours}, gradients=True, conv1d=True)
        merged(checks, f"{golden.name} transposed", turned, folder / "transposed", folder / "merged_turned.safetensors", conv1d=True)
    trained = out / "finetune"
    for name, method in TRAINED.items():
        checks.that(f"finetune wrote {method}", json.loads((trained / name / "adapter_config.json").read_text())["peft_type"] == method)
        compare(checks, f"trained here, {method}", trained / "base.safetensors", trained / name, load_file(trained / "io.safetensors"),
                {"tera": load_file(trained / name / "tera.safetensors")}, gradients=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tera", help="command line of tera, to write the files")
    parser.add_argument("--files", type=pathlib.Path, help="folder that keeps the files, or has them already")
    options = parser.parse_args()
    if not options.tera and not options.files:
        parser.error("expected --tera to write the files, --files with files to check, or both to write them only")
    checks = Checks()
    if options.tera and options.files:
        write_files(checks, shlex.split(options.tera), options.files.resolve())
    elif options.tera:
        with tempfile.TemporaryDirectory() as scratch:
            write_files(checks, shlex.split(options.tera), pathlib.Path(scratch))
            check_files(checks, pathlib.Path(scratch))
    else:
        check_files(checks, options.files)
    print(f"{checks.passed} checks passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
