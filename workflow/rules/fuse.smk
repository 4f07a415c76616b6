def checkpoint_of(wildcards):
    """The checkpoint that a run needs: none unless its method is trained here."""
    method = method_of(wildcards)
    if not BENCHMARK.is_trained(method):
        return []
    return f"results/{wildcards.dataset}/{method}/seed{wildcards.seed}/checkpoint.pt"


def training_record_of(wildcards):
    """The record beside the checkpoint."""
    trained = checkpoint_of(wildcards)
    return str(Path(trained).with_name("training.json")) if trained else []


rule fuse:
    input:
        tiles="results/{dataset}/tiles/prepare.json",
        weights=checkpoint_of,
        training=training_record_of,
        code=code_of("harness.stages.fuse"),
        method=method_code,
    output:
        fused="results/{dataset}/{row}/seed{seed}/fused.npy",
        record="results/{dataset}/{row}/seed{seed}/fused.json",
    log:
        "logs/fuse/{dataset}.{row}.seed{seed}.log",
    params:
        folder=subpath(input.tiles, parent=True),
        method=lambda wildcards: method_of(wildcards),
        stretch=lambda wildcards: Row.parse(wildcards.row).stretch,
        options=lambda wildcards: options_of(method_of(wildcards)),
        trained=lambda wildcards, input: (
            f"--checkpoint {input.weights}" if input.weights else ""
        ),
        device=DEVICE,
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "python -m harness.stages.fuse --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} --stretch {params.stretch} {params.trained}"
        " --seed {wildcards.seed} --device {params.device} --threads {threads}"
        " --output {output.fused} > {log} 2>&1"
