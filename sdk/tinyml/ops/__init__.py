"""Operators: one module each, with its C kernels beside it. Importing this package registers them all."""

from tinyml.ops.add import Add
from tinyml.ops.average_pool2d import AveragePool2d
from tinyml.ops.conv2d import Conv2d
from tinyml.ops.depthwise_conv2d import DepthwiseConv2d
from tinyml.ops.fully_connected import FullyConnected
from tinyml.ops.mean import Mean
from tinyml.ops.reshape import Reshape
from tinyml.ops.softmax import Softmax

__all__ = ["Add", "AveragePool2d", "Conv2d", "DepthwiseConv2d", "FullyConnected", "Mean", "Reshape", "Softmax"]
