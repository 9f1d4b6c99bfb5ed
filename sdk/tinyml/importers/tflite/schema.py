"""Numbers of the TFLite schema, version 3: operator codes, tensor types, and the fields of the tables that are read.

A field's value is its index in the table, as in the schema's order of declaration.
Source: tensorflow/lite/schema/schema.fbs (schema version 3).
"""

from __future__ import annotations

from enum import IntEnum

IDENTIFIER = b"TFL3"
VERSION = 3

TENSOR_TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64",
    "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16", "int2", "uint4",
    "float8_e4m3fn", "float8_e5m2",
)  # fmt: skip

OPERATORS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP",
    "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
    "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE", "SIN",
    "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT", "RSQRT",
    "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR", "ONE_HOT",
    "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE", "ZEROS_LIKE", "FILL",
    "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE", "MIRROR_PAD", "ABS",
    "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK", "ELU",
    "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D", "CONV_3D",
)  # fmt: skip
"""Operator names by code; later codes are shown as `operator 133`."""

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
PADDINGS = ("SAME", "VALID")


class Model(IntEnum):
    version, operator_codes, subgraphs, description, buffers = range(5)


class OperatorCode(IntEnum):
    deprecated_builtin_code, custom_code, version, builtin_code = range(4)


class SubGraph(IntEnum):
    tensors, inputs, outputs, operators, name = range(5)


class Tensor(IntEnum):
    shape, type, buffer, name, quantization, is_variable, sparsity, shape_signature = range(8)


class Quantization(IntEnum):
    min, max, scale, zero_point, details_type, details, quantized_dimension = range(7)


class Buffer(IntEnum):
    data, offset, size = range(3)


class Operator(IntEnum):
    opcode_index, inputs, outputs, builtin_options_type, builtin_options = range(5)


class Options(IntEnum):
    """Members of the union `BuiltinOptions`."""

    none = 0
    conv2d = 1
    depthwise_conv2d = 2
    pool2d = 5
    fully_connected = 8
    softmax = 9
    concatenation = 10
    add = 11
    resize_bilinear = 15
    reshape = 17
    mul = 21
    reducer = 27
    sub = 28
    squeeze = 30
    strided_slice = 32
    split = 35
    resize_nearest_neighbor = 74
    leaky_relu = 75
    split_v = 79


class Conv2D(IntEnum):
    padding, stride_w, stride_h, activation, dilation_w, dilation_h = range(6)


class DepthwiseConv2D(IntEnum):
    padding, stride_w, stride_h, depth_multiplier, activation, dilation_w, dilation_h = range(7)


class Pool2D(IntEnum):
    padding, stride_w, stride_h, filter_w, filter_h, activation = range(6)


class FullyConnected(IntEnum):
    activation, weights_format, keep_num_dims = range(3)


class Elementwise(IntEnum):
    """Options of ADD, SUB and MUL."""

    activation = 0


class Concatenation(IntEnum):
    axis, activation = range(2)


class Reducer(IntEnum):
    keep_dims = 0


class StridedSlice(IntEnum):
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask, offset = range(6)


class ResizeBilinear(IntEnum):
    new_height, new_width, align_corners, half_pixel_centers = range(4)


class ResizeNearest(IntEnum):
    align_corners, half_pixel_centers = range(2)


class Reshape(IntEnum):
    new_shape = 0


class Squeeze(IntEnum):
    squeeze_dims = 0


class Softmax(IntEnum):
    beta = 0


class LeakyRelu(IntEnum):
    alpha = 0
