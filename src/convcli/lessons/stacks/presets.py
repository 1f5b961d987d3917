"""Well-known networks as stacks. Data: the layers in the order in which torch runs them.

Sources: LeNet as in PyTorch's introductory tutorial (LeCun et al. 1998 with plain
pooling and full connections); AlexNet, VGG16 and ResNet18 as in torchvision.models.
"""


def _basic_block(filters: int, stride: int = 1) -> str:
    """Return ResNet's block of two 3×3 layers; a stride needs a 1×1 shortcut."""
    step = f",s{stride}" if stride > 1 else ""
    shortcut = f"shortcut conv:{filters},k1{step},nobias bn" if stride > 1 else ""
    return (
        f"residual conv:{filters},k3{step},p1,nobias bn relu "
        f"conv:{filters},k3,p1,nobias bn {shortcut} add relu"
    )


def _vgg_block(filters: int, layers: int) -> str:
    return f"conv:{filters},k3,p1 relu " * layers + "pool:2"


PRESETS: dict[str, tuple[str, str]] = {
    "lenet": (
        "32x32x1",
        "conv:6,k5 relu pool:2 conv:16,k5 relu pool:2 flatten fc:120 relu fc:84 relu fc:10",
    ),
    "alexnet": (
        "224x224x3",
        """conv:64,k11,s4,p2 relu pool:3,s2 conv:192,k5,p2 relu pool:3,s2 conv:384,k3,p1 relu
        conv:256,k3,p1 relu conv:256,k3,p1 relu pool:3,s2 adaptive:6 flatten dropout
        fc:4096 relu dropout fc:4096 relu fc:1000""",
    ),
    "vgg16": (
        "224x224x3",
        " ".join(
            _vgg_block(filters, layers)
            for filters, layers in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
        )
        + " adaptive:7 flatten fc:4096 relu dropout fc:4096 relu dropout fc:1000",
    ),
    "resnet18": (
        "224x224x3",
        "conv:64,k7,s2,p3,nobias bn relu pool:3,s2,p1 "
        + " ".join(
            f"{_basic_block(filters, stride)} {_basic_block(filters)}"
            for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2))
        )
        + " gap flatten fc:1000",
    ),
}
"""Name, size of the input (rows × columns × channels), layers."""
