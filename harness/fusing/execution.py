"""Execute one fusing job in the process that the fuse stage supervises."""

from typing import Any

import torch

from harness.errors import HarnessError, MethodFailure, StorageError
from harness.fusing.command import write_command_stack
from harness.fusing.cost import inference_cost
from harness.fusing.inference import load_method, write_fused_stack
from harness.fusing.job import FusingJob
from harness.fusing.publishing import write_published_stack
from harness.fusing.windows import fit
from harness.machine.device import choose_device, make_deterministic
from harness.machine.isolation import Heartbeat
from harness.methods.weights import choose_weights
from harness.pixels import PUBLISHED


def fuse(job: FusingJob, heartbeat: Heartbeat) -> dict[str, Any]:
    """Fuse all test tiles into `job.outputs` and return the details of the record.

    Raises:
        MethodFailure: if the method fails, or its weights are not available or do not fit.
        HarnessError: if the device does not exist or the disk refuses the stack.
    """
    make_deterministic(job.seed, job.threads)
    device = choose_device(job.spec.device_for(job.device))
    try:
        return {"device": str(device), **_fuse(job, device, heartbeat)}
    except StorageError:
        raise
    except HarnessError as error:
        # Missing weights fail only this method, just as a broken contract does.
        raise MethodFailure(str(error)) from error


def _fuse(job: FusingJob, device: torch.device, heartbeat: Heartbeat) -> dict[str, Any]:
    if job.spec.command:
        write_command_stack(job, device, heartbeat)
        return {}
    weights = choose_weights(
        job.spec, checkpoint=job.checkpoint, file=job.weights, mirrors=job.mirrors
    )
    method = load_method(job.spec, device, weights.path if weights else None, job.classes)
    parts = fit(job.spec, method, job.pairs.sizes, device)
    timer = write_fused_stack(job, method, device, heartbeat)
    if PUBLISHED in job.outputs:
        write_published_stack(job, method, device, heartbeat)
    return {
        "milliseconds_per_image": timer.milliseconds_per_image(),
        "weights": weights.record() if weights else None,
        **parts,
        **inference_cost(method, job.pairs.largest, device),
    }
