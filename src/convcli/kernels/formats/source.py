"""Python source that makes the kernel with NumPy or torch. It is read, never run."""

import ast
from typing import Any

from convcli.errors import KernelError
from convcli.kernels.formats.base import TextFormat, fail, nested, over_divisor, plain
from convcli.kernels.formats.json_text import kernel_of
from convcli.kernels.kernel import Kernel

_MAKERS = ("array", "asarray", "tensor")


def _source(kernel: Kernel, module: str, maker: str, use: str) -> str:
    numbers, divisor = over_divisor(kernel)
    rows = nested(numbers, step="    ", last=",")
    over = "" if divisor == 1 else f" / {plain(divisor)}"
    about = f"{kernel.name}: {kernel.description}" if kernel.description else kernel.name
    short = maker.partition(".")[0]
    text = [
        f"# {' '.join(about.split())}",
        f"# {use}",
        f"import {module}" + (f" as {short}" if short != module else ""),
        "",
        f"weights = {maker}({rows}, dtype={short}.float64){over}",
    ]
    if kernel.bias:
        values = ", ".join(plain(value) for value in kernel.bias)
        text.append(f"bias = {maker}([{values}], dtype={short}.float64)")
    return "\n".join([*text, ""])


def _parse(text: str) -> Kernel:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        fail(f"line {line}", "not Python source", "mend it there")
    values: dict[str, Any] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name):
            values[target.id] = node.value
    if "weights" not in values:
        fail("", "expected an assignment 'weights = …', got none", "name the array weights")
    weights, divisor = _parts(values["weights"])
    document = {"weights": weights, "divisor": divisor}
    if "bias" in values:
        document["bias"] = _parts(values["bias"])[0]
    return kernel_of(document)


def _parts(node: ast.expr) -> tuple[object, object]:
    """Return the literal within ``np.array(literal, …) / divisor``, and the divisor."""
    divisor: object = 1
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        divisor = _literal(node.right)
        node = node.left
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _MAKERS and node.args:
        node = node.args[0]
    return _literal(node), divisor


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        fault = "expected plain numbers, as np.array([[1, 2], [3, 4]]), got other code"
        raise KernelError(f"line {node.lineno}: {fault}: write the numbers out") from None


def _numpy(kernel: Kernel) -> str:
    use = "scipy.ndimage.correlate slides a 2-D kernel as it is written here."
    return _source(kernel, "numpy", "np.array", use)


def _torch(kernel: Kernel) -> str:
    bank = "weights" if kernel.is_bank else "weights[None, None]"
    use = f"torch.nn.functional.conv2d(images, {bank}, padding='same') slides it as written."
    return _source(kernel, "torch", "torch.tensor", use)


NUMPY = TextFormat(
    "numpy", "Python source with NumPy", (".py",), lambda text: "array(" in text, _parse, _numpy
)
TORCH = TextFormat(
    "torch",
    "Python source with torch",
    (),
    lambda text: "torch.tensor(" in text,
    _parse,
    _torch,
)
