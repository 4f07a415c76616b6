"""Each control of the semantics takes away exactly what its name says, and nothing else."""

import numpy as np
import pytest
import torch
import yaml

from harness.benchmark import Benchmark
from harness.disk.schema import ROOT, read_yaml
from harness.methods.contract import Batch
from harness.methods.recipe import Recipe
from harness.methods.spec import discover
from harness.training.engine import Task, Training
from reports.semantics import definitions
from segfanet.config import Config
from tests.helpers.project import tiny_config

FOUND = discover()
NAMED = [name for name, spec in FOUND.items() if spec.asked_by == "name"]
TILES = np.random.default_rng(0).integers(0, 256, (4, 5, 44, 48), dtype=np.uint8)
TILES[:, 4] %= 3


def build(name, **options):
    torch.manual_seed(1)
    return FOUND[name].load(**{"classes": 3, "width": 4, "pool": (6, 5, 4), **options})


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    pair = torch.rand(2, 2, 1, 44, 48, generator=generator)
    return Batch(*pair, torch.randint(0, 3, (2, 44, 48), generator=generator))


def trained(method, steps=3):
    names = [str(i) for i in range(len(TILES))]
    run = Training(method, Task(Recipe(steps=steps), TILES, names, torch.device("cpu")))
    for _ in range(steps):
        run.advance()
    return method


def changed(before, after):
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_the_network_as_it_is_learns_every_part():
    method = build("segfanet")
    before = state(method)
    moved = changed(before, state(trained(method)))
    for part in ("segmentation_encoder", "segmentation_decoder", "fusion_encoder", "head"):
        assert any(name.startswith(part) for name in moved), part


def test_without_the_segmentation_loss_there_is_no_term_and_no_gradient_of_its_decoder():
    method = build("segfanet_no_segmentation_loss")
    terms = method.training_loss(batch(0))
    assert set(terms) == {"fusion", "reconstruction"}
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for p in method.segmentation_decoder.parameters())
    assert method.segmentation_encoder[0].expand.weight.grad.any()
    assert method(batch(0).infrared, batch(0).visible).logits is not None, "it can be measured"


def test_a_frozen_encoder_has_no_gradient_and_keeps_its_random_weights():
    method = build("segfanet_frozen_encoder")
    torch.stack(list(method.training_loss(batch(0)).values())).sum().backward()
    assert all(p.grad is None for p in method.segmentation_encoder.parameters())
    before = state(method)
    moved = changed(before, state(trained(method)))
    assert moved
    assert not any(name.startswith("segmentation_encoder") for name in moved)
    same_start = state(build("segfanet"))
    frozen = state(build("segfanet_frozen_encoder"))
    assert not changed(same_start, frozen), "the weights are those that the others start with"


def test_f_r_from_noise_knows_nothing_of_the_images():
    method = build("segfanet_noise").eval()
    with torch.no_grad():
        first, second = (method(b.infrared, b.visible) for b in (batch(1), batch(2)))
        again = method(batch(1).infrared, batch(1).visible)
    for a, b in zip(first.aligned, second.aligned, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a[0], a[1]), "every image of a batch has the same noise"
        assert a.std() > 0
    assert not torch.equal(first.fused, second.fused), "the fusion encoder sees the images"
    assert torch.equal(first.fused, again.fused), "fusing repeats"
    for f_s, other in zip(first.segmentation, second.segmentation, strict=True):
        assert not torch.equal(f_s, other), "the segmentation sees the images"


def test_noise_is_new_in_every_training_step():
    method = build("segfanet_noise").train()
    found = [method(batch(1).infrared, batch(1).visible).aligned[0] for _ in range(2)]
    assert not torch.equal(*found)
    without = build("segfanet_noise", irm=False).train()
    output = without(batch(1).infrared, batch(1).visible)
    assert abs(float(output.aligned[0].std()) - 1) < 0.1


def test_f_f_in_the_place_of_f_r_cuts_the_semantics_off():
    method = build("segfanet_own_features").eval()
    pair = batch(1).infrared, batch(1).visible
    with torch.no_grad():
        before = method(*pair)
        for part in (method.segmentation_encoder, *(sinet.irm for sinet in method.sinets)):
            for parameter in part.parameters():
                parameter.add_(torch.randn(parameter.shape))
        after = method(*pair)
    assert torch.equal(before.fused, after.fused)
    assert not torch.equal(before.logits, after.logits)
    usual = build("segfanet").eval()
    with torch.no_grad():
        assert not torch.equal(usual(*pair).fused, before.fused)


def test_permuted_labels_are_a_key_of_the_recipe_alone():
    spec = FOUND["segfanet_permuted_labels"]
    assert spec.options == FOUND["segfanet"].options
    assert spec.train == {**FOUND["segfanet"].train, "permute_labels": True}


@pytest.mark.parametrize("width", [4, 8, 12, 16, 20, 32, 64])
def test_one_wide_sinet_has_the_parameters_of_three(width):
    def count(name):
        return sum(p.numel() for p in build(name, width=width).parameters())

    wide, three, one = (count(n) for n in ("segfanet_1sinet_wide", "segfanet", "segfanet_1sinet"))
    assert one < 0.7 * three
    assert abs(wide / three - 1) < 0.05
    assert len(build("segfanet_1sinet_wide", width=width).sinets) == 1


def test_widening_draws_no_random_number():
    torch.manual_seed(3)
    build("segfanet_1sinet_wide")
    torch.manual_seed(3)
    expected = build("segfanet_1sinet", width=5)
    assert not changed(state(expected), state(build("segfanet_1sinet_wide")))


@pytest.mark.parametrize("options", [{"semantics": "none"}, {"capacity": 4}, {"capacity": -1}])
def test_unknown_controls_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        Config(**options)


def test_controls_run_only_where_they_are_named():
    config = yaml.safe_load(tiny_config(ablations=True))
    for methods in (config["methods"], None):
        rows = Benchmark({**config, "methods": methods}).rows("town")
        assert not {row.name for row in rows} & set(NAMED)
    named = ["segfanet", *NAMED]
    config["datasets"]["town"]["ablations"] = False
    benchmark = Benchmark({**config, "methods": named})
    assert [row.name for row in benchmark.rows("town") if row.raw] == named
    assert benchmark.methods["segfanet_1sinet_wide"].options["width"] == 4
    assert benchmark.methods["segfanet_permuted_labels"].train["permute_labels"] is True
    alone = Benchmark({**config, "methods": ["segfanet_noise", "average"]})
    assert {row.name for row in alone.rows("town") if row.raw} == {"segfanet_noise", "average"}


def test_the_configuration_of_the_controls_names_all_that_the_report_judges():
    config = read_yaml(ROOT / "config" / "semantics.yaml")
    judged = [method for several in definitions().values() for method, _ in several]
    assert judged == NAMED
    assert set(NAMED) <= set(config["methods"])
    assert len(config["seeds"]) > 1
    shown = read_yaml(ROOT / "config" / "config.yaml")["overrides"]["segfanet"]
    assert config["overrides"]["segfanet"] == shown, "it trains as the demonstration does"
    for name in ("semantics", "config", "tiles", "paper", "cwfid"):
        base = read_yaml(ROOT / "config" / f"{name}.yaml")
        benchmark = Benchmark({**base, "methods": config["methods"], "seeds": config["seeds"]})
        for dataset in benchmark.datasets:
            assert set(NAMED) <= {row.name for row in benchmark.rows(dataset)}
