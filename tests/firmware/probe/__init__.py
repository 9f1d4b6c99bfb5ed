"""A debug probe for pyOCD whose far end is an emulated nRF52840."""
