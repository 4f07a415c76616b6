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
    wildcard_constraints:
        row=RUN_FUSED,
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
        colour=colour_of,
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        trained=lambda wildcards, input: (
            f"--checkpoint {input.weights}" if input.weights else ""
        ),
        weights=lambda wildcards: BENCHMARK.weights_file(wildcards.row),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.fuse --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} --stretch {params.stretches} {params.trained}"
        " --colour {params.colour}"
        " --weights {params.weights:q} {resources.mirrors} {resources.timeout} {resources.include}"
        " --seed {wildcards.seed} --device {params.device} --threads {threads}"
        " --asked {params.asked:q} --output {output.fused} > {log} 2>&1"


rule take:
    input:
        tiles=read("fuse", "results/{dataset}/tiles/prepare.json"),
    output:
        fused="results/{dataset}/{row}/seed{seed}/fused.npy",
        record=report(
            "results/{dataset}/{row}/seed{seed}/fused.json",
            caption="../report/fusing.rst",
            category="Records",
        ),
    log:
        "logs/take/{dataset}.{row}.seed{seed}.log",
    wildcard_constraints:
        row=RUN_GIVEN,
    group:
        group_of
    conda:
        "../../environment.yml"
    resources:
        mirrors=MIRRORS,
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        asked=asked("fuse"),
        folder=subpath(input.tiles, parent=True),
        images=given_of,
        colour=colour_of,
    shell:
        "python -P -m harness.stages.take --tiles {params.folder} {params.images}"
        " {resources.mirrors} --colour {params.colour}"
        " --asked {params.asked:q} --output {output.fused} > {log} 2>&1"
