#!/usr/bin/env python3
"""What a user would take instead: PyTorch and PEFT on the shapes of `bench layers`, measured by the same rules.

    python3 bench/peers/measure_peers.py --json peers.json

Times are medians of interleaved runs between CUDA events, with products before each that hide the host's launches and keep the card's clocks;
inputs rotate past three times the L2 cache; ratios are to the frozen layer of the same process. `bench compare` prints them beside ours.
A step is forward, the gradient of the input and the gradients of everything trained.
"""

import argparse
import datetime
import gc
import json
import math
import statistics
import subprocess
import sys
import warnings
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

BF16 = torch.bfloat16
WARM_RUNS = 3
BUSY_PRODUCTS = 6  # about two milliseconds on an H100: longer than the methods here need to submit a step
MODES = {4096: (16, 16, 16), 14336: (28, 32, 16)}


@dataclass(frozen=True)
class Shape:
    """Tokens, output features, input features, and how many layers stand behind one another in one CUDA graph."""

    tokens: int
    n: int
    k: int
    layers: int = 1

    def __str__(self):
        return f"{self.tokens}x{self.n}x{self.k}" + (f"x{self.layers}" if self.layers > 1 else "")


@dataclass(frozen=True)
class Method:
    """A way to adapt the layers; make builds a module from a shape."""

    name: str
    make: object
    variant: str = ""
    compiled: bool = False
    adapter_dtype: str = "bfloat16"
    everywhere: bool = False

    def __str__(self):
        parts = [self.name, self.variant, "compiled" if self.compiled else "", "" if self.adapter_dtype == "bfloat16" else self.adapter_dtype]
        return " ".join(part for part in parts if part)


class Block(nn.Module):
    """One linear layer under the name that PEFT is told to adapt."""

    def __init__(self, shape):
        super().__init__()
        self.proj = nn.Linear(shape.k, shape.n, bias=False, device="cuda", dtype=BF16)

    def forward(self, x):
        return self.proj(x)


class Chain(nn.Module):
    """Layers in turn."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def kronecker(x, factors):
    """x [B, a1·a2·…] times the Kronecker product of the factors [a1, b1], [a2, b2], …"""
    y = x.reshape(x.shape[0], *[factor.shape[0] for factor in factors])
    for factor in factors:
        y = torch.einsum("ba...,ar->b...r", y, factor)
    return y.reshape(x.shape[0], -1)


class Tera(nn.Module):
    """TeRA as one writes it in PyTorch: core and factors stored, W merged for each call, or the activations taken through the factors."""

    def __init__(self, shape, rank, path):
        super().__init__()
        rows, columns = MODES[shape.n], MODES[shape.k]
        row_ranks, column_ranks = (rows, columns) if rank is None else ((rank,) * 3, (rank,) * 3)
        self.path, self.row_count = path, len(rows)
        r, s = math.prod(row_ranks), math.prod(column_ranks)
        self.alpha = 1 / math.sqrt(r * s * shape.k)
        self.register_buffer("weight", torch.randn(shape.n, shape.k, device="cuda", dtype=BF16) / math.sqrt(shape.k))
        self.register_buffer("core", torch.randn(r, s, device="cuda", dtype=BF16))
        sizes = list(zip(rows + columns, row_ranks + column_ranks))
        for i, (length, width) in enumerate(sizes):
            self.register_buffer(f"factor{i}", torch.randn(length, width, device="cuda", dtype=BF16))
        self.vectors = nn.ParameterList([nn.Parameter(torch.randn(width, device="cuda")) for _, width in sizes])

    def scaled(self):
        return [getattr(self, f"factor{i}") * vector.to(BF16) for i, vector in enumerate(self.vectors)]

    def forward(self, x):
        factors = self.scaled()
        left, right = factors[: self.row_count], factors[self.row_count :]
        if self.path == "merged":
            rows = kronecker(self.core, [factor.t() for factor in right])
            delta = kronecker(rows.t(), [factor.t() for factor in left]).t()
            return functional.linear(x, self.weight + self.alpha * delta)
        z = kronecker(x, right) @ self.core.t()
        return functional.linear(x, self.weight) + self.alpha * kronecker(z, [factor.t() for factor in left])


SHAPES = [Shape(8192, 4096, 4096), Shape(2048, 4096, 4096, layers=8), Shape(8192, 14336, 4096), Shape(8192, 4096, 14336)]


def linear(trained):
    def make(shape):
        return Chain([Block(shape) for _ in range(shape.layers)]).requires_grad_(trained)

    return make


def tera(rank, path):
    def make(shape):
        return Chain([Tera(shape, rank, path) for _ in range(shape.layers)])

    return make


def peft_adapter(config_name, adapter_dtype="bfloat16", **settings):
    def make(shape):
        import peft

        config = getattr(peft, config_name)(target_modules=["proj"], **settings)
        base = Chain([Block(shape) for _ in range(shape.layers)])
        if adapter_dtype == "bfloat16":
            model = peft.get_peft_model(base, config, autocast_adapter_dtype=False).to("cuda").to(BF16)
        else:  # PEFT's default beside a 16-bit base
            model = peft.get_peft_model(base, config).to("cuda")
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.data.normal_(std=0.02)  # adapters start at zero, and zeros are no data to time with
        return model.base_model.model

    return make


def methods():
    lora16, vera, randlora = ("LoraConfig", dict(r=16)), ("VeraConfig", dict(r=256)), ("RandLoraConfig", dict(r=32))
    found = [
        Method("frozen", linear(False), everywhere=True),
        Method("full_ft", linear(True), everywhere=True),
        Method("lora_r16", peft_adapter(lora16[0], **lora16[1]), everywhere=True),
        Method("lora_r64", peft_adapter("LoraConfig", r=64)),
        Method("vera_r256", peft_adapter(vera[0], **vera[1]), everywhere=True),
        Method("randlora_r32", peft_adapter(randlora[0], **randlora[1]), everywhere=True),
        Method("dora_r16", peft_adapter("LoraConfig", r=16, use_dora=True)),
        Method("lokr_r32", peft_adapter("LoKrConfig", r=32)),
        Method("hira_r32", peft_adapter("HiraConfig", r=32)),
    ]
    found += [
        Method(name, peft_adapter(config, "float32", **settings), adapter_dtype="float32")
        for name, (config, settings) in [("lora_r16", lora16), ("vera_r256", vera), ("randlora_r32", randlora)]
    ]
    for name, rank in [("tera_full", None), ("tera_r512", 8)]:
        for path in ["merged", "factored"]:
            found.append(Method(name, tera(rank, path), variant=path, everywhere=rank is not None))
            found.append(Method(name, tera(rank, path), variant=path, compiled=True))
    return found


class Case:
    """A method on a shape, ready to run: one forward and one step for each set of inputs."""

    def __init__(self, method, shape, inputs):
        self.method = method
        module = method.make(shape)
        self.module = module  # a graph holds addresses, not tensors: the frozen weights must outlive it
        self.trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        call = torch.compile(module, dynamic=False) if method.compiled else module

        def forward(x, _):
            return call(x)

        def step(x, dy):
            torch.autograd.grad(call(x), [x, *self.trained], dy, allow_unused=True)

        self.peak_mib = self.measure_peak(step, *inputs[0])
        wrap = graphed if shape.layers > 1 else (lambda function, x, dy: lambda: function(x, dy))
        self.runs = [[wrap(function, x, dy) for x, dy in inputs] for function in (forward, step)]
        for run in sum(self.runs, []):
            run()
        torch.cuda.synchronize()

    @staticmethod
    def measure_peak(step, x, dy):
        """Most memory beyond what stays allocated, once everything is compiled."""
        for _ in range(2):
            step(x, dy)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(x, dy)
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


def graphed(function, x, dy):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_RUNS):
            function(x, dy)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(x, dy)
    return graph.replay


def medians(candidates, repeats):
    """Microseconds of each candidate, a list with one callable for each set of inputs; all by turns."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    left, right, product = (torch.randn(rows, 4096, device="cuda", dtype=BF16) for rows in (8192, 4096, 8192))
    times = [[] for _ in candidates]
    gc.disable()
    for run in range(WARM_RUNS + repeats):
        for sets, collected in zip(candidates, times):
            for _ in range(BUSY_PRODUCTS):  # hides the host's launches, and keeps the card at the clocks of a card at work
                torch.mm(left, right, out=product)
            start.record()
            sets[run % len(sets)]()
            end.record()
            end.synchronize()
            if run >= WARM_RUNS:
                collected.append(start.elapsed_time(end) * 1e3)
    gc.enable()
    return [statistics.median(collected) for collected in times]


def inputs_of(shape):
    bytes_of_a_set = 2 * shape.tokens * (shape.n + shape.k)
    l2 = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 50 << 20)
    count = 1 if shape.layers > 1 else max(2, min(16, 3 * l2 // bytes_of_a_set + 1))

    def normal(width):
        return torch.randn(shape.tokens, width, device="cuda", dtype=BF16)

    return [(normal(shape.k).requires_grad_(), normal(shape.n)) for _ in range(count)]


def measure(shape, chosen, repeats):
    inputs, cases, rows = inputs_of(shape), [], []
    fixed = {"tokens": shape.tokens, "out_features": shape.n, "in_features": shape.k, "layers": shape.layers}
    for method in chosen:
        labels = {"method": method.name, "variant": method.variant, "compiled": method.compiled, "adapter_dtype": method.adapter_dtype}
        try:
            cases.append((Case(method, shape, inputs), labels))
        except Exception as error:  # a method that this PEFT lacks, or that fails, is named and left out
            torch.cuda.synchronize()
            print(f"{shape} {method}: left out, {error!r}"[:300], file=sys.stderr, flush=True)
            rows.append({**labels, **fixed, "error": repr(error)[:200]})
        gc.collect()
    torch.cuda.empty_cache()
    times = medians([runs for case, _ in cases for runs in case.runs], repeats)
    frozen = next(i for i, (case, _) in enumerate(cases) if case.method.name == "frozen")
    print(f"{shape}: frozen forward {times[2 * frozen]:.1f} us, step {times[2 * frozen + 1]:.1f} us", flush=True)
    for i, (case, labels) in enumerate(cases):
        forward, step = times[2 * i], times[2 * i + 1]
        row = {
            **labels,
            **fixed,
            "forward_us": round(forward, 2),
            "step_us": round(step, 2),
            "forward": round(forward / times[2 * frozen], 4),
            "step": round(step / times[2 * frozen + 1], 4),
            "peak_mib": round(case.peak_mib, 1),
            "trained": sum(parameter.numel() for parameter in case.trained),
        }
        rows.append(row)
        print(f"  {case.method!s:32} forward {row['forward']:7.3f}  step {row['step']:7.3f}  peak {row['peak_mib']:8.1f} MiB  trained {row['trained']}", flush=True)
    return rows


def machine():
    import peft

    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        driver = None
    return {
        "command": "peers",
        "device": torch.cuda.get_device_name(0),
        "driver": driver,
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "peft": peft.__version__,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
    }


def rows_of_other_shapes(path, shapes):
    with open(path, encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    return [row for row in rows if Shape(row["tokens"], row["out_features"], row["in_features"], row["layers"]) not in shapes]


def main():
    parser = argparse.ArgumentParser(description="Times PyTorch and PEFT on the shapes of `bench layers`.")
    parser.add_argument("--json", metavar="FILE", help="write the results here, again after each shape")
    parser.add_argument("--only", metavar="TEXT", help="methods whose name contains this (the frozen layer is always measured)")
    parser.add_argument("--shape", action="append", metavar="BxNxK[xLAYERS]", choices=[str(shape) for shape in SHAPES], help="only this shape; may be given several times")
    parser.add_argument("--append", action="store_true", help="keep the file's rows of other shapes")
    parser.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes most of the time")
    parser.add_argument("--repeats", type=int, default=25, metavar="N", help="timed runs of each candidate (25)")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(4, "no CUDA device: nothing to measure\n")
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)

    shapes = [shape for shape in SHAPES if not arguments.shape or str(shape) in arguments.shape]
    result = {**machine(), "rows": rows_of_other_shapes(arguments.json, shapes) if arguments.append and arguments.json else []}
    for shape in shapes:
        chosen = [
            method
            for method in methods()
            if (method.everywhere or shape == SHAPES[0])
            and not (method.compiled and arguments.no_compile)
            and (method.name == "frozen" or not arguments.only or arguments.only in str(method))
        ]
        result["rows"] += measure(shape, chosen, arguments.repeats)
        torch.compiler.reset()
        gc.collect()
        torch.cuda.empty_cache()
        if arguments.json:
            with open(arguments.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=1)
                file.write("\n")


if __name__ == "__main__":
    main()
