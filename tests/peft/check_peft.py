#!/usr/bin/env python3
"""Loads adapters that `tera convert` wrote in PEFT and compares what PEFT computes with what it computed before.

    dotnet build -c Release src/TeRA.Kernels.Cli
    python3 tests/peft/check_peft.py --tera "dotnet src/TeRA.Kernels.Cli/bin/Release/net10.0/tera.dll"

Needs torch, peft and safetensors. For every folder of tests/data/peft (written by PEFT; see the README there):
  1. the folder is written again by `tera convert`, for VeRA and RandLoRA also with its frozen bases put into the file, for VeRA also as LoRA;
  2. PEFT loads each of these on the same frozen layers, without a missing or an unexpected key of an adapter;
  3. y, dx, every trained gradient (not for a change of method) and the weight change agree with what PEFT gave for the original;
  4. `tera merge` of the original gives the weights that PEFT's merge_and_unload gives.
Prints one line a check and exits with 1 if one fails.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "peft"
TOLERANCE = 5e-6  # of the largest number of a tensor: float32 sums in another order


class Net(torch.nn.Module):
    """The frozen layers of a golden folder, side by side."""

    def __init__(self, base):
        super().__init__()
        for name in sorted(key[: -len(".weight")] for key in base if key.endswith(".weight")):
            weight = base[f"{name}.weight"]
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=f"{name}.bias" in base)
            layer.weight.data.copy_(weight)
            if layer.bias is not None:
                layer.bias.data.copy_(base[f"{name}.bias"])
            setattr(self, name, layer)

    def forward(self, x):  # PEFT wants one; the layers are called one by one
        return x


def load(golden, folder):
    """The adapter on its base, and the warnings that loading gave."""
    net = Net(load_file(golden / "base.safetensors"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(net, str(folder), is_trainable=True)
    return model.eval(), [str(one.message) for one in caught]


def deviation(actual, expected):
    scale = expected.abs().max().item()
    return (actual - expected).abs().max().item() / scale if scale > 0 else actual.abs().max().item()


class Checks:
    def __init__(self):
        self.failed = 0

    def that(self, what, passed, note=""):
        self.failed += not passed
        print(f"{'ok  ' if passed else 'FAIL'} {what} {note}".rstrip(), flush=True)

    def close(self, what, actual, expected):
        error = deviation(actual, expected)
        self.that(what, actual.shape == expected.shape and error <= TOLERANCE, f"{error:.1e}")


def compare(checks, label, golden, folder, gradients):
    io = load_file(golden / "io.safetensors")
    model, caught = load(golden, folder)
    keys = [key for text in caught if "adapter keys" in text for key in re.findall(r"'([^']+)'", text)]
    # The bases stand in the file once, for the whole model; PEFT may miss the references that each layer holds to them.
    keys = [key for key in keys if not re.search(r"\.(vera|randlora)_[AB](\.|$)", key)]
    checks.that(f"{label}: loads", not keys, ", ".join(keys)[:300])
    net = model.get_base_model()
    for name in sorted(key[:-2] for key in io if key.endswith(".x")):
        layer = getattr(net, name)
        x = io[f"{name}.x"].clone().requires_grad_(True)
        y = layer(x)
        y.backward(io[f"{name}.dy"])
        checks.close(f"{label}: {name}.y", y.detach(), io[f"{name}.y"])
        checks.close(f"{label}: {name}.dx", x.grad, io[f"{name}.dx"])
        checks.close(f"{label}: {name}.delta", layer.get_delta_weight("default").detach(), io[f"{name}.delta"])
    for key, expected in io.items() if gradients else ():
        if key.startswith("grad:"):
            found = [p for n, p in model.named_parameters() if n.replace(".default", "") == key[len("grad:"):]]
            checks.that(f"{label}: {key} is there", len(found) == 1 and found[0].grad is not None)
            if len(found) == 1 and found[0].grad is not None:
                checks.close(f"{label}: {key}", found[0].grad, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tera", required=True, help="command line of tera")
    options = parser.parse_args()
    tera = shlex.split(options.tera)
    checks = Checks()

    def run(*arguments):
        done = subprocess.run([*tera, *map(str, arguments)], capture_output=True, text=True)
        checks.that(f"tera {arguments[0]} {pathlib.Path(str(arguments[1])).name}", done.returncode == 0, "" if done.returncode == 0 else done.stderr[-500:])
        return done.returncode == 0

    with tempfile.TemporaryDirectory() as scratch:
        for golden in sorted(folder for folder in DATA.iterdir() if (folder / "adapter_config.json").exists()):
            method = json.loads((golden / "adapter_config.json").read_text())["peft_type"]
            base, out = golden / "base.safetensors", pathlib.Path(scratch) / golden.name
            compare(checks, f"{golden.name} (as PEFT wrote it)", golden, golden, gradients=True)
            if run("convert", golden, "--out", out / "again"):
                compare(checks, f"{golden.name} (written again)", golden, out / "again", gradients=True)
            if method != "LORA" and run("convert", golden, "--out", out / "full", "--with-bases", "--base", base):
                compare(checks, f"{golden.name} (with bases)", golden, out / "full", gradients=True)
            if method == "VERA" and run("convert", golden, "--out", out / "lora", "--to", "LORA", "--base", base):
                compare(checks, f"{golden.name} (as LoRA)", golden, out / "lora", gradients=False)
            if run("merge", "--base", base, "--adapter", golden, "--out", out / "merged.safetensors", "--device", "cpu"):
                merged = load_file(out / "merged.safetensors")
                theirs = load(golden, golden)[0].merge_and_unload()
                for name, parameter in theirs.state_dict().items():
                    checks.close(f"{golden.name} (merged): {name}", merged[name], parameter)
    print("all checks passed" if checks.failed == 0 else f"{checks.failed} checks failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
