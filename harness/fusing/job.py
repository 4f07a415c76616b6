"""What the fuse stage does in the process that it supervises: load a method and run it."""

from pathlib import Path
from typing import Any

import torch

from harness.errors import HarnessError, MethodFailure, StorageError
from harness.fusing.command import write_external_stack
from harness.fusing.cost import cost
from harness.fusing.inference import load_method, write_fused_stack
from harness.machine.device import choose_device, make_deterministic
from harness.machine.isolation import Beat
from harness.methods.spec import MethodSpec
from harness.methods.weights import choose_weights
from harness.tiles.store import TileStore


def fuse(spec: MethodSpec, store: TileStore, arguments: Any, beat: Beat) -> dict[str, Any]:
    """Fuse all test tiles into `arguments.output` and give the details of the record.

    Args:
        spec: the method.
        store: the tiles.
        arguments: of the fuse stage.
        beat: called after every few tiles.

    Raises:
        MethodFailure: if the method fails, or its weights cannot be had or do not fit.
        HarnessError: if the device is not there or the disk refuses the stack.
    """
    make_deterministic(arguments.seed, arguments.threads)
    device = choose_device(spec.device_for(arguments.device))
    try:
        return {"device": str(device), **_fuse(spec, store, device, arguments, beat)}
    except StorageError:
        raise
    except HarnessError as error:
        # Weights that cannot be had fail this method alone, as a broken contract does.
        raise MethodFailure(str(error)) from error


def _fuse(
    spec: MethodSpec, store: TileStore, device: torch.device, arguments: Any, beat: Beat
) -> dict[str, Any]:
    output, stretch = arguments.output, arguments.stretch
    names, pairs = store.names("test"), store.test
    if spec.command:
        write_external_stack(output, spec, stretch, pairs, names, device, arguments.threads, beat)
        return {}
    weights = choose_weights(
        spec,
        checkpoint=arguments.checkpoint,
        file=None if arguments.weights == "official" else Path(arguments.weights),
        mirrors=arguments.mirror,
    )
    method = load_method(spec, device, weights.path if weights else None, len(store.classes))
    timer = write_fused_stack(output, spec, method, stretch, pairs, names, device, beat)
    height, width = pairs.tiles.shape[2:]
    return {
        "milliseconds_an_image": timer.milliseconds_an_image(),
        "weights": weights.record() if weights else None,
        **cost(method, (height, width), device),
    }
