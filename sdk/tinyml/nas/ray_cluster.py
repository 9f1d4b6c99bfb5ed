"""A Ray cluster as a backend of joblib. Imports ray, an extra; `nas.evaluation` imports this when asked for it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayActorError, WorkerCrashedError
from ray.util.joblib.ray_backend import RayBackend

from tinyml.errors import ProjectError
from tinyml.nas.evaluation import Lost

CONNECT_TIMEOUT_S = 10


class KeepingRayBackend(RayBackend):
    """joblib's backend of Ray, except that results come one by one, and that the death of an actor costs the tasks that
    it had, and those it is given until Ray has started it again: they result in `Lost`, and the others go on."""

    supports_return_generator = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, ray_remote_args={"max_restarts": -1, "max_task_retries": 0})

    def retrieve_result_callback(self, result: Any) -> Any:
        """A batch of one task, as `batch_size=1` makes them."""
        if isinstance(result, RayActorError | WorkerCrashedError):
            return [Lost()]
        return super().retrieve_result_callback(result)


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """Connect to the cluster at `address` (None: to RAY_ADDRESS, else to one started for the purpose) unless the
    process is connected already, and give the number of workers to use: `workers`, at most the CPUs there.

    Raises: ProjectError when there is no cluster at the address, or it has one CPU only.
    """
    ours = not ray.is_initialized()
    if ours:
        try:
            _reach(address)
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise ProjectError(f"there is no Ray cluster at `{address or 'RAY_ADDRESS'}`: {error}",
                               hint="start one: `ray start --head`, or leave the address out") from error  # fmt: skip
    try:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if cpus < 2:
            raise ProjectError("the Ray cluster has one CPU only", hint="add nodes, or take `--backend processes`")
        yield min(workers or cpus, cpus)
    finally:
        if ours:
            ray.shutdown()


def _reach(address: str | None) -> None:
    """Raises: OSError if nobody listens at HOST:PORT or ray://HOST:PORT: `ray.init` would try for many minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
