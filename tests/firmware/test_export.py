"""Exported folders: plain C that builds without a warning everywhere, links beside another, and proves itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from tests.golden.networks import NetworkBuilder, ds_cnn

from tinyml.board import CORES, Isa, load_isa, named_isa
from tinyml.errors import MissingToolError, ProjectError
from tinyml.exporters import MARKER, export_c
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.tensor import QuantParams, TensorType
from tinyml.ops import Add
from tinyml.storage import write_text
from tinyml.toolchain import Object, host_library, select

ALLOWED = {"stdint.h", "stddef.h", "stdbool.h", "limits.h", "arm_acle.h"}
CPUS = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus", "rv32imc", "host")


def two_by_two() -> Graph:
    """Two inputs of different shapes and two outputs."""
    net = NetworkBuilder("two_by_two", 3)
    left = net.input((1, 4, 4, 3))
    right = net.graph.input("y", TensorType((1, 4, 4, 5), "int8", QuantParams((0.1,), 7)))
    first, second = net.conv(left, 4, (3, 3)), net.conv(right, 4, (3, 3))
    return net.graph.build(net.graph.add("sum", Add(QuantParams((0.3,), -4)), first, second), second)


def frames() -> Graph:
    """A network that is valid and of stride 1 in time."""
    net = NetworkBuilder("frames", 4)
    x = net.depthwise(net.conv(net.input((1, 9, 1, 6)), 8, (3, 1)), (4, 1), padding=(0, 0, 0, 0))
    return net.classify(x, 3)


def compiled(folder: Path, compiler: str, isa: Isa, out: Path, *extra: Path) -> list[Path]:
    """Objects of every C file in `folder`, warnings being errors, without the product's own include paths."""
    sources = [Object(s) for s in (*sorted(folder.glob("*.c")), *extra)]
    try:
        return select(compiler, isa).compile(sources, out, include_dirs=[folder])
    except MissingToolError as error:
        pytest.skip(error.message)


def proved(folder: Path, tmp_path: Path, *extra: Path) -> str:
    """What the folder's own test prints on the host, which must be a pass."""
    host = load_isa("host")
    program = select("zig", host).link(compiled(folder, "zig", host, tmp_path / "obj", *extra), tmp_path / "program")
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("isa", CORES)
@pytest.mark.parametrize("make", [lambda: ds_cnn(5), two_by_two], ids=["ds_cnn", "two_by_two"])
def test_every_isa_proves_itself_on_the_host(make, isa: str, tmp_path: Path) -> None:
    export_c(make(), named_isa(isa), "net", tmp_path / "c")
    assert proved(tmp_path / "c", tmp_path) == "net: pass\n"


@pytest.mark.parametrize(("make", "overlap"), [(frames, 1), (lambda: ds_cnn(5), 0)], ids=["frames", "rows"])
def test_a_streamed_network_proves_itself(make, overlap: int, tmp_path: Path) -> None:
    """Windows that overlap by all but one frame, and whole inputs that are handed over row by row."""
    done = export_c(make(), named_isa("armv7e-m"), "m", tmp_path / "c", stream=True)
    assert done.windows.overlap == overlap
    assert f"#define M_WINDOWS_OVERLAP {overlap}\n" in (tmp_path / "c" / "m.h").read_text()
    assert proved(tmp_path / "c", tmp_path) == "m: pass\n"


def test_a_wrong_weight_is_noticed(tmp_path: Path) -> None:
    export_c(two_by_two(), named_isa("portable"), "m", tmp_path / "c")
    source = tmp_path / "c" / "m.c"
    text = source.read_text()
    weights = re.search(r"m_w_\w+\[\d+\][^{]*\{\s*(-?\d+)", text)
    wrong = str(-100 if int(weights[1]) > 0 else 100)
    source.write_text(text[: weights.start(1)] + wrong + text[weights.end(1) :])
    with pytest.raises(subprocess.CalledProcessError) as failed:
        proved(tmp_path / "c", tmp_path)
    assert failed.value.returncode == 1 and failed.value.stdout == "m: FAIL\n"


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("cpu", CPUS)
def test_no_compiler_warns(cpu: str, compiler: str, tmp_path: Path) -> None:
    """The SIMD kernels and the plain ones, each for every core."""
    for isa in ("armv7e-m", "portable"):
        export_c(two_by_two(), named_isa(isa), "m", tmp_path / isa)
        assert len(compiled(tmp_path / isa, compiler, load_isa(cpu), tmp_path / "obj")) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_only_the_headers_that_every_compiler_has_are_included(stream: bool, tmp_path: Path) -> None:
    export_c(frames(), named_isa("armv7e-m"), "m", tmp_path, stream=stream)
    own = {p.name for p in tmp_path.rglob("*.h")}
    for file in (*tmp_path.rglob("*.h"), *tmp_path.rglob("*.c")):
        text = file.read_text()
        assert set(re.findall(r"#include <([^>]+)>", text)) <= ALLOWED, file
        assert {Path(name).name for name in re.findall(r'#include "([^"]+)"', text)} <= own, file
        assert not re.search(r"\b(malloc|calloc|realloc|alloca)\b", text), file


@pytest.mark.parametrize("stream", [False, True])
def test_global_symbols_and_weights_carry_the_name(stream: bool, tmp_path: Path) -> None:
    done = export_c(frames(), named_isa("armv7e-m"), "net", tmp_path / "c", stream=stream)
    names, weights = set(), 0
    for path in compiled(tmp_path / "c", "zig", load_isa("cortex-m4"), tmp_path / "obj"):
        with path.open("rb") as file:
            for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
                defined = symbol["st_shndx"] != "SHN_UNDEF"
                if defined and symbol["st_info"]["bind"] == "STB_GLOBAL":
                    names.add(symbol.name)
                if defined and symbol.name.startswith("net_w_"):
                    weights += symbol["st_size"]
    calls = {"net_reset", "net_push"} if stream else {"net_input", "net_invoke"}
    assert names == {"net_output", *calls, "net_test", "main"}
    # A compiler may see that all values of a small array are equal, and need no array.
    assert 0.9 * done.weight_bytes < weights <= done.weight_bytes


def test_two_networks_link_into_one_image(tmp_path: Path) -> None:
    export_c(ds_cnn(5), named_isa("armv7e-m"), "one", tmp_path / "one")
    export_c(two_by_two(), named_isa("portable"), "two", tmp_path / "two")
    both, host = tmp_path / "both.c", load_isa("host")
    write_text(both, "int one_test(void);\nint two_test(void);\nint main(void) { return one_test() + two_test(); }\n")
    tool, objects = select("zig", host), []
    for name in ("one", "two"):
        sources = [Object(s, (f"-D{name.upper()}_TEST_NO_MAIN",)) for s in sorted((tmp_path / name).glob("*.c"))]
        objects += tool.compile(sources, tmp_path / "obj", include_dirs=[tmp_path / name])
    program = tool.link([*objects, *tool.compile([Object(both)], tmp_path / "obj")], tmp_path / "program")
    said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert said == "one: pass\ntwo: pass\n"


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        export_c(ds_cnn(5), named_isa("armv7e-m"), "m", folder)
        texts.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert texts[0] == texts[1]


def test_an_earlier_export_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    export_c(ds_cnn(5), named_isa("armv7e-m"), "m", folder)
    export_c(two_by_two(), named_isa("portable"), "n", folder)
    assert {p.name for p in folder.glob("*.c")} == {"n.c", "n_test.c"}
    listed = json.loads((folder / MARKER).read_text())["files"]
    assert sorted(listed) == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    (folder / "n_test").write_text("as `cc n.c n_test.c -o n_test` leaves it")
    export_c(two_by_two(), named_isa("portable"), "n", folder)
    assert not (folder / "n_test").exists()
    (folder / "kernels" / "mine.h").write_text("")
    with pytest.raises(ProjectError, match="no export wrote") as refused:
        export_c(ds_cnn(5), named_isa("armv7e-m"), "m", folder)
    assert refused.value.details == ("kernels/mine.h",)
    assert (folder / "n.c").is_file()


@pytest.mark.parametrize("name", ["", "M", "1m", "a-b", "stdint", "arm_acle", "tm", "m" * 41, "m\n"])
def test_names_that_c_cannot_have_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        export_c(ds_cnn(5), named_isa("portable"), name, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_the_inline_functions_round_as_litert_does(tmp_path: Path) -> None:
    builder = GraphBuilder("borders")
    x = builder.input("x", TensorType((1, 4), "int8", QuantParams((0.1,), -5)))
    graph = builder.build(builder.add("y", Add(QuantParams((0.25,), 3)), x, x))
    export_c(graph, named_isa("portable"), "m", tmp_path / "c")
    wrapper = tmp_path / "wrapper.c"
    wrapper.write_text('#include "m.h"\nvoid border(const float *, int8_t *, float *, int);\n'
                       "void border(const float *real, int8_t *in, float *out, int n) { for (int i = 0; i < n; i++) {\n"
                       "in[i] = m_input_quantize(real[i]); out[i] = m_output_dequantize(in[i]); } }\n")  # fmt: skip
    import ctypes

    border = ctypes.CDLL(str(host_library("border", [wrapper], include_dirs=[tmp_path / "c"]))).border
    scale = np.float32(0.1)
    ties = (np.arange(-140, 140, dtype=np.float32) + np.float32(0.5)) * scale
    real = np.concatenate([ties, np.linspace(-15, 15, 4001, dtype=np.float32),
                           np.float32([np.inf, -np.inf, 1e30, -1e30, 0.049999997, -0.0])])  # fmt: skip
    found, back = np.empty(real.size, np.int8), np.empty(real.size, np.float32)
    border(*(a.ctypes.data_as(ctypes.c_void_p) for a in (real, found, back)), real.size)
    scaled = (real / scale).astype(np.float64)
    rounded = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)  # exact in float64
    np.testing.assert_array_equal(found, np.clip(rounded - 5, -128, 127))
    np.testing.assert_array_equal(back, np.float32(0.25) * (found.astype(np.int32) - 3).astype(np.float32))


def test_the_command_exports_and_says_so(repository: Path, tmp_path: Path) -> None:
    network = repository / "tests" / "firmware" / "networks" / "digits.tir"
    command = [sys.executable, "-m", "tinyml.cli.main", "export", str(network), "--isa", "rv32", "--name", "digits",
               "--json", str(tmp_path / "c")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["name"] == "digits" and said["isa"] == "rv32" and "digits_test.c" in said["files"]
    wrong = subprocess.run([*command, "--format", "rust"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "no format `rust`" in wrong.stderr


@pytest.mark.shared
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_the_independent_judge_accepts_an_export(compiler: str, shared_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    if shutil.which("cc") is None or (compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None):
        pytest.skip("needs a host C compiler named cc, and arm-none-eabi-gcc for gcc")
    from tinyml.importers import load_model

    model = shared_dir / "models" / "mlperf_ad.tflite"
    export_c(load_model(model), named_isa("armv7e-m"), "m", tmp_path)
    judge = [sys.executable, str(shared_dir / "tools" / "judge_engine.py"), str(model), str(tmp_path), "--cc", compiler]
    done = subprocess.run([*judge, "--inputs", "6"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[0])["exact"] is True
