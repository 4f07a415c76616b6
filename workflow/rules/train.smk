rule train:
    input:
        tiles=read("train", "results/{dataset}/tiles/prepare.json"),
    output:
        weights="results/{dataset}/{row}/seed{seed}/checkpoint.pt",
        record="results/{dataset}/{row}/seed{seed}/training.json",
        losses=report(
            "results/{dataset}/{row}/seed{seed}/training_log.csv",
            caption="../report/training.rst",
            category="Training",
        ),
    log:
        "logs/train/{dataset}.{row}.seed{seed}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        gpu=gpus_of_training,
        timeout=TIMEOUT,
        include=INCLUDE,
        mem_mb=growing(8000),
        runtime=growing(1440),
    params:
        asked=asked("train"),
        folder=subpath(input.tiles, parent=True),
        method=lambda wildcards: spec_of(wildcards).name,
        options=lambda wildcards: as_json(spec_of(wildcards).options),
        recipe=lambda wildcards: as_json(spec_of(wildcards).train),
        device=DEVICE,
    shell:
        "python -P -m harness.stages.train --tiles {params.folder} --method {params.method}"
        " --options {params.options:q} --recipe {params.recipe:q} --seed {wildcards.seed}"
        " --device {params.device} --threads {threads} {resources.timeout} {resources.include}"
        " --asked {params.asked:q} --output {output.weights} > {log} 2>&1"
