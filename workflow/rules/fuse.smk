rule fuse:
    input:
        tiles=read("fuse", "results/{dataset}/tiles/prepare.json"),
        weights=read("fuse", lambda wildcards: trained(wildcards, "checkpoint.pt")),
        training=read("fuse", lambda wildcards: trained(wildcards, "training.json")),
    output:
        fused="results/{dataset}/{row}/seed{seed}/fused.npy",
        record=report(
            "results/{dataset}/{row}/seed{seed}/fused.json",
            caption="../report/fusing.rst",
            category="Records",
        ),
    log:
        "logs/fuse/{dataset}.{row}.seed{seed}.log",
    group:
        group_of
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=gpu_of,
        mirrors=MIRRORS,
        timeout=TIMEOUT,
        include=INCLUDE,
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        asked=asked("fuse"),
        folder=subpath(input.tiles, parent=True),
        method=lambda wildcards: spec_of(wildcards).name,
        stretches=stretches_of,
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        trained=lambda wildcards, input: (
            f"--checkpoint {input.weights}" if input.weights else ""
        ),
        weights=lambda wildcards: BENCHMARK.weights_file(wildcards.row),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.fuse --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} --stretch {params.stretches} {params.trained}"
        " --weights {params.weights:q} {resources.mirrors} {resources.timeout} {resources.include}"
        " --seed {wildcards.seed} --device {params.device} --threads {threads}"
        " --asked {params.asked:q} --output {output.fused} > {log} 2>&1"
