"""Operators: one module each, with its C kernels beside it. Importing this package registers them all."""

from tinyml.ops.add import Add
from tinyml.ops.average_pool2d import AveragePool2d
from tinyml.ops.concat import Concat
from tinyml.ops.conv2d import Conv2d
from tinyml.ops.depthwise_conv2d import DepthwiseConv2d
from tinyml.ops.fully_connected import FullyConnected
from tinyml.ops.lookup import Lookup
from tinyml.ops.max_pool2d import MaxPool2d
from tinyml.ops.mean import Mean
from tinyml.ops.mul import Mul
from tinyml.ops.pad import Pad
from tinyml.ops.reshape import Reshape
from tinyml.ops.resize import ResizeBilinear, ResizeNearest
from tinyml.ops.shift_in import CountUp, ShiftIn
from tinyml.ops.slice import Slice
from tinyml.ops.softmax import Softmax
from tinyml.ops.sub import Sub
from tinyml.ops.transpose import Transpose

__all__ = [
    "Add", "AveragePool2d", "Concat", "Conv2d", "CountUp", "DepthwiseConv2d", "FullyConnected", "Lookup", "MaxPool2d",
    "Mean", "Mul", "Pad", "Reshape", "ResizeBilinear", "ResizeNearest", "ShiftIn", "Slice", "Softmax", "Sub",
    "Transpose",
]  # fmt: skip
