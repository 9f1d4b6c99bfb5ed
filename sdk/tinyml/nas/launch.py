"""Training on a CPU, a GPU or several of either, by one path: Lightning Fabric starts the processes.

Gradients are averaged once a step instead of by a wrapper around the module: which weights a step of a supernet
touches changes from step to step, and a step has several backward passes.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.multiprocessing import ProcessRaisedException

from tinyml.errors import Progress, ProjectError, TinymlError


def fabric_for(accelerator: str, devices: int) -> Fabric:
    """`accelerator`: "cpu", "cuda" or "auto" (CUDA when there); `devices` 0: every GPU, or one process on the CPU.

    GPUs that compute in bfloat16 train with mixed precision. Raises: ProjectError for a device that is absent.
    """
    there = torch.cuda.device_count()
    if accelerator not in ("auto", "cpu", "cuda") or (accelerator == "cuda" and not there):
        raise ProjectError(f"there is no accelerator `{accelerator}` to train on", hint='use "auto" or "cpu"')
    if accelerator == "cpu" or not there:
        count = devices or 1
        return Fabric(accelerator="cpu", devices=count, strategy="ddp_spawn" if count > 1 else "auto")
    if devices > there:
        raise ProjectError(f"{devices} GPUs are wanted and there are {there}", hint="use 0 for all there are")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic products, read when CUDA starts
    mixed = torch.cuda.is_bf16_supported(including_emulation=False)
    count = devices or there
    return Fabric(accelerator="cuda", devices=count, strategy="ddp_spawn" if count > 1 else "auto",
                  precision="bf16-mixed" if mixed else "32-true")  # fmt: skip


def launch(fabric: Fabric, function: Callable[..., Any], task: Any, progress: Progress) -> Any:
    """`function(fabric, task, progress)` in every process; what it returned in the first one.

    With several processes all three must be picklable but `progress`, which is called here.
    Raises: the TinymlError that a process raised.
    """
    if fabric.world_size == 1:
        return fabric.launch(function, task, progress)
    events = multiprocessing.get_context("spawn").SimpleQueue()
    errors: list[TinymlError] = []

    def listen() -> None:
        while (event := events.get()) is not None:
            if isinstance(event, TinymlError):
                errors.append(event)
            else:
                progress(*event)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        work = partial(_reporting, function=function, task=task, events=events)  # Fabric walks through plain arguments
        return fabric.launch(work)
    except ProcessRaisedException as error:
        events.put(None)
        listener.join()
        raise (errors[0] if errors else error) from None
    finally:
        if listener.is_alive():
            events.put(None)
            listener.join()


def _reporting(fabric: Fabric, function: Callable[..., Any], task: Any, events: Any) -> Any:
    """In a process of its own: progress of the first one and errors go through `events`."""

    def progress(*event: object) -> None:
        if fabric.is_global_zero:
            events.put(event)

    try:
        return function(fabric, task, progress)
    except TinymlError as error:
        events.put(error)
        raise


def average_gradients(fabric: Fabric, parameters: Iterable[torch.nn.Parameter], loss: float) -> float:
    """Replace all gradients by their means over the processes; returns the mean of `loss`."""
    if fabric.world_size == 1:
        return loss
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([torch.tensor([loss], device=fabric.device), *(g.flatten() for g in gradients)])
    flat = fabric.all_reduce(flat, reduce_op="mean")
    for gradient, part in zip(gradients, flat[1:].split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
    return float(flat[0])
